"""The minimum of an objective, its errors and profiles.

`minimise` finds the minimum and its covariance by Newton steps (`newton_search`) or with Minuit
(`minuit_rounds`). Both also search the pixel cells around small sources (`pixel_cells`). For
sources with sharp edges, such as disks, there is a separate search (`sharp_edge_search`). `profile`
computes the rise of the statistic around the minimum, with conditional fits of the other
parameters. `minos` computes asymmetric errors from profiles, and restarts the fit if a profile
falls below the minimum.
"""

from skyred.likelihood.minimise.newton import Descent, descend
from skyred.likelihood.minimise.search import minimise

__all__ = ["Descent", "descend", "minimise"]
