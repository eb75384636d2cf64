"""Differences between fits and flux points of skyred and gammapy, with gammapy's statistic."""

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

# in units of the errors: shorter steps are affected by float32, longer steps by asymmetry
STEPS = (0.1, 0.3)
# relative difference of the errors from both steps above which an error is undefined
UNDEFINED = 0.01
SAME = ("e_min", "e_max", "e_ref", "ref_dnde", "ref_flux", "ref_eflux", "counts", "norm_scan")
NORMS = ("norm", "norm_err", "norm_errn", "norm_errp", "norm_ul", "npred", "npred_excess")
STATS = ("ts", "sqrt_ts", "stat", "stat_null", "stat_scan")
SENSITIVITY = "norm_sensitivity"


@attrs.frozen(eq=False)
class FittedModels:
    """Fitted models, with the values and the covariance of their free parameters."""

    names: list[str]
    values: Vector
    covariance: Vector
    models: Models

    @property
    def errors(self) -> Vector:
        return np.sqrt(np.diag(self.covariance))

    @classmethod
    def from_datasets(cls, datasets: Datasets) -> FittedModels:
        """Read values and covariance from the models of datasets."""
        models = datasets.models
        free_parameters = models.parameters.unique_parameters.free_parameters
        names = dict(zip(map(id, models.parameters), models.parameters_unique_names, strict=True))
        return cls(
            names=[names[id(parameter)] for parameter in free_parameters],
            values=np.array([parameter.value for parameter in free_parameters]),
            covariance=np.array(models.covariance.get_subcovariance(free_parameters).data),
            models=models.copy(),
        )


def evaluate_stat(case: Case, fit: FittedModels) -> float:
    """Return the statistic of gammapy at a fit, with IRFs evaluated at the fitted positions."""
    return float(case.datasets(fit.models).stat_sum())


class Hessian:
    """Errors from second differences of the statistic of gammapy around a fit.

    HESSE uses the same method, but its errors depend on its starting point: its steps grow with the
    statistic (to 5 sigma at 200000), are taken along the parameters, which leaves the parabolic
    region if they are correlated, and are one-sided for pairs of parameters. Here the steps are
    fractions of a sigma along the axes of an error ellipse, in both directions.

    Parameters
    ----------
    case : Case
        The datasets.
    fit : FittedModels
        The fit.
    ellipse : array
        The covariance matrix of the error ellipse, shape (n, n).
    """

    def __init__(self, case: Case, fit: FittedModels, ellipse: Vector) -> None:
        self.datasets, self.centre = case.datasets(fit.models), fit.values
        self.free = self.datasets.models.parameters.unique_parameters.free_parameters
        self.axes = np.linalg.cholesky(ellipse)
        self.minimum = self(np.zeros(len(self.centre)))

    def __call__(self, steps: Vector) -> float:
        """Return the statistic relative to the minimum, at steps along the axes of the ellipse."""
        for parameter, value in zip(self.free, self.centre + self.axes @ steps, strict=True):
            parameter.value = value
        return float(self.datasets.stat_sum()) - getattr(self, "minimum", 0.0)

    def errors(self, step: float) -> Vector:
        """Return the errors from second differences with a step in units of the errors."""
        size = len(self.centre)
        steps = step * np.eye(size)
        sums = np.array([self(axis_step) + self(-axis_step) for axis_step in steps])
        matrix = np.diag(sums) / step**2
        for i, j in zip(*np.tril_indices(size, -1), strict=True):
            pair_sum = self(steps[i] + steps[j]) + self(-steps[i] - steps[j])
            matrix[i, j] = matrix[j, i] = (pair_sum - sums[i] - sums[j]) / (2 * step**2)
        covariance = self.axes @ np.linalg.inv(matrix / 2) @ self.axes.T
        return np.sqrt(np.diag(covariance))


def compare_fits(case: Case, plain: FittedModels, skyred: FittedModels) -> dict[str, Any]:
    """Compare the parameters (in sigma), the statistic and the errors of two fits.

    Errors are compared with those from a Hessian at the better fit.
    """
    stats = evaluate_stat(case, plain), evaluate_stat(case, skyred)
    # the ellipse only determines the steps; the covariance of gammapy is approximate
    hessian = Hessian(case, skyred if stats[1] < stats[0] else plain, skyred.covariance)
    errors, long_step_errors = (hessian.errors(step) for step in STEPS)
    is_defined = np.abs(long_step_errors / errors - 1) < UNDEFINED
    return {
        "names": skyred.names,
        "stat_plain": stats[0],
        "stat_difference": stats[1] - stats[0],
        "plain_values": plain.values.tolist(),
        "skyred_values": skyred.values.tolist(),
        "shifts": ((skyred.values - plain.values) / errors).tolist(),
        "hessian_errors": errors.tolist(),
        "hessian_errors_long": long_step_errors.tolist(),
        "error_defined": is_defined.tolist(),
        "plain_errors": (plain.errors / errors - 1).tolist(),
        "skyred_errors": (skyred.errors / errors - 1).tolist(),
    }


def compare_points(plain: FluxPoints, skyred: FluxPoints) -> dict[str, dict[str, Any]]:
    """Return the largest relative difference of flux points in each column, and its row.

    Differences of statistics below 1 are not divided by the statistic.
    """
    tables = [points.to_table(sed_type="likelihood") for points in (plain, skyred)]
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
    both_nan = np.isnan(expected) & np.isnan(values)
    scale = np.maximum(np.abs(expected), floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.where(expected == values, 0.0, np.abs(values - expected) / scale)
    return np.where(both_nan, 0.0, np.where(np.isnan(difference), np.inf, difference))
