"""Differences of skyred's fits and flux points from gammapy's, by gammapy's own statistic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import Models
    from likelihood_cases import Case
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

STEPS = (0.1, 0.3)  # of an error: shorter ones are affected by float32, longer ones by asymmetry
UNDEFINED = 0.01  # relative difference of the errors with both steps: with more they are undefined
SAME = ("e_min", "e_max", "e_ref", "ref_dnde", "ref_flux", "ref_eflux", "counts", "norm_scan")
NORMS = ("norm", "norm_err", "norm_errn", "norm_errp", "norm_ul", "npred", "npred_excess")
STATS = ("ts", "sqrt_ts", "stat", "stat_null", "stat_scan")
SENSITIVITY = "norm_sensitivity"


@attrs.frozen(eq=False)
class Fitted:
    """Values and covariance of the free parameters of fitted models."""

    names: list[str]
    values: Vector
    covariance: Vector
    models: Models

    @property
    def errors(self) -> Vector:
        return np.sqrt(np.diag(self.covariance))


def fitted(datasets: Datasets) -> Fitted:
    """Read values and covariance from the models of datasets."""
    models = datasets.models
    free = models.parameters.unique_parameters.free_parameters
    names = dict(zip(map(id, models.parameters), models.parameters_unique_names, strict=True))
    return Fitted(
        names=[names[id(parameter)] for parameter in free],
        values=np.array([parameter.value for parameter in free]),
        covariance=np.array(models.covariance.get_subcovariance(free).data),
        models=models.copy(),
    )


def evaluate_stat(case: Case, fit: Fitted) -> float:
    """Return gammapy's statistic at a fit, with IRFs looked up at the fitted positions."""
    return float(case.datasets(fit.models).stat_sum())


class Hessian:
    """Errors by second differences of gammapy's statistic around a fit.

    HESSE works in the same way, but its errors depend on its start: its steps grow with the
    statistic (to 5 errors at 200000), are taken along the parameters, which leaves the parabolic
    region if they are correlated, and are one-sided for pairs of parameters. Here the steps are
    fractions of an error along the axes of an error ellipse, in both directions.
    """

    def __init__(self, case: Case, fit: Fitted, ellipse: Vector) -> None:
        self.datasets, self.centre = case.datasets(fit.models), fit.values
        self.free = self.datasets.models.parameters.unique_parameters.free_parameters
        self.axes = np.linalg.cholesky(ellipse)
        self.minimum = self(np.zeros(len(self.centre)))

    def __call__(self, steps: Vector) -> float:
        for parameter, value in zip(self.free, self.centre + self.axes @ steps, strict=True):
            parameter.value = value
        return float(self.datasets.stat_sum()) - getattr(self, "minimum", 0.0)

    def errors(self, step: float) -> Vector:
        """Return the errors from second differences with a step in units of the errors."""
        size = len(self.centre)
        units = step * np.eye(size)
        single = np.array([self(unit) + self(-unit) for unit in units])
        matrix = np.diag(single) / step**2
        for i, j in zip(*np.tril_indices(size, -1), strict=True):
            both = self(units[i] + units[j]) + self(-units[i] - units[j])
            matrix[i, j] = matrix[j, i] = (both - single[i] - single[j]) / (2 * step**2)
        covariance = self.axes @ np.linalg.inv(matrix / 2) @ self.axes.T
        return np.sqrt(np.diag(covariance))


def compare_fits(case: Case, plain: Fitted, ours: Fitted) -> dict[str, Any]:
    """Compare two fits: parameters in errors, statistic, errors with those of the Hessian."""
    stats = evaluate_stat(case, plain), evaluate_stat(case, ours)
    # the ellipse only determines the steps; gammapy's covariance is approximate
    hessian = Hessian(case, ours if stats[1] < stats[0] else plain, ours.covariance)
    short, long = (hessian.errors(step) for step in STEPS)
    defined = np.abs(long / short - 1) < UNDEFINED
    return {
        "names": ours.names,
        "stat_plain": stats[0],
        "stat_difference": stats[1] - stats[0],
        "plain_values": plain.values.tolist(),
        "skyred_values": ours.values.tolist(),
        "shifts": ((ours.values - plain.values) / short).tolist(),
        "hessian_errors": short.tolist(),
        "hessian_errors_long": long.tolist(),
        "error_defined": defined.tolist(),
        "plain_errors": (plain.errors / short - 1).tolist(),
        "skyred_errors": (ours.errors / short - 1).tolist(),
    }


def compare_points(plain: FluxPoints, ours: FluxPoints) -> dict[str, dict[str, Any]]:
    """Return the largest relative difference of flux points in each column, and its row.

    Statistics are compared relative to 1 where they are smaller.
    """
    tables = [points.to_table(sed_type="likelihood") for points in (plain, ours)]
    comparisons = {}
    for name in (*SAME, *NORMS, *STATS, SENSITIVITY):
        if name not in tables[0].colnames:
            continue
        expected, values = (_column(table, name) for table in tables)
        difference = _relative(expected, values, floor=1.0 if name in STATS else 0.0)
        row = np.unravel_index(np.argmax(difference), difference.shape)
        comparisons[name] = {
            "difference": float(difference[row]),
            "row": int(row[0]),
            "plain": float(expected[row]),
            "skyred": float(values[row]),
        }
    return comparisons


def _column(table: Any, name: str) -> Vector:
    column = table[name].quantity
    return np.asarray(column.si.value, dtype=float).reshape(len(table), -1)


def _relative(expected: Vector, values: Vector, floor: float) -> Vector:
    both = np.isnan(expected) & np.isnan(values)
    scale = np.maximum(np.abs(expected), floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.where(expected == values, 0.0, np.abs(values - expected) / scale)
    return np.where(both, 0.0, np.where(np.isnan(difference), np.inf, difference))
