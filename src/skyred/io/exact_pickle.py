"""Pickles that preserve the world coordinate systems of maps exactly.

astropy pickles the coordinate systems as FITS headers, in which numbers have 14 digits.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

WCS_NUMBERS = ("crpix", "crval")
WCS_ANGLES = ("lonpole", "latpole")


class _ExactPickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        from astropy.wcs import WCS

        if not isinstance(obj, WCS):
            return NotImplemented
        create, arguments = obj.__reduce__()
        return _restore_wcs, (create, arguments, _exact_numbers(obj.wcs), obj.wcs.get_pv())


def _exact_numbers(wcs: Any) -> dict[str, Any]:
    """Return the numbers of a coordinate system, with those of its linear transformation."""
    numbers = {name: getattr(wcs, name).copy() for name in WCS_NUMBERS}
    numbers |= {name: getattr(wcs, name) for name in WCS_ANGLES}
    if wcs.has_cd():  # astropy warns if cdelt is read
        return numbers | {"cd": wcs.cd.copy()}
    numbers["cdelt"] = wcs.cdelt.copy()
    if wcs.has_pc():
        numbers["pc"] = wcs.get_pc()
    elif wcs.has_crota():
        numbers["crota"] = wcs.crota.copy()
    return numbers


def _restore_wcs(
    create: Any,
    arguments: tuple[Any, ...],
    numbers: dict[str, Any],
    projection: list[tuple[int, int, float]],
) -> Any:
    """Create a coordinate system from its header, and set its numbers to the exact values."""
    wcs = create(*arguments)
    if "pc" not in numbers:  # the header has a matrix PC instead of CD or CROTA
        del wcs.wcs.pc
    for name, values in numbers.items():
        setattr(wcs.wcs, name, values)
    if projection:
        wcs.wcs.set_pv(projection)
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
