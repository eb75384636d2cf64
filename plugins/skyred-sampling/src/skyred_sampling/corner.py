"""Corner plots with the posterior of each parameter and of each pair, from weighted samples."""

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

MAX_PARAMETERS = 10  # in one plot
CONTOUR_LEVELS = (0.393469340287, 0.864664716763)  # 1 and 2 sigma of a two-dimensional Gaussian
RANGE = (0.0005, 0.9995)  # quantiles at the ends of the axes
BINS, SMOOTHING = 36, 1.5  # number of bins of a histogram; smoothing width in bins
PANEL = 2.0  # inches
LEFT, BOTTOM, RIGHT, TOP = 1.3, 1.05, 0.15, 0.4  # margins, in inches
COLOUR, SHADES = "#1f5a8c", ("#c9dcec", "#6fa3cc")


@attrs.frozen(eq=False)
class PlottedParameter:
    """A parameter of a corner plot.

    Parameters
    ----------
    values : array
        Samples, divided by a power of ten, shape (m,).
    label : str
        Name and unit, for the axis.
    title : str
        Mean and central interval, for the title.
    mean, low, high : float
        Mean, and lower and upper end of the central interval.
    edges : array
        Edges of the histogram bins.
    """

    values: Array
    label: str
    title: str
    mean: float
    low: float
    high: float
    edges: Array


def draw_corner(summary: Table, samples: Array, weights: Array, ax: Axes | None = None) -> Axes:
    """Draw a corner plot of all parameters.

    Parameters
    ----------
    summary : Table
        A row for each parameter (`skyred_sampling.tables.summarise`).
    samples, weights : array
        The samples, shape (m, n), and their weights, shape (m,).
    ax : Axes, optional
        The axes in which the panels are drawn; by default those of a new figure.

    Returns
    -------
    Axes
        The axes with the panels.
    """
    rows = list(summary)[:MAX_PARAMETERS]
    parameters = [
        _create_parameter(row, samples[:, index], weights) for index, row in enumerate(rows)
    ]
    ax = _create_axes(len(rows)) if ax is None else ax
    ax.set_axis_off()
    panels = _create_panels(ax, len(rows))
    for (row, column), panel in panels.items():
        if row == column:
            _draw_histogram(panel, parameters[row], weights)
        else:
            _draw_contours(panel, parameters[column], parameters[row], weights)
        _format_panel(panel, parameters[column], parameters[row])
        distance = 1 / max(1, 3 - len(rows))  # a single panel is twice as large
        if row == len(rows) - 1:
            _label_axis(panel.xaxis, parameters[column].label, (0.5, -0.26 * distance))
        if column == 0 < row:
            _label_axis(panel.yaxis, parameters[row].label, (-0.36, 0.5))
    _draw_text(ax, summary, len(rows))
    return ax


def _create_axes(n_parameters: int) -> Axes:
    import matplotlib.pyplot as plt

    side = PANEL * max(n_parameters, 2)
    width, height = LEFT + side + RIGHT, BOTTOM + side + TOP
    figure = plt.figure(figsize=(width, height))
    axes: Axes = figure.add_axes((LEFT / width, BOTTOM / height, side / width, side / height))
    return axes


def _create_panels(ax: Axes, n_parameters: int) -> dict[tuple[int, int], Axes]:
    """Create the panels on and below the diagonal, by row and column from the top left."""
    step, side = 1 / n_parameters, 0.94 / n_parameters
    positions = [(row, column) for row in range(n_parameters) for column in range(row + 1)]
    return {
        (row, column): ax.inset_axes((column * step, 1 - row * step - side, side, side))
        for row, column in positions
    }


def _create_parameter(row: Row, values: Array, weights: Array) -> PlottedParameter:
    exponent = _power_of_ten(float(row["mean"]), float(row["std"]))
    factor = 10.0**exponent
    mean, low, high = (float(row[name]) / factor for name in ("mean", "low", "high"))
    ends = weighted.quantiles(values[:, None], weights, RANGE)[:, 0] / factor
    return PlottedParameter(
        values=values / factor,
        label=_label(str(row["parameter"]), str(row["unit"]), exponent),
        title=_title(mean, low, high),
        mean=mean,
        low=low,
        high=high,
        edges=np.linspace(*_add_margins(*ends), BINS + 1),
    )


def _add_margins(low: float, high: float) -> tuple[float, float]:
    """Return a range with margins; it is not empty, even if all samples are equal."""
    margin = 0.05 * (high - low) or 0.05 * abs(low) or 0.05
    return low - margin, high + margin


def _power_of_ten(mean: float, std: float) -> int:
    """Return the power of ten by which to divide the numbers; 0 for numbers of moderate size."""
    size = max(abs(mean), std)
    exponent = int(np.floor(np.log10(size))) if size > 0 else 0
    return exponent if not -3 <= exponent <= 4 else 0


def _label(name: str, unit: str, exponent: int) -> str:
    """Return the name in two lines, and below it the power of ten and the unit."""
    from astropy import units as u

    source, _, parameter = name.replace("$", r"\$").partition(".")
    parsed_unit = u.Unit(unit, parse_strict="silent")
    # not LaTeX for deg, because a degree sign alone is hard to recognise
    is_plain = parsed_unit == u.deg or not unit
    formatted_unit = unit if is_plain else parsed_unit.to_string("latex_inline")
    factor = rf"$10^{{{exponent}}}$ " if exponent else ""
    scaled_unit = f"{factor}{formatted_unit}".strip()
    lines = [source, parameter] if parameter else [source]
    return "\n".join([*lines, *([f"[{scaled_unit}]"] if scaled_unit else [])])


