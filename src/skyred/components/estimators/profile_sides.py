"""The two sides of a likelihood profile, which are computed separately."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from skyred.components.estimators.parameters import TemporaryFit

    Array = NDArray[np.float64]


@attrs.frozen(eq=False)
class ProfileSide:
    """One side of a profile; its numbers do not depend on the other side.

    Parameters
    ----------
    index : int
        Index of the parameter.
    side : {-1, 1}
        The side: below or above the best value.
    values : array
        Values of the parameter on this side, shape (m,).
    sigmas : sequence of float
        Confidence levels of the asymmetric errors, in sigma.
    """

    index: int
    side: int
    values: Array
    sigmas: Sequence[float]


@attrs.frozen(eq=False)
class ComputedSide:
    """The results for one side of a profile.

    Parameters
    ----------
    stat : array
        The statistic at each value, shape (m,); NaN if the fit of the other parameters failed.
    errors : list of float
        The asymmetric error for each sigma; NaN if the statistic does not rise that much.
    """

    stat: Array
    errors: list[float]


def compute_side(refit: TemporaryFit, side: ProfileSide) -> ComputedSide:
    """Compute one side of a profile.

    Parameters
    ----------
    refit : TemporaryFit
        The fit.
    side : ProfileSide
        The side.

    Returns
    -------
    ComputedSide
        The statistic and the errors.
    """
    from skyred.likelihood.minimise.conditional_fit import ConditionalFit
    from skyred.likelihood.minimise.profile import asymmetric_error, profile

    conditional_fit = ConditionalFit(refit.objective, refit.fit_result, [side.index])
    stat = profile(conditional_fit, side.values).stat
    errors = [asymmetric_error(conditional_fit, side.side, sigma) for sigma in side.sigmas]
    return ComputedSide(stat, errors)
