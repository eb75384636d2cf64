"""Contours of pairs of parameters as tables and plots."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.curves import axis_label, power_of_ten, reduce_ticks
from skyred.likelihood.minimise.profile import Contour

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.axes import Axes

SHADES = ("#08306b", "#2171b5", "#6baed6", "#c6dbef")  # of contours, from the innermost outwards
PART = re.compile(r"\.(spectral|spatial|temporal)\.(model\d\.)*")
PANEL = 3.0  # size of a pair in the corner plot, in inches


@attrs.frozen(eq=False, kw_only=True)
class ContourPair:
    """Contours of two parameters.

    Parameters
    ----------
    x, y : str
        Names of the parameters.
    units : tuple of str
        Their units, length 2.
    best : tuple of float
        Their best-fit values, length 2, in ``units``.
    contours : tuple of Contour
        The contours, from the innermost outwards.
    """

    x: str
    y: str
    units: tuple[str, str]
    best: tuple[float, float]
    contours: tuple[Contour, ...]

    def tables(self) -> Iterator[Table]:
        """Yield a table of the points of each contour.

        Yields
        ------
        astropy.table.Table
            Columns ``x``, ``y`` and ``at_limit``, one row per point.
        """
        from astropy.table import Table

        for contour in self.contours:
            table = Table({"x": u.Quantity(contour.x, self.units[0]),
                           "y": u.Quantity(contour.y, self.units[1]),
                           "at_limit": contour.at_limit})  # fmt: skip
            table["x"].description, table["y"].description = self.x, self.y
            table["at_limit"].description = "whether the point is at a limit of a parameter"
            table.meta["EXTNAME"] = "CONTOUR"
            yield table

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the row of each contour in the table of all contours.

        Yields
        ------
        tuple
            Name, unit, best-fit value, minimum and maximum of both parameters, the rise of the
            statistic, its square root, and the probability.
        """
        for contour in self.contours:
            spans = [
                (np.nanmin(side), np.nanmax(side)) if np.isfinite(side).any() else (np.nan, np.nan)
                for side in (contour.x, contour.y)
            ]
            parameters = zip((self.x, self.y), self.units, self.best, spans, strict=True)
            sides = [(name, unit, best, *span) for name, unit, best, span in parameters]
            yield (
                *sides[0],
                *sides[1],
                contour.rise,
                np.sqrt(contour.rise),
                probability(contour.rise),
            )

    @classmethod
    def from_tables(cls, rows: Table, tables: Sequence[Table]) -> list[Self]:
        """Create the pairs from the table of all contours and the tables of their points.

        Parameters
        ----------
        rows : astropy.table.Table
            Table of all contours.
        tables : sequence of astropy.table.Table
            Points of each contour.

        Returns
        -------
        list of ContourPair
            The pairs.
        """
        pairs: dict[tuple[str, str], Self] = {}
        for row, table in zip(rows, tables, strict=True):
            points = (np.array(table[name]) for name in ("x", "y", "at_limit"))
            names = str(row["x"]), str(row["y"])
            empty_pair = cls(
                x=names[0],
                y=names[1],
                units=(str(row["x_unit"]), str(row["y_unit"])),
                best=(float(row["x_best"]), float(row["y_best"])),
                contours=(),
            )
            pair = pairs.setdefault(names, empty_pair)
            contour = Contour(float(row["delta_stat"]), *points)
            pairs[names] = attrs.evolve(pair, contours=(*pair.contours, contour))
        return list(pairs.values())


def probability(rise: float) -> float:
    """Return the probability that a contour contains both true values.

    The statistic follows a chi-square distribution with two degrees of freedom.

    Parameters
    ----------
    rise : float
        Rise of the statistic above its minimum.

    Returns
    -------
    float
        The probability, from 0 to 1.
    """
    return float(-np.expm1(-rise / 2))


def _label(rise: float) -> str:
    """Return the label of a contour: its probability, and sigma if that is a round number."""
    sigma, percentage = np.sqrt(rise), f"{100 * probability(rise):.3g} %"
    is_half_integer = np.isclose(sigma, round(2 * sigma) / 2)
    return f"{sigma:g}$\\sigma$ ({percentage})" if is_half_integer else percentage


def draw_pair(pair: ContourPair, ax: Axes | None = None, *, standalone: bool = True) -> Axes:
    """Draw the contours of one pair, with a cross at the best-fit values.

    Parameters
    ----------
    pair : ContourPair
        The pair.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.
    standalone : bool
        Whether the plot has a legend and full parameter names; if not, names are short:
        ``crab.index``.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        ax = plt.subplots(figsize=(5.6, 4.8), layout="constrained")[1]
    powers = [power_of_ten(best, 0.0 if best else 1.0) for best in pair.best]
    scale = [10.0**power for power in powers]
    for number, contour in reversed(list(enumerate(pair.contours))):
        shade = SHADES[min(number, len(SHADES) - 1)]
        sides = contour.x / scale[0], contour.y / scale[1]
        is_finite = np.isfinite(sides[0]) & np.isfinite(sides[1])
        x, y = (np.append(side[is_finite], side[is_finite][:1]) for side in sides)
        ax.fill(x, y, color=shade, alpha=0.35, linewidth=0)
        ax.plot(x, y, color=shade, linewidth=1.4, label=_label(contour.rise))
        ax.plot(*(side[contour.at_limit] for side in sides), "|", color="black")
    best = [value / size for value, size in zip(pair.best, scale, strict=True)]
    ax.plot(*best, "+", color="black", markersize=9, label="best fit")
    reduce_ticks(ax)
    names = [name if standalone else PART.sub(".", name) for name in (pair.x, pair.y)]
    ax.set_xlabel(axis_label(names[0], pair.units[0], powers[0]))
    ax.set_ylabel(axis_label(names[1], pair.units[1], powers[1]))
    if standalone:
        ax.legend(*(items[::-1] for items in ax.get_legend_handles_labels()), fontsize="small")
    return ax


def draw_corner(pairs: Sequence[ContourPair]) -> Axes:
    """Draw all pairs as a corner plot.

    Parameters
    ----------
    pairs : sequence of ContourPair
        The pairs.

    Returns
    -------
    matplotlib.axes.Axes
        The axes of the top left panel.
    """
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
        draw_pair(pair, grid[row, column], standalone=False)
        grid[row, column].label_outer()
    for panel in unused:
        grid[panel].axis("off")
    first: Axes = grid[0, 0]
    handles = [items[::-1] for items in first.get_legend_handles_labels()]
    corner = grid[0, -1] if (0, len(columns) - 1) in unused else first
    corner.legend(*handles, fontsize="small", loc="upper right")
    return first
