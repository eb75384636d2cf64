"""Corner plots: the posterior of each parameter, and of each pair, from weighted samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred_sampling import weighted

if TYPE_CHECKING:
    from astropy.table import Row, Table
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MOST = 10  # parameters in one picture
INSIDE = (0.393469340287, 0.864664716763)  # of a Gaussian in two dimensions, within 1 and 2 sigma
EDGES = (0.0005, 0.9995)  # quantiles between which is drawn
BINS, SMOOTHING = 36, 1.5  # bins of a histogram; how many of them it is smoothed over
PANEL = 2.0  # inches
LEFT, BOTTOM, RIGHT, TOP = 1.3, 1.05, 0.15, 0.4  # of the margins, in inches
COLOUR, SHADES = "#1f5a8c", ("#c9dcec", "#6fa3cc")


@attrs.frozen(eq=False)
class Shown:
    """A parameter as it is drawn.

    Parameters
    ----------
    values : array
        Its samples, divided by a power of ten, shape (m,).
    label : str
        Its name and unit.
    title : str
        Its mean and interval.
    mean, low, high : float
        The same as numbers.
    edges : array
        Of the bins of its histogram.
    """

    values: Array
    label: str
    title: str
    mean: float
    low: float
    high: float
    edges: Array


def draw_corner(summary: Table, samples: Array, weights: Array, ax: Axes | None = None) -> Axes:
    """Draw all parameters against each other.

    Parameters
    ----------
    summary : Table
        A row for each parameter (`skyred_sampling.tables.summarise`).
    samples, weights : array
        The samples, shape (m, n), and their weights, shape (m,).
    ax : Axes, optional
        Whose place is filled with panels; a new figure by default.

    Returns
    -------
    Axes
        Those that hold the panels.
    """
    rows = list(summary)[:MOST]
    shown = [_shown(row, samples[:, place], weights) for place, row in enumerate(rows)]
    ax = _frame(len(rows)) if ax is None else ax
    ax.set_axis_off()
    panels = _panels(ax, len(rows))
    for (row, column), panel in panels.items():
        if row == column:
            _draw_one(panel, shown[row], weights)
        else:
            _draw_pair(panel, shown[column], shown[row], weights)
        _dress(panel, shown[column], shown[row])
        away = 1 / max(1, 3 - len(rows))  # one panel alone is twice as large
        if row == len(rows) - 1:
            _name(panel.xaxis, shown[column].label, (0.5, -0.26 * away))
        if column == 0 < row:
            _name(panel.yaxis, shown[row].label, (-0.36, 0.5))
    _head(ax, summary, len(rows))
    return ax


def _frame(n: int) -> Axes:
    import matplotlib.pyplot as plt

    side = PANEL * max(n, 2)
    width, height = LEFT + side + RIGHT, BOTTOM + side + TOP
    figure = plt.figure(figsize=(width, height))
    axes: Axes = figure.add_axes((LEFT / width, BOTTOM / height, side / width, side / height))
    return axes


def _panels(ax: Axes, n: int) -> dict[tuple[int, int], Axes]:
    """Give the panels on and below the diagonal, by row and column from above."""
    step, side = 1 / n, 0.94 / n
    places = [(row, column) for row in range(n) for column in range(row + 1)]
    return {
        (row, column): ax.inset_axes((column * step, 1 - row * step - side, side, side))
        for row, column in places
    }


def _shown(row: Row, values: Array, weights: Array) -> Shown:
    scale = _power(float(row["mean"]), float(row["std"]))
    factor = 10.0**scale
    mean, low, high = (float(row[name]) / factor for name in ("mean", "low", "high"))
    ends = weighted.quantiles(values[:, None], weights, EDGES)[:, 0] / factor
    return Shown(
        values=values / factor,
        label=_label(str(row["parameter"]), str(row["unit"]), scale),
        title=_title(mean, low, high),
        mean=mean,
        low=low,
        high=high,
        edges=np.linspace(*_apart(*ends), BINS + 1),
    )


def _apart(low: float, high: float) -> tuple[float, float]:
    """Give a range with some room, also where all samples are one."""
    room = 0.05 * (high - low) or 0.05 * abs(low) or 0.05
    return low - room, high + room


def _power(mean: float, std: float) -> int:
    """Give the power of ten that numbers are written in; 0 for those that are read easily."""
    size = max(abs(mean), std)
    exponent = int(np.floor(np.log10(size))) if size > 0 else 0
    return exponent if not -3 <= exponent <= 4 else 0


def _label(name: str, unit: str, scale: int) -> str:
    """Give the name in two lines, and the unit with its power of ten below."""
    from astropy import units as u

    source, _, parameter = name.partition(".")
    known = u.Unit(unit, parse_strict="silent")
    # a degree sign alone would stand in the brackets like a dust mark
    text = unit if known == u.deg or not unit else known.to_string("latex_inline")
    factor = rf"$10^{{{scale}}}$ " if scale else ""
    inside = f"{factor}{text}".strip()
    lines = [source, parameter] if parameter else [source]
    return "\n".join([*lines, *([f"[{inside}]"] if inside else [])])


def _title(mean: float, low: float, high: float) -> str:
    smallest = min(x for x in (mean - low, high - mean, high - low, 1.0) if x > 0)
    digits = max(0, 1 - int(np.floor(np.log10(smallest))))
    down, up = max(mean - low, 0), max(high - mean, 0)
    return rf"${mean:.{digits}f}_{{-{down:.{digits}f}}}^{{+{up:.{digits}f}}}$"


def _draw_one(panel: Axes, shown: Shown, weights: Array) -> None:
    from scipy.ndimage import gaussian_filter1d

    heights, edges = np.histogram(shown.values, shown.edges, weights=weights)
    smooth = gaussian_filter1d(heights, SMOOTHING, mode="constant")
    centres = (edges[1:] + edges[:-1]) / 2
    inside = np.linspace(shown.low, shown.high, 200)
    panel.fill_between(centres, smooth, color=SHADES[0], linewidth=0)
    panel.fill_between(inside, np.interp(inside, centres, smooth), color=SHADES[1], linewidth=0)
    panel.plot(centres, smooth, color=COLOUR, linewidth=1.2)
    panel.axvline(shown.mean, color="black", linewidth=0.9)
    panel.set_ylim(0, 1.12 * smooth.max())
    panel.set_title(shown.title, fontsize=10, pad=5)


def _draw_pair(panel: Axes, across: Shown, up: Shown, weights: Array) -> None:
    from scipy.ndimage import gaussian_filter

    bins = [across.edges, up.edges]
    counts, *_ = np.histogram2d(across.values, up.values, bins=bins, weights=weights)
    density = gaussian_filter(counts, SMOOTHING, mode="constant").T
    x, y = ((edges[1:] + edges[:-1]) / 2 for edges in bins)
    levels = _levels(density)
    if levels[0] < levels[1] < density.max():
        panel.contourf(x, y, density, [*levels, density.max()], colors=SHADES)
        panel.contour(x, y, density, levels, colors=COLOUR, linewidths=1.2)
    panel.plot(across.mean, up.mean, "+", color="black", markersize=7)
    panel.set_ylim(up.edges[0], up.edges[-1])


def _levels(density: Array) -> list[float]:
    """Give the densities above which 2 sigma and 1 sigma of the samples lie."""
    falling = np.sort(density, axis=None)[::-1]
    held = np.cumsum(falling) / falling.sum()
    return [float(falling[np.searchsorted(held, inside)]) for inside in reversed(INSIDE)]


def _dress(panel: Axes, across: Shown, up: Shown) -> None:
    panel.set_xlim(across.edges[0], across.edges[-1])
    panel.tick_params(direction="in", top=True, right=True, labelsize=8)
    panel.set_xticks(_ticks(across.edges))
    panel.set_yticks([] if panel.get_title() else _ticks(up.edges))
    panel.tick_params(labelbottom=False, labelleft=False)


def _ticks(edges: Array) -> Array:
    """Give two or three round numbers, none whose text could meet that of the next panel."""
    from matplotlib.ticker import MaxNLocator

    room = 0.12 * (edges[-1] - edges[0])
    ticks = MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]).tick_values(edges[0] + room, edges[-1] - room)
    inside: Array = ticks[(ticks > edges[0] + room) & (ticks < edges[-1] - room)]
    return inside


def _name(axis: Any, label: str, place: tuple[float, float]) -> None:
    axis.get_major_formatter().set_useOffset(False)
    axis.set_tick_params(labelrotation=40, labelbottom=True, labelleft=True)
    axis.set_label_text(label, fontsize=9)
    axis.set_label_coords(*place)


def _head(ax: Axes, summary: Table, drawn: int) -> None:
    """Write the evidence, and what is left out, into the empty corner."""
    meta, lines = summary.meta, list[str]()
    if "evidence" in meta:
        error = meta.get("evidence_error", np.nan)
        lines.append(f"log evidence {meta['evidence']:.2f} \N{PLUS-MINUS SIGN} {error:.2f}")
    if "effective_samples" in meta:
        lines.append(f"{meta['effective_samples']:.0f} effective samples")
    if drawn > 1:
        lines.append("contours: 1 and 2 sigma\n(39.3 % and 86.5 %)")
    if drawn < len(summary):
        lines.append(f"the first {drawn} of {len(summary)} parameters")
    corner = 1.0 if drawn > 1 else 0.92  # of one parameter alone: inside its panel
    ax.text(
        corner, corner, "\n".join(lines), transform=ax.transAxes, ha="right", va="top",
        fontsize=9, linespacing=1.5, zorder=10,
    )  # fmt: skip
