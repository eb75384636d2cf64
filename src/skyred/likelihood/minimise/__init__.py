"""The minimum of an objective, its errors and profiles.

`minimise` finds the minimum and its covariance: by Newton steps (`newton_search`) or by Minuit
(`minuit_rounds`), both with a search of the pixels around small sources (`pixel_cells`). `profile`
follows the statistic away from it, with conditional fits of the other parameters. `minos` finds
asymmetric errors so, and begins again from lower values.
"""

from skyred.likelihood.minimise.newton import Descent, descend
from skyred.likelihood.minimise.search import minimise

__all__ = ["Descent", "descend", "minimise"]
