"""Columns: what is written down of a fitted norm, for one bin of energy, time or place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from skyred.likelihood.flux.norm import Norm, best_norm, crossing, sensitivity, upper_limit
from skyred.likelihood.flux.profile import Held, NormProfile
from skyred.likelihood.flux.slices import Slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gammapy.estimators import FluxPointsEstimator
    from numpy.typing import NDArray

Row = dict[str, Any]
MASKED = "masked in all datasets"
NO_DATASET = "no dataset has such energies"
NO_MINIMUM = "the statistic has no minimum"
NO_COUNTS = "the source predicts no counts: there is no exposure for it"
NO_REFERENCE = "the reference flux is zero, not finite or changes its sign in the bin"
OPTIONAL = {
    "errn-errp": ("norm_errn", "norm_errp"),
    "ul": ("norm_ul",),
    "sensitivity": ("norm_sensitivity",),
}


@attrs.define(eq=False)
class FittedNorm:
    """The norm fitted in one bin: along which profile, and where the rest was then."""

    norm: Norm
    profile: NormProfile
    slices: Sequence[Slice]
    held: Held


@attrs.frozen(eq=False)
class FluxColumns:
    """Which columns there are, and how wide errors and limits are, as gammapy has them.

    Parameters
    ----------
    selected : sequence of {"errn-errp", "ul", "scan", "sensitivity"}
        The optional columns.
    n_sigma, n_sigma_ul, n_sigma_sensitivity : float
        Width of the errors, confidence of the upper limits and significance of the sensitivity.
    parameter : gammapy.modeling.Parameter
        The norm: its start, limits and scan values.
    scans : list of array
        The norms of the scan, once they are known. All rows have the same, because `FluxPoints` has
        one axis for them; if they depend on the fit, they are those of the first row.
    """

    selected: Sequence[str]
    n_sigma: float
    n_sigma_ul: float
    n_sigma_sensitivity: float
    parameter: Any
    scans: list[NDArray[np.float64]] = attrs.field(factory=list)

    @classmethod
    def of(cls, estimator: FluxPointsEstimator) -> Self:
        """Take the options of a gammapy estimator."""
        sigmas = estimator.n_sigma, estimator.n_sigma_ul, estimator.n_sigma_sensitivity
        return cls(tuple(estimator.selection_optional), *sigmas, estimator.norm)

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest norm."""
        low, high = self.parameter.min, self.parameter.max
        return float(np.fmax(low, -np.inf)), float(np.fmin(high, np.inf))  # NaN: none

    def fit(self, slices: Sequence[Slice], offset: float = 0.0) -> FittedNorm:
        """Fit the norm with the rest held; `offset` is what priors add."""
        held = Held([each.term for each in slices], offset)
        return FittedNorm(best_norm(held, self.parameter.value, *self.limits), held, slices, held)

    def held_row(self, slices: Sequence[Slice], offset: float = 0.0) -> Row:
        """Give the columns of a bin in some datasets, the rest held."""
        if not slices:
            return self.missing()
        if not any(each.bins for each in slices):
            return self.counted(slices, self.nothing(len(slices)))
        return self.counted(slices, self.row(self.fit(slices, offset)))

    @staticmethod
    def counted(slices: Sequence[Slice], row: Row) -> Row:
        """Add the counts of each dataset, and its name."""
        counts = np.array([each.counts for each in slices], dtype=int)
        return {**row, "counts": counts, "datasets": [each.name for each in slices]}

    def row(self, fitted: FittedNorm) -> Row:
        """Give the columns of a fitted norm."""
        norm, profile, stat_null = fitted.norm, fitted.profile, fitted.profile.stat(0.0)
        row = {
            "norm": norm.value,
            "stat": norm.stat,
            "success": norm.success,
            "norm_err": norm.error * self.n_sigma,
            "ts": stat_null - norm.stat,
            "stat_null": stat_null,
            "npred": np.array([each.term.npred(norm.value) for each in fitted.slices]),
            "npred_excess": np.array([each.term.excess(norm.value) for each in fitted.slices]),
        }
        low, high = self.limits
        if "errn-errp" in self.selected:
            row["norm_errp"] = crossing(profile, norm, self.n_sigma, 1, high)
            row["norm_errn"] = crossing(profile, norm, self.n_sigma, -1, low)
        if "ul" in self.selected:
            row["norm_ul"] = upper_limit(profile, norm, self.n_sigma_ul, high)
        if "scan" in self.selected:
            row["norm_scan"] = scan = self._scan(norm)
            row["stat_scan"] = np.array([profile.stat(value) for value in scan])
        if "sensitivity" in self.selected:
            sigma = self.n_sigma_sensitivity
            row["norm_sensitivity"] = sensitivity(fitted.held.asimov, norm.scale, sigma)
        return {**row, "reason": "" if np.isfinite(norm.value) else _reason(fitted)}

    def _scan(self, norm: Norm) -> NDArray[np.float64]:
        if not self.scans:
            parameter = self.parameter.copy()  # its range may depend on value and error
            parameter.value, parameter.error = norm.value, np.nan_to_num(norm.error)
            self.scans.append(np.asarray(parameter.scan_values))
        return self.scans[0]

    def nothing(self, datasets: int, reason: str = MASKED) -> Row:
        """Return the columns of a bin without a norm, filled as gammapy fills masked ones."""
        nan = dict.fromkeys(["norm", "norm_err", "ts"], np.nan)
        for selected, columns in OPTIONAL.items():
            if selected in self.selected:
                nan |= dict.fromkeys(columns, np.nan)
        row: Row = {**nan, "stat": 0.0, "stat_null": 0.0, "success": False, "reason": reason}
        row["npred"], row["npred_excess"] = np.full(datasets, np.nan), np.zeros(datasets)
        if "scan" in self.selected:
            row["norm_scan"] = scan = np.asarray(self.parameter.copy().scan_values)
            row["stat_scan"] = np.nan * scan
        return row

    def missing(self) -> Row:
        """Give the columns of a bin without any dataset: gammapy leaves such intervals out."""
        unknown = {"stat": np.nan, "stat_null": np.nan, "npred": [], "npred_excess": []}
        return {**self.nothing(0, NO_DATASET), **unknown, "counts": [], "datasets": []}


def _reason(fitted: FittedNorm) -> str:
    """Return why there is no norm."""
    predicted = any(each.term.excess(1.0) for each in fitted.slices)
    return NO_MINIMUM if predicted else NO_COUNTS
