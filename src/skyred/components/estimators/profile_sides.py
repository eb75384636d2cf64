"""The two sides of a likelihood profile, which are computed separately."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.components.estimators.likelihood_profiles import ConfidenceInterval, LikelihoodProfile
from skyred.errors import SkyredWarning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.components.estimators.parameters import TemporaryFit
    from skyred.interfaces.records import FitResult

    Array = NDArray[np.float64]

# a warning is issued if a profile is lower than the minimum of the fit by more than this
MAX_DECREASE = 0.05


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


def split_profile(
    result: FitResult, index: int, values: Array, sigmas: Sequence[float]
) -> tuple[ProfileSide, ProfileSide]:
    """Divide the profile of a parameter at the best value.

    Parameters
    ----------
    result : FitResult
        The result of the fit.
    index : int
        Index of the parameter.
    values : array
        Values of the parameter, shape (m,).
    sigmas : sequence of float
        Confidence levels of the asymmetric errors, in sigma.

    Returns
    -------
    low, high : ProfileSide
        The sides below and above the best value, which belongs to the latter.
    """
    is_low = values < result.values[index]
    return (
        ProfileSide(index, -1, values[is_low], sigmas),
        ProfileSide(index, 1, values[~is_low], sigmas),
    )


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


def join_sides(
    result: FitResult,
    index: int,
    values: Array,
    sides: tuple[ComputedSide, ComputedSide],
    sigmas: Sequence[float],
) -> LikelihoodProfile:
    """Join the two sides of the profile of a parameter.

    A warning is issued if the statistic is lower than the minimum of the fit.

    Parameters
    ----------
    result : FitResult
        The result of the fit.
    index : int
        Index of the parameter.
    values : array
        Values of the parameter, shape (m,).
    sides : tuple of ComputedSide
        The results below and above the best value.
    sigmas : sequence of float
        Confidence levels of the asymmetric errors, in sigma.

    Returns
    -------
    LikelihoodProfile
        The profile, in the order of the values.
    """
    name, (low, high), stat = result.names[index], sides, np.empty(len(values))
    is_low = values < result.values[index]
    stat[is_low], stat[~is_low] = low.stat, high.stat
    decrease = result.stat - float(np.nanmin(stat, initial=result.stat))
    if decrease > MAX_DECREASE:
        message = (
            f"the profile of {name} is {decrease:.2g} below the minimum of the fit; "
            "repeat the fit from the lowest value of the profile"
        )
        warnings.warn(message, SkyredWarning, stacklevel=2)
    return LikelihoodProfile(
        name=name,
        unit=result.units[index],
        value=float(result.values[index]),
        error=float(result.errors[index]),
        values=values,
        delta_stat=stat - result.stat,
        intervals=tuple(map(ConfidenceInterval, sigmas, low.errors, high.errors)),
    )
