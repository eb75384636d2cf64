"""Fitters: `newton`, `minuit`, and the fit backends of gammapy."""

from skyred.components.fitters.backends import GammapyFit
from skyred.components.fitters.confidence import Confidence

__all__ = ["Confidence", "GammapyFit"]
