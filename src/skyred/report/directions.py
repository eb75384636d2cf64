"""Directions on the sky for the pixels of an image, as a grid that the page interpolates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.report.arrays import encode_array

if TYPE_CHECKING:
    from gammapy.maps import WcsGeom
    from numpy.typing import NDArray

MAX_ERROR = 0.05  # of the interpolated position, in pixels
MAX_NODES = 300  # along each axis


def direction_grid(geom: WcsGeom) -> dict[str, Any]:
    """Return the directions at nodes of a grid that covers an image, for any projection.

    The page interpolates the unit vectors linearly between nodes. For nodes at an angle `a` (rad),
    the position is off by at most the sagitta of both axes, the square of `a` divided by 4.

    Parameters
    ----------
    geom : gammapy.maps.WcsGeom
        The image.

    Returns
    -------
    dict of str to object
        ``x`` and ``y``: pixel coordinates of the nodes (the first pixel is 0); ``vectors``: their
        unit vectors in ICRS, shape (y, x, 3), NaN outside the projection.
    """
    n_x, n_y = (int(np.ravel(n)[0]) for n in geom.npix)
    pixel = np.deg2rad(np.min(np.abs(geom.wcs.wcs.cdelt)))
    spacing = max(1.0, np.sqrt(4 * MAX_ERROR / pixel))
    x, y = (_nodes(n, spacing) for n in (n_x, n_y))
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "vectors": encode_array(_unit_vectors(geom, *np.meshgrid(x, y))),
    }


def _nodes(n_pixels: int, spacing: float) -> NDArray[np.float64]:
    n_nodes = min(MAX_NODES, int(np.ceil(n_pixels / spacing)) + 1)
    return np.linspace(-0.5, n_pixels - 0.5, max(2, n_nodes))


def _unit_vectors(geom: WcsGeom, x: Any, y: Any) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        longitude, latitude = geom.wcs.wcs_pix2world(x.ravel(), y.ravel(), 0)
    from astropy.coordinates import SkyCoord

    is_valid = np.isfinite(longitude) & np.isfinite(latitude)
    directions = SkyCoord(
        np.where(is_valid, longitude, 0), np.where(is_valid, latitude, 0), unit="deg",
        frame=geom.frame,
    ).icrs.cartesian.xyz.value  # fmt: skip
    directions = np.where(is_valid, directions, np.nan)
    return np.moveaxis(directions.reshape(3, *x.shape), 0, -1)
