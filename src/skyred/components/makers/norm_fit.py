"""The norm model of a background, fitted exactly to counts summed by energy.

The predicted counts of a pixel are its background times a norm model that depends on energy alone.
The sums over all pixels of an energy bin are therefore sufficient. gammapy's norm models are
log-linear in their parameters (except for the exponent of the cutoff of ``ecpl-norm``, which is
frozen), so the fit is a Poisson regression: its statistic is convex, and Newton steps converge to
its only minimum. If only the norm is free, its value is counts divided by background.

The fit of gammapy agrees within the tolerance of MIGRAD, but is slower.
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

MAX_STEPS = 30  # far from the minimum several are needed; without a minimum they diverge
MAX_HALVINGS = 60  # afterwards a step has no effect
EDM_TOLERANCE = 1e-18  # squared distance to the minimum, in standard deviations
STAT_ROUNDING_ERROR = 1e-6  # the rounding error of the statistic of 1e8 counts


class NoMinimumError(Exception):
    """The counts do not constrain all free parameters; the message gives the reason."""


@attrs.frozen
class EnergySums:
    """Counts and background summed over the pixels of each energy bin.

    Parameters
    ----------
    energy : Quantity
        The centres of the n bins, shape (n,).
    counts : numpy.ndarray
        The counts, shape (n,).
    background : numpy.ndarray
        The background template, shape (n,).
    """

    energy: Quantity
    counts: NDArray[np.float64]
    background: NDArray[np.float64]


def fit_norm(model: SpectralModel, sums: EnergySums, shape: Sequence[Parameter] = ()) -> None:
    """Fit the norm of a norm model, and optionally its shape, to counts.

    The values and errors of the parameters are set on the model.

    Parameters
    ----------
    model : gammapy.modeling.models.SpectralModel
        The norm model; it is changed.
    sums : EnergySums
        The counts and the background.
    shape : sequence of gammapy.modeling.Parameter
        The parameters to fit in addition to the norm.

    Raises
    ------
    NoMinimumError
        If the likelihood has no maximum, because too few energy bins have counts.
    """
    parameters = (model.norm, *shape)
    offset, columns = _linearise_log(model, shape, sums.energy)
    filled = sums.background > 0
    if np.linalg.matrix_rank(columns[filled]) < len(parameters):
        raise NoMinimumError(f"{filled.sum()} energy bins do not constrain {_names(parameters)}")
    template = sums.background[filled] * np.exp(offset[filled])
    try:
        values, covariance = _fit_regression(columns[filled], sums.counts[filled], template)
    except np.linalg.LinAlgError as error:
        message = f"the fit of {_names(parameters)} diverges: too few counts"
        raise NoMinimumError(message) from error
    errors = np.sqrt(np.diag(covariance))
    norm = np.exp(values[0])  # the regression's first parameter is its logarithm
    fitted = zip([norm, *values[1:]], [norm * errors[0], *errors[1:]], strict=True)
    for parameter, (value, sigma) in zip(parameters, fitted, strict=True):
        parameter.value, parameter.error = float(value), float(sigma)


def _linearise_log(
    model: SpectralModel, shape: Sequence[Parameter], energy: Quantity
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``log model`` at log norm and shape 0, and its slopes along each of them.

    Returns
    -------
    tuple of numpy.ndarray
        The logarithm, shape (n,), and the slopes, shape (n, parameters).
    """

    def logarithm() -> NDArray[np.float64]:
        return np.asarray(np.log(model(energy).to_value("")))

    model.norm.value = 1
    for parameter in shape:
        parameter.value = 0
    offset = logarithm()
    slopes = [np.ones_like(offset)]
    for parameter in shape:
        parameter.value = 0.01  # linear, so any step is exact; a cutoff must not underflow
        slopes.append((logarithm() - offset) / 0.01)
        parameter.value = 0
    return offset, np.stack(slopes, axis=1)


def _fit_regression(
    columns: NDArray[np.float64], counts: NDArray[np.float64], template: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Maximise the Poisson likelihood of ``template exp(columns @ values)``.

    Parameters
    ----------
    columns : numpy.ndarray
        The slopes, shape (n, parameters).
    counts : numpy.ndarray
        The counts, shape (n,).
    template : numpy.ndarray
        The predicted counts at zero values, shape (n,).

    Returns
    -------
    tuple of numpy.ndarray
        The values, shape (parameters,), and their covariance matrix.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the fit diverges.
    """

    def stat(values: NDArray[np.float64]) -> float:
        exponent = columns @ values
        with np.errstate(over="ignore"):  # a step that is too long is halved below
            return float(np.sum(template * np.exp(exponent) - counts * exponent))

    values = np.zeros(columns.shape[1])
    values[0] = np.log(counts.sum() / template.sum())  # the minimum, if the norm alone is free
    for _ in range(MAX_STEPS):
        predicted = template * np.exp(columns @ values)
        covariance = np.asarray(np.linalg.inv(columns.T * predicted @ columns), dtype=float)
        slope = columns.T @ (counts - predicted)
        step = covariance @ slope
        if 0 <= slope @ step < EDM_TOLERANCE:
            return values + step, covariance
        for _ in range(MAX_HALVINGS):
            if stat(values + step) <= stat(values) + STAT_ROUNDING_ERROR:
                break
            step = step / 2
        values = values + step
    raise np.linalg.LinAlgError("no convergence")


def _names(parameters: Sequence[Parameter]) -> str:
    return " and ".join(parameter.name for parameter in parameters)
