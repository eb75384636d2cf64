"""The search for the minimum with sources that have sharp edges.

gammapy evaluates a disk or a shell at points that pass its edge one after the other when it moves,
so the statistic has kinks and many minima within the errors; derivatives lead into any of them.
Here the statistic is sampled around the source, on the scale of its likelihood, which weighted
samples give (Cappe et al. 2004, J. Comp. Graph. Stat. 13, 907). The simplex method (Nelder & Mead
1965, Computer Journal 7, 308), which needs no derivatives, goes down from the lowest samples. The
lowest value is believed when several of these searches end there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.conditional import conditional
from skyred.likelihood.minimise.newton import descend
from skyred.likelihood.minimise.newton_search import NewtonSearch
from skyred.likelihood.minimise.search_result import SearchResult
from skyred.likelihood.minimise.sharp_profile import SharpProfile
from skyred.likelihood.minimise.sharp_sources import places_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, SharpSource

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

SEED = 1  # the same fit gives the same numbers
SAMPLES = 60  # for each parameter of a source, to find its scale
MORE_SAMPLES = 200  # for each, to begin searches from, and for the covariance
APART = 0.3  # scales, between samples from which searches begin
FEWEST, MOST = 20, 40  # searches
FEW = (3, 3)  # searches, for the rest of a profile
FEW_SAMPLES = 20
AGREEING = 3  # searches that must end at the lowest value
SAME = 0.005  # in the statistic
SIMPLEX = 0.15  # scales
SMALL_SIMPLEX = 0.03
ENDS_AT = {"xatol": 1e-5, "fatol": 1e-5, "maxfev": 600}
SCALINGS = 12
SETTLED = (0.4, 2.5)  # of a variance, when a scale is right
CENTRED = 1.5  # scales
CENTRES = 6
FACTORS = (1.0, 1 / 3, 3.0)  # of sizes, to begin again from
SMALLEST = 0.5  # pixels, of these sizes
COARSE = 1e-2  # in the statistic, at which fits from there end
ITERATIONS = 15
ROUNDS = 10
GAIN = 10  # times the tolerance, by which a round must gain for another


@attrs.define(eq=False)
class SharpSearch:
    """Searches the minimum of an objective with sharp edges.

    Parameters
    ----------
    objective : Objective
        With derivatives, and `sharp`.
    tolerance : float
        How well the minimum is to be known, in the statistic.
    """

    objective: Objective
    tolerance: float
    calls: int = attrs.field(init=False, default=0)
    random: np.random.Generator = attrs.field(
        init=False, factory=lambda: np.random.default_rng(SEED)
    )

    def run(self, x: Array, sources: Sequence[SharpSource]) -> SearchResult:
        """Search around a point near the minimum.

        Parameters
        ----------
        x : array
            All parameters, shape (n,).
        sources : sequence of SharpSource
            Those with sharp edges, at least one.

        Returns
        -------
        SearchResult
            With a message if the lowest value was not found repeatedly.
        """
        agreeing = []
        for source in sources:
            x, count = self._explore(source, x, sources)
            agreeing.append(count)
        for _ in range(ROUNDS):
            x = self._fit_others(x, sources)
            self._refresh(x)
            before = self.objective.total(x)
            for source in sources:
                x = self._polish(source, x, sources)
            if not before - self.objective.total(x) > GAIN * self.tolerance:
                break
        self._refresh(x)
        return self._result(x, sources, agreeing)

    def follow(self, x: Array, sources: Sequence[SharpSource]) -> Array:
        """Return the lowest point around one that was the lowest for slightly other parameters.

        Parameters
        ----------
        x : array
            All parameters, shape (n,).
        sources : sequence of SharpSource
            Those with sharp edges, at least one.

        Returns
        -------
        array
            Shape (n,). There is no check of how many searches find it.
        """
        for _ in range(ROUNDS):
            before = self.objective.total(x)
            for source in sources:
                profile = self._profile(source, x, sources)
                shift, _ = self._lowest(profile, FEW_SAMPLES, FEW)
                self.calls += profile.calls
                x = self._lower(x, profile.point(shift))
            x = self._fit_others(x, sources)
            if not before - self.objective.total(x) > SAME:
                break
        return x

    def _refresh(self, x: Array) -> None:
        if self.objective.refresh is not None:
            self.objective.refresh(x)

    def _profile(
        self,
        source: SharpSource,
        x: Array,
        sources: Sequence[SharpSource],
        scale: Array | None = None,
    ) -> SharpProfile:
        fixed = np.setdiff1d(places_of(sources), source.places)
        return SharpProfile(self.objective, source, x, fixed, scale)

    def _explore(
        self, source: SharpSource, x: Array, sources: Sequence[SharpSource]
    ) -> tuple[Array, int]:
        """Return the lowest point around a source, and how many searches found it."""
        resized = self._resized(source, x)
        x = x if resized is None else resized
        for _ in range(CENTRES):
            x, scale = self._scale(source, x, sources)
            profile = self._profile(source, x, sources, scale)
            shift, agreeing = self._lowest(profile, MORE_SAMPLES, (FEWEST, MOST))
            self.calls += profile.calls
            before, x = x, self._lower(x, profile.point(shift))
            if x is before or np.linalg.norm(shift) < CENTRED:
                resized = self._resized(source, x)
                if resized is None:
                    break
                x = resized
        return x, agreeing

    def _scale(
        self, source: SharpSource, x: Array, sources: Sequence[SharpSource]
    ) -> tuple[Array, Array]:
        """Return a point that is not higher, and the scale of the likelihood around it."""
        scale = self._profile(source, x, sources).scale
        for _ in range(SCALINGS):
            profile = self._profile(source, x, sources, scale)
            samples = profile.sample(self.random, SAMPLES * len(source.places))
            mean, covariance = samples.moments()
            scale = profile.scaled_to(covariance)
            x = self._lower(x, profile.point(samples.lowest))
            self.calls += profile.calls
            variances = np.linalg.eigvalsh(covariance)
            settled = SETTLED[0] < variances[0] and variances[-1] < SETTLED[1]
            if settled and np.linalg.norm(mean) < CENTRED:
                break
        return x, scale

    def _resized(self, source: SharpSource, x: Array) -> Array | None:
        """Return a lower point with other sizes of a source; None if there is none.

        A size may have run to where the statistic does not depend on it, such as the radius of the
        hole in a shell to zero.
        """
        stat, sizes = self.objective.total(x), source.sizes
        smallest = SMALLEST * source.pixels[np.isin(source.places, sizes)]
        for factors in product(FACTORS, repeat=len(sizes)):
            start = x.copy()
            start[sizes] = np.maximum(np.abs(x[sizes]) * factors, smallest)
            start = np.clip(start, *self.objective.limits.T)
            if np.array_equal(start, x):
                continue
            free = source.related
            some = conditional(self.objective, free, start)
            end = descend(some, COARSE, start[free], iterations=ITERATIONS, level=stat - SAME)
            self.calls += end.calls
            start[free] = end.x
            if self.objective.total(start) < stat - SAME:
                return start
        return None

    def _lower(self, x: Array, other: Array) -> Array:
        return other if self.objective.total(other) < self.objective.total(x) else x

    def _lowest(
        self, profile: SharpProfile, samples: int, searches: tuple[int, int]
    ) -> tuple[Array, int]:
        """Return the lowest of several searches, shape (k,), and how many ended there."""
        around = profile.sample(self.random, samples * len(profile.places))
        fewest, most = searches
        ends: list[Array] = []
        values: list[float] = []
        for start in _apart(around.shifts[np.argsort(around.stats, kind="stable")], most):
            shift, stat = self._descend(profile, start, SIMPLEX)
            ends.append(shift)
            values.append(stat)
            agreeing = int(np.count_nonzero(np.array(values) < min(values) + SAME))
            if agreeing >= AGREEING and len(values) >= fewest:
                break
        return ends[int(np.argmin(values))], agreeing

    def _descend(self, profile: SharpProfile, start: Array, edge: float) -> tuple[Array, float]:
        from scipy.optimize import minimize

        sides = edge * self.random.choice([-1.0, 1.0], size=len(start))
        simplex = np.vstack([start, start + np.diag(sides)])
        options = {**ENDS_AT, "initial_simplex": simplex}
        end = minimize(profile, start, method="Nelder-Mead", options=options)
        return end.x, float(end.fun)

    def _polish(self, source: SharpSource, x: Array, sources: Sequence[SharpSource]) -> Array:
        """Go down from a point that is nearly the lowest."""
        profile = self._profile(source, x, sources)
        shift, _ = self._descend(profile, np.zeros(len(profile.places)), SMALL_SIMPLEX)
        self.calls += profile.calls
        return self._lower(x, profile.point(shift))

    def _fit_others(self, x: Array, sources: Sequence[SharpSource]) -> Array:
        """Fit all parameters but those of the sources with sharp edges."""
        others = np.setdiff1d(np.arange(len(x)), places_of(sources))
        if not len(others):
            return x
        end = NewtonSearch(conditional(self.objective, others, x), self.tolerance).run(x[others])
        self.calls += end.calls
        moved = x.copy()
        moved[others] = end.x
        return self._lower(x, moved)

    def _result(
        self, x: Array, sources: Sequence[SharpSource], agreeing: Sequence[int]
    ) -> SearchResult:
        names = ", ".join(self.objective.names[place] for place in places_of(sources))
        covariance, edm = self._covariance(x, sources)
        notes = (
            f"the statistic has many minima along {names}, since the model has sharp edges: the "
            "lowest was searched for, and the errors are the widths of the likelihood around it",
        )
        message = ""
        if min(agreeing) < AGREEING:
            message = (
                f"the statistic has many minima along {names}, since the model has sharp edges; "
                "a lower one may exist: start closer, or freeze some of them"
            )
        return SearchResult(x, covariance, edm, self.calls, message, notes)

    def _covariance(self, x: Array, sources: Sequence[SharpSource]) -> tuple[Array, float]:
        """Return the covariance of all parameters, and the estimated distance to the minimum."""
        sharp = places_of(sources)
        others = np.setdiff1d(np.arange(len(x)), sharp)
        fisher = self.objective.fisher(x)
        assert fisher is not None
        covariance = np.zeros(fisher.shape)
        for source in sources:
            _, scale = self._scale(source, x, sources)
            profile = self._profile(source, x, sources, scale)
            samples = profile.sample(self.random, MORE_SAMPLES * len(source.places))
            scale = profile.scaled_to(samples.moments()[1])
            covariance[np.ix_(source.places, source.places)] = scale @ scale.T
            self.calls += profile.calls
        edm = 0.0
        if len(others):
            rest = NewtonSearch(conditional(self.objective, others, x), self.tolerance).run(
                x[others]
            )
            if rest.hessian is None:
                return np.full(fisher.shape, np.nan), np.nan
            edm, inner = rest.hessian.edm, rest.hessian.covariance
            slope = -inner / 2 @ fisher[np.ix_(others, sharp)]
            cross = slope @ covariance[np.ix_(sharp, sharp)]
            covariance[np.ix_(others, sharp)] = cross
            covariance[np.ix_(sharp, others)] = cross.T
            covariance[np.ix_(others, others)] = inner + cross @ slope.T
        return covariance, edm


def _apart(points: Array, number: int) -> list[Array]:
    """Return the first points, of shape (m, k), that are not close to one before them."""
    chosen: list[Array] = []
    for point in points:
        if all(np.linalg.norm(point - other) > APART for other in chosen):
            chosen.append(point)
        if len(chosen) == number:
            break
    return chosen
