"""Requirements for the declaration of components: kind, documentation, options and units."""

from __future__ import annotations

import re
from typing import Any

from astropy import units as u

from skyred.errors import FieldError
from skyred.fields import FieldSpec, specs
from skyred.interfaces import Component
from skyred.interfaces.component import KIND
from skyred.testing.case import ComponentCase
from skyred.testing.requirement import require, requirement

_UNITS = (
    "deg|degrees?|arcmin|arcsec|rad|TeV|GeV|MeV|keV|seconds?|minutes?|hours?|days?|metres?|km|cm"
)
_IN_UNITS = re.compile(rf"\bin (?:units of )?({_UNITS})\b")


@requirement(
    "is declared with @component and a unique kind",
    fix='Add @component above the class, and kind = "my-kind" in it: otherwise both are inherited '
    "from the parent, and the parent is built from YAML.",
)
def is_declared(case: ComponentCase) -> None:
    """Check that the class itself, and not only its parent, has a decorator and a kind.

    Parameters
    ----------
    case : ComponentCase
        The component to be checked.
    """
    namespace = vars(case.cls)
    is_decorated = "__attrs_attrs__" in namespace
    require(is_decorated, f"{case.cls.__name__} is not decorated with @component")
    kind = namespace.get("kind", "")
    require(KIND.fullmatch(kind), f"its class has kind = {kind!r}, which is not in kebab-case")


@requirement(
    "has a kind that no other component of its role has",
    fix="Choose another kind: if several distributions provide a kind, each configuration with its "
    "short name stops, until distribution:kind is written.",
)
def has_unique_kind(case: ComponentCase) -> None:
    """Check the kind against those of all installed components.

    Parameters
    ----------
    case : ComponentCase
        The component to be checked.
    """
    for entry in case.crab.plugins.catalog:
        if (entry.cls.role, entry.cls.kind) == (case.cls.role, case.cls.kind):
            is_same_class = _qualified_name(entry.cls) == _qualified_name(case.cls)
            message = f"{entry.owner} already provides the {case.cls.role} {case.cls.kind!r}"
            require(is_same_class, message)


@requirement(
    "has a summary of one sentence",
    fix="Begin the docstring of the class with one sentence: skyred show and the reference page "
    "print it.",
)
def has_summary(case: ComponentCase) -> None:
    """Check the first line of the docstring of the class.

    Parameters
    ----------
    case : ComponentCase
        The component to be checked.
    """
    require(_is_sentence(case.cls.summary()), f"its docstring begins with {case.cls.summary()!r}")


@requirement(
    "documents each option in a sentence",
    fix="Write the doc as a sentence that begins with a capital letter and ends with a full stop.",
)
def documents_options(case: ComponentCase) -> None:
    """Check the documentation in the declaration of each option.

    Parameters
    ----------
    case : ComponentCase
        The component to be checked.
    """
    for name, spec in specs(case.cls).items():
        require(_is_sentence(spec.doc), f"the doc of {name} is {spec.doc!r}")


@requirement(
    "has units on the options that are quantities",
    fix='Declare it with quantity("50 deg", doc=...): then the unit is checked and converted, '
    "and 0.02 deg is equal to 1.2 arcmin.",
)
def has_units(case: ComponentCase) -> None:
    """Check for plain numbers that are documented with a unit.

    Parameters
    ----------
    case : ComponentCase
        The component to be checked.
    """
    for name, spec in specs(case.cls).items():
        is_number = spec.shape == "leaf" and re.search(r"\b(whole )?number\b", spec.type_name)
        match = _IN_UNITS.search(spec.doc)
        if is_number and match and not spec.unit:
            require(False, f"{name} is {spec.type_name}, but its doc says {match[0]!r}")


@requirement(
    "rejects invalid values of an option, and names the option",
    fix="Declare options with option(), quantity(), position(), ... and do not replace their "
    "converters; in validate(), yield a Problem that names the option.",
)
def rejects_invalid_values(case: ComponentCase) -> None:
    """Check that an object of unknown type and a quantity in an incompatible unit are rejected.

    Parameters
    ----------
    case : ComponentCase
        The component to be checked.
    """
    for name, spec in specs(case.cls).items():
        if spec.type_name == "a Python object":
            continue
        for value in _invalid_values(spec):
            _require_rejected(case.component, name, value)


def _require_rejected(component: Component, name: str, value: Any) -> None:
    description = "an object of unknown type" if type(value) is object else repr(value)
    try:
        component.evolve(**{name: value})
    except FieldError as error:
        has_name = name in str(error)
        require(has_name, f"{name} = {description} raises {str(error)!r}, without its name")
    except Exception as error:  # the messages of other exceptions do not help users
        message = f"{type(error).__name__}: {error}"
        require(False, f"{name} = {description} raises {message}, not a FieldError")
    else:
        require(False, f"{name} = {description} is accepted")


def _invalid_values(spec: FieldSpec) -> list[Any]:
    values: list[Any] = [object()]
    if spec.unit and spec.shape == "leaf":
        unit = "kg" if u.Unit(spec.unit).physical_type != "mass" else "m"
        values.append(f"1 {unit}")
    return values


def _is_sentence(doc: str) -> bool:
    return bool(doc) and not doc[0].islower() and doc.rstrip().endswith((".", "?", "!"))


def _qualified_name(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__
