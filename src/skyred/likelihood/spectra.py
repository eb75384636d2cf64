"""Spectra: the flux of a spectral model in bins of energy, as plain numbers.

The formulas are gammapy's own: `evaluate_integral` where a model has one, else its log-log
trapezoidal rule over `evaluate`. Only the quantities around them are left out, and each way is
compared with `model.integral` when it is chosen.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.likelihood.parameters import Share
from skyred.likelihood.units import scale_of

if TYPE_CHECKING:
    from astropy import units as u
    from gammapy.modeling.models import SpectralModel
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]

POINTS_PER_DECADE = 100  # gammapy's `integrate_spectrum`
AGREEMENT = 1e-9  # rounding alone: another way to the same numbers
SLOPE_STEP = 1e-4  # of a parameter's usual step: central differences are then good to 1e-9
NORMS = ("norm", "amplitude")  # parameters that gammapy too takes to be factors


class SpectralFlux:
    """The integral flux of a spectral model in each bin of true energy, in cm-2 s-1.

    Parameters
    ----------
    model : gammapy.modeling.models.SpectralModel
        The model.
    edges : Quantity
        Edges of the bins, shape (n + 1,).
    space : ParameterSpace
        Where its parameters are found.
    """

    def __init__(self, model: SpectralModel, edges: u.Quantity, space: ParameterSpace) -> None:
        self.share = Share.of(model, space)
        self.norm = _norm_of(model, self.share.parameters)
        self.known: tuple[bytes | None, Array] = (None, np.zeros(0))
        self.known_slopes: tuple[bytes | None, Sequence[tuple[int, Array]]] = (None, ())
        self.flux = _way(model, self.share.parameters, edges)

    def __call__(self, state: Vector) -> Array:
        """Give the fluxes, shape (n,)."""
        values = self.share.values(state)
        key = values.tobytes()
        if key != self.known[0]:
            self.known = key, self.flux(values)
        return self.known[1]

    def slopes(self, state: Vector) -> Sequence[tuple[int, Array]]:
        """Give, for each free parameter, its place in the state and the derivative, shape (n,)."""
        values = self.share.values(state)
        if values.tobytes() != self.known_slopes[0]:
            slopes = [self._slope(state, values, index) for index in self.share.free]
            self.known_slopes = values.tobytes(), slopes
        return self.known_slopes[1]

    def _slope(self, state: Vector, values: Vector, index: int) -> tuple[int, Array]:
        place = int(self.share.places[index])
        if index == self.norm and values[index] != 0:
            return place, self(state) / values[index]
        low, high = self.share.sides(values, index, SLOPE_STEP)
        return place, (self.flux(high) - self.flux(low)) / (high[index] - low[index])


def _norm_of(model: Any, parameters: list[Any]) -> int | None:
    if not _is_product(model):
        return None
    found = [index for index, each in enumerate(parameters) if each.name in NORMS]
    return found[0] if len(found) == 1 else None


def _is_product(model: Any) -> bool:
    """Tell whether no parts of a model are added up: then a norm is a factor of the whole."""
    if not hasattr(model, "operator"):
        return True
    return model.operator is operator.mul and all(map(_is_product, (model.model1, model.model2)))


Way = Callable[["Vector"], "Array"]


def _way(model: SpectralModel, parameters: list[Any], edges: u.Quantity) -> Way:
    """Choose the fastest way to the numbers that `model.integral` gives."""
    plain = _by_gammapy(model, parameters, lambda: model.integral(edges[:-1], edges[1:]))
    values = np.array([each.value for each in parameters], dtype=float)
    expected = plain(values)
    for make in (_analytic, _on_grid):
        way = make(model, parameters, edges)
        if way is not None and _agrees(way, values, expected):
            return way
    return _remembered(plain, _norm_of(model, parameters))


def _agrees(way: Way, values: Vector, expected: Array) -> bool:
    try:
        with np.errstate(all="ignore"):
            found = way(values)
    except Exception:  # a model may need its quantities, and fail without them as it likes
        return False
    return found.shape == expected.shape and np.allclose(
        found, expected, rtol=AGREEMENT, atol=0, equal_nan=True
    )


def _by_gammapy(model: Any, parameters: list[Any], call: Callable[[], u.Quantity]) -> Way:
    """Set the parameters, and let gammapy evaluate quantities."""

    def way(values: Vector) -> Array:
        for parameter, value in zip(parameters, values, strict=True):
            parameter.value = value
        with np.errstate(all="ignore"):
            flux = call()
        return np.asarray(flux.value * scale_of(flux.unit), dtype=float)

    return way


def _remembered(way: Way, norm: int | None) -> Way:
    """Evaluate anew only if more than the norm changed."""
    known: dict[bytes, Array] = {}

    def remembered(values: Vector) -> Array:
        factor = 1.0 if norm is None else values[norm]
        if factor == 0:
            return way(values)
        others = values if norm is None else np.delete(values, norm)
        flux = known.get(others.tobytes())
        if flux is None:
            known.clear()
            flux = known[others.tobytes()] = way(values) / factor
        return flux * factor

    return remembered


def _scales(parameters: list[Any]) -> Array:
    return np.array([scale_of(each.unit) for each in parameters], dtype=float)


def _analytic(model: Any, parameters: list[Any], edges: u.Quantity) -> Way | None:
    if not hasattr(model, "evaluate_integral"):
        return None
    scales, energy = _scales(parameters), edges.to_value("TeV")
    low, high = energy[:-1], energy[1:]
    return lambda values: np.asarray(model.evaluate_integral(low, high, *(values * scales)))


def _on_grid(model: Any, parameters: list[Any], edges: u.Quantity) -> Way | None:
    from gammapy.modeling.models import SpectralModel

    if type(model).integral is not SpectralModel.integral:
        return None
    grid = EnergyGrid(edges.to_value("TeV"))
    curve = curve_of(model, grid.energy)
    return lambda values: grid.integral(curve(values))


def curve_of(model: Any, energy: Array, plain: bool = True) -> Way:
    """Give the differential flux in cm-2 s-1 TeV-1 as a function of a model's parameters.

    Parameters
    ----------
    model : gammapy.modeling.models.SpectralModel
        The model; parts of a compound one are evaluated by themselves.
    energy : array
        The energies in TeV, of any shape.
    plain : bool
        Whether it may be evaluated without units, if that agrees at the present values.

    Returns
    -------
    callable
        From the values of the parameters, in their own units, to an array of that shape.
    """
    from astropy import units as u
    from gammapy.modeling.models import CompoundSpectralModel

    parameters = list(model.parameters)
    if type(model) is CompoundSpectralModel:
        split = len(model.model1.parameters)
        first = curve_of(model.model1, energy, plain)
        second = curve_of(model.model2, energy, plain)
        return lambda values: model.operator(first(values[:split]), second(values[split:]))
    quantities = _by_gammapy(model, parameters, lambda: u.Quantity(model(energy * u.TeV)))
    scales = _scales(parameters)

    def numbers(values: Vector) -> Array:
        return np.broadcast_to(model.evaluate(energy, *(values * scales)), energy.shape)

    values = np.array([each.value for each in parameters], dtype=float)
    if plain and _agrees(numbers, values, quantities(values)):
        return numbers
    return _remembered(quantities, _norm_of(model, parameters))


class EnergyGrid:
    """gammapy's grid for integrals over bins of energy, and its log-log trapezoidal rule."""

    def __init__(self, edges: Array) -> None:
        low, high = edges[:-1], edges[1:]
        points = int(np.maximum(np.max(POINTS_PER_DECADE * np.log10(high / low)), 2))
        self.energy = np.geomspace(low, high, num=points, axis=-1)
        self.start = self.energy[:, :-1]
        self.width = np.diff(np.log(self.energy), axis=-1)

    def integral(self, curve: Array) -> Array:
        """Integrate a curve given on the grid, shape (bins, points), over each bin.

        Between two points the curve is a power law of index ``-s``: its integral is
        ``y E (exp((1 + s) w) - 1) / (1 + s)``, with w the logarithm of the ratio of energies.
        """
        tiny = np.finfo(float).tiny  # gammapy clips ratios at it before taking logarithms
        with np.errstate(all="ignore"):
            # a ratio has a logarithm also where the flux is negative
            fall = np.log(np.maximum(curve[:, :-1] / curve[:, 1:], tiny)) / self.width
            slope = 1 - np.nan_to_num(fall, nan=np.inf, posinf=np.inf, neginf=-np.inf)
            area = np.expm1(slope * self.width) / slope
        area = np.where(np.abs(slope) < 1e-8, self.width, area)
        return (curve[:, :-1] * self.start * area).sum(axis=-1)  # type: ignore[no-any-return]
