"""Values as Python writes them: numbers, texts, quantities, positions, regions, places."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy import units as u

from skyred.fields import Location, Position


def literal(value: Any) -> str:
    """Write plain data: texts in double quotes, numbers without a needless ``.0``."""
    if isinstance(value, str):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, (int, float, np.number)):
        return number(value)
    if isinstance(value, Mapping):
        items = (f"{literal(name)}: {literal(held)}" for name, held in value.items())
        return "{" + ", ".join(items) + "}"
    return "[" + ", ".join(literal(item) for item in value) + "]"


def number(value: Any) -> str:
    """Write a number with all digits that it has: ``5``, ``0.02``, ``4.712e-11``."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        if not np.isfinite(value):
            return f'float("{value}")'
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
    return repr(value)


def quantity_code(quantity: u.Quantity) -> str:
    """Write a quantity: ``0.02 * u.deg``, ``[1, 2, 4] * u.TeV``, or with its unit as text."""
    values = np.asarray(quantity.value)
    held = number(values.item()) if values.ndim == 0 else literal(values.tolist())
    unit = quantity.unit.to_string()
    if not unit:
        return held
    if unit.isidentifier() and hasattr(u, unit):
        return f"{held} * u.{unit}"
    return f"u.Quantity({held}, {literal(unit)})"


def quantity_text(value: float, unit: u.UnitBase) -> str:
    """Write a number with its unit as gammapy's models take them: ``"4e-11 TeV-1 s-1 cm-2"``."""
    text = unit.to_string("fits") if str(unit) else ""
    return literal(f"{number(float(value))} {text}") if text else number(float(value))


def position_code(position: Position) -> str:
    """Write a position as a ``SkyCoord``."""
    lon, lat = (quantity_code(each) for each in (position.lon, position.lat))
    return f"SkyCoord({lon}, {lat}, frame={literal(position.frame)})"


def regions_code(sources: tuple[str, ...]) -> str:
    """Write DS9 regions as a list of region objects; texts and ``.reg`` files."""
    parts = [_regions_of(source) for source in sources]
    return parts[0] if len(parts) == 1 else "[" + ", ".join(f"*{part}" for part in parts) + "]"


def _regions_of(source: str) -> str:
    if isinstance(source, Location):
        return f'Regions.read({place(source)}, format="ds9")'
    return f'Regions.parse({literal(source)}, format="ds9")'


def place(location: str) -> str:
    """Write a path; variables and ``~`` are filled in where it runs, as gammapy does."""
    return f"make_path({literal(location)})" if set("$~") & set(location) else literal(location)
