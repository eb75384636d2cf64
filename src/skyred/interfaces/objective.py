"""The objective: what a fitter minimises or samples, as a function of a vector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import FitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.records import FitResult

    Vector = NDArray[np.float64]
    Derivative = Callable[[Vector], Vector]


def _vector(value: Any) -> Vector:
    return np.array(value, dtype=float)


def _texts(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


def _limits(value: Any) -> Vector | None:
    return None if value is None else np.array(value, dtype=float).reshape(-1, 2)


@attrs.frozen(eq=False, kw_only=True)
class PixelGrid:
    """The pixel grid under one source: the statistic is not differentiable on its lines.

    A point source is spread on the four pixels around it, so the likelihood is smooth only between
    the lines through pixel centres, where pixel coordinates are integers.

    Parameters
    ----------
    name : str
        The name of the source.
    places : array of int
        The free position parameters in the vector, shape (1,) or (2,).
    related : array of int
        All free parameters of the source, its position included, shape (k,).
    to_pixels : callable
        From a vector of all free parameters, shape (n,), to the pixel coordinates, shape (1,) or
        (2,).
    to_sky : callable
        From pixel coordinates and a nearby vector to the position parameters, the inverse.
    piecewise : bool
        Whether the statistic is smooth between the lines, as for a point. It is not for an extended
        source of about the size of a pixel.
    small : bool
        Whether the source is small enough to feel the pixels; of others only the position matters.
    size : int, optional
        The place of the size of an extended source in the vector, if it is free.
    """

    name: str
    places: NDArray[np.int64]
    related: NDArray[np.int64]
    to_pixels: Callable[[Vector], Vector]
    to_sky: Callable[[Vector, Vector], Vector]
    piecewise: bool = True
    small: bool = True
    size: int | None = None


@attrs.frozen(eq=False, kw_only=True)
class SharpSource:
    """A source with sharp edges: along its parameters the statistic has kinks and many minima.

    Parameters
    ----------
    name : str
        The name of the source.
    places : array of int
        Its free spatial parameters in the vector, shape (k,).
    pixels : array
        The size of a pixel in the unit of each of them, shape (k,).
    sizes : array of int
        Those of them that are lengths, not positions.
    related : array of int
        All free parameters of the source, these included.
    """

    name: str
    places: NDArray[np.int64]
    pixels: Vector
    sizes: NDArray[np.int64]
    related: NDArray[np.int64]


@attrs.frozen(eq=False)
class Conditional:
    """The statistic as a function of some parameters, with the others fixed.

    Parameters
    ----------
    stat : callable
        From a vector of all parameters, in which the others have their fixed values, to the fit
        statistic without priors.
    gradient_of, fisher_of : callable
        From such a vector to gradient, shape (k,), and Fisher matrix, shape (k, k), of the total by
        these parameters.
    """

    stat: Callable[[Vector], float]
    gradient_of: Derivative
    fisher_of: Derivative


@attrs.define(eq=False, kw_only=True)
class Objective:
    """The fit statistic (-2 log L) of the free parameters, each in its own unit.

    Parameters
    ----------
    names : sequence of str
        Parameter names, unique, shape (n,).
    start : array
        Starting values, shape (n,).
    stat : callable
        From a vector of shape (n,) to the fit statistic, without priors.
    units : sequence of str, optional
        Their units.
    limits : array, optional
        Lower and upper limits, shape (n, 2); -inf and inf where there are none.
    steps : array, optional
        A guess of each parameter's error, shape (n,), for fitters that want one.
    prior : callable, optional
        From a vector to the statistic that the priors add.
    quantiles : sequence, optional
        For each parameter the inverse cumulative distribution of its prior, or None.
    prior_without_quantile : callable, optional
        From a vector to what of `prior` is not in `quantiles`: penalties, priors without a known
        distribution. By default all of `prior` where there are no quantiles, else nothing.
    gradient_of, fisher_of : callable, optional
        From a vector to the gradient, shape (n,), and the Fisher matrix, shape (n, n), of the
        total.
    on_accept : callable, optional
        Called with a `FitResult`, writes it back to the models.
    may_be_non_smooth : array of bool, optional
        Along which parameters there may be kinks, shape (n,); by default all.
    blocks : sequence of array of int, optional
        Parameters that belong together, each in one block. Between parameters of different blocks
        the Fisher matrix is then the exact second derivative, as for sources whose counts add up.
    factors : array of bool, optional
        Which parameters are factors of predicted counts, shape (n,): amplitudes and norms. Their
        logarithms go together with the other parameters of a spectrum.
    costly : array of bool, optional
        Which parameters are costly to change, shape (n,): those of the shape of extended sources.
    grids : sequence of PixelGrid, optional
        Where the statistic is not differentiable, as far as it is known.
    sharp : callable, optional
        From a vector to the sources with sharp edges there, a sequence of `SharpSource`.
    refresh : callable, optional
        From a vector to whether the IRFs were looked up anew there. The statistic may change by
        that; a fitter calls it before it ends.
    relocate : callable, optional
        From a vector to vectors with one source moved to where the counts exceed the prediction
        most, the best first; for sources that are not detected where they are.
    condition : callable, optional
        From places of parameters, shape (k,), and a vector with the values of the others to the
        `Conditional` of these parameters. Cheaper than the whole.
    gradient_by : callable, optional
        From places of parameters, shape (k,), to a function from a vector to the gradient by these
        alone, shape (k,), which costs less than the whole.
    notes : sequence of str, optional
        What should be known of a fit of it; fitters hand them on in their results.
    """

    names: tuple[str, ...] = attrs.field(converter=_texts)
    start: Vector = attrs.field(converter=_vector)
    stat: Callable[[Vector], float]
    units: tuple[str, ...] = attrs.field(converter=_texts)
    limits: Vector = attrs.field(default=None, converter=_limits)
    steps: Vector | None = None
    prior: Callable[[Vector], float] | None = None
    quantiles: Sequence[Callable[[float], float] | None] = ()
    prior_without_quantile: Callable[[Vector], float] | None = None
    gradient_of: Callable[[Vector], Vector] | None = None
    fisher_of: Callable[[Vector], Vector] | None = None
    on_accept: Callable[[FitResult], None] | None = None
    may_be_non_smooth: NDArray[np.bool_] | None = None
    blocks: Sequence[NDArray[np.int64]] = ()
    factors: NDArray[np.bool_] | None = None
    costly: NDArray[np.bool_] | None = None
    grids: Sequence[PixelGrid] = ()
    sharp: Callable[[Vector], Sequence[SharpSource]] | None = None
    refresh: Callable[[Vector], bool] | None = None
    relocate: Callable[[Vector], Sequence[Vector]] | None = None
    condition: Callable[[NDArray[np.int64], Vector], Conditional] | None = None
    gradient_by: Callable[[NDArray[np.int64]], Derivative] | None = None
    notes: tuple[str, ...] = attrs.field(default=(), converter=_texts)

    @units.default
    def _no_units(self) -> tuple[str, ...]:
        return ("",) * len(self.names)

    def __attrs_post_init__(self) -> None:
        if self.limits is None:
            self.limits = np.tile([-np.inf, np.inf], (len(self.names), 1))
        if len(set(self.names)) != len(self.names):
            raise FitError(f"parameter names are not unique: {', '.join(self.names)}")

    def __call__(self, x: Vector) -> float:
        """Give the fit statistic at a vector, without priors."""
        return float(self.stat(np.asarray(x, dtype=float)))

    def prior_stat(self, x: Vector) -> float:
        """Give what the priors add to the statistic."""
        return float(self.prior(np.asarray(x, dtype=float))) if self.prior else 0.0

    def total(self, x: Vector) -> float:
        """Give the statistic with priors: what is minimised."""
        return self(x) + self.prior_stat(x)

    def gradient(self, x: Vector) -> Vector | None:
        """Give the gradient of the total, or None if it is not known exactly."""
        return self.gradient_of(x) if self.gradient_of else None

    def fisher(self, x: Vector) -> Vector | None:
        """Give the Fisher matrix of the total, or None if it is not known exactly."""
        return self.fisher_of(x) if self.fisher_of else None

    def sampled_stat(self, x: Vector) -> float:
        """Give the statistic for samplers: without the priors that `transform` follows."""
        if self.prior_without_quantile is not None:
            return self(x) + float(self.prior_without_quantile(np.asarray(x, dtype=float)))
        return self(x) if any(self.quantiles) else self.total(x)

    def transform(self, cube: Vector) -> Vector:
        """Map the unit cube to parameters by their priors, or evenly between their limits.

        Raises
        ------
        FitError
            For parameters with neither prior nor limits, naming all of them.
        """
        self._require_bounded()
        return np.array([self._quantile(index, float(q)) for index, q in enumerate(cube)])

    def _require_bounded(self) -> None:
        priors = self.quantiles or [None] * len(self.names)
        finite = [bool(np.isfinite(pair).all()) for pair in self.limits]
        known = zip(self.names, priors, finite, strict=True)
        loose = [name for name, prior, ends in known if prior is None and not ends]
        if loose:
            which = "parameters" if len(loose) > 1 else "parameter"
            verb = "have" if len(loose) > 1 else "has"
            raise FitError(
                f"{which} {', '.join(map(repr, loose))} {verb} neither a prior nor two limits; "
                "sampling needs one of them: set prior, or min and max"
            )

    def _quantile(self, index: int, q: float) -> float:
        prior = self.quantiles[index] if self.quantiles else None
        if prior is not None:
            return float(prior(q))
        low, high = self.limits[index]
        return float(low + q * (high - low))

    def accept(self, result: FitResult) -> None:
        """Write values and covariance of a result back to the models."""
        if self.on_accept:
            self.on_accept(result)
