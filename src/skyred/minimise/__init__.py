"""The minimum of an objective: Newton steps where it has derivatives, Minuit for the rest."""

from skyred.minimise.newton import Descent, descend
from skyred.minimise.search import minimise

__all__ = ["Descent", "descend", "minimise"]
