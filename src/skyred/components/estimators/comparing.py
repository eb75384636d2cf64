"""Fitted models side by side: their tables and picture."""

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

MISSED = 0.01  # in the statistic, by which more freedom may give a higher one: rounding, kinks
DESCRIPTIONS = {
    "model": "name of the model",
    "stat": "fit statistic (-2 log L, with priors) at its best",
    "free": "how many parameters it fits",
    "delta_stat": "its statistic, minus that of the first model",
    "dof": "how many parameters it fits less than the first model; negative if more",
    "significance": "in sigma, of the model with more parameters over the other (Wilks' theorem)",
    "aic": "Akaike's criterion: stat + 2 free",
    "bic": "Bayes' criterion: stat + free log(bins)",
    "success": "whether its fit converged",
    "note": "why there is no significance, or what speaks against it",
}


@attrs.frozen(eq=False)
class Compared:
    """A model at its best.

    Parameters
    ----------
    name : str
        What it is called.
    stat : float
        The fit statistic.
    names, units : tuple of str
        Its free parameters, shape (n,).
    values, errors : array
        Their best values, shape (n,).
    success, message
        Whether its fit converged, and why not.
    doubts : tuple of str
        What keeps differences of the statistic from following a chi-square distribution.
    nested : bool
        Whether it and the fitted model are special cases of each other.
    """

    name: str
    stat: float
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    values: Array = attrs.field(factory=lambda: np.zeros(0))
    errors: Array = attrs.field(factory=lambda: np.zeros(0))
    success: bool = True
    message: str = ""
    doubts: tuple[str, ...] = ()
    nested: bool = True


def comparison_table(models: Sequence[Compared], bins: int) -> Table:
    """Give a row for each model, compared with the first.

    Parameters
    ----------
    models : sequence of Compared
        The fitted model, and the alternatives.
    bins : int
        How many bins were fitted.
    """
    from astropy.table import Table

    rows = [_row(each, models[0], bins) for each in models]
    table = Table(rows=rows, names=list(DESCRIPTIONS))
    for name, description in DESCRIPTIONS.items():
        table[name].description = description
    for name in ("stat", "delta_stat", "significance", "aic", "bic"):
        table[name].format = ".3f"
    table.meta |= {"EXTNAME": "COMPARISON", "BINS": bins}
    return table


def _row(each: Compared, first: Compared, bins: int) -> tuple[Any, ...]:
    free, delta = len(each.names), each.stat - first.stat
    dof = len(first.names) - free
    sigma, note = (np.nan, "") if each is first else _wilks(each, first, delta, dof)
    aic, bic = each.stat + 2 * free, each.stat + free * np.log(max(bins, 1))
    return (each.name, each.stat, free, delta, dof, sigma, aic, bic, each.success, note)


def _wilks(each: Compared, first: Compared, delta: float, dof: int) -> tuple[float, str]:
    from skyred.likelihood.significance import significance

    if not (each.success and first.success):
        return np.nan, f"not at a minimum: {each.message or first.message}"
    if not each.nested:
        return np.nan, "not nested: compare AIC or BIC"
    if dof == 0:
        return np.nan, "as many free parameters: compare AIC or BIC"
    ts = delta if dof > 0 else -delta
    if ts < -MISSED:
        more, fewer = ("the first", "this") if dof > 0 else ("this", "the first")
        return (
            np.nan,
            f"{more} fits more but worse than {fewer}: not nested, or a minimum is missed",
        )
    # limits of the model that is the more general of the two matter too
    doubts = dict.fromkeys((*each.doubts, *(first.doubts if dof > 0 else ())))
    return significance(ts, abs(dof)), "; ".join(doubts)


def parameter_table(models: Sequence[Compared]) -> Table:
    """Give a row for each free parameter of each model."""
    from astropy.table import Table

    rows = [
        (each.name, *row)
        for each in models
        for row in zip(each.names, each.units, each.values, each.errors, strict=True)
    ]
    names = ["model", "parameter", "unit", "value", "error"]
    table = Table(rows=rows or None, names=names, dtype=["U80", "U200", "U80", float, float])
    about = ("name of the model", "source.part.parameter", "unit of value and error", "best value",
             "its symmetric error")  # fmt: skip
    for name, description in zip(names, about, strict=True):
        table[name].description = description
    table.meta["EXTNAME"] = "PARAMETERS"
    return table


def draw_comparison(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the difference in the statistic to the first model, a bar an alternative."""
    import matplotlib.pyplot as plt

    first, rows = str(table["model"][0]), list(table)[1:]
    if ax is None:
        size = (7.2, 1.6 + 0.6 * len(rows))
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    places = np.arange(len(rows))
    deltas = np.nan_to_num([float(row["delta_stat"]) for row in rows])
    # the colours differ in greyscale too, and the bars are on different sides
    colours = ["tab:orange" if delta > 0 else "tab:blue" for delta in deltas]
    ax.barh(places, deltas, color=colours, height=0.6)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_xscale("symlog", linthresh=10)
    widest = 2 * max(float(np.abs(deltas).max()), 10.0)
    ax.set_xlim(-widest if deltas.min() < 0 else -1, widest if deltas.max() > 0 else 1)
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    ax.set_yticks(places, [f"{row['model']}\n{_verdict(row)}" for row in rows])
    ax.invert_yaxis()
    ax.set_xlabel(r"$\Delta$ fit statistic: a worse description to the right")
    ax.set_ylabel("Alternative")
    ax.set_title(f"Compared with the model {first!r}", fontsize="medium")
    return ax


def _verdict(row: Row) -> str:
    text = f"{row['delta_stat']:+.2f}"
    if np.isfinite(row["significance"]):
        return rf"{text}, {abs(int(row['dof']))} dof: {row['significance']:.1f}$\sigma$"
    return f"{text}, not nested" if row["success"] else f"{text}, no minimum"
