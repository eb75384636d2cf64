"""Tables and plots of contours for pairs of parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.likelihood_profiles import axis_label, power_of_ten, reduce_ticks
from skyred.likelihood.minimise.profile import Contour
from skyred.products.plotting import create_axes

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.axes import Axes

COLOURS = ("#08306b", "#2171b5", "#6baed6", "#c6dbef")  # from the innermost contour outwards
PART = re.compile(r"\.(spectral|spatial|temporal)\.(model\d\.)*")
PANEL_SIZE = 3.0  # of each pair in the corner plot, in inches


@attrs.frozen(eq=False, kw_only=True)
class ContourPair:
    """Contours of two parameters.

    Parameters
    ----------
    x, y : str
        Names of the parameters.
    units : tuple of str
        Units of the parameters, length 2.
    best_fit : tuple of float
        Best-fit values of the parameters, length 2, in ``units``.
    contours : tuple of Contour
        The contours, from the innermost outwards.
    """

    x: str
    y: str
    units: tuple[str, str]
    best_fit: tuple[float, float]
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
            yield (
                *(self.x, self.units[0], self.best_fit[0], *_finite_range(contour.x)),
                *(self.y, self.units[1], self.best_fit[1], *_finite_range(contour.y)),
                *(contour.rise, np.sqrt(contour.rise), probability(contour.rise)),
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
                best_fit=(float(row["x_best"]), float(row["y_best"])),
                contours=(),
            )
            pair = pairs.setdefault(names, empty_pair)
            contour = Contour(float(row["delta_stat"]), *points)
            pairs[names] = attrs.evolve(pair, contours=(*pair.contours, contour))
        return list(pairs.values())


def _finite_range(coordinates: Any) -> tuple[float, float]:
    """Return the smallest and the largest finite coordinate, NaN if there is none."""
    if not np.isfinite(coordinates).any():
        return (np.nan, np.nan)
    return (np.nanmin(coordinates), np.nanmax(coordinates))


def probability(rise: float) -> float:
    """Return the probability that a contour contains both true values.

    The rise of the statistic is assumed to follow a chi-square distribution with two degrees of
    freedom.

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


def _contour_label(rise: float) -> str:
    """Return the label of a contour: its probability, and sigma if that is a multiple of 0.5."""
    sigma, percentage = np.sqrt(rise), f"{100 * probability(rise):.3g} %"
    is_multiple = np.isclose(sigma, round(2 * sigma) / 2)
    return f"{sigma:g}σ ({percentage})" if is_multiple else percentage


def draw_pair(pair: ContourPair, ax: Axes | None = None, *, standalone: bool = True) -> Axes:
    """Draw the contours of one pair, with a cross at the best-fit values.

    Parameters
    ----------
    pair : ContourPair
        The pair.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.
    standalone : bool
        Whether the plot has a legend and full parameter names; if not, it has no legend and short
        names such as ``crab.index``.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    if ax is None:
        ax = create_axes(5.6, 4.8)
    powers = [power_of_ten(value, 0.0 if value else 1.0) for value in pair.best_fit]
    scales = [10.0**power for power in powers]
    for index, contour in reversed(list(enumerate(pair.contours))):
        colour = COLOURS[min(index, len(COLOURS) - 1)]
        points = np.array([contour.x / scales[0], contour.y / scales[1]])
        finite_points = points[:, np.isfinite(points).all(axis=0)]
        x, y = np.append(finite_points, finite_points[:, :1], axis=1)  # close the contour
        ax.fill(x, y, color=colour, alpha=0.35, linewidth=0)
        ax.plot(x, y, color=colour, linewidth=1.4, label=_contour_label(contour.rise))
        ax.plot(*points[:, contour.at_limit], "|", color="black")
    best_fit = [value / scale for value, scale in zip(pair.best_fit, scales, strict=True)]
    ax.plot(*best_fit, "+", color="black", markersize=9, label="best fit")
    reduce_ticks(ax)
    names = [name if standalone else PART.sub(".", name) for name in (pair.x, pair.y)]
    ax.set_xlabel(axis_label(names[0], pair.units[0], powers[0]), parse_math=False)
    ax.set_ylabel(axis_label(names[1], pair.units[1], powers[1]), parse_math=False)
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
    size = (PANEL_SIZE * len(columns) + 1, PANEL_SIZE * len(rows) + 1)
    _, grid = plt.subplots(
        len(rows), len(columns), figsize=size, layout="constrained", sharex="col", sharey="row",
        squeeze=False,
    )  # fmt: skip
    unused_panels = {(row, column) for row in range(len(rows)) for column in range(len(columns))}
    for pair in pairs:
        row, column = rows.index(pair.y), columns.index(pair.x)
        unused_panels.discard((row, column))
        draw_pair(pair, grid[row, column], standalone=False)
        grid[row, column].label_outer()
    for panel in unused_panels:
        grid[panel].axis("off")
    first_panel: Axes = grid[0, 0]
    handles_and_labels = [items[::-1] for items in first_panel.get_legend_handles_labels()]
    legend_panel = grid[0, -1] if (0, len(columns) - 1) in unused_panels else first_panel
    legend_panel.legend(*handles_and_labels, fontsize="small", loc="upper right")
    return first_panel
