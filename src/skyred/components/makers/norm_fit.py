"""The norm model of a background, fitted exactly to counts summed by energy.

The predicted counts of a pixel are its background times a norm model that depends only on energy,
so that the sums over all pixels of each energy bin are sufficient. gammapy's norm models are
log-linear in their parameters (except for the exponent of the cutoff of ``ecpl-norm``, which is
frozen). The fit is therefore a Poisson regression: its statistic is convex, and Newton steps
converge to its only minimum. If only the norm is free, it is counts divided by background.

gammapy's fit agrees within the tolerance of MIGRAD, but is slower.
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

MAX_STEPS = 30  # enough if there is a minimum; without one, the steps diverge
MAX_HALVINGS = 60  # a step that is halved more often has no effect
EDM_TOLERANCE = 1e-18  # squared distance to the minimum, in standard deviations
STAT_ROUNDING_ERROR = 1e-6  # the rounding error of the statistic for 1e8 counts


class NoMinimumError(Exception):
    """The counts do not constrain all free parameters; the message gives the reason."""


@attrs.frozen
class EnergySums:
    """Counts and background summed over the pixels of each energy bin.

    Parameters
    ----------
    energy : astropy.units.Quantity
        The centres of the n bins, shape (n,).
    counts : numpy.ndarray
        The counts, shape (n,).
    background : numpy.ndarray
        The background template, shape (n,).
    """

    energy: Quantity
    counts: NDArray[np.float64]
    background: NDArray[np.float64]


def fit_norm(
    model: SpectralModel, sums: EnergySums, shape_parameters: Sequence[Parameter] = ()
) -> None:
    """Fit the norm of a norm model, and optionally its shape, to counts.

    The values and errors of the parameters are set on the model.

    Parameters
    ----------
    model : gammapy.modeling.models.SpectralModel
        The norm model, which is changed in place.
    sums : EnergySums
        The counts and the background.
    shape_parameters : sequence of gammapy.modeling.Parameter
        The parameters that are fitted in addition to the norm.

    Raises
    ------
    NoMinimumError
        If the likelihood has no maximum, because too few energy bins have background or counts.
    """
    parameters = (model.norm, *shape_parameters)
    offset, design_matrix = _linearise_log(model, shape_parameters, sums.energy)
    has_background = sums.background > 0
    if np.linalg.matrix_rank(design_matrix[has_background]) < len(parameters):
        raise NoMinimumError(
            f"{has_background.sum()} energy bins do not constrain {_join_names(parameters)}"
        )
    template = sums.background[has_background] * np.exp(offset[has_background])
    try:
        values, covariance = _fit_regression(
            design_matrix[has_background], sums.counts[has_background], template
        )
    except np.linalg.LinAlgError as error:
        message = f"the fit of {_join_names(parameters)} diverges: too few counts"
        raise NoMinimumError(message) from error
    errors = np.sqrt(np.diag(covariance))
    norm = np.exp(values[0])  # the first value of the regression is the logarithm of the norm
    estimates = zip([norm, *values[1:]], [norm * errors[0], *errors[1:]], strict=True)
    for parameter, (value, value_error) in zip(parameters, estimates, strict=True):
        parameter.value, parameter.error = float(value), float(value_error)


def _linearise_log(
    model: SpectralModel, shape_parameters: Sequence[Parameter], energy: Quantity
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the logarithm of a norm model as a linear function of its parameters.

    Returns
    -------
    tuple of numpy.ndarray
        The logarithm for a norm of 1 and shape parameters of 0, shape (n,), and its derivatives
        with respect to the logarithm of the norm and the shape parameters, shape (n, parameters).
    """

    def log_model() -> NDArray[np.float64]:
        return np.asarray(np.log(model(energy).to_value("")))

    model.norm.value = 1
    for parameter in shape_parameters:
        parameter.value = 0
    offset = log_model()
    slopes = [np.ones_like(offset)]
    for parameter in shape_parameters:
        # any step is exact, since the function is linear; at a large step, a cutoff could underflow
        parameter.value = 0.01
        slopes.append((log_model() - offset) / 0.01)
        parameter.value = 0
    return offset, np.stack(slopes, axis=1)


def _fit_regression(
    design_matrix: NDArray[np.float64], counts: NDArray[np.float64], template: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Maximise the Poisson likelihood of ``template * exp(design_matrix @ values)``.

    Parameters
    ----------
    design_matrix : numpy.ndarray
        The derivatives of the logarithm of the predicted counts, shape (n, parameters).
    counts : numpy.ndarray
        The counts, shape (n,).
    template : numpy.ndarray
        The predicted counts if all values are 0, shape (n,).

    Returns
    -------
    tuple of numpy.ndarray
        The values, shape (parameters,), and their covariance, shape (parameters, parameters).

    Raises
    ------
    numpy.linalg.LinAlgError
        If the fit diverges.
    """

    def stat(values: NDArray[np.float64]) -> float:
        exponent = design_matrix @ values
        with np.errstate(over="ignore"):  # a step that is too long is halved below
            return float(np.sum(template * np.exp(exponent) - counts * exponent))

    values = np.zeros(design_matrix.shape[1])
    values[0] = np.log(counts.sum() / template.sum())  # the minimum if only the norm is free
    for _ in range(MAX_STEPS):
        npred = template * np.exp(design_matrix @ values)
        information = design_matrix.T * npred @ design_matrix
        covariance = np.asarray(np.linalg.inv(information), dtype=float)
        gradient = design_matrix.T @ (counts - npred)
        step = covariance @ gradient
        if 0 <= gradient @ step < EDM_TOLERANCE:
            return values + step, covariance
        for _ in range(MAX_HALVINGS):
            if stat(values + step) <= stat(values) + STAT_ROUNDING_ERROR:
                break
            step = step / 2
        values = values + step
    raise np.linalg.LinAlgError("no convergence")


def _join_names(parameters: Sequence[Parameter]) -> str:
    return " and ".join(parameter.name for parameter in parameters)
