"""The objective: the fit statistic as a function of the vector of free parameters."""

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


def _strings(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


def _limits(value: Any) -> Vector | None:
    return None if value is None else np.array(value, dtype=float).reshape(-1, 2)


@attrs.frozen(eq=False, kw_only=True)
class PixelGrid:
    """The pixel grid of a source with a free position.

    The counts of a point source are distributed over the four pixels around it, so the statistic is
    smooth only inside the cells between pixel centres. It is not differentiable at their
    boundaries, which are at integer pixel coordinates.

    Parameters
    ----------
    name : str
        The name of the source.
    indices : array of int
        The indices of the free position parameters in the vector, shape (1,) or (2,).
    related : array of int
        The indices of all free parameters of the source, including its position, shape (k,).
    to_pixels : callable
        Function of a vector of all free parameters, shape (n,). Returns the pixel coordinates,
        shape (1,) or (2,).
    to_sky : callable
        The inverse of `to_pixels`: a function of pixel coordinates and a nearby vector. Returns the
        position parameters.
    piecewise : bool
        Whether the statistic is smooth only inside the cells, as for a point source and unlike for
        an extended source.
    small : bool
        Whether the source is a point or about as small as a pixel, so that the statistic is
        sensitive to its position relative to the pixel centres.
    size : int, optional
        The index of the size of an extended source in the vector, if it is free.
    """

    name: str
    indices: NDArray[np.int64]
    related: NDArray[np.int64]
    to_pixels: Callable[[Vector], Vector]
    to_sky: Callable[[Vector, Vector], Vector]
    piecewise: bool = True
    small: bool = True
    size: int | None = None


@attrs.frozen(eq=False, kw_only=True)
class SharpEdgedSource:
    """A source with sharp edges; the fit statistic is not smooth along its spatial parameters.

    Parameters
    ----------
    name : str
        The name of the source.
    indices : array of int
        The indices of the free spatial parameters of the source in the vector, shape (k,).
    pixels : array
        The size of a pixel in the unit of each spatial parameter, shape (k,).
    sizes : array of int
        The indices, in the vector, of spatial parameters that are sizes, not positions.
    related : array of int
        The indices of all free parameters of the source, spatial and spectral.
    """

    name: str
    indices: NDArray[np.int64]
    pixels: Vector
    sizes: NDArray[np.int64]
    related: NDArray[np.int64]


@attrs.frozen(eq=False)
class Conditional:
    """The fit statistic as a function of some parameters, with the others fixed.

    Parameters
    ----------
    stat : callable
        Function of a vector of all parameters, shape (n,), in which the others have their fixed
        values. Returns the fit statistic without priors.
    gradient_of, fisher_of : callable
        Functions of the same vector. Return the gradient, shape (k,), and the Fisher matrix, shape
        (k, k), of the total (with priors) with respect to the k parameters.
    """

    stat: Callable[[Vector], float]
    gradient_of: Derivative
    fisher_of: Derivative


@attrs.define(eq=False, kw_only=True)
class Objective:
    """The fit statistic (-2 log L) as a function of the free parameters, each in its own unit.

    Parameters
    ----------
    names : sequence of str
        Parameter names, unique, shape (n,).
    start : array
        Starting values, shape (n,).
    stat : callable
        Function of a vector of shape (n,). Returns the fit statistic, without priors.
    units : sequence of str, optional
        Units of the parameters, shape (n,).
    limits : array, optional
        Lower and upper limits, shape (n, 2); -inf and inf for parameters without limits.
    steps : array, optional
        Estimates of the errors of the parameters, shape (n,), for fitters that need them.
    prior : callable, optional
        Function of a vector. Returns the contribution of the priors to the statistic.
    quantiles : sequence, optional
        For each parameter the inverse cumulative distribution function of its prior, or None.
    prior_without_quantile : callable, optional
        Function of a vector. Returns the contribution of priors without a function in `quantiles`,
        such as penalties. By default it is `prior` if there are no quantiles, and 0 otherwise.
    gradient_of, fisher_of : callable, optional
        Functions of a vector. Return the gradient, shape (n,), and the Fisher matrix, shape (n, n),
        of the total: the Gauss-Newton approximation of its second derivatives.
    on_accept : callable, optional
        Function of a `FitResult` that writes it back to the models.
    may_be_non_smooth : array of bool, optional
        Mask of the parameters along which the statistic may have non-differentiable points, shape
        (n,); by default all.
    blocks : sequence of array of int, optional
        Blocks of indices of parameters; each parameter is in one block. For two parameters of
        different blocks the Fisher matrix is the exact second derivative, as for parameters of
        different sources, whose counts are added.
    factors : array of bool, optional
        Mask of the parameters that multiply predicted counts, shape (n,): amplitudes and norms.
        Their logarithms are correlated with the other parameters of a spectrum.
    costly : array of bool, optional
        Mask of the parameters that are costly to change, shape (n,): the spatial parameters of
        extended sources.
    grids : sequence of PixelGrid, optional
        The pixel grids of the sources with free positions.
    sharp : callable, optional
        Function of a vector. Returns the sources that have sharp edges for these parameter values,
        a sequence of `SharpEdgedSource`.
    refresh : callable, optional
        Function of a vector that looks up the IRFs at the source positions in the vector. Returns
        whether the IRFs have changed, which may change the statistic; fitters call it before they
        return.
    clear_caches : callable, optional
        Function without arguments that drops cached values, so that later results do not depend on
        earlier calls, not even in their last digits.
    relocate : callable, optional
        Function of a vector. Returns vectors in which one source, not detected at its position or
        degenerate with another source, is moved to an excess over the prediction, the most
        significant position first.
    condition : callable, optional
        Function of indices of parameters, shape (k,), and a vector with the values of the others.
        Returns the `Conditional` of these parameters, which is faster than the objective.
    gradient_by : callable, optional
        Function of indices of parameters, shape (k,). Returns a function of a vector for the
        gradient with respect to these parameters, shape (k,), which is faster than the full one.
    notes : sequence of str, optional
        Remarks that fitters copy to their results.
    """

    names: tuple[str, ...] = attrs.field(converter=_strings)
    start: Vector = attrs.field(converter=_vector)
    stat: Callable[[Vector], float]
    units: tuple[str, ...] = attrs.field(converter=_strings)
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
    sharp: Callable[[Vector], Sequence[SharpEdgedSource]] | None = None
    refresh: Callable[[Vector], bool] | None = None
    clear_caches: Callable[[], None] | None = None
    relocate: Callable[[Vector], Sequence[Vector]] | None = None
    condition: Callable[[NDArray[np.int64], Vector], Conditional] | None = None
    gradient_by: Callable[[NDArray[np.int64]], Derivative] | None = None
    notes: tuple[str, ...] = attrs.field(default=(), converter=_strings)

    @units.default
    def _no_units(self) -> tuple[str, ...]:
        return ("",) * len(self.names)

    def __attrs_post_init__(self) -> None:
        if self.limits is None:
            self.limits = np.tile([-np.inf, np.inf], (len(self.names), 1))
        if len(set(self.names)) != len(self.names):
            raise FitError(f"parameter names are not unique: {', '.join(self.names)}")

    def __call__(self, x: Vector) -> float:
        """Return the fit statistic at a vector, without priors."""
        return float(self.stat(np.asarray(x, dtype=float)))

    def prior_stat(self, x: Vector) -> float:
        """Return the contribution of the priors to the statistic.

        Parameters
        ----------
        x : array
            Parameter values, shape (n,).

        Returns
        -------
        float
            The contribution; 0 without priors.
        """
        return float(self.prior(np.asarray(x, dtype=float))) if self.prior else 0.0

    def total(self, x: Vector) -> float:
        """Return the statistic with priors, the function that fitters minimise.

        Parameters
        ----------
        x : array
            Parameter values, shape (n,).

        Returns
        -------
        float
            The total.
        """
        return self(x) + self.prior_stat(x)

    def gradient(self, x: Vector) -> Vector | None:
        """Return the gradient of the total.

        Parameters
        ----------
        x : array
            Parameter values, shape (n,).

        Returns
        -------
        array or None
            The gradient, shape (n,); None if the objective does not provide it.
        """
        return self.gradient_of(x) if self.gradient_of else None

    def fisher(self, x: Vector) -> Vector | None:
        """Return the Fisher matrix of the total.

        Parameters
        ----------
        x : array
            Parameter values, shape (n,).

        Returns
        -------
        array or None
            The matrix, shape (n, n); None if the objective does not provide it.
        """
        return self.fisher_of(x) if self.fisher_of else None

    def sampled_stat(self, x: Vector) -> float:
        """Return the statistic for samplers, without the priors that `transform` applies.

        Parameters
        ----------
        x : array
            Parameter values, shape (n,).

        Returns
        -------
        float
            The statistic.
        """
        if self.prior_without_quantile is not None:
            return self(x) + float(self.prior_without_quantile(np.asarray(x, dtype=float)))
        return self(x) if any(self.quantiles) else self.total(x)

    def transform(self, cube: Vector) -> Vector:
        """Map a point in the unit cube to parameters, by their priors or uniformly between limits.

        Parameters
        ----------
        cube : array
            A point in the unit cube, shape (n,).

        Returns
        -------
        array
            Parameter values, shape (n,).

        Raises
        ------
        FitError
            If parameters have neither a prior with a function in `quantiles` nor two finite limits;
            the message lists all of them.
        """
        quantiles = self.quantiles or [None] * len(self.names)
        is_bounded = [bool(np.isfinite(pair).all()) for pair in self.limits]
        parameters = zip(self.names, quantiles, is_bounded, strict=True)
        unbounded = [name for name, prior, bounded in parameters if prior is None and not bounded]
        if unbounded:
            raise FitError(
                f"parameters without a prior or two limits: {', '.join(map(repr, unbounded))}; "
                "to sample them, set prior, or min and max"
            )
        values = [
            low + q * (high - low) if quantile is None else quantile(float(q))
            for q, quantile, (low, high) in zip(cube, quantiles, self.limits, strict=True)
        ]
        return np.array(values, dtype=float)

    def accept(self, result: FitResult) -> None:
        """Write a result back to the models, if `on_accept` is set.

        Parameters
        ----------
        result : FitResult
            The result of a fit of this objective.
        """
        if self.on_accept:
            self.on_accept(result)
