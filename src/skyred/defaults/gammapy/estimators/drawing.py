"""Drawing: what the pictures of all products share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gammapy.maps import WcsNDMap
    from matplotlib.axes import Axes

SEQUENTIAL = "viridis"  # rises in lightness, so it survives greyscale
DIVERGING = "RdBu_r"  # symmetric about zero; white is "nothing there"


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
    names = ("Right ascension", "Declination")
    if image.geom.frame == "galactic":
        names = ("Galactic longitude", "Galactic latitude")
    ax.set_xlabel(f"{names[0]} [deg]")
    ax.set_ylabel(f"{names[1]} [deg]")
    for coordinate in ax.coords:  # type: ignore[union-attr]
        coordinate.set_major_formatter("d.d")
    return ax


def energy_text(energies: Any) -> str:
    """Write an energy range: '1 TeV to 10 TeV'."""
    low, high = energies[0], energies[-1]
    return f"{low.value:.3g} {low.unit} to {high.value:.3g} {high.unit}"
