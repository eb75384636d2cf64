"""Conformance checks of components against the requirements of their roles, for plugin authors."""

from typing import Any

from skyred.errors import warn_of_old_name
from skyred.testing.archives import check_archive
from skyred.testing.case import ComponentCase
from skyred.testing.checking import ConformanceError, Violation, check
from skyred.testing.parametrize import parametrize_with_checks
from skyred.testing.requirement import Requirement
from skyred.testing.requirements import requirements
from skyred.testing.sample import Sample

__all__ = [
    "ComponentCase",
    "ConformanceError",
    "Requirement",
    "Sample",
    "Violation",
    "check",
    "check_archive",
    "parametrize_with_checks",
    "requirements",
]
_OLD_NAMES = {  # current names by old name
    "Law": "Requirement",
    "LawsBrokenError": "ConformanceError",
    "laws": "requirements",
}


def __getattr__(name: str) -> Any:
    if name not in _OLD_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warn_of_old_name(f"skyred.testing.{name}", f"skyred.testing.{_OLD_NAMES[name]}")
    return globals()[_OLD_NAMES[name]]
