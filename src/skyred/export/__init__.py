"""Export of a pipeline as a plain gammapy script."""

from skyred.export.exporter import export

__all__ = ["export"]
