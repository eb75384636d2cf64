"""The plots of counts maps: of one dataset, and of several datasets in panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.products.plotting.panels import PanelGrid, limit_panels, short_name
from skyred.products.plotting.sky import SEQUENTIAL, draw_map, format_energy_range

if TYPE_CHECKING:
    from gammapy.maps import WcsNDMap
    from matplotlib.axes import Axes

SMOOTHING = "0.05 deg"
PITCH = (1.08, 1.4)  # of panels, in units of their size
PANEL_SIZE = 1.7  # in inches


def draw_counts(dataset: Any, ax: Axes | None = None) -> Axes:
    """Draw the counts of a map dataset inside its mask, smoothed with a Gaussian.

    Parameters
    ----------
    dataset : MapDataset
        The dataset.
    ax : matplotlib axes, optional
        The axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib axes
        The axes.
    """
    label = f"Counts per pixel (smoothed, {SMOOTHING})"
    ax = draw_map(_smooth_counts(dataset), ax, label, cmap=SEQUENTIAL, vmin=0)
    energies = format_energy_range(dataset.counts.geom.axes["energy"].edges)
    ax.set_title(f"{dataset.name}, {energies}", parse_math=False)
    return ax


def draw_count_maps(datasets: Sequence[Any], ax: Axes | None = None) -> Axes:
    """Draw the smoothed counts of map datasets in panels, each relative to its maximum.

    Parameters
    ----------
    datasets : sequence of MapDataset
        The datasets.
    ax : matplotlib axes, optional
        The axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib axes
        The axes, which contain all panels.
    """
    datasets, title = limit_panels(datasets)
    grid = PanelGrid.create(len(datasets), PITCH)
    if ax is None:
        ax = grid.create_axes(PANEL_SIZE, (2, 1.2), right=6.0, top=6.0)
    for index, dataset in enumerate(datasets):
        image = _smooth_counts(dataset)
        maximum = float(np.nanmax(image.data, initial=0))
        ax.imshow(image.data / (maximum or 1), cmap=SEQUENTIAL, vmin=0, vmax=1, origin="lower",
                  extent=_extent(image, grid.origin(index)))  # fmt: skip
        grid.draw_title(
            ax, index, f"{short_name(dataset.name)}\n{_format_size(image)}, max {maximum:.2g}"
        )
    grid.draw_square_frames(ax)
    ax.set_title(title, pad=36, parse_math=False)
    bar = ax.figure.colorbar(ax.images[-1], ax=ax, shrink=0.9, fraction=0.06, pad=0.03)
    bar.set_label(f"Counts per pixel / maximum\n(smoothed, {SMOOTHING})")
    return ax


def _smooth_counts(dataset: Any) -> WcsNDMap:
    counts = dataset.counts if dataset.mask is None else dataset.counts * dataset.mask
    return counts.sum_over_axes(keepdims=False).smooth(SMOOTHING)


def _extent(image: WcsNDMap, origin: tuple[float, float]) -> tuple[float, float, float, float]:
    """Return the limits of an image in a panel, which keep its pixels square."""
    height, width = image.data.shape
    x, y = (size / max(height, width) / 2 for size in (width, height))
    left, bottom = origin
    return left + 0.5 - x, left + 0.5 + x, bottom + 0.5 - y, bottom + 0.5 + y


def _format_size(image: WcsNDMap) -> str:
    width, height = np.ravel(image.geom.width.to_value("deg"))[:2]
    return f"{width:.3g}° × {height:.3g}°"
