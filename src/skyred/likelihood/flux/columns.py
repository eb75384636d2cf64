"""Columns of flux points for a fitted norm in one bin of energy, time or position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from skyred.likelihood.flux.norm import (
    Norm,
    find_asymmetric_error,
    find_best_norm,
    find_sensitivity,
    find_upper_limit,
)
from skyred.likelihood.flux.profile import FixedProfile, NormProfile
from skyred.likelihood.flux.slices import Slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gammapy.estimators import FluxPointsEstimator
    from numpy.typing import NDArray

Row = dict[str, Any]
MASKED = "masked in all datasets"
NO_DATASET = "no dataset covers these energies"
NO_MINIMUM = "the statistic has no minimum"
NO_COUNTS = "the source predicts no counts, for example because the exposure is zero"
NO_REFERENCE = "the reference flux is zero, not finite or changes sign in the bin"
OPTIONAL_COLUMNS = {
    "errn-errp": ("norm_errn", "norm_errp"),
    "ul": ("norm_ul",),
    "sensitivity": ("norm_sensitivity",),
}


@attrs.define(eq=False)
class FittedNorm:
    """The fitted norm in one bin, with its profile.

    Parameters
    ----------
    norm : Norm
        The best norm.
    profile : NormProfile
        The statistic as a function of the norm.
    slices : sequence of Slice
        The datasets in the bin, with the other parameters at their best values.
    fixed_profile : FixedProfile
        The statistic as a function of the norm, with the other parameters fixed at their best
        values.
    """

    norm: Norm
    profile: NormProfile
    slices: Sequence[Slice]
    fixed_profile: FixedProfile


@attrs.frozen(eq=False)
class FluxColumns:
    """Selected columns of flux points, and the fits of the norm that they need.

    Parameters
    ----------
    selected : sequence of {"errn-errp", "ul", "scan", "sensitivity"}
        The optional columns.
    n_sigma, n_sigma_ul, n_sigma_sensitivity : float
        Number of sigma of the errors, of the upper limits and of the sensitivity.
    parameter : gammapy.modeling.Parameter
        The norm: its start, limits and scan values.
    scans : list of array
        The norms of the scan, set with the first row. They are the same in all rows, because
        `FluxPoints` has one axis for them; if they depend on the fit, those of the first row are
        used.
    """

    selected: Sequence[str]
    n_sigma: float
    n_sigma_ul: float
    n_sigma_sensitivity: float
    parameter: Any
    scans: list[NDArray[np.float64]] = attrs.field(factory=list)

    @classmethod
    def from_estimator(cls, estimator: FluxPointsEstimator) -> Self:
        """Return the columns selected by the options of a gammapy estimator.

        Parameters
        ----------
        estimator : gammapy.estimators.FluxPointsEstimator
            The estimator.

        Returns
        -------
        FluxColumns
            The columns.
        """
        sigmas = estimator.n_sigma, estimator.n_sigma_ul, estimator.n_sigma_sensitivity
        return cls(tuple(estimator.selection_optional), *sigmas, estimator.norm)

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest allowed norm; infinite without a limit."""
        low, high = self.parameter.min, self.parameter.max
        return float(np.fmax(low, -np.inf)), float(np.fmin(high, np.inf))  # NaN: no limit

    @property
    def scan_depends_on_fit(self) -> bool:
        """Whether the norms of the scan depend on the best norm of the first row."""
        if "scan" not in self.selected:
            return False
        moved = self.parameter.copy()
        moved.value, moved.error = 2 * moved.value + 1, 2 * moved.error + 1
        return not np.array_equal(moved.scan_values, self.parameter.scan_values)

    def fit(self, slices: Sequence[Slice], offset: float = 0.0) -> FittedNorm:
        """Fit the norm with all other parameters fixed.

        Parameters
        ----------
        slices : sequence of Slice
            The datasets in the bin.
        offset : float
            Contribution of priors to the statistic.

        Returns
        -------
        FittedNorm
            The fitted norm.
        """
        profile = FixedProfile([dataset_slice.term for dataset_slice in slices], offset)
        norm = find_best_norm(profile, self.parameter.value, *self.limits)
        return FittedNorm(norm, profile, slices, profile)

    def fit_row(self, slices: Sequence[Slice], offset: float = 0.0) -> Row:
        """Fit the norm in a bin, with all other parameters fixed, and return the columns.

        Parameters
        ----------
        slices : sequence of Slice
            The datasets in the bin.
        offset : float
            Contribution of priors to the statistic.

        Returns
        -------
        dict
            Values by column.
        """
        if not slices:
            return self.missing_row()
        if not any(dataset_slice.n_bins for dataset_slice in slices):
            return self.with_counts(slices, self.empty_row(len(slices)))
        return self.with_counts(slices, self.row(self.fit(slices, offset)))

    @staticmethod
    def with_counts(slices: Sequence[Slice], row: Row) -> Row:
        """Add the counts and the name of each dataset to a row.

        Parameters
        ----------
        slices : sequence of Slice
            The datasets in the bin.
        row : dict
            Values by column.

        Returns
        -------
        dict
            Values by column, with ``counts`` and ``datasets``.
        """
        counts = np.array([dataset_slice.counts for dataset_slice in slices], dtype=int)
        names = [dataset_slice.name for dataset_slice in slices]
        return {**row, "counts": counts, "datasets": names}

    def row(self, fitted: FittedNorm) -> Row:
        """Return the columns of a fitted norm.

        Parameters
        ----------
        fitted : FittedNorm
            The fitted norm.

        Returns
        -------
        dict
            Values by column; ``npred`` and ``npred_excess`` by dataset.
        """
        norm, profile, stat_null = fitted.norm, fitted.profile, fitted.profile.stat(0.0)
        terms = [dataset_slice.term for dataset_slice in fitted.slices]
        row = {
            "norm": norm.value,
            "stat": norm.stat,
            "success": norm.success,
            "norm_err": norm.error * self.n_sigma,
            "ts": stat_null - norm.stat,
            "stat_null": stat_null,
            "npred": np.array([term.npred(norm.value) for term in terms]),
            "npred_excess": np.array([term.excess(norm.value) for term in terms]),
        }
        low, high = self.limits
        if "errn-errp" in self.selected:
            row["norm_errp"] = find_asymmetric_error(profile, norm, self.n_sigma, 1, high)
            row["norm_errn"] = find_asymmetric_error(profile, norm, self.n_sigma, -1, low)
        if "ul" in self.selected:
            row["norm_ul"] = find_upper_limit(profile, norm, self.n_sigma_ul, high)
        if "scan" in self.selected:
            row["norm_scan"] = scan = self._scan_norms(norm)
            row["stat_scan"] = np.array([profile.stat(value) for value in scan])
        if "sensitivity" in self.selected:
            sigma = self.n_sigma_sensitivity
            row["norm_sensitivity"] = find_sensitivity(
                fitted.fixed_profile.expected_gain, norm.scale, sigma
            )
        return {
            **row,
            "reason": "" if np.isfinite(norm.value) else _reason_for_missing_norm(fitted),
        }

    def _scan_norms(self, norm: Norm) -> NDArray[np.float64]:
        if not self.scans:
            parameter = self.parameter.copy()  # the scan values may depend on value and error
            parameter.value, parameter.error = norm.value, np.nan_to_num(norm.error)
            self.scans.append(np.asarray(parameter.scan_values))
        return self.scans[0]

    def empty_row(self, n_datasets: int, reason: str = MASKED) -> Row:
        """Return the columns of a bin without a norm, with gammapy's values for masked bins.

        Parameters
        ----------
        n_datasets : int
            Number of datasets in the bin.
        reason : str
            The reason why there is no norm.

        Returns
        -------
        dict
            Values by column.
        """
        row: Row = dict.fromkeys(["norm", "norm_err", "ts"], np.nan)
        for option, columns in OPTIONAL_COLUMNS.items():
            if option in self.selected:
                row |= dict.fromkeys(columns, np.nan)
        row |= {"stat": 0.0, "stat_null": 0.0, "success": False, "reason": reason}
        row["npred"], row["npred_excess"] = np.full(n_datasets, np.nan), np.zeros(n_datasets)
        if "scan" in self.selected:
            row["norm_scan"] = scan = np.asarray(self.parameter.copy().scan_values)
            row["stat_scan"] = np.nan * scan
        return row

    def missing_row(self) -> Row:
        """Return the columns of a bin to which no dataset contributes; gammapy omits such bins.

        Returns
        -------
        dict
            Values by column.
        """
        stats = {"stat": np.nan, "stat_null": np.nan}
        by_dataset: Row = {"npred": [], "npred_excess": [], "counts": [], "datasets": []}
        return {**self.empty_row(0, NO_DATASET), **stats, **by_dataset}


def _reason_for_missing_norm(fitted: FittedNorm) -> str:
    has_signal = any(dataset_slice.term.excess(1.0) for dataset_slice in fitted.slices)
    return NO_MINIMUM if has_signal else NO_COUNTS
