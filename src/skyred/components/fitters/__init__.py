"""Fitters: skyred's own, and gammapy's backends."""

from skyred.components.fitters.backends import GammapyFit

__all__ = ["GammapyFit"]
