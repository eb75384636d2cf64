"""Fitters around gammapy: those that its fits can be made with."""

from skyred.components.fitters.backends import GammapyFit

__all__ = ["GammapyFit"]
