"""The plot of the counts spectra of several datasets, in panels with common scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.products.plotting.figures import LEGEND, TOP, draw_legend, format_power
from skyred.products.plotting.panels import PanelGrid, join_with_gaps, limit_panels, short_name
from skyred.products.plotting.spectra import OFF_COLOR, ON_COLOR, CountsSpectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PITCH = (1.15, 1.2)  # of panels, in units of their size
PANEL_SIZE = 1.7  # in inches
HEADROOM = 0.2  # free space above the highest value, in decades
ROUNDING = 1e-6  # of energies at the ends, in decades
MIN_TICKS, MAX_TICKS = 2, 5  # of energies
MIN_DISTANCE = 0.3  # of labels in neighbouring panels, in units of the size of a panel


def draw_spectra(datasets: Sequence[Any], ax: Axes | None = None) -> Axes:
    """Draw counts, background, excess and predicted excess of datasets in panels.

    Parameters
    ----------
    datasets : sequence of SpectrumDataset
        The datasets.
    ax : matplotlib axes, optional
        The axes to draw on; those of a new figure by default.

    Returns
    -------
    matplotlib axes
        The axes, which contain all panels.
    """
    datasets, title = limit_panels(datasets)
    spectra = [CountsSpectrum.from_dataset(dataset) for dataset in datasets]
    grid = PanelGrid.create(len(spectra), PITCH)
    if ax is None:
        ax = grid.create_axes(PANEL_SIZE, (1.2, 1.2), top=TOP + 2 * LEGEND)
    scale = PanelScale.create(spectra)
    _draw_counts(spectra, grid, scale, ax)
    _draw_excess(spectra, grid, scale, ax)
    _shade_excluded_bins(spectra, grid, scale, ax)
    for index, spectrum in enumerate(spectra):
        grid.draw_title(ax, index, short_name(spectrum.name))
    grid.draw_frames(ax)
    scale.draw_ticks(ax, grid)
    ax.set_xlabel("Energy [TeV]")
    ax.set_ylabel("Counts per bin")
    draw_legend(ax, title=title, title_fontsize="large", loc="lower center", frameon=False, ncols=3,
                bbox_to_anchor=(0.5, 1 + 0.12 / grid.size[1]))  # fmt: skip
    return ax


@attrs.frozen
class PanelScale:
    """The scales of all panels: logarithmic energies, and counts that are linear around zero.

    Parameters
    ----------
    energies : tuple of float
        The lowest and the highest energy, as decimal logarithms of TeV.
    counts : tuple of float
        The lowest and the highest counts, after `compress`.
    """

    energies: tuple[float, float]
    counts: tuple[float, float]

    @classmethod
    def create(cls, spectra: Sequence[CountsSpectrum]) -> PanelScale:
        """Create the scales that contain all spectra.

        Parameters
        ----------
        spectra : sequence of CountsSpectrum
            The spectra.

        Returns
        -------
        PanelScale
            The scales.
        """
        edges = np.log10(np.concatenate([spectrum.edges for spectrum in spectra]))
        values = compress(np.concatenate([spectrum.values() for spectrum in spectra]))
        values = values[np.isfinite(values)]
        low, high = float(values.min(initial=0)), float(values.max(initial=1))
        return cls((float(edges.min()), float(edges.max())), (low - 0.1, high + HEADROOM))

    def points(self, energies: Array, counts: Array, origin: tuple[float, float]) -> Array:
        """Return the positions of points in a panel.

        Parameters
        ----------
        energies : array
            Energies in TeV, shape (n,).
        counts : array
            Counts, shape (n,).
        origin : tuple of float
            The position of the panel.

        Returns
        -------
        array
            The positions, shape (n, 2).
        """
        columns = [
            (values - low) / (high - low) + offset
            for values, (low, high), offset in (
                (np.log10(energies), self.energies, origin[0]),
                (compress(counts), self.counts, origin[1]),
            )
        ]
        return np.stack(columns, axis=-1)

    def draw_ticks(self, ax: Axes, grid: PanelGrid) -> None:
        """Draw ticks and their labels below and on the left of all panels.

        Parameters
        ----------
        ax : matplotlib axes
            The axes.
        grid : PanelGrid
            The panels.
        """
        energies = energy_ticks(*self.energies)
        top = int(np.floor(self.counts[1])) - 1
        counts = [0, *(10**power for power in range(0, top + 1, 1 + top // 4))]
        x = [self.points(energies, np.zeros(len(energies)), grid.origin(column))[:, 0]
             for column in range(grid.columns)]  # fmt: skip
        ones = np.ones(len(counts))
        y = [self.points(ones, np.array(counts, dtype=float), grid.origin(row * grid.columns))[:, 1]
             for row in range(grid.rows)]  # fmt: skip
        labels = [_format_energy(energy) for energy in energies]
        # labels at the ends of neighbouring panels would read as one number
        overlaps = grid.pitch[0] + x[0][0] - x[0][-1] < MIN_DISTANCE
        inner_labels = [*labels[:-1], ""] if overlaps else labels
        x_labels = inner_labels * (grid.columns - 1) + labels
        ax.set_xticks(np.concatenate(x), x_labels, fontsize="small")
        count_labels = [str(count) if count < 1e4 else format_power(len(str(count)) - 1)
                        for count in counts]  # fmt: skip
        ax.set_yticks(np.concatenate(y), count_labels * grid.rows, fontsize="small")


def energy_ticks(low: float, high: float) -> Array:
    """Return the energies of at least two ticks.

    Parameters
    ----------
    low, high : float
        The lowest and the highest energy, as decimal logarithms.

    Returns
    -------
    array
        Powers of ten, at most five; in narrow ranges, multiples of 1, 2 and 5 of them, or round
        numbers. Shape (n,).
    """
    from matplotlib.ticker import MaxNLocator

    low, high = low - ROUNDING, high + ROUNDING  # includes powers of ten at the ends
    first, last = int(np.ceil(low)), int(np.floor(high))
    step = 1 + max(last - first, 0) // MAX_TICKS
    ticks = np.array([10.0**power for power in range(first, last + 1, step)])
    if len(ticks) < MIN_TICKS:
        powers = 10.0 ** np.arange(np.floor(low), np.ceil(high) + 1)
        ticks = _within(low, high, np.outer(powers, (1, 2, 5)).ravel())
    if len(ticks) < MIN_TICKS:
        ticks = _within(low, high, MaxNLocator(3).tick_values(10**low, 10**high))
    return ticks


def _within(low: float, high: float, energies: Any) -> Array:
    return np.array([energy for energy in energies if 10**low <= energy <= 10**high])


def _format_energy(energy: float) -> str:
    power = np.log10(energy)
    is_power = abs(power - round(power)) < ROUNDING
    return format_power(round(power)) if is_power and abs(round(power)) > 2 else f"{energy:.4g}"


def compress(counts: Array) -> Array:
    """Return counts on a scale that is linear up to 1, and logarithmic above.

    Parameters
    ----------
    counts : array
        The counts, possibly negative, shape (n,).

    Returns
    -------
    array
        The counts up to an absolute value of 1; above, 1 plus the decimal logarithm, with the
        sign of the counts.
    """
    magnitude = np.abs(counts)
    return np.where(
        magnitude <= 1, counts, np.sign(counts) * (1 + np.log10(np.maximum(magnitude, 1)))
    )


def _draw_counts(
    spectra: Sequence[CountsSpectrum], grid: PanelGrid, scale: PanelScale, ax: Axes
) -> None:
    styles: dict[str, dict[str, Any]] = {
        "counts": {"color": ON_COLOR, "linewidth": 1},
        "background": {"color": OFF_COLOR, "linewidth": 1, "linestyle": "--"},
        "predicted excess": {"color": "black", "linewidth": 0.8},
    }
    for label, style in styles.items():
        steps = [
            scale.points(np.repeat(spectrum.edges, 2)[1:-1], np.repeat(values, 2),
                         grid.origin(index))
            for index, spectrum in enumerate(spectra)
            if (values := spectrum.by_label(label)) is not None
        ]  # fmt: skip
        if steps:
            ax.plot(*join_with_gaps(steps).T, label=label, **style)
    zero = [scale.points(spectrum.edges[[0, -1]], np.zeros(2), grid.origin(index))
            for index, spectrum in enumerate(spectra)]  # fmt: skip
    ax.plot(*join_with_gaps(zero).T, color="0.7", linewidth=0.8, zorder=0)


def _draw_excess(
    spectra: Sequence[CountsSpectrum], grid: PanelGrid, scale: PanelScale, ax: Axes
) -> None:
    points, bars = [], []
    for index, spectrum in enumerate(spectra):
        (energies, excess, error), origin = spectrum.excess_points(), grid.origin(index)
        points.append(scale.points(energies, excess, origin))
        ends = [scale.points(energies, excess + sign * error, origin) for sign in (-1, 1)]
        bars += list(np.stack(ends, axis=1))
    if bars:
        ax.plot(*join_with_gaps(bars).T, color="black", linewidth=1)
        ax.plot(*np.concatenate(points).T, "o", color="black", markersize=2.5, label="excess")


def _shade_excluded_bins(
    spectra: Sequence[CountsSpectrum], grid: PanelGrid, scale: PanelScale, ax: Axes
) -> None:
    from matplotlib.collections import PolyCollection

    boxes = []
    for index, spectrum in enumerate(spectra):
        x, y = grid.origin(index)
        columns = scale.points(spectrum.edges, np.zeros(len(spectrum.edges)), (x, y))[:, 0]
        boxes += [
            [(low, y), (high, y), (high, y + 1), (low, y + 1)]
            for low, high in zip(
                columns[:-1][spectrum.is_excluded], columns[1:][spectrum.is_excluded], strict=True
            )
        ]
    if boxes:
        ax.add_collection(
            PolyCollection(boxes, facecolor="0.9", linewidth=0, zorder=-1, label="not used"),
            autolim=False,
        )
