"""Fitters: `newton`, `minuit`, and the fit backends of gammapy."""

from skyred.components.fitters.backends import GammapyFit

__all__ = ["GammapyFit"]
