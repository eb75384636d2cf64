"""Contours of pairs of parameters: as tables, and drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.curves import axis_label, few_ticks, power_of
from skyred.likelihood.minimise.profile import Contour

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.axes import Axes

SHADES = ("#08306b", "#2171b5", "#6baed6", "#c6dbef")  # from the innermost; darkness tells
PART = re.compile(r"\.(spectral|spatial|temporal)\.(model\d\.)*")
PANEL = 3.0  # inches a pair in the picture of all


@attrs.frozen(eq=False, kw_only=True)
class Pair:
    """Two parameters, their best values and contours.

    Parameters
    ----------
    x, y : str
        Their names.
    units : tuple of str
        Their units.
    best : tuple of float
        Their best values.
    lines : tuple of Contour
        From the innermost outwards.
    """

    x: str
    y: str
    units: tuple[str, str]
    best: tuple[float, float]
    lines: tuple[Contour, ...]

    def tables(self) -> Iterator[Table]:
        """Give a table for each contour."""
        from astropy.table import Table

        for line in self.lines:
            table = Table({"x": u.Quantity(line.x, self.units[0]),
                           "y": u.Quantity(line.y, self.units[1]),
                           "at_limit": line.at_limit})  # fmt: skip
            table["x"].description, table["y"].description = self.x, self.y
            table["at_limit"].description = "a limit of a parameter, before the statistic rises"
            table.meta["EXTNAME"] = "CONTOUR"
            yield table

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Give a row for each contour."""
        for line in self.lines:
            spans = [
                (np.nanmin(side), np.nanmax(side)) if np.isfinite(side).any() else (np.nan, np.nan)
                for side in (line.x, line.y)
            ]
            both = zip((self.x, self.y), self.units, self.best, spans, strict=True)
            sides = [(name, unit, best, *span) for name, unit, best, span in both]
            yield (*sides[0], *sides[1], line.rise, np.sqrt(line.rise), probability(line.rise))

    @classmethod
    def of(cls, rows: Table, tables: Sequence[Table]) -> list[Self]:
        """Read the pairs from the table of all contours, and that of each."""
        found: dict[tuple[str, str], Self] = {}
        for row, table in zip(rows, tables, strict=True):
            points = (np.array(table[name]) for name in ("x", "y", "at_limit"))
            names = str(row["x"]), str(row["y"])
            new = cls(
                x=names[0],
                y=names[1],
                units=(str(row["x_unit"]), str(row["y_unit"])),
                best=(float(row["x_best"]), float(row["y_best"])),
                lines=(),
            )
            pair = found.setdefault(names, new)
            line = Contour(float(row["delta_stat"]), *points)
            found[names] = attrs.evolve(pair, lines=(*pair.lines, line))
        return list(found.values())


def probability(rise: float) -> float:
    """Give the probability that a contour holds both true values.

    The statistic follows a chi-square distribution of two degrees of freedom.
    """
    return float(-np.expm1(-rise / 2))


def _label(rise: float) -> str:
    sigma, held = np.sqrt(rise), f"{100 * probability(rise):.3g} %"
    whole = np.isclose(sigma, round(2 * sigma) / 2)
    return f"{sigma:g}$\\sigma$ ({held})" if whole else held


def draw_pair(pair: Pair, ax: Axes | None = None, *, alone: bool = True) -> Axes:
    """Draw the contours of one pair, the best values as a cross.

    Beside others it has no legend, and the names of its parameters are short: ``crab.index``.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        ax = plt.subplots(figsize=(5.6, 4.8), layout="constrained")[1]
    powers = [power_of(best, 0.0 if best else 1.0) for best in pair.best]
    scale = [10.0**power for power in powers]
    for number, line in reversed(list(enumerate(pair.lines))):
        shade = SHADES[min(number, len(SHADES) - 1)]
        sides = line.x / scale[0], line.y / scale[1]
        known = np.isfinite(sides[0]) & np.isfinite(sides[1])
        x, y = (np.append(side[known], side[known][:1]) for side in sides)
        ax.fill(x, y, color=shade, alpha=0.35, linewidth=0)
        ax.plot(x, y, color=shade, linewidth=1.4, label=_label(line.rise))
        ax.plot(*(side[line.at_limit] for side in sides), "|", color="black")
    best = [value / size for value, size in zip(pair.best, scale, strict=True)]
    ax.plot(*best, "+", color="black", markersize=9, label="best fit")
    few_ticks(ax)
    names = [name if alone else PART.sub(".", name) for name in (pair.x, pair.y)]
    ax.set_xlabel(axis_label(names[0], pair.units[0], powers[0]))
    ax.set_ylabel(axis_label(names[1], pair.units[1], powers[1]))
    if alone:
        ax.legend(*(each[::-1] for each in ax.get_legend_handles_labels()), fontsize="small")
    return ax


def draw_corner(pairs: Sequence[Pair]) -> Axes:
    """Draw all pairs in the corner of a square; gives the axes of the first."""
    import matplotlib.pyplot as plt

    columns = list(dict.fromkeys(pair.x for pair in pairs))
    rows = list(dict.fromkeys(pair.y for pair in pairs))
    size = (PANEL * len(columns) + 1, PANEL * len(rows) + 1)
    _, grid = plt.subplots(
        len(rows), len(columns), figsize=size, layout="constrained", sharex="col", sharey="row",
        squeeze=False,
    )  # fmt: skip
    unused = {(row, column) for row in range(len(rows)) for column in range(len(columns))}
    for pair in pairs:
        row, column = rows.index(pair.y), columns.index(pair.x)
        unused.discard((row, column))
        draw_pair(pair, grid[row, column], alone=False)
        grid[row, column].label_outer()
    for place in unused:
        grid[place].axis("off")
    first: Axes = grid[0, 0]
    handles = [each[::-1] for each in first.get_legend_handles_labels()]
    corner = grid[0, -1] if (0, len(columns) - 1) in unused else first
    corner.legend(*handles, fontsize="small", loc="upper right")
    return first
