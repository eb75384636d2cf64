"""Docstrings of components and value classes list their options."""

from __future__ import annotations

import inspect
import pydoc
from typing import Any

import skyred
from skyred import Maker, component, option, quantity
from skyred.fields import describe_class


@component
class Veto(Maker):
    """Remove events.

    Notes
    -----
    The options are invented.
    """

    kind = "veto"

    method: str = option(type=str, doc="Name of the method.")
    radius: Any = quantity(unit="deg", doc="Radius of the cone.")
    width: Any = quantity("0.5 deg", doc="Width of the ring.")
    seeds: tuple[int, ...] = option((), type=int, many=True, doc="Seeds of the generator.")
    limit: int | None = option(None, type=int, doc="Largest number of events; by default any.")


EXPECTED = """Remove events.

Parameters
----------
method : str
    Name of the method.
radius : angle, in a unit such as deg
    Radius of the cone.
width : angle, default: '0.5 deg'
    Width of the ring.
seeds : list of int, optional
    Seeds of the generator.
limit : int, optional
    Largest number of events; by default any.

Notes
-----
The options are invented.
"""


def test_docstring_lists_the_options_before_other_sections() -> None:
    assert Veto.__doc__ == EXPECTED


def test_help_shows_the_options() -> None:
    assert "width : angle, default: '0.5 deg'" in pydoc.render_doc(Veto)


def test_description_has_no_options() -> None:
    description = "Remove events.\n\nNotes\n-----\nThe options are invented."
    assert describe_class(Veto) == description
    assert Veto.summary() == "Remove events."


def test_class_without_options_keeps_its_docstring() -> None:
    assert "Parameters" not in (skyred.Serial.__doc__ or "")
    assert describe_class(skyred.Serial) == inspect.cleandoc(skyred.Serial.__doc__ or "")


def test_parameters_section_in_the_source_is_kept() -> None:
    assert (skyred.Pipeline.__doc__ or "").count("Parameters") == 1
    assert "mapping of str to (Reduction or ReducedData)" in (skyred.Pipeline.__doc__ or "")


def test_subclass_without_docstring_has_no_description() -> None:
    subclass = type("Subclass", (Veto,), {})
    assert describe_class(subclass) == ""


def test_signature_of_reduction_has_its_options() -> None:
    arguments = inspect.signature(skyred.Reduction).parameters
    assert list(arguments) == list(skyred.specs(skyred.Reduction))
