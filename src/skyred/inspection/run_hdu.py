"""The HDUs of a run: header, table and findings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from skyred.inspection.records import Finding
from skyred.inspection.tables import Floats, Table
from skyred.inspection.units import (
    assume_unit,
    conversion_factor,
    is_fits_unit,
    is_unusual_energy,
)

# types whose columns gammapy finds by their exact names, and whose units must be valid in FITS
EXACT_TYPES = ("events", "gti")


@attrs.frozen(eq=False)
class RunHdu:
    """One HDU of a run.

    Parameters
    ----------
    obs_id : int
        The identifier of the run.
    hdu_type, hdu_class : str
        The expected content: HDU_TYPE and HDU_CLASS of the index.
    path : Path
        The file.
    name : str
        The name of the HDU.
    table : Table
        The header and the rows.
    """

    obs_id: int
    hdu_type: str
    hdu_class: str
    path: Path
    name: str
    table: Table

    @property
    def header(self) -> Mapping[str, Any]:
        """The header of the HDU."""
        return self.table.header

    def report(self, rule: str, message: str) -> Finding:
        """Create a finding about this HDU.

        Parameters
        ----------
        rule : str
            The name of the rule.
        message : str
            A sentence with the actual and the expected value.

        Returns
        -------
        Finding
            The finding, with the run, file and HDU, and the severity of the rule.
        """
        return Finding(message, rule, obs_id=self.obs_id, file=self.path, hdu=self.name)

    def number(self, key: str) -> float | None:
        """Return the value of a card as a number.

        Parameters
        ----------
        key : str
            The keyword of the card.

        Returns
        -------
        float or None
            None if the card is missing or its value is not a finite number.
        """
        return as_number(self.header.get(key))

    def time(self, key: str) -> float | None:
        """Return the time in a card, in seconds.

        Parameters
        ----------
        key : str
            The keyword, such as TSTART.

        Returns
        -------
        float or None
            The time since the reference, converted from TIMEUNIT, if that is a unit of time. None
            if the value is not a number.
        """
        number = self.number(key)
        scale = conversion_factor(str(self.header.get("TIMEUNIT", "s")).strip(), "s")
        return number if number is None or scale is None else number * scale

    def unit(self, name: str) -> str:
        """Return the unit of a column, or the unit that gammapy assumes if it has none.

        Parameters
        ----------
        name : str
            The name of the column.

        Returns
        -------
        str
            The unit.
        """
        return assume_unit(name, self.table.unit(name))

    def values(self, name: str, unit: str) -> Floats:
        """Return a column that passes `check_columns`, converted to a unit.

        Parameters
        ----------
        name : str
            The name of the column.
        unit : str
            The unit.

        Returns
        -------
        array
            Shape (rows, ...), in `unit`.
        """
        return self.table.column(name) * self._scale(name, unit)

    def cell(self, name: str, unit: str) -> Floats:
        """Return the single cell of a column of a response, converted to a unit.

        Parameters
        ----------
        name : str
            The name of the column.
        unit : str
            The unit.

        Returns
        -------
        array
            The value of the cell, in `unit`.
        """
        return self.table.cell(name) * self._scale(name, unit)

    def _scale(self, name: str, unit: str) -> float:
        """Return the factor from the unit of a column to another; 1 if they are incompatible."""
        scale = conversion_factor(self.unit(name), unit)
        return 1.0 if scale is None else scale

    def check_columns(self, columns: Mapping[str, str]) -> Iterator[Finding]:
        """Check that columns exist and have convertible units.

        Parameters
        ----------
        columns : mapping of str to str
            The names of the required columns, each with a unit of the expected physical type.

        Yields
        ------
        Finding
            A fault for each column that is missing, or has an invalid name or unit.
        """
        for name, unit in columns.items():
            if name not in self.table.names:
                present = ", ".join(self.table.names)
                yield self.report("columns", f"the column {name} is missing; available: {present}")
            elif conversion_factor(self.unit(name), unit) is None:
                actual = self.table.unit(name)
                message = f"has the unit {actual!r}" if actual else "has no unit"
                expected = f"a unit such as {unit!r}" if unit else "none"
                yield self.report("units", f"the column {name} {message}; expected {expected}")
            elif self.hdu_type in EXACT_TYPES and name not in self.table.exact_names:
                actual = next(word for word in self.table.exact_names if word.upper() == name)
                yield self.report(
                    "columns",
                    f"the column name {actual!r} is not in upper case; expected {name!r}",
                )
            elif self.hdu_type in EXACT_TYPES and not is_fits_unit(self.unit(name)):
                yield self.report(
                    "units",
                    f"the column {name} has the unit {self.unit(name)!r}, which is not a FITS "
                    f"unit; expected a unit such as {unit!r}",
                )
            elif is_unusual_energy(self.unit(name)):
                yield self.report(
                    "energy-unit",
                    f"the column {name} has the unit {self.unit(name)!r}; expected TeV, GeV or "
                    "another multiple of eV",
                )

    def list_assumed_units(self, columns: Mapping[str, str]) -> Iterator[Finding]:
        """List the columns without a valid unit, for which gammapy assumes the unit of GADF.

        Parameters
        ----------
        columns : mapping of str to str
            The required columns, which pass `check_columns`.

        Yields
        ------
        Finding
            A note for each column.
        """
        for name in columns:
            actual, assumed = self.table.unit(name), self.unit(name)
            if actual != assumed:
                message = f"has the invalid unit {actual!r}" if actual else "has no unit"
                yield self.report(
                    "unit-assumed", f"the column {name} {message}; {assumed} is assumed"
                )


def as_number(value: object) -> float | None:
    """Return the value of a card or cell as a finite number.

    Parameters
    ----------
    value : object
        The value.

    Returns
    -------
    float or None
        None if the value is not a finite number.
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def as_identifier(value: object) -> float | None:
    """Return the identifier of a run in a card.

    Parameters
    ----------
    value : object
        The value of OBS_ID.

    Returns
    -------
    float or None
        An integer if possible, because some identifiers have more digits than a float; None if the
        value is not a finite number.
    """
    digits = str(value).strip()
    if digits.isascii() and digits.isdigit():
        return int(digits)
    number = as_number(value)
    return int(number) if number is not None and number.is_integer() else number
