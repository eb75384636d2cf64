"""Python code for values: numbers, strings, quantities, positions, regions and paths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy import units as u

from skyred.fields import Instant, Location, Position


def literal(value: Any) -> str:
    """Return the Python literal of plain data: strings in double quotes, integers without ``.0``.

    Parameters
    ----------
    value : object
        A string, number, bool or None, or a mapping or iterable of these.

    Returns
    -------
    str
        The code.
    """
    if isinstance(value, str):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, (int, float, np.number)):
        return number(value)
    if isinstance(value, Mapping):
        items = (f"{literal(name)}: {literal(item)}" for name, item in value.items())
        return "{" + ", ".join(items) + "}"
    return "[" + ", ".join(literal(item) for item in value) + "]"


def number(value: Any) -> str:
    """Return the Python literal of a number with all its digits: ``5``, ``0.02``, ``4.712e-11``.

    Parameters
    ----------
    value : int, float or numpy.number
        The number.

    Returns
    -------
    str
        The code.
    """
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        if not np.isfinite(value):
            return f'float("{value}")'
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
    return repr(value)


def quantity_code(quantity: u.Quantity) -> str:
    """Return the code of a quantity: ``0.02 * u.deg``, ``[1, 2] * u.TeV``, ``u.Quantity(...)``.

    Parameters
    ----------
    quantity : Quantity
        The quantity, of any shape.

    Returns
    -------
    str
        The code.
    """
    values = np.asarray(quantity.value)
    values_code = number(values.item()) if values.ndim == 0 else literal(values.tolist())
    unit = quantity.unit.to_string()
    if not unit:
        return values_code
    if unit.isidentifier() and hasattr(u, unit):
        return f"{values_code} * u.{unit}"
    return f"u.Quantity({values_code}, {literal(unit)})"


def quantity_text(value: float, unit: u.UnitBase) -> str:
    """Return a number with its unit, as gammapy's models accept it: ``"4e-11 TeV-1 s-1 cm-2"``.

    Parameters
    ----------
    value : float
        The number.
    unit : Unit
        The unit.

    Returns
    -------
    str
        The code.
    """
    unit_string = unit.to_string("fits") if str(unit) else ""
    return literal(f"{number(float(value))} {unit_string}") if unit_string else number(float(value))


def position_code(position: Position) -> str:
    """Return the code of a position as a ``SkyCoord``.

    Parameters
    ----------
    position : Position
        The position.

    Returns
    -------
    str
        The code.
    """
    lon, lat = (quantity_code(angle) for angle in (position.lon, position.lat))
    return f"SkyCoord({lon}, {lat}, frame={literal(position.frame)})"


def time_code(instant: Instant) -> str:
    """Return the code of a point in time as a ``Time`` in TT.

    All points in time are in one scale, so that they can be combined in an array.

    Parameters
    ----------
    instant : Instant
        The point in time.

    Returns
    -------
    str
        The code.
    """
    code = f"Time({literal(instant.iso)}, scale={literal(instant.scale)})"
    return code if instant.scale == "tt" else f"{code}.tt"


def regions_code(sources: tuple[str, ...]) -> str:
    """Return the code of DS9 regions as a list of region objects.

    Parameters
    ----------
    sources : tuple of str
        Region strings, and locations of ``.reg`` files.

    Returns
    -------
    str
        The code.
    """
    codes = [_region_source_code(source) for source in sources]
    return codes[0] if len(codes) == 1 else "[" + ", ".join(f"*{code}" for code in codes) + "]"


def _region_source_code(source: str) -> str:
    if isinstance(source, Location):
        return f'Regions.read({path_code(source)}, format="ds9")'
    return f'Regions.parse({literal(source)}, format="ds9")'


def path_code(location: str) -> str:
    """Return the code of a path; variables and ``~`` are expanded when the script runs.

    Parameters
    ----------
    location : str
        The path.

    Returns
    -------
    str
        The code.
    """
    return f"make_path({literal(location)})" if set("$~") & set(location) else literal(location)
