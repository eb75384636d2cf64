"""The plots of spectrum datasets: counts by energy, and the on and off regions on the sky."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.products.plotting.sky import format_energy_range, label_sky

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gammapy.maps import MapAxis, RegionNDMap, WcsGeom
    from matplotlib.axes import Axes
    from regions import SkyRegion

ON_COLOR, OFF_COLOR = "tab:red", "tab:blue"


def spectrum_plot_functions(dataset: Any) -> dict[str, Callable[..., Axes]]:
    """Return the functions that draw a spectrum dataset.

    Parameters
    ----------
    dataset : SpectrumDataset
        The dataset.

    Returns
    -------
    dict of str to callable
        Plot functions; the keys are prefixes of the names of the plots.
    """
    plots: dict[str, Callable[..., Axes]] = {"counts": partial(draw_counts_spectrum, dataset)}
    if _off_regions(dataset):
        plots["regions"] = partial(draw_regions, dataset)
    return plots


def draw_counts_spectrum(dataset: Any, ax: Axes | None = None) -> Axes:
    """Draw counts, background, excess and the predicted excess; excluded bins are grey.

    Parameters
    ----------
    dataset : SpectrumDataset
        The dataset.
    ax : matplotlib axes, optional
        The axes to draw on; those of a new figure by default.

    Returns
    -------
    matplotlib axes
        The axes.
    """
    import matplotlib.pyplot as plt
    from gammapy.maps import MapAxis

    if ax is None:
        _, ax = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
    axis = dataset.counts.geom.axes["energy"]
    if axis.unit == "keV":  # the unit of OGIP files
        axis = MapAxis.from_energy_edges(axis.edges.to("TeV"))
    edges, counts = axis.edges.value, _counts_per_energy_bin(dataset.counts)
    ax.stairs(counts, edges, color=ON_COLOR, label="counts")
    if dataset.background is not None:
        _draw_excess(dataset, ax, axis, counts)
    if dataset.models:
        npred_signal = _counts_per_energy_bin(dataset.npred_signal())
        ax.stairs(npred_signal, edges, color="black", linewidth=0.8, label="predicted excess")
    ax.set_xscale("log")
    ax.set_yscale("symlog", linthresh=1)  # linear around zero, because an excess can be negative
    ax.set_ylim(top=3 * max(1, counts.max()))
    ax.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    _shade_excluded_bins(dataset, ax, edges)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xlabel(f"Energy [{axis.unit}]")
    ax.set_ylabel("Counts per bin")
    ax.set_title(f"{dataset.name}, {format_energy_range(axis.edges)}")
    ax.legend()
    return ax


def _counts_per_energy_bin(counts: RegionNDMap) -> Any:
    return counts.data.astype(float).ravel()


def _draw_excess(dataset: Any, ax: Axes, axis: MapAxis, counts: Any) -> None:
    background = _counts_per_energy_bin(dataset.background)
    ax.stairs(background, axis.edges.value, color=OFF_COLOR, label="background", linestyle="--")
    # Poisson errors of the counts, and of the off counts scaled by alpha
    alpha = _counts_per_energy_bin(dataset.alpha) if hasattr(dataset, "alpha") else 0.0
    error = np.sqrt(counts + alpha * background)
    has_error = error > 0
    ax.errorbar(
        axis.center.value[has_error], (counts - background)[has_error], error[has_error], fmt="o",
        color="black", markersize=4, label="excess",
    )  # fmt: skip


def _shade_excluded_bins(dataset: Any, ax: Axes, edges: Any) -> None:
    if dataset.mask is None:
        return
    is_excluded = ~dataset.mask.data.astype(bool).ravel()
    label = "not used"
    for low, high in zip(edges[:-1][is_excluded], edges[1:][is_excluded], strict=True):
        ax.axvspan(low, high, color="0.9", linewidth=0, zorder=-1, label=label)
        label = "_"  # only one entry in the legend


def draw_regions(dataset: Any, ax: Axes | None = None) -> Axes:
    """Draw the on region, the off regions and the pointings on the sky.

    Parameters
    ----------
    dataset : SpectrumDatasetOnOff
        The dataset.
    ax : matplotlib axes, optional
        The axes to draw on; those of a new figure by default.

    Returns
    -------
    matplotlib axes
        The axes.
    """
    import matplotlib.pyplot as plt

    on, off, pointings = dataset.counts.geom.region, _off_regions(dataset), _pointings(dataset)
    geom = _field_of_view([on, *off])
    if ax is None:
        figure = plt.figure(figsize=(5.6, 5.2), layout="constrained")
        ax = figure.add_subplot(projection=geom.wcs)
    _draw_regions([on], ax, geom, color=ON_COLOR, label="on region", fill=True)
    _draw_regions(off, ax, geom, color=OFF_COLOR, label="off regions", fill=False)
    if pointings is not None:
        ax.plot(*geom.wcs.world_to_pixel(pointings), "+k", markersize=10, label="pointing")
    label_sky(ax, geom.frame)
    height, width = geom.data_shape
    ax.set_xlim(-0.5, width - 0.5)
    ax.set_ylim(-0.5, height - 0.5)
    ax.set_aspect("equal")
    ax.set_title(dataset.name)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, frameon=False)
    return ax


def _draw_regions(regions: Iterable[SkyRegion], ax: Axes, geom: WcsGeom, **style: Any) -> None:
    from regions import PointSkyRegion

    color, fill = style["color"], style["fill"]
    for region in regions:
        pixel_region = region.to_pixel(geom.wcs)
        if isinstance(region, PointSkyRegion):  # the radius (RAD_MAX) depends on energy
            marker, center = "*" if fill else "o", pixel_region.center
            ax.plot(center.x, center.y, marker, color=color, label=style["label"])
        else:
            pixel_region.plot(ax=ax, facecolor=color, edgecolor=color, alpha=0.6 if fill else 1,
                              fill=fill, label=style["label"])  # fmt: skip
        style["label"] = "_"


def _off_regions(dataset: Any) -> list[SkyRegion]:
    """Return the off regions that differ from the on region; stacked datasets have none."""
    from gammapy.utils.regions import compound_region_to_regions

    counts_off = getattr(dataset, "counts_off", None)
    if counts_off is None or counts_off.geom.region is None:
        return []
    regions = list(compound_region_to_regions(counts_off.geom.region))
    return [region for region in regions if repr(region) != repr(dataset.counts.geom.region)]


def _pointings(dataset: Any) -> SkyCoord | None:
    from astropy.coordinates import SkyCoord

    table = dataset.meta_table
    if table is None or "RA_PNT" not in table.colnames:
        return None
    return SkyCoord(*(np.ravel(table[name].data) for name in ("RA_PNT", "DEC_PNT")), unit="deg")


def _field_of_view(regions: list[SkyRegion]) -> WcsGeom:
    """Return a field of view that contains all regions, with a margin."""
    from astropy.coordinates import SkyCoord
    from gammapy.maps import RegionGeom, WcsGeom

    region_geom = RegionGeom.from_regions(regions)
    bounding_geom = region_geom.to_wcs_geom(width_min="0.5 deg")
    width = 1.25 * bounding_geom.width.max()
    center = SkyCoord(bounding_geom.center_skydir)
    return WcsGeom.create(skydir=center, width=width, binsz=width / 400, proj="TAN",
                          frame=bounding_geom.frame)  # fmt: skip
