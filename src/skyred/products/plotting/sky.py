"""Sky maps as pictures: what those of datasets and of products share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gammapy.maps import WcsNDMap
    from matplotlib.axes import Axes

COLOURS = ("black", "tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple")
MARKERS = ("o", "s", "D", "^", "v", "P")  # with the colours: told apart in greyscale too
SEQUENTIAL = "viridis"  # rises in lightness, so it survives greyscale
DIVERGING = "RdBu_r"  # symmetric about zero; white is "nothing there"
SIGMAS = (-5.0, -3.0, 3.0, 5.0)  # where lines are drawn


def draw_map(image: WcsNDMap, ax: Axes | None, label: str, **style: Any) -> Axes:
    """Draw a sky image with a colour bar, its axes labelled with frame and unit.

    Parameters
    ----------
    image : WcsNDMap
        An image without energy axis.
    ax : matplotlib axes, optional
        Where to draw; a new figure by default.
    label : str
        What the colours mean, with unit.
    **style
        Passed to ``imshow``.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        figure = plt.figure(figsize=(6.4, 5.2), layout="constrained")
        ax = figure.add_subplot(projection=image.geom.wcs)
    image.plot(ax=ax, add_cbar=False, **style)
    bar = ax.figure.colorbar(ax.images[-1], ax=ax, shrink=0.9)
    bar.set_label(label)
    label_sky(ax, image.geom.frame)
    return ax


def draw_signed(image: WcsNDMap, ax: Axes | None, label: str, limit: float) -> Axes:
    """Draw a sky image of significances from -`limit` to `limit` sigma.

    Lines at 3 and 5 sigma, dashed at -3 and -5, tell the signs apart without colours.
    """
    style: dict[str, Any] = {"vmin": -limit, "vmax": limit, "interpolation": "none"}
    ax = draw_map(image, ax, label, cmap=DIVERGING, **style)
    values = np.nan_to_num(image.data)
    levels = [level for level in SIGMAS if values.min() < level < values.max()]
    if levels:
        dashes = ["dashed" if level < 0 else "solid" for level in levels]
        ax.contour(values, levels, colors="black", linewidths=0.6, linestyles=dashes)
    return ax


def label_sky(ax: Axes, frame: str) -> None:
    """Label the axes of a picture of the sky with frame and unit."""
    names = ("Right ascension", "Declination")
    if frame == "galactic":
        names = ("Galactic longitude", "Galactic latitude")
    ax.set_xlabel(f"{names[0]} [deg]")
    ax.set_ylabel(f"{names[1]} [deg]")
    for coordinate in ax.coords:  # type: ignore[attr-defined]
        coordinate.set_major_formatter("d.d")


def energy_text(energies: Any) -> str:
    """Write an energy range: '1 TeV to 10 TeV'."""
    low, high = energies[0], energies[-1]
    return f"{low.value:.3g} {low.unit} to {high.value:.3g} {high.unit}"


def bin_style(number: int) -> tuple[str, str]:
    """Give the colour and the marker of one of several bins of energy."""
    return COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
