"""Pickles that preserve the world coordinate systems of maps exactly.

astropy pickles the coordinate systems as FITS headers, in which numbers have 14 digits.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

WCS_NUMBERS = ("crpix", "crval", "cdelt")


class _ExactPickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        from astropy.wcs import WCS

        if not isinstance(obj, WCS):
            return NotImplemented
        create, arguments = obj.__reduce__()
        numbers = {name: getattr(obj.wcs, name).copy() for name in WCS_NUMBERS}
        if obj.wcs.has_pc():
            numbers["pc"] = obj.wcs.get_pc()
        return _restore_wcs, (create, arguments, numbers)


def _restore_wcs(create: Any, arguments: tuple[Any, ...], numbers: dict[str, Any]) -> Any:
    """Create a coordinate system from its header, and set its numbers to the exact values."""
    wcs = create(*arguments)
    for name, values in numbers.items():
        setattr(wcs.wcs, name, values)
    wcs.wcs.set()
    return wcs


def dump_exactly(obj: object) -> bytes:
    """Pickle an object, such that numbers in its copy are bit-identical.

    Parameters
    ----------
    obj : object
        The object; it may contain maps and datasets of gammapy.

    Returns
    -------
    bytes
        The pickle, to be read with `pickle.loads`.
    """
    buffer = io.BytesIO()
    _ExactPickler(buffer, pickle.HIGHEST_PROTOCOL).dump(obj)
    return buffer.getvalue()
