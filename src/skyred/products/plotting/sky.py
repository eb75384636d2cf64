"""Plots of sky maps, and their colours, markers and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.products.plotting.figures import create_axes

if TYPE_CHECKING:
    from gammapy.maps import WcsNDMap
    from matplotlib.axes import Axes

COLOURS = ("black", "tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple")
MARKERS = ("o", "s", "D", "^", "v", "P")  # distinguish the bins in greyscale
SEQUENTIAL = "viridis"  # lightness increases monotonically, also in greyscale
DIVERGING = "RdBu_r"  # symmetric about zero, which is white
SIGMAS = (-5.0, -3.0, 3.0, 5.0)  # levels of the contours


def draw_map(image: WcsNDMap, ax: Axes | None, label: str, **style: Any) -> Axes:
    """Draw a sky image with a colour bar, and label its axes with frame and unit.

    Parameters
    ----------
    image : WcsNDMap
        An image without an energy axis.
    ax : matplotlib axes or None
        The axes to draw on; None for those of a new figure.
    label : str
        The label of the colour bar, with unit.
    **style : object
        Passed to ``imshow``.

    Returns
    -------
    matplotlib axes
        The axes.
    """
    if ax is None:
        ax = create_axes(6.4, 5.2, right=6.0, projection=image.geom.wcs)
    image.plot(ax=ax, add_cbar=False, **style)
    bar = ax.figure.colorbar(ax.images[-1], ax=ax, shrink=0.9, fraction=0.06, pad=0.03)
    bar.set_label(label, parse_math=False)
    bar.ax.yaxis.set_offset_position("left")  # the power of ten starts there, outside the map
    label_sky(ax, image.geom.frame)
    return ax


def draw_significance_image(image: WcsNDMap, ax: Axes | None, label: str, limit: float) -> Axes:
    """Draw a sky image of significances from -`limit` to `limit` sigma.

    Contours at 3 and 5 sigma (dashed at -3 and -5) make the sign visible without colours.

    Parameters
    ----------
    image : WcsNDMap
        An image of significances.
    ax : matplotlib axes or None
        The axes to draw on; None for those of a new figure.
    label : str
        The label of the colour bar.
    limit : float
        The end of the colour scale in sigma.

    Returns
    -------
    matplotlib axes
        The axes.
    """
    style: dict[str, Any] = {"vmin": -limit, "vmax": limit, "interpolation": "none"}
    ax = draw_map(image, ax, label, cmap=DIVERGING, **style)
    values = np.nan_to_num(image.data)
    levels = [
        contour_level for contour_level in SIGMAS if values.min() < contour_level < values.max()
    ]
    if levels:
        dashes = ["dashed" if contour_level < 0 else "solid" for contour_level in levels]
        ax.contour(values, levels, colors="black", linewidths=0.6, linestyles=dashes)
    return ax


def label_sky(ax: Axes, frame: str) -> None:
    """Label the axes of a sky plot with frame and unit.

    Parameters
    ----------
    ax : matplotlib axes
        The axes, a `WCSAxes`.
    frame : str
        The frame; "galactic", or any other for equatorial coordinates.
    """
    names = {"longitude": "Right ascension", "latitude": "Declination"}
    if frame == "galactic":
        names = {"longitude": "Galactic longitude", "latitude": "Galactic latitude"}
    for coordinate in ax.coords:  # type: ignore[attr-defined]
        # unlike `set_xlabel`, this does not compute the positions of all ticks
        coordinate.set_axislabel(f"{names[coordinate.coord_type]} [deg]")
        coordinate.set_major_formatter("d.d")


def format_energy_range(energies: Any) -> str:
    """Format an energy range, for example as '1 TeV to 10 TeV'.

    Parameters
    ----------
    energies : Quantity
        The edges of the energy axis.

    Returns
    -------
    str
        The formatted range.
    """
    low, high = energies[0], energies[-1]
    return f"{low.value:.3g} {low.unit} to {high.value:.3g} {high.unit}"


def bin_style(index: int) -> tuple[str, str]:
    """Return the colour and the marker of an energy bin.

    Parameters
    ----------
    index : int
        The index of the bin.

    Returns
    -------
    colour : str
        The colour.
    marker : str
        The marker.
    """
    return COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
