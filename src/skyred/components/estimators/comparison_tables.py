"""Tables and a plot for the comparison of fitted models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from astropy.table import Row, Table
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# the statistic of the more general model may be higher than that of the other model by this much,
# because of rounding errors and non-differentiable points
TOLERANCE = 0.01
DESCRIPTIONS = {
    "model": "name of the model",
    "stat": "fit statistic (-2 log L, with priors) at the minimum",
    "free": "number of free parameters",
    "delta_stat": "fit statistic minus that of the first model",
    "dof": "free parameters of the first model minus those of this model",
    "significance": "significance of the additional parameters in sigma (Wilks' theorem)",
    "aic": "Akaike information criterion: stat + 2 free",
    "bic": "Bayesian information criterion: stat + free log(bins)",
    "success": "whether the fit converged",
    "note": "reason for a missing significance, or caveats about it",
}


@attrs.frozen(eq=False)
class FittedModel:
    """A model with its best-fit parameters.

    Parameters
    ----------
    name : str
        Name of the model.
    stat : float
        Fit statistic at the minimum.
    names, units : tuple of str
        Names and units of the free parameters, length n.
    values, errors : array
        Best-fit values and errors of the free parameters, shape (n,), in ``units``.
    success : bool
        Whether the fit converged.
    message : str
        Reason for the failure, if the fit did not converge.
    caveats : tuple of str
        Reasons why differences of the statistic may not follow a chi-square distribution.
    nested : bool
        Whether this model and the first model are nested: one is a special case of the other.
    """

    name: str
    stat: float
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    values: Array = attrs.field(factory=lambda: np.zeros(0))
    errors: Array = attrs.field(factory=lambda: np.zeros(0))
    success: bool = True
    message: str = ""
    caveats: tuple[str, ...] = ()
    nested: bool = True


def comparison_table(models: Sequence[FittedModel], n_bins: int) -> Table:
    """Create a table that compares each model with the first.

    Parameters
    ----------
    models : sequence of FittedModel
        The first model, followed by the alternatives.
    n_bins : int
        Number of fitted bins, for the Bayesian information criterion.

    Returns
    -------
    astropy.table.Table
        One row per model, with the columns of `DESCRIPTIONS`.
    """
    from astropy.table import Table

    rows = [_comparison_row(model, models[0], n_bins) for model in models]
    table = Table(rows=rows, names=list(DESCRIPTIONS))
    for name, description in DESCRIPTIONS.items():
        table[name].description = description
    for name in ("stat", "delta_stat", "significance", "aic", "bic"):
        table[name].format = ".3f"
    table.meta |= {"EXTNAME": "COMPARISON", "BINS": n_bins}
    return table


def _comparison_row(model: FittedModel, first_model: FittedModel, n_bins: int) -> tuple[Any, ...]:
    """Return the row of a model, with the columns of `DESCRIPTIONS`."""
    n_free, delta_stat = len(model.names), model.stat - first_model.stat
    dof = len(first_model.names) - n_free
    sigma, note = np.nan, ""
    if model is not first_model:
        sigma, note = _wilks_significance(model, first_model, delta_stat, dof)
    aic, bic = model.stat + 2 * n_free, model.stat + n_free * np.log(max(n_bins, 1))
    return (model.name, model.stat, n_free, delta_stat, dof, sigma, aic, bic, model.success, note)


def _wilks_significance(
    model: FittedModel, first_model: FittedModel, delta_stat: float, dof: int
) -> tuple[float, str]:
    """Return the significance in sigma by Wilks' theorem, NaN if it does not apply, and a note.

    References
    ----------
    Wilks, S. S. 1938, Annals of Mathematical Statistics 9, 60
    """
    from skyred.likelihood.significance import significance

    if not (model.success and first_model.success):
        failed = first_model if model.success else model
        return np.nan, f"the fit of {failed.name} did not converge: {failed.message}"
    if not model.nested:
        return np.nan, "not nested: compare AIC or BIC"
    if dof == 0:
        return np.nan, "the same number of free parameters: compare AIC or BIC"
    ts = delta_stat if dof > 0 else -delta_stat
    if ts < -TOLERANCE:
        general, special = (
            ("the first model", "this model") if dof > 0 else ("this model", "the first model")
        )
        return (
            np.nan,
            f"{general} has more free parameters but fits worse than {special}: "
            "not nested, or not the global minimum",
        )
    # the limits of the first model matter only if it is the more general of the two
    caveats = dict.fromkeys((*model.caveats, *(first_model.caveats if dof > 0 else ())))
    return significance(ts, abs(dof)), "; ".join(caveats)


def parameter_table(models: Sequence[FittedModel]) -> Table:
    """Create a table of the free parameters of all models.

    Parameters
    ----------
    models : sequence of FittedModel
        The models.

    Returns
    -------
    astropy.table.Table
        One row per free parameter of each model: model, parameter, unit, value and error.
    """
    from astropy.table import Table

    rows = [
        (model.name, *row)
        for model in models
        for row in zip(model.names, model.units, model.values, model.errors, strict=True)
    ]
    names = ["model", "parameter", "unit", "value", "error"]
    table = Table(rows=rows or None, names=names, dtype=["U80", "U200", "U80", float, float])
    descriptions = (
        "name of the model",
        "name of the parameter, such as crab.spectral.index",
        "unit of value and error",
        "best-fit value",
        "symmetric error",
    )
    for name, description in zip(names, descriptions, strict=True):
        table[name].description = description
    table.meta["EXTNAME"] = "PARAMETERS"
    return table


def draw_comparison(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the difference of the statistic from the first model, one bar per alternative.

    Parameters
    ----------
    table : astropy.table.Table
        Table of `comparison_table`.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    import matplotlib.pyplot as plt

    first_name, rows = str(table["model"][0]), list(table)[1:]
    if ax is None:
        size = (7.2, 1.6 + 0.6 * len(rows))
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    positions = np.arange(len(rows))
    differences = np.nan_to_num([float(row["delta_stat"]) for row in rows])
    # the colours differ in greyscale too, and the bars point to opposite sides
    colours = ["tab:orange" if difference > 0 else "tab:blue" for difference in differences]
    ax.barh(positions, differences, color=colours, height=0.6)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_xscale("symlog", linthresh=10)
    limit = 2 * max(float(np.abs(differences).max()), 10.0)
    ax.set_xlim(-limit if differences.min() < 0 else -1, limit if differences.max() > 0 else 1)
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    ax.set_yticks(positions, [f"{row['model']}\n{_annotation(row)}" for row in rows],
                  parse_math=False)  # fmt: skip
    ax.invert_yaxis()
    ax.set_xlabel("Δ fit statistic (worse fits to the right)")
    ax.set_ylabel("Alternative")
    ax.set_title(f"Compared with the model {first_name!r}", fontsize="medium", parse_math=False)
    return ax


def _annotation(row: Row) -> str:
    """Return the label of a bar: the difference of the statistic and its significance."""
    difference = f"{row['delta_stat']:+.2f}"
    if np.isfinite(row["significance"]):
        return f"{difference}, {abs(int(row['dof']))} dof: {row['significance']:.1f}σ"
    return f"{difference}, no significance" if row["success"] else f"{difference}, not converged"
