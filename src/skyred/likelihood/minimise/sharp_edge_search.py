"""The search for the minimum if sources have sharp edges.

gammapy evaluates a disk or a shell at points. When the source moves, its edge passes these points
one by one. The statistic is therefore not smooth, and has many minima within the errors.
Searches with derivatives end in an arbitrary one of them.

This search samples the statistic around the source. The width of the sampling distribution is
adapted to the likelihood by weighted samples (Cappe et al. 2004, J. Comp. Graph. Stat. 13, 907).
The simplex method (Nelder & Mead 1965, Computer Journal 7, 308), which needs no derivatives, starts
from the lowest samples. The lowest value is accepted if several of these searches end there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.conditional import conditional_objective
from skyred.likelihood.minimise.newton import descend
from skyred.likelihood.minimise.newton_search import NewtonSearch
from skyred.likelihood.minimise.search_result import SearchResult
from skyred.likelihood.minimise.sharp_edge_profile import SharpEdgeProfile
from skyred.likelihood.minimise.sharp_edged_sources import spatial_indices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, SharpEdgedSource

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

SEED = 1  # makes fits reproducible
SAMPLES = 60  # per parameter of a source, to determine the scale
MORE_SAMPLES = 200  # per parameter, for the starts of searches and the covariance
MIN_SEPARATION = 0.3  # between the starts of searches, in units of the scale
MIN_SEARCHES, MAX_SEARCHES = 20, 40
FEW_SEARCHES = (3, 3)  # smallest and largest number of searches in conditional fits
FEW_SAMPLES = 20  # per parameter, in conditional fits
MIN_AGREEING = 3  # number of searches that must end at the lowest value
SAME_MINIMUM = 0.005  # in the statistic: searches that end within this have the same minimum
SIMPLEX_SIZE = 0.15  # in units of the scale
SMALL_SIMPLEX_SIZE = 0.03  # for the last steps
SIMPLEX_OPTIONS = {"xatol": 1e-5, "fatol": 1e-5, "maxfev": 600}
MAX_RESCALINGS = 12
VARIANCE_RANGE = (0.4, 2.5)  # allowed variances of shifts, in squared units of the scale
MAX_OFFSET = 1.5  # of the minimum from the centre of the samples, in units of the scale
MAX_CENTRES = 6
# searches from other sizes of the source
SIZE_FACTORS = (1.0, 1 / 3, 3.0)
MIN_SIZE = 0.5  # pixels
MIN_SIGNIFICANCE = 3  # of a size, in units of its error
COARSE_TOLERANCE = 1e-2  # in the statistic
MAX_ITERATIONS = 15
MAX_ROUNDS = 10
MIN_GAIN = 10  # times the tolerance: after a larger decrease, another round follows


@attrs.define(eq=False)
class SharpEdgeSearch:
    """A search for the minimum of an objective with sharp edges.

    Parameters
    ----------
    objective : Objective
        The objective, with derivatives and `sharp`.
    tolerance : float
        Tolerance on the fit statistic.

    Attributes
    ----------
    calls : int
        Number of calls of the objective and its derivatives.
    random : numpy.random.Generator
        The random number generator, with a fixed seed.
    """

    objective: Objective
    tolerance: float
    calls: int = attrs.field(init=False, default=0)
    random: np.random.Generator = attrs.field(
        init=False, factory=lambda: np.random.default_rng(SEED)
    )

    def run(self, x: Array, sources: Sequence[SharpEdgedSource]) -> SearchResult:
        """Search around a point close to the minimum.

        Parameters
        ----------
        x : array
            All parameters, shape (n,).
        sources : sequence of SharpEdgedSource
            The sources with sharp edges, at least one.

        Returns
        -------
        SearchResult
            The result, with a message if too few searches ended at the lowest value.
        """
        agreements = []
        for source in sources:
            x, count = self._search_around(source, x, sources)
            agreements.append(count)
        for _ in range(MAX_ROUNDS):
            x = self._fit_others(x, sources)
            self._refresh(x)
            previous_stat = self.objective.total(x)
            for source in sources:
                x = self._polish(source, x, sources)
            if not previous_stat - self.objective.total(x) > MIN_GAIN * self.tolerance:
                break
        self._refresh(x)
        return self._result(x, sources, agreements)

    def update(self, x: Array, sources: Sequence[SharpEdgedSource]) -> Array:
        """Update a minimum after a small change of the other parameters.

        Parameters
        ----------
        x : array
            All parameters, shape (n,).
        sources : sequence of SharpEdgedSource
            The sources with sharp edges, at least one.

        Returns
        -------
        array
            The minimum, shape (n,); the number of searches that ended there is not checked.
        """
        for _ in range(MAX_ROUNDS):
            previous_stat = self.objective.total(x)
            for source in sources:
                profile = self._profile(source, x, sources)
                shift, _ = self._search_lowest(profile, FEW_SAMPLES, FEW_SEARCHES)
                self.calls += profile.calls
                x = self._choose_lower(x, profile.point(shift))
            x = self._fit_others(x, sources)
            if not previous_stat - self.objective.total(x) > SAME_MINIMUM:
                break
        return x

    def _refresh(self, x: Array) -> None:
        if self.objective.refresh is not None:
            self.objective.refresh(x)

    def _profile(
        self,
        source: SharpEdgedSource,
        x: Array,
        sources: Sequence[SharpEdgedSource],
        scale: Array | None = None,
    ) -> SharpEdgeProfile:
        fixed = np.setdiff1d(spatial_indices(sources), source.indices)
        return SharpEdgeProfile(self.objective, source, x, fixed, scale)

    def _search_around(
        self, source: SharpEdgedSource, x: Array, sources: Sequence[SharpEdgedSource]
    ) -> tuple[Array, int]:
        """Search for the lowest point around a source.

        Parameters
        ----------
        source : SharpEdgedSource
            The source.
        x : array
            All parameters, shape (n,).
        sources : sequence of SharpEdgedSource
            All sources with sharp edges.

        Returns
        -------
        x : array
            The lowest point, shape (n,).
        n_agreeing : int
            Number of searches that ended there.
        """
        resized_x = self._find_lower_sizes(source, x)
        x = x if resized_x is None else resized_x
        for _ in range(MAX_CENTRES):
            x, scale = self._determine_scale(source, x, sources)
            profile = self._profile(source, x, sources, scale)
            shift, n_agreeing = self._search_lowest(
                profile, MORE_SAMPLES, (MIN_SEARCHES, MAX_SEARCHES)
            )
            self.calls += profile.calls
            previous_x, x = x, self._choose_lower(x, profile.point(shift))
            if x is previous_x or np.linalg.norm(shift) < MAX_OFFSET:
                resized_x = self._find_lower_sizes(source, x)
                if resized_x is None:
                    break
                x = resized_x
        return x, n_agreeing

    def _determine_scale(
        self, source: SharpEdgedSource, x: Array, sources: Sequence[SharpEdgedSource]
    ) -> tuple[Array, Array]:
        """Determine the scale of the likelihood around a source.

        Parameters
        ----------
        source : SharpEdgedSource
            The source, with k parameters.
        x : array
            All parameters, shape (n,).
        sources : sequence of SharpEdgedSource
            All sources with sharp edges.

        Returns
        -------
        x : array
            The lowest sampled point, shape (n,).
        scale : array
            The matrix that converts shifts to parameters, shape (k, k).
        """
        scale = self._profile(source, x, sources).scale
        for _ in range(MAX_RESCALINGS):
            profile = self._profile(source, x, sources, scale)
            samples = profile.sample(self.random, SAMPLES * len(source.indices))
            mean, covariance = samples.moments()
            scale = profile.rescale(covariance)
            x = self._choose_lower(x, profile.point(samples.lowest))
            self.calls += profile.calls
            variances = np.linalg.eigvalsh(covariance)
            is_scaled = VARIANCE_RANGE[0] < variances[0] and variances[-1] < VARIANCE_RANGE[1]
            if is_scaled and np.linalg.norm(mean) < MAX_OFFSET:
                break
        return x, scale

    def _find_lower_sizes(self, source: SharpEdgedSource, x: Array) -> Array | None:
        """Return a lower point with other sizes of a source; None if there is none.

        A search may have reached sizes at which the statistic is constant, such as a shell with an
        inner radius of zero.
        """
        stat, sizes = self.objective.total(x), source.sizes
        min_sizes = MIN_SIZE * source.pixels[np.isin(source.indices, sizes)]
        for factors in product(SIZE_FACTORS, repeat=len(sizes)):
            start = x.copy()
            start[sizes] = np.maximum(np.abs(x[sizes]) * factors, min_sizes)
            start = np.clip(start, *self.objective.limits.T)
            if np.array_equal(start, x):
                continue
            free = source.related
            free_objective = conditional_objective(self.objective, free, start)
            descent = descend(
                free_objective,
                COARSE_TOLERANCE,
                start[free],
                max_iterations=MAX_ITERATIONS,
                threshold=stat - SAME_MINIMUM,
            )
            self.calls += descent.calls
            start[free] = descent.x
            if self.objective.total(start) < stat - SAME_MINIMUM:
                return start
        return None

    def _choose_lower(self, x: Array, candidate: Array) -> Array:
        return candidate if self.objective.total(candidate) < self.objective.total(x) else x

    def _search_lowest(
        self, profile: SharpEdgeProfile, samples_per_parameter: int, search_range: tuple[int, int]
    ) -> tuple[Array, int]:
        """Return the lowest of the points at which several searches end.

        Parameters
        ----------
        profile : SharpEdgeProfile
            The statistic around a source with k parameters.
        samples_per_parameter : int
            Number of samples per parameter.
        search_range : (int, int)
            Smallest and largest number of searches.

        Returns
        -------
        shift : array
            The shift of the end point with the lowest statistic, in units of the scale,
            shape (k,).
        n_agreeing : int
            Number of searches that ended there.
        """
        local_samples = profile.sample(self.random, samples_per_parameter * len(profile.indices))
        min_searches, max_searches = search_range
        shifts: list[Array] = []
        stats: list[float] = []
        for start in _select_separate(
            local_samples.shifts[np.argsort(local_samples.stats, kind="stable")], max_searches
        ):
            shift, stat = self._run_simplex(profile, start, SIMPLEX_SIZE)
            shifts.append(shift)
            stats.append(stat)
            n_agreeing = int(np.count_nonzero(np.array(stats) < min(stats) + SAME_MINIMUM))
            if n_agreeing >= MIN_AGREEING and len(stats) >= min_searches:
                break
        return shifts[int(np.argmin(stats))], n_agreeing

    def _run_simplex(
        self, profile: SharpEdgeProfile, start: Array, size: float
    ) -> tuple[Array, float]:
        from scipy.optimize import minimize

        sides = size * self.random.choice([-1.0, 1.0], size=len(start))
        simplex = np.vstack([start, start + np.diag(sides)])
        options = {**SIMPLEX_OPTIONS, "initial_simplex": simplex}
        result = minimize(profile, start, method="Nelder-Mead", options=options)
        return result.x, float(result.fun)

    def _polish(
        self, source: SharpEdgedSource, x: Array, sources: Sequence[SharpEdgedSource]
    ) -> Array:
        """Improve a point close to the minimum with a small simplex."""
        profile = self._profile(source, x, sources)
        shift, _ = self._run_simplex(profile, np.zeros(len(profile.indices)), SMALL_SIMPLEX_SIZE)
        self.calls += profile.calls
        return self._choose_lower(x, profile.point(shift))

    def _fit_others(self, x: Array, sources: Sequence[SharpEdgedSource]) -> Array:
        """Fit all parameters except those of the sources with sharp edges."""
        others = np.setdiff1d(np.arange(len(x)), spatial_indices(sources))
        if not len(others):
            return x
        newton = NewtonSearch(conditional_objective(self.objective, others, x), self.tolerance).run(
            x[others]
        )
        self.calls += newton.calls
        fitted = x.copy()
        fitted[others] = newton.x
        return self._choose_lower(x, fitted)

    def _result(
        self, x: Array, sources: Sequence[SharpEdgedSource], agreements: Sequence[int]
    ) -> SearchResult:
        names = ", ".join(self.objective.names[index] for index in spatial_indices(sources))
        covariance, edm = self._covariance(x, sources)
        notes = [
            f"the statistic has many minima along {names}, since the model has sharp edges: the "
            "result is the lowest of many searches, and the errors are the widths of the "
            "likelihood",
        ]
        if unresolved := self._list_unresolved(x, covariance, sources):
            notes.append(
                f"{', '.join(unresolved)}: less than {MIN_SIGNIFICANCE} errors from zero; the "
                "statistic may be lower at sizes of a few percent of a pixel: compare the fit with "
                "that of a point source"
            )
        message = ""
        if min(agreements) < MIN_AGREEING:
            message = (
                f"the statistic has many minima along {names}, since the model has sharp edges; "
                "a lower one may exist: start closer to it, or freeze some of these parameters"
            )
        return SearchResult(x, covariance, edm, self.calls, message, tuple(notes))

    def _list_unresolved(
        self, x: Array, covariance: Array, sources: Sequence[SharpEdgedSource]
    ) -> list[str]:
        """Return the names of the sizes that are compatible with zero."""
        sizes = np.concatenate([source.sizes for source in sources])
        limits = MIN_SIGNIFICANCE * np.sqrt(np.diag(covariance)[sizes])
        return [self.objective.names[size] for size in sizes[np.abs(x[sizes]) < limits]]

    def _covariance(self, x: Array, sources: Sequence[SharpEdgedSource]) -> tuple[Array, float]:
        """Return the covariance of all parameters.

        Parameters
        ----------
        x : array
            The minimum, shape (n,).
        sources : sequence of SharpEdgedSource
            The sources with sharp edges.

        Returns
        -------
        covariance : array
            The covariance, shape (n, n).
        edm : float
            Estimated distance to the minimum, in the statistic.
        """
        others = np.setdiff1d(np.arange(len(x)), spatial_indices(sources))
        covariance, edm = np.zeros((len(x), len(x))), 0.0
        if len(others):
            newton = NewtonSearch(
                conditional_objective(self.objective, others, x), self.tolerance
            ).run(x[others])
            if newton.hessian is None:
                return np.full(covariance.shape, np.nan), np.nan
            edm = newton.hessian.edm
            covariance[np.ix_(others, others)] = newton.hessian.covariance
        for source in sources:
            _, scale = self._determine_scale(source, x, sources)
            profile = self._profile(source, x, sources, scale)
            samples = profile.sample(self.random, MORE_SAMPLES * len(source.indices))
            scale = profile.rescale(samples.moments()[1])
            cross, inner = samples.covariance_of_others()
            cross = cross @ profile.scale.T
            covariance[np.ix_(source.indices, source.indices)] = scale @ scale.T
            covariance[np.ix_(profile.others, source.indices)] = cross
            covariance[np.ix_(source.indices, profile.others)] = cross.T
            covariance[np.ix_(profile.others, profile.others)] += inner
            self.calls += profile.calls
        return covariance, edm


def _select_separate(points: Array, max_number: int) -> list[Array]:
    """Select points in order, except those that are close to a point already selected.

    Parameters
    ----------
    points : array
        The points, in units of the scale, shape (m, k).
    max_number : int
        Largest number of selected points.

    Returns
    -------
    list of array
        The selected points, each of shape (k,).
    """
    selected: list[Array] = []
    for point in points:
        if all(np.linalg.norm(point - neighbour) > MIN_SEPARATION for neighbour in selected):
            selected.append(point)
        if len(selected) == max_number:
            break
    return selected
