"""Spectra: the integral flux of a spectral model in bins of energy, as plain numbers.

The formulas are gammapy's: `evaluate_integral` if a model has it, otherwise the log-log trapezoidal
rule for `evaluate`. They are evaluated without units, and only used if they agree with
`model.integral` at the initial values.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.io.model_types import is_compound
from skyred.likelihood.parameter_subset import ParameterSubset
from skyred.likelihood.units import scale_of

if TYPE_CHECKING:
    from astropy import units as u
    from gammapy.modeling.models import SpectralModel
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]

POINTS_PER_DECADE = 100  # as in gammapy's `integrate_spectrum`
TOLERANCE = 1e-9  # relative: methods agree if they differ only by rounding errors
SLOPE_STEP = 1e-4  # of a parameter's default step; central differences are accurate to 1e-9
NORMS = ("norm", "amplitude")  # parameters that multiply gammapy's spectral models


class SpectralFlux:
    """Integral flux of a spectral model in each bin of true energy, in cm-2 s-1.

    Parameters
    ----------
    model : gammapy.modeling.models.SpectralModel
        The model.
    edges : Quantity
        Edges of the bins, shape (n + 1,).
    space : ParameterSpace
        The parameters of all models.
    """

    def __init__(self, model: SpectralModel, edges: u.Quantity, space: ParameterSpace) -> None:
        self.subset = ParameterSubset.from_model(model, space)
        self.norm = _find_norm(model, self.subset.parameters)
        self.cached_flux: tuple[bytes | None, Array] = (None, np.zeros(0))
        self.cached_slopes: tuple[bytes | None, Sequence[tuple[int, Array]]] = (None, ())
        self.flux_method = _find_fastest_method(model, self.subset.parameters, edges)

    def __call__(self, state: Vector) -> Array:
        """Return the fluxes for the values of all parameters, shape (n,)."""
        values = self.subset.values(state)
        key = values.tobytes()
        if key != self.cached_flux[0]:
            self.cached_flux = key, self.flux_method(values)
        return self.cached_flux[1]

    def slopes(self, state: Vector) -> Sequence[tuple[int, Array]]:
        """Return the derivatives of the fluxes with respect to the free parameters.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        sequence of (int, array)
            Index of a parameter in the state, and the derivatives with respect to it, shape (n,).
        """
        values = self.subset.values(state)
        if values.tobytes() != self.cached_slopes[0]:
            slopes = [self._slope(state, values, index) for index in self.subset.free]
            self.cached_slopes = values.tobytes(), slopes
        return self.cached_slopes[1]

    def _slope(self, state: Vector, values: Vector, index: int) -> tuple[int, Array]:
        state_index = int(self.subset.state_indices[index])
        if index == self.norm and values[index] != 0:
            return state_index, self(state) / values[index]
        low, high = self.subset.shift(values, index, SLOPE_STEP)
        difference = self.flux_method(high) - self.flux_method(low)
        return state_index, difference / (high[index] - low[index])


def _find_norm(model: Any, parameters: list[Any]) -> int | None:
    """Return the index of the only norm to which the flux is proportional; None otherwise."""
    if not _is_product(model):
        return None
    norms = [index for index, parameter in enumerate(parameters) if parameter.name in NORMS]
    return norms[0] if len(norms) == 1 else None


def _is_product(model: Any) -> bool:
    """Return whether a model is one component or a product, so that it is proportional to norms."""
    if not is_compound(model):
        return True
    return model.operator is operator.mul and all(map(_is_product, (model.model1, model.model2)))


FluxMethod = Callable[["Vector"], "Array"]


def _find_fastest_method(
    model: SpectralModel, parameters: list[Any], edges: u.Quantity
) -> FluxMethod:
    """Return the fastest method that agrees with `model.integral`."""
    integral = _gammapy_method(model, parameters, lambda: model.integral(edges[:-1], edges[1:]))
    values = np.array([parameter.value for parameter in parameters], dtype=float)
    expected = integral(values)
    for build in (_analytic_method, _grid_method):
        method = build(model, parameters, edges)
        if method is not None and _agrees(method, values, expected):
            return method
    return _cache_spectral_shape(integral, _find_norm(model, parameters))


def _agrees(method: FluxMethod, values: Vector, expected: Array) -> bool:
    try:
        with np.errstate(all="ignore"):
            result = method(values)
    except Exception:  # a model may need quantities, and raise any error without them
        return False
    return result.shape == expected.shape and np.allclose(
        result, expected, rtol=TOLERANCE, atol=0, equal_nan=True
    )


def _gammapy_method(
    model: Any, parameters: list[Any], call: Callable[[], u.Quantity]
) -> FluxMethod:
    """Return a function that sets the parameters and calls a method of the model."""

    def method(values: Vector) -> Array:
        for parameter, value in zip(parameters, values, strict=True):
            parameter.value = value
        with np.errstate(all="ignore"):
            flux = call()
        return np.asarray(flux.value * scale_of(flux.unit), dtype=float)

    return method


def _cache_spectral_shape(method: FluxMethod, norm: int | None) -> FluxMethod:
    """Return a method with a cache that is valid until a parameter other than the norm changes.

    The flux is always computed for the first norm, so that results are bit-identical in any order.
    """
    cache: dict[bytes, Array] = {}
    first_norm = 0.0

    def cached(values: Vector) -> Array:
        nonlocal first_norm
        factor = 1.0 if norm is None else float(values[norm])
        if factor == 0:
            return method(values)
        first_norm = first_norm or factor
        others = values if norm is None else np.delete(values, norm)
        flux = cache.get(others.tobytes())
        if flux is None:
            cache.clear()
            values_at_first_norm = values.copy()
            if norm is not None:
                values_at_first_norm[norm] = first_norm
            flux = cache[others.tobytes()] = method(values_at_first_norm) / first_norm
        return flux * factor

    return cached


def _get_scales(parameters: list[Any]) -> Array:
    return np.array([scale_of(parameter.unit) for parameter in parameters], dtype=float)


def _analytic_method(model: Any, parameters: list[Any], edges: u.Quantity) -> FluxMethod | None:
    if not hasattr(model, "evaluate_integral"):
        return None
    scales, energy = _get_scales(parameters), edges.to_value("TeV")
    low, high = energy[:-1], energy[1:]
    return lambda values: np.asarray(model.evaluate_integral(low, high, *(values * scales)))


def _grid_method(model: Any, parameters: list[Any], edges: u.Quantity) -> FluxMethod | None:
    from gammapy.modeling.models import SpectralModel

    if type(model).integral is not SpectralModel.integral:
        return None
    grid = EnergyGrid(edges.to_value("TeV"))
    curve = compile_curve(model, grid.energy)
    return lambda values: grid.integral(curve(values))


def compile_curve(model: Any, energy: Array, allow_unitless: bool = True) -> FluxMethod:
    """Return the differential flux as a function of the parameters of a model.

    Parameters
    ----------
    model : gammapy.modeling.models.SpectralModel
        The model; the components of a compound model are compiled separately.
    energy : array
        The energies in TeV, of any shape.
    allow_unitless : bool
        Whether the model may be evaluated without units, provided that the result is the same at
        the current values.

    Returns
    -------
    callable
        Function from the values of the parameters, in their own units, to the flux in cm-2 s-1
        TeV-1, in the shape of the energies.
    """
    from astropy import units as u
    from gammapy.modeling.models import CompoundSpectralModel

    parameters = list(model.parameters)
    if type(model) is CompoundSpectralModel:
        split = len(model.model1.parameters)
        first = compile_curve(model.model1, energy, allow_unitless)
        second = compile_curve(model.model2, energy, allow_unitless)
        return lambda values: model.operator(first(values[:split]), second(values[split:]))
    with_units = _gammapy_method(model, parameters, lambda: u.Quantity(model(energy * u.TeV)))
    scales = _get_scales(parameters)

    def without_units(values: Vector) -> Array:
        return np.broadcast_to(model.evaluate(energy, *(values * scales)), energy.shape)

    values = np.array([parameter.value for parameter in parameters], dtype=float)
    if allow_unitless and _agrees(without_units, values, with_units(values)):
        return without_units
    return _cache_spectral_shape(with_units, _find_norm(model, parameters))


class EnergyGrid:
    """Energy grid for integrals over bins by the log-log trapezoidal rule, as in gammapy.

    Parameters
    ----------
    edges : array
        Edges of the bins in TeV, shape (bins + 1,).
    """

    def __init__(self, edges: Array) -> None:
        low, high = edges[:-1], edges[1:]
        points = int(np.maximum(np.max(POINTS_PER_DECADE * np.log10(high / low)), 2))
        self.energy = np.geomspace(low, high, num=points, axis=-1)
        self.start = self.energy[:, :-1]
        self.width = np.diff(np.log(self.energy), axis=-1)

    def integral(self, curve: Array) -> Array:
        """Integrate a curve over each bin.

        Between two points the curve is a power law, ``y (E' / E)^s``. Its integral is
        ``y E (exp((1 + s) w) - 1) / (1 + s)``, where w is the logarithm of the ratio of energies.

        Parameters
        ----------
        curve : array
            Differential flux on the grid, shape (bins, points).

        Returns
        -------
        array
            Integrals, shape (bins,).
        """
        tiny = np.finfo(float).tiny  # as in gammapy, smaller ratios are replaced by it
        with np.errstate(all="ignore"):
            # the ratio of two negative fluxes is positive, and has a logarithm
            index = np.log(np.maximum(curve[:, :-1] / curve[:, 1:], tiny)) / self.width
            exponent = 1 - np.nan_to_num(index, nan=np.inf, posinf=np.inf, neginf=-np.inf)
            factor = np.expm1(exponent * self.width) / exponent
        factor = np.where(np.abs(exponent) < 1e-8, self.width, factor)
        return (curve[:, :-1] * self.start * factor).sum(axis=-1)  # type: ignore[no-any-return]
