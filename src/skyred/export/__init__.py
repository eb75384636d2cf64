"""Export of a pipeline as a plain gammapy script."""

from skyred.export.whole import export

__all__ = ["export"]
