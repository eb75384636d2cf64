"""Laws of what a component says of itself: kind, documentation, options and their units."""

from __future__ import annotations

import re
from typing import Any

from astropy import units as u

from skyred.errors import FieldError
from skyred.fields import FieldSpec, specs
from skyred.interfaces import Component
from skyred.testing.case import ComponentCase
from skyred.testing.law import law, require

_KIND = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_UNITS = (
    "deg|degrees?|arcmin|arcsec|rad|TeV|GeV|MeV|keV|seconds?|minutes?|hours?|days?|metres?|km|cm"
)
_IN_UNITS = re.compile(rf"\bin (?:units of )?({_UNITS})\b")


@law(
    "is declared with @component and a kind of its own",
    mend='Put @component above the class, and kind = "my-kind" in it: a class without takes both '
    "from its parent, and YAML would build the parent.",
)
def declared(case: ComponentCase) -> None:
    """It must not be its parent under another name."""
    own = vars(case.cls)
    require("__attrs_attrs__" in own, f"{case.cls.__name__} has no decorator of its own")
    kind = own.get("kind", "")
    require(_KIND.fullmatch(kind), f"its class says kind = {kind!r}, which is not in kebab-case")


@law(
    "has a kind that no other component of its role has",
    mend="Choose another kind: two of one kind cannot be installed together, and neither "
    "would load.",
)
def unique_kind(case: ComponentCase) -> None:
    """Of all that are installed here."""
    for entry in case.crab.plugins.catalog:
        if (entry.cls.role, entry.cls.kind) == (case.cls.role, case.cls.kind):
            same = _place(entry.cls) == _place(case.cls)
            require(same, f"{entry.owner} has the {case.cls.role} {case.cls.kind!r} already")


@law(
    "says in a sentence what it is",
    mend="Begin the docstring of the class with one sentence: skyred show and the reference page "
    "print it.",
)
def summarised(case: ComponentCase) -> None:
    """The first line of its docstring."""
    require(_is_sentence(case.cls.summary()), f"its docstring begins {case.cls.summary()!r}")


@law(
    "says of each option what it is for",
    mend="Write a doc that is one sentence, from capital letter to full stop.",
)
def documented(case: ComponentCase) -> None:
    """The doc of its declaration."""
    for name, spec in specs(case.cls).items():
        require(_is_sentence(spec.doc), f"the doc of {name} is {spec.doc!r}")


@law(
    "has units on the options that are quantities",
    mend='Declare it with quantity("50 deg", doc=...): the unit is then checked and converted, '
    "and 0.02 deg is the same as 1.2 arcmin.",
)
def with_units(case: ComponentCase) -> None:
    """A plain number whose doc names a unit is a quantity without one."""
    for name, spec in specs(case.cls).items():
        number = spec.shape == "leaf" and re.search(r"\b(whole )?number\b", spec.type_name)
        named = _IN_UNITS.search(spec.doc)
        if number and named and not spec.unit:
            require(False, f"{name} is {spec.type_name}, and its doc says {named[0]!r}")


@law(
    "refuses what an option cannot be, and names the option",
    mend="Declare options with option(), quantity(), position(), ... and leave their converters "
    "alone; in validate(), yield a Problem that names the option.",
)
def refusing(case: ComponentCase) -> None:
    """An object of no type at all, and a quantity in a unit of another kind."""
    for name, spec in specs(case.cls).items():
        if spec.type_name == "a Python object":
            continue
        for wrong in _wrong(spec):
            _refused(case.component, name, wrong)


def _refused(component: Component, name: str, wrong: Any) -> None:
    shown = "an object of no known type" if type(wrong) is object else repr(wrong)
    try:
        component.evolve(**{name: wrong})
    except FieldError as error:
        require(name in str(error), f"{name} = {shown} gives {str(error)!r}, without its name")
    except Exception as error:  # any other is no answer to someone who mistyped
        text = f"{type(error).__name__}: {error}"
        require(False, f"{name} = {shown} ends with {text}, and not with a FieldError")
    else:
        require(False, f"{name} = {shown} is taken")


def _wrong(spec: FieldSpec) -> list[Any]:
    found: list[Any] = [object()]
    if spec.unit and spec.shape == "leaf":
        other = "kg" if u.Unit(spec.unit).physical_type != "mass" else "m"
        found.append(f"1 {other}")
    return found


def _is_sentence(text: str) -> bool:
    return bool(text) and not text[0].islower() and text.rstrip().endswith((".", "?", "!"))


def _place(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__
