"""The data of the sky viewer: layers, directions of pixels, and overlays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.report.arrays import encode_array
from skyred.report.directions import direction_grid
from skyred.report.sky_overlays import Overlay, encode_overlay

if TYPE_CHECKING:
    from gammapy.maps import WcsGeom, WcsNDMap

    from skyred.report.sky_layers import Layer

# of all images in the page, about 5 MB; larger images are averaged over square blocks
MAX_PIXELS = 900_000


def sky_data(layers: Sequence[Layer], overlays: Iterable[Overlay]) -> dict[str, Any]:
    """Return the data of the sky viewer as plain data.

    Parameters
    ----------
    layers : sequence of Layer
        The images.
    overlays : iterable of Overlay
        Sources, regions and pointings.

    Returns
    -------
    dict of str to object
        ``geometries``: size, frame and directions of the pixel grids; ``layers``: images with the
        index of their geometry; ``overlays``: lines and points by geometry, in pixels.
    """
    overlays = list(overlays)
    geometries: list[WcsGeom] = []
    encoded = []
    limit = MAX_PIXELS / max(1, len(layers))
    for layer in layers:
        image, factor = _limit_size(layer.image, limit)
        index = next((i for i, geom in enumerate(geometries) if geom == image.geom), None)
        if index is None:
            index = len(geometries)
            geometries.append(image.geom)
        encoded.append(_encode_layer(layer, image, factor, index))
    return {
        "layers": encoded,
        "geometries": [_encode_geometry(geom, overlays) for geom in geometries],
    }


def _limit_size(image: WcsNDMap, limit: float) -> tuple[WcsNDMap, int]:
    """Return an image with at most `limit` pixels, and the width of averaged blocks."""
    factor = int(np.ceil(np.sqrt(image.data.size / limit)))
    if factor <= 1:
        return image, 1
    return image.downsample(factor, preserve_counts=False), factor


def _encode_layer(layer: Layer, image: WcsNDMap, factor: int, index: int) -> dict[str, Any]:
    unit = f"{layer.unit}, mean of {factor} × {factor} pixels" if factor > 1 else layer.unit
    return {
        "group": layer.group,
        "name": layer.name,
        "unit": unit,
        "signed": layer.is_signed,
        "geometry": index,
        "values": encode_array(image.data),
    }


def _encode_geometry(geom: WcsGeom, overlays: Iterable[Overlay]) -> dict[str, Any]:
    n_x, n_y = (int(np.ravel(n)[0]) for n in geom.npix)
    return {
        "size": [n_x, n_y],
        "frame": "galactic" if geom.frame == "galactic" else "icrs",
        "pixel_size": float(np.mean(np.abs(geom.wcs.wcs.cdelt))),
        "directions": direction_grid(geom),
        "overlays": [encode_overlay(overlay, geom) for overlay in overlays],
    }
