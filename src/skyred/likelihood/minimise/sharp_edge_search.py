"""The search for the minimum if sources have sharp edges.

gammapy evaluates a disk or a shell at points. When the source moves, its edge passes these points
one by one. The statistic is therefore not smooth, and has many minima within the errors.
Searches with derivatives end in an arbitrary one of them.

This search samples the statistic around the source. The width of the sampling distribution is
adapted to the likelihood by weighted samples (Cappe et al. 2004, J. Comp. Graph. Stat. 13, 907).
Simplex searches start from the lowest samples (`sharp_edge_simplex`). The lowest value is accepted
if several of these searches end there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.conditional import conditional_objective
from skyred.likelihood.minimise.newton_search import NewtonResult, NewtonSearch
from skyred.likelihood.minimise.search_result import SearchResult
from skyred.likelihood.minimise.sharp_edge_profile import SharpEdgeProfile
from skyred.likelihood.minimise.sharp_edge_simplex import (
    MIN_AGREEING,
    SAME_MINIMUM,
    run_simplex,
    search_lowest,
)
from skyred.likelihood.minimise.sharp_edge_sizes import (
    MIN_SIGNIFICANCE,
    find_lower_sizes,
    list_unresolved_sizes,
)
from skyred.likelihood.minimise.sharp_edged_sources import spatial_indices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, SharpEdgedSource

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

SEED = 1  # makes fits reproducible
SAMPLES = 60  # per parameter of a source, to determine the scale
MORE_SAMPLES = 200  # per parameter, for the starts of searches and the covariance
MANY_SEARCHES = (20, 40)  # smallest and largest number of searches around a source
FEW_SEARCHES = (3, 3)  # the same in conditional fits
FEW_SAMPLES = 20  # per parameter, in conditional fits
SMALL_SIMPLEX_SIZE = 0.03  # for the last steps, in units of the scale
MAX_RESCALINGS = 12
VARIANCE_RANGE = (0.4, 2.5)  # allowed variances of shifts, in squared units of the scale
MAX_OFFSET = 1.5  # of the minimum from the centre of the samples, in units of the scale
MAX_CENTRES = 6
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
                shift, _ = search_lowest(profile, self.random, FEW_SAMPLES, FEW_SEARCHES)
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
            shift, n_agreeing = search_lowest(profile, self.random, MORE_SAMPLES, MANY_SEARCHES)
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
        max_stat = self.objective.total(x) - SAME_MINIMUM
        lower, calls = find_lower_sizes(self.objective, source, x, max_stat)
        self.calls += calls
        return lower

    def _choose_lower(self, x: Array, candidate: Array) -> Array:
        return candidate if self.objective.total(candidate) < self.objective.total(x) else x

    def _polish(
        self, source: SharpEdgedSource, x: Array, sources: Sequence[SharpEdgedSource]
    ) -> Array:
        """Improve a point close to the minimum with a small simplex."""
        profile = self._profile(source, x, sources)
        shift, _ = run_simplex(
            profile, self.random, np.zeros(len(profile.indices)), SMALL_SIMPLEX_SIZE
        )
        self.calls += profile.calls
        return self._choose_lower(x, profile.point(shift))

    def _fit_others(self, x: Array, sources: Sequence[SharpEdgedSource]) -> Array:
        """Fit all parameters except those of the sources with sharp edges."""
        others = np.setdiff1d(np.arange(len(x)), spatial_indices(sources))
        if not len(others):
            return x
        newton = self._search_others(x, others)
        self.calls += newton.calls
        fitted = x.copy()
        fitted[others] = newton.x
        return self._choose_lower(x, fitted)

    def _search_others(self, x: Array, others: Index) -> NewtonResult:
        objective = conditional_objective(self.objective, others, x)
        return NewtonSearch(objective, self.tolerance).run(x[others])

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
        if unresolved := list_unresolved_sizes(self.objective, x, covariance, sources):
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
            newton = self._search_others(x, others)
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
