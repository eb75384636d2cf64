"""Error bands of spectral models, from two evaluations for each free parameter."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u

if TYPE_CHECKING:
    from gammapy.modeling.models import SkyModel, SpectralModel
    from numpy.typing import NDArray

log = logging.getLogger(__name__)
SLOW = 5.0  # seconds; longer bands are announced
MIN_STEP = 0.05  # shorter steps, at limits of parameters, are replaced by the opposite step
MIN_EIGENVALUE = 1e-12  # of the correlation matrix; smaller ones are rounding errors


@attrs.frozen(eq=False)
class FluxBand:
    """The differential flux of a spectral model, with its error band of one standard deviation.

    Parameters
    ----------
    energy : astropy.units.Quantity
        The energies.
    dnde : astropy.units.Quantity
        The flux at the energies, for the values of the parameters.
    error : astropy.units.Quantity
        The standard deviation of the flux.
    lower, upper : astropy.units.Quantity
        The band. For small errors it is ``dnde - error`` to ``dnde + error``; for large errors it
        is asymmetric. A flux that is not negative has a lower edge that is not negative.
    """

    energy: u.Quantity
    dnde: u.Quantity
    error: u.Quantity
    lower: u.Quantity
    upper: u.Quantity


def flux_band(model: SpectralModel | SkyModel, energies: u.Quantity) -> FluxBand:
    """Compute the error band of a spectral model from the covariance of its parameters.

    The model is evaluated on all energies at once, ``2 n + 1`` times for `n` free parameters with
    errors: at their values, and one standard deviation away in both directions along the `n`
    principal axes of their correlation matrix. The standard deviation of the flux is the root of
    the sum of squares of the central differences along the axes; to first order, this is the linear
    propagation of the covariance. The edges of the band sum the increases and the decreases
    separately. Steps end at the limits of parameters, and their differences are scaled up. Along an
    axis that is blocked in both directions, the changes by each parameter are added: at most `n`
    more evaluations for each axis.

    Parameters
    ----------
    model : gammapy.modeling.models.SpectralModel or gammapy.modeling.models.SkyModel
        The model, with its covariance: norm models, compound models, and models with linked
        parameters are supported. It is not changed.
    energies : astropy.units.Quantity
        The energies, of any shape.

    Returns
    -------
    FluxBand
        The flux and its band, with the shape of `energies`. Without free parameters with errors,
        the band has no width; if the error of a free parameter is not finite, it is NaN.

    References
    ----------
    P. Nadolsky and Z. Sullivan, eConf C010630 (2001) P510, hep-ph/0110378, for asymmetric errors
    from principal axes.
    """
    spectrum = getattr(model, "spectral_model", model).copy()
    parameters, covariance = _free_covariance(spectrum)
    start = time.perf_counter()
    flux = spectrum(energies)
    seconds = 2 * len(parameters) * (time.perf_counter() - start)
    if seconds > SLOW:
        log.info("the error band of %s takes about %.0f s", type(spectrum).__name__, seconds)
    if not np.all(np.isfinite(covariance)):
        invalid = flux * np.nan
        return FluxBand(energies, flux, invalid, invalid, invalid)
    values = flux.value
    variance, increase, decrease = (np.zeros(values.shape) for _ in range(3))
    for axis in _principal_axes(covariance):
        forward, backward = _differences(spectrum, parameters, axis, energies, flux)
        variance += ((forward - backward) / 2) ** 2
        increase += np.maximum(0, np.maximum(forward, backward)) ** 2
        decrease += np.minimum(0, np.minimum(forward, backward)) ** 2
    lower, upper = values - np.sqrt(decrease), values + np.sqrt(increase)
    lower = np.where(values >= 0, np.maximum(lower, 0), lower)
    return FluxBand(
        energies,
        flux,
        *(u.Quantity(data, flux.unit) for data in (np.sqrt(variance), lower, upper)),
    )


def _free_covariance(spectrum: Any) -> tuple[list[Any], NDArray[np.float64]]:
    """Return the free parameters that have errors, each once, and their covariance."""
    covariance = spectrum.covariance
    parameters = [
        parameter
        for parameter in spectrum.parameters.unique_parameters
        if not parameter.frozen and parameter.error != 0
    ]
    indices = [covariance.parameters.index(parameter) for parameter in parameters]
    data = np.array(covariance.data[np.ix_(indices, indices)], dtype=float)
    for index, parameter in enumerate(parameters):
        if not np.isfinite(parameter.error):  # gammapy replaces it by 1
            data[index, index] = np.nan
    return parameters, data


def _principal_axes(covariance: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield steps of one standard deviation along the principal axes of the correlation matrix.

    The outer products of the steps add up to the covariance.
    """
    if not covariance.size:
        return
    errors = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(errors, errors)
    eigenvalues, vectors = np.linalg.eigh((correlation + correlation.T) / 2)
    for eigenvalue, vector in zip(eigenvalues, vectors.T, strict=True):
        if eigenvalue > MIN_EIGENVALUE:
            yield errors * vector * np.sqrt(eigenvalue)


def _differences(
    spectrum: Any,
    parameters: list[Any],
    axis: NDArray[np.float64],
    energies: u.Quantity,
    flux: u.Quantity,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the differences of the flux for a step forward and backward along an axis."""
    lengths = [_allowed_length(parameters, sign * axis) for sign in (1, -1)]
    differences: list[Any] = [None, None]
    for index, (sign, length) in enumerate(zip((1, -1), lengths, strict=True)):
        if length >= MIN_STEP:
            with _shifted(parameters, sign * length * axis):
                difference = spectrum(energies).to_value(flux.unit) - flux.value
            differences[index] = difference / length
    forward, backward = differences
    if forward is None and backward is None:
        change = _sum_of_changes(spectrum, parameters, axis, energies, flux)
        return change, -change
    forward = -backward if forward is None else forward
    backward = -forward if backward is None else backward
    return forward, backward


def _sum_of_changes(
    spectrum: Any,
    parameters: list[Any],
    axis: NDArray[np.float64],
    energies: u.Quantity,
    flux: u.Quantity,
) -> NDArray[np.float64]:
    """Return the change of the flux along an axis that limits block in both directions.

    It is the sum of the changes by each parameter, in the direction that its limits allow. If they
    allow none, the step crosses the limit.
    """
    change = np.zeros(flux.shape)
    for index, component in enumerate(axis):
        step = np.zeros(len(axis))
        lengths = {}
        for sign in (1, -1):
            step[index] = sign * component
            lengths[sign] = _allowed_length(parameters, step)
        sign = max(lengths, key=lambda direction: lengths[direction])
        length = sign * (max(lengths[sign], MIN_STEP))
        step[index] = length * component
        if component:
            with _shifted(parameters, step):
                change += (spectrum(energies).to_value(flux.unit) - flux.value) / length
    return change


def _allowed_length(parameters: list[Any], step: NDArray[np.float64]) -> float:
    """Return the part of a step, at most 1, that ends inside the limits of all parameters."""
    length = 1.0
    for parameter, change in zip(parameters, step, strict=True):
        limit = parameter.max if change > 0 else parameter.min
        if change and np.isfinite(limit):
            length = min(length, max(0.0, (limit - parameter.value) / change))
    return length


@contextmanager
def _shifted(parameters: list[Any], step: NDArray[np.float64]) -> Iterator[None]:
    values = [parameter.value for parameter in parameters]
    try:
        for parameter, value, change in zip(parameters, values, step, strict=True):
            parameter.value = value + change
        yield
    finally:
        for parameter, value in zip(parameters, values, strict=True):
            parameter.value = value