def _title(mean: float, low: float, high: float) -> str:
    errors = (mean - low, high - mean, high - low, 1.0)
    min_error = min(error for error in errors if error > 0)
    digits = max(0, 1 - int(np.floor(np.log10(min_error))))
    errn, errp = max(mean - low, 0), max(high - mean, 0)
    return rf"${mean:.{digits}f}_{{-{errn:.{digits}f}}}^{{+{errp:.{digits}f}}}$"


def _draw_histogram(panel: Axes, parameter: PlottedParameter, weights: Array) -> None:
    from scipy.ndimage import gaussian_filter1d

    heights, edges = np.histogram(parameter.values, parameter.edges, weights=weights)
    density = gaussian_filter1d(heights, SMOOTHING, mode="constant")
    centres = (edges[1:] + edges[:-1]) / 2
    interval = np.linspace(parameter.low, parameter.high, 200)
    density_in_interval = np.interp(interval, centres, density)
    panel.fill_between(centres, density, color=SHADES[0], linewidth=0)
    panel.fill_between(interval, density_in_interval, color=SHADES[1], linewidth=0)
    panel.plot(centres, density, color=COLOUR, linewidth=1.2)
    panel.axvline(parameter.mean, color="black", linewidth=0.9)
    panel.set_ylim(0, 1.12 * density.max())
    panel.set_title(parameter.title, fontsize=10, pad=5)


def _draw_contours(panel: Axes, x: PlottedParameter, y: PlottedParameter, weights: Array) -> None:
    from scipy.ndimage import gaussian_filter

    bins = [x.edges, y.edges]
    counts, *_ = np.histogram2d(x.values, y.values, bins=bins, weights=weights)
    density = gaussian_filter(counts, SMOOTHING, mode="constant").T
    centres = [(edges[1:] + edges[:-1]) / 2 for edges in bins]
    levels = _levels(density)
    if levels[0] < levels[1] < density.max():
        panel.contourf(*centres, density, [*levels, density.max()], colors=SHADES)
        panel.contour(*centres, density, levels, colors=COLOUR, linewidths=1.2)
    panel.plot(x.mean, y.mean, "+", color="black", markersize=7)
    panel.set_ylim(y.edges[0], y.edges[-1])


def _levels(density: Array) -> list[float]:
    """Compute the densities of the 2 sigma and 1 sigma contours."""
    sorted_density = np.sort(density, axis=None)[::-1]
    fractions = np.cumsum(sorted_density) / sorted_density.sum()
    indices = [np.searchsorted(fractions, level) for level in reversed(CONTOUR_LEVELS)]
    return [float(sorted_density[index]) for index in indices]


def _format_panel(panel: Axes, x: PlottedParameter, y: PlottedParameter) -> None:
    panel.set_xlim(x.edges[0], x.edges[-1])
    panel.tick_params(direction="in", top=True, right=True, labelsize=8)
    panel.set_xticks(_ticks(x.edges))
    panel.set_yticks([] if panel.get_title() else _ticks(y.edges))
    panel.tick_params(labelbottom=False, labelleft=False)


def _ticks(edges: Array) -> Array:
    """Return two or three round numbers, away from the edges so that labels do not overlap."""
    from matplotlib.ticker import MaxNLocator

    margin = 0.12 * (edges[-1] - edges[0])
    ticks = MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]).tick_values(
        edges[0] + margin, edges[-1] - margin
    )
    inner_ticks: Array = ticks[(ticks > edges[0] + margin) & (ticks < edges[-1] - margin)]
    return inner_ticks


def _label_axis(axis: Any, label: str, position: tuple[float, float]) -> None:
    axis.get_major_formatter().set_useOffset(False)
    axis.set_tick_params(labelrotation=40, labelbottom=True, labelleft=True)
    axis.set_label_text(label, fontsize=9)
    axis.set_label_coords(*position)


def _draw_text(ax: Axes, summary: Table, n_plotted: int) -> None:
    """Write the evidence, and the number of plotted parameters, into the empty corner."""
    meta, lines = summary.meta, list[str]()
    if "evidence" in meta:
        error = meta.get("evidence_error", np.nan)
        lines.append(f"log evidence {meta['evidence']:.2f} \N{PLUS-MINUS SIGN} {error:.2f}")
    if "effective_samples" in meta:
        lines.append(f"{meta['effective_samples']:.0f} effective samples")
    if n_plotted > 1:
        lines.append("contours: 1 and 2 sigma\n(39.3 % and 86.5 %)")
    if n_plotted < len(summary):
        lines.append(f"the first {n_plotted} of {len(summary)} parameters")
    corner = 1.0 if n_plotted > 1 else 0.92  # a single parameter: inside its panel
    ax.text(
        corner, corner, "\n".join(lines), transform=ax.transAxes, ha="right", va="top",
        fontsize=9, linespacing=1.5, zorder=10,
    )  # fmt: skip
