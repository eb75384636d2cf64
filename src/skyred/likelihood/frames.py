"""Rotations between celestial coordinate frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred.errors import FitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ROTATION_TOLERANCE = 1e-10  # rad


def is_rotation(frame: str) -> bool:
    """Return whether a frame is a rotation of icrs.

    fk5, galactic and supergalactic are. Frames with aberration are not: they differ from the
    closest rotation by up to 0.35 arcsec (fk4) or 21 arcsec (gcrs and cirs).

    Parameters
    ----------
    frame : str
        The name of the frame in astropy.

    Returns
    -------
    bool
        Whether one rotation of the sky converts all directions from icrs to the frame.

    Raises
    ------
    FitError
        If astropy cannot convert directions in the frame to icrs, because they depend on the
        location of the observer or on distances, or if there is no such frame.
    """
    if frame in ("icrs", "galactic", "fk5"):
        return True
    directions = np.column_stack([-np.eye(3), np.array([[0.36, 0.48, 0.8]]).T])
    try:
        rotated = _convert(np.eye(3), frame, "icrs") @ directions
        converted = _convert(directions, frame, "icrs")
    except Exception:  # astropy raises errors of several types
        raise FitError(f"{frame!r} is not a frame with fixed positions on the sky") from None
    return np.allclose(converted, rotated, rtol=0, atol=ROTATION_TOLERANCE)


def rotation_between(frame: str, target: str) -> Array | None:
    """Return the matrix that rotates one frame into another.

    Parameters
    ----------
    frame, target : str
        Names, in astropy, of frames that are rotations of icrs.

    Returns
    -------
    array or None
        The matrix, shape (3, 3); None if the frames are the same.
    """
    return None if frame == target else _convert(np.eye(3), frame, target)


def _convert(directions: Array, frame: str, target: str) -> Array:
    """Return unit vectors, shape (3, n), in another frame."""
    from astropy.coordinates import SkyCoord

    positions = SkyCoord(*directions, representation_type="cartesian", frame=frame)
    return np.asarray(positions.transform_to(target).cartesian.xyz.value)
