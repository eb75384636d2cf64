"""Exporting: a pipeline as a plain gammapy script."""

from skyred.exporting.whole import export

__all__ = ["export"]
