"""Conformance checks of components against the laws of their roles, for authors of plugins."""

from skyred.testing.case import ComponentCase
from skyred.testing.checking import LawsBrokenError, Violation, check
from skyred.testing.law import Law
from skyred.testing.laws import laws
from skyred.testing.parametrize import parametrize_with_checks
from skyred.testing.sample import Sample

__all__ = [
    "ComponentCase",
    "Law",
    "LawsBrokenError",
    "Sample",
    "Violation",
    "check",
    "laws",
    "parametrize_with_checks",
]
