"""The parts of a run as the rules see them: header, table, and what is found in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from skyred.inspection.records import Finding
from skyred.inspection.tables import Floats, Table
from skyred.inspection.units import factor


@attrs.frozen(eq=False)
class RunHdu:
    """One HDU of a run.

    Parameters
    ----------
    obs_id : int
        The run.
    kind, form : str
        What it is to be: HDU_TYPE and HDU_CLASS of the index.
    path : Path
        The file.
    name : str
        The HDU.
    table : Table
        Its header and its rows.
    """

    obs_id: int
    kind: str
    form: str
    path: Path
    name: str
    table: Table

    @property
    def header(self) -> Mapping[str, Any]:
        """The header of the HDU."""
        return self.table.header

    def fault(self, message: str) -> Finding:
        """Give a fault of this HDU."""
        return Finding(message, "fault", self.obs_id, self.path, self.name)

    def note(self, message: str) -> Finding:
        """Give a note on this HDU."""
        return Finding(message, "note", self.obs_id, self.path, self.name)

    def number(self, key: str) -> float | None:
        """Give a card as a number; None if there is none."""
        return as_number(self.header.get(key))

    def values(self, name: str, unit: str) -> Floats:
        """Give a column in a unit, after `needs` found nothing."""
        scale = factor(self.table.unit(name), unit)
        return self.table.column(name) * (1.0 if scale is None else scale)

    def cell(self, name: str, unit: str) -> Floats:
        """Give the one cell of a column of a response, in a unit."""
        scale = factor(self.table.unit(name), unit)
        return self.table.cell(name) * (1.0 if scale is None else scale)

    def needs(self, columns: Mapping[str, str]) -> Iterator[Finding]:
        """Say which columns are missing, or have a unit of another kind than the one given."""
        for name, unit in columns.items():
            if name not in self.table.names:
                have = ", ".join(self.table.names)
                yield self.fault(f"has no column {name}; it has {have}")
            elif factor(self.table.unit(name), unit) is None:
                given = self.table.unit(name)
                said = f"has the unit {given!r}" if given else "has no unit"
                wanted = f"one like {unit!r}" if unit else "none"
                yield self.fault(f"the column {name} {said}; expected {wanted}")


def as_number(value: object) -> float | None:
    """Give a card or a cell as a finite number; None if it is none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
