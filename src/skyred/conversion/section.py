"""Sections of a configuration whose values are checked one by one."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import attrs
from astropy import units as u

from skyred.conversion.source import Source
from skyred.errors import format_value

# valid types for the type of the default, and their names in messages
TYPES: dict[type, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (int, float),
    str: (str, int, float),
    list: (list,),
    dict: (dict,),
}
TYPE_NAMES = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "a mapping",
}


@attrs.frozen
class Section:
    """A section of a configuration.

    Parameters
    ----------
    source : Source
        The configuration.
    path : str
        The path of the section.
    """

    source: Source
    path: str

    def section(self, name: str) -> Section:
        """Return a section inside this section.

        Parameters
        ----------
        name : str
            The path of the section, relative to this one.

        Returns
        -------
        Section
            The section, which may be empty.
        """
        return Section(self.source, f"{self.path}.{name}")

    def read(self, name: str, default: Any = None) -> Any:
        """Return a setting, and mark it as converted.

        Parameters
        ----------
        name : str
            The path of the setting, relative to this section.
        default : object
            The value of a setting that the file does not contain.

        Returns
        -------
        object
            The setting.
        """
        self.source.mark_converted(f"{self.path}.{name}")
        return self.get(name, default)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a setting; one of another type than the default is a problem.

        Parameters
        ----------
        name : str
            The path of the setting, relative to this section.
        default : object
            The value of a setting that the file does not contain.

        Returns
        -------
        object
            The setting, or the default if its type is wrong.
        """
        setting = self.source.get(f"{self.path}.{name}", default)
        if isinstance(default, float) and isinstance(setting, str):
            with suppress(ValueError):  # YAML 1.1 reads 1e-14 as a string
                setting = float(setting)
        types = TYPES.get(type(default), (object,))
        is_flag = isinstance(setting, bool) and bool not in types and object not in types
        if isinstance(setting, types) and not is_flag:
            return setting
        expected = f"expected {TYPE_NAMES[type(default)]}"
        message = f"invalid value {format_value(setting)}"
        self.source.add_problem(f"{self.path}.{name}", message, expected)
        return default

    def read_angle(self, name: str, default: str = "0 deg") -> u.Quantity:
        """Return an angle, and mark it as converted.

        Parameters
        ----------
        name : str
            The path of the setting, relative to this section.
        default : str
            The value of a setting that the file does not contain, or that is invalid.

        Returns
        -------
        astropy.units.Quantity
            The angle.
        """
        return self._read_quantity(name, default, "expected an angle such as '1 deg'")

    def read_energy(self, name: str, default: str = "1 TeV") -> u.Quantity:
        """Return an energy, and mark it as converted.

        Parameters
        ----------
        name : str
            The path of the setting, relative to this section.
        default : str
            The value of a setting that the file does not contain, or that is invalid.

        Returns
        -------
        astropy.units.Quantity
            The energy.
        """
        return self._read_quantity(name, default, "expected an energy such as '1 TeV'")

    def _read_quantity(self, name: str, default: str, expected: str) -> u.Quantity:
        setting, default_quantity = self.read(name, default), u.Quantity(default)
        try:
            quantity = u.Quantity(setting)
            quantity.to(default_quantity.unit)
        except (TypeError, ValueError):
            message = f"invalid value {format_value(setting)}"
            self.source.add_problem(f"{self.path}.{name}", message, expected)
            return default_quantity
        return quantity

    def items(self, name: str) -> list[Section]:
        """Return the items of a list.

        Parameters
        ----------
        name : str
            The path of the list, relative to this section.

        Returns
        -------
        list of Section
            The items.
        """
        return [self.section(f"{name}.{index}") for index in range(len(self.get(name, [])))]

    def skip(self, name: str, reason: str, *, changes_results: bool = True) -> None:
        """Add a setting that is not converted, unless the file does not contain it.

        Parameters
        ----------
        name : str
            The path of the setting, relative to this section.
        reason : str
            Why the setting is not converted, or how to replace it.
        changes_results : bool
            Whether the converted analysis may have other results without the setting.
        """
        self.source.skip(f"{self.path}.{name}", reason, changes_results=changes_results)
