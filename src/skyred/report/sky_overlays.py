"""The overlays of the sky viewer: sources, regions, exclusions and pointings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from gammapy.maps import WcsGeom
    from numpy.typing import NDArray
    from regions import SkyRegion

    Curve = NDArray[np.float64]

MAX_REGIONS = 500  # of one overlay


@attrs.frozen(eq=False)
class Overlay:
    """Positions or regions that are drawn on an image.

    Parameters
    ----------
    name : str
        The name in the list of overlays.
    regions : sequence of SkyRegion
        The regions; points are drawn as markers.
    labels : sequence of str
        The labels of the regions.
    """

    name: str
    regions: Sequence[SkyRegion]
    labels: Sequence[str]


def source_overlay(models: Iterable[Any]) -> Overlay:
    """Return the positions and extents of sources.

    Parameters
    ----------
    models : iterable of gammapy models
        The models; those without a position are ignored.

    Returns
    -------
    Overlay
        The position of each source, and the region of an extended source.
    """
    from regions import PointSkyRegion

    regions, labels = [], []
    for model in models:
        spatial = getattr(model, "spatial_model", None)
        position = getattr(model, "position", None)
        if spatial is None or position is None or not np.isfinite(position.spherical.lon):
            continue
        regions.append(PointSkyRegion(position))
        labels.append(model.name)
        extent = getattr(model, "evaluation_radius", None)
        if extent is not None and extent.value > 0 and hasattr(spatial, "to_region"):
            region = spatial.to_region()
            if not isinstance(region, PointSkyRegion):
                regions.append(region)
                labels.append("")
    return Overlay("Sources", regions, labels)


def region_overlays(datasets: Iterable[Any]) -> Iterator[Overlay]:
    """Yield the on and off regions of spectra.

    Parameters
    ----------
    datasets : iterable of Dataset
        The datasets.

    Yields
    ------
    Overlay
        The on regions, and the off regions.
    """
    from skyred.products.plotting.regions import off_regions, on_regions

    spectra = [dataset for dataset in datasets if _is_spectrum(dataset)]
    for name, find in (("On regions", on_regions), ("Off regions", off_regions)):
        pairs = [(region, dataset.name) for dataset in spectra for region in find(dataset)]
        if pairs:
            regions, labels = zip(*pairs[:MAX_REGIONS], strict=True)
            yield Overlay(name, regions, labels)


def exclusion_overlay(config: Mapping[str, Any]) -> Overlay:
    """Return the exclusion regions in a configuration.

    Parameters
    ----------
    config : mapping
        The configuration as plain data.

    Returns
    -------
    Overlay
        The regions of all options ``exclude``, each once; those in files are left out.
    """
    from regions import Regions

    regions = []
    for definition in dict.fromkeys(_find_exclusions(config)):
        try:
            regions.extend(Regions.parse(definition, format="ds9"))
        except Exception:  # a file, or a format of a plugin
            continue
    return Overlay("Exclusion regions", regions[:MAX_REGIONS], [""] * len(regions[:MAX_REGIONS]))


def encode_overlay(overlay: Overlay, geom: WcsGeom) -> dict[str, Any]:
    """Return an overlay in pixels of a geometry.

    Parameters
    ----------
    overlay : Overlay
        The overlay.
    geom : gammapy.maps.WcsGeom
        The geometry.

    Returns
    -------
    dict of str to object
        ``points``: x, y and label of markers; ``curves``: lists of x and y of closed curves.
    """
    from regions import PointSkyRegion

    points: list[list[Any]] = []
    curves: list[Any] = []
    for region, label in zip(overlay.regions, overlay.labels, strict=True):
        if isinstance(region, PointSkyRegion):
            x, y = geom.wcs.world_to_pixel(region.center)
            if np.isfinite(x) and np.isfinite(y):
                points.append([round(float(x), 3), round(float(y), 3), label])
            continue
        curves.extend(np.round(curve.T, 2).tolist() for curve in _outlines(region, geom))
    return {"name": overlay.name, "points": points, "curves": curves}


def _outlines(region: Any, geom: WcsGeom) -> Iterator[Curve]:
    """Yield closed curves around a region, in pixels, shape (n, 2)."""
    if hasattr(region, "region1"):  # a union or another combination
        yield from _outlines(region.region1, geom)
        yield from _outlines(region.region2, geom)
        return
    artist = region.to_pixel(geom.wcs).as_artist()
    path = artist.get_path().transformed(artist.get_patch_transform())
    for curve in path.to_polygons(closed_only=False):
        if np.all(np.isfinite(curve)):
            yield curve


def _is_spectrum(dataset: Any) -> bool:
    geom = getattr(getattr(dataset, "counts", None), "geom", None)
    return geom is not None and geom.is_region and geom.region is not None


def _find_exclusions(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "exclude":
                yield from (item for item in _as_list(value) if isinstance(item, str))
            else:
                yield from _find_exclusions(value)
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _find_exclusions(item)


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]
