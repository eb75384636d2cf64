"""The minimum of an objective: Newton steps where its derivatives are known, Minuit for the rest."""

from skyred.minimise.minuit import minimise
from skyred.minimise.newton import Descent, descend

__all__ = ["Descent", "descend", "minimise"]
