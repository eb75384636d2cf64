"""How far skyred's fits and flux points are from gammapy's, judged by gammapy's own statistic."""

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

STEPS = (0.1, 0.3)  # of an error: shorter ones see float32, longer ones that it is no parabola
UNDEFINED = 0.01  # relative difference of the errors by the two, from which there is no one error
SAME = ("e_min", "e_max", "e_ref", "ref_dnde", "ref_flux", "ref_eflux", "counts", "norm_scan")
NORMS = ("norm", "norm_err", "norm_errn", "norm_errp", "norm_ul", "npred", "npred_excess")
STATS = ("ts", "sqrt_ts", "stat", "stat_null", "stat_scan")
SENSITIVITY = "norm_sensitivity"


@attrs.frozen(eq=False)
class Fitted:
    """What a fit left in the models: values and covariance of the free parameters."""

    names: list[str]
    values: Vector
    covariance: Vector
    models: Models

    @property
    def errors(self) -> Vector:
        return np.sqrt(np.diag(self.covariance))


def fitted(datasets: Datasets) -> Fitted:
    """Read what a fit left in the models of datasets."""
    models = datasets.models
    free = models.parameters.unique_parameters.free_parameters
    names = dict(zip(map(id, models.parameters), models.parameters_unique_names, strict=True))
    return Fitted(
        names=[names[id(parameter)] for parameter in free],
        values=np.array([parameter.value for parameter in free]),
        covariance=np.array(models.covariance.get_subcovariance(free).data),
        models=models.copy(),
    )


def stat_of(case: Case, fit: Fitted) -> float:
    """Give gammapy's statistic at a fit, on new datasets: with kernels where the sources are."""
    return float(case.datasets(fit.models).stat_sum())


class Hessian:
    """Errors by second differences of gammapy's statistic around a fit.

    This is what HESSE does, without what makes its errors depend on where it starts from: its steps
    grow with the statistic (to 5 errors at 200000), go along the parameters, which leaves the
    parabola where they are correlated, and are one-sided for pairs of them. Here the steps are
    fractions of an error along the axes of an error ellipse, to both sides.
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
        """Give the errors by second differences over steps of this many errors."""
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
    stats = stat_of(case, plain), stat_of(case, ours)
    # the ellipse settles the steps only; gammapy's, of MIGRAD, need not be one
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
    """Compare flux points, column by column: the largest relative difference, and where it is.

    Statistics are compared relative to 1 where they are smaller.
    """
    tables = [points.to_table(sed_type="likelihood") for points in (plain, ours)]
    found = {}
    for name in (*SAME, *NORMS, *STATS, SENSITIVITY):
        if name not in tables[0].colnames:
            continue
        expected, given = (_column(table, name) for table in tables)
        difference = _relative(expected, given, floor=1.0 if name in STATS else 0.0)
        row = np.unravel_index(np.argmax(difference), difference.shape)
        found[name] = {
            "difference": float(difference[row]),
            "row": int(row[0]),
            "plain": float(expected[row]),
            "skyred": float(given[row]),
        }
    return found


def _column(table: Any, name: str) -> Vector:
    column = table[name].quantity
    return np.asarray(column.si.value, dtype=float).reshape(len(table), -1)


def _relative(expected: Vector, given: Vector, floor: float) -> Vector:
    both = np.isnan(expected) & np.isnan(given)
    scale = np.maximum(np.abs(expected), floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.where(expected == given, 0.0, np.abs(given - expected) / scale)
    return np.where(both, 0.0, np.where(np.isnan(difference), np.inf, difference))
