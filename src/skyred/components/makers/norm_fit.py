"""The norm model of a background, fitted exactly to counts summed by energy.

The predicted counts of a pixel are its background times a norm model of the energy alone. So the
sums over all pixels of an energy tell as much as the pixels do, and since gammapy's norm models
are log-linear in their parameters (but for the exponent of the cutoff of ``ecpl-norm``, which is
frozen), the fit is a Poisson regression: its statistic is convex, Newton's steps find its only
minimum. With the norm alone free that is counts over background.

gammapy's own fit finds the same within MIGRAD's tolerance, and takes longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.modeling import Parameter
    from gammapy.modeling.models import SpectralModel
    from numpy.typing import NDArray

STEPS = 30  # far from the minimum a step can only do so much; without one, they never end
HALVINGS = 60  # a step that is still too long then leads nowhere
CONVERGED = 1e-18  # squared distance to the minimum, in standard deviations
ROUNDING = 1e-6  # the statistic of 1e8 counts is not known better


class NoMinimumError(Exception):
    """The counts do not settle all free parameters; the message says why."""


@attrs.frozen
class EnergySums:
    """What a norm model is fitted to.

    Parameters
    ----------
    energy : Quantity
        The centres of the bins, shape (n,).
    counts, background : numpy.ndarray
        Summed over the pixels of each bin, shape (n,).
    """

    energy: Quantity
    counts: NDArray[np.float64]
    background: NDArray[np.float64]


def fit_norm(model: SpectralModel, sums: EnergySums, shape: Sequence[Parameter] = ()) -> None:
    """Set the norm of a norm model, and its parameters `shape`, with errors, by a fit to counts.

    Raises
    ------
    NoMinimumError
        If the likelihood has no maximum: too few energies have counts.
    """
    parameters = (model.norm, *shape)
    offset, columns = _log_linear(model, shape, sums.energy)
    filled = sums.background > 0
    if np.linalg.matrix_rank(columns[filled]) < len(parameters):
        raise NoMinimumError(f"{filled.sum()} bins of energy cannot settle {_names(parameters)}")
    template = sums.background[filled] * np.exp(offset[filled])
    try:
        values, covariance = _regress(columns[filled], sums.counts[filled], template)
    except np.linalg.LinAlgError as error:
        why = f"its fit runs away: the counts cannot settle {_names(parameters)}"
        raise NoMinimumError(why) from error
    errors = np.sqrt(np.diag(covariance))
    norm = np.exp(values[0])  # the regression's first parameter is its logarithm
    found = zip([norm, *values[1:]], [norm * errors[0], *errors[1:]], strict=True)
    for parameter, (value, sigma) in zip(parameters, found, strict=True):
        parameter.value, parameter.error = float(value), float(sigma)


def _log_linear(
    model: SpectralModel, shape: Sequence[Parameter], energy: Quantity
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give ``log model`` where log norm and shape are 0, and its slopes along each of them."""

    def logarithm() -> NDArray[np.float64]:
        return np.asarray(np.log(model(energy).to_value("")))

    model.norm.value = 1
    for parameter in shape:
        parameter.value = 0
    offset = logarithm()
    slopes = [np.ones_like(offset)]
    for parameter in shape:
        parameter.value = 0.01  # linear, so any step will do; a cutoff must not underflow
        slopes.append((logarithm() - offset) / 0.01)
        parameter.value = 0
    return offset, np.stack(slopes, axis=1)


def _regress(
    columns: NDArray[np.float64], counts: NDArray[np.float64], template: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Maximise the Poisson likelihood of ``template exp(columns @ values)``.

    Gives values and covariance; raises `numpy.linalg.LinAlgError` if they run away.
    """

    def stat(values: NDArray[np.float64]) -> float:
        exponent = columns @ values
        with np.errstate(over="ignore"):  # a step too far is taken back
            return float(np.sum(template * np.exp(exponent) - counts * exponent))

    values = np.zeros(columns.shape[1])
    values[0] = np.log(counts.sum() / template.sum())  # the minimum, if the norm alone is free
    for _ in range(STEPS):
        predicted = template * np.exp(columns @ values)
        covariance = np.asarray(np.linalg.inv(columns.T * predicted @ columns), dtype=float)
        slope = columns.T @ (counts - predicted)
        step = covariance @ slope
        if 0 <= slope @ step < CONVERGED:
            return values + step, covariance
        for _ in range(HALVINGS):
            if stat(values + step) <= stat(values) + ROUNDING:
                break
            step = step / 2
        values = values + step
    raise np.linalg.LinAlgError("no convergence")


def _names(parameters: Sequence[Parameter]) -> str:
    return " and ".join(parameter.name for parameter in parameters)
