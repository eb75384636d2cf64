"""Methods that cannot be called as the interface declares are found when a class is declared."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import pytest

from skyred import Estimator, Maker, Model, Product, Selector, TableProduct, component, option


def declare(base: type, **members: Any) -> type:
    """Declare a component with members of its class."""
    required = {name: lambda self, *arguments: None for name in base.__abstractmethods__}
    namespace = {"kind": "declared", "__module__": __name__, **required, **members}
    return component(type("Declared", (base,), namespace))


def cut_one(self, gti, margin): ...
def cut_nothing(self): ...
def prepare_by_keyword(self, *, observations): ...
def is_method(self): ...


def with_margin(method):
    """Return a method that passes one more argument, as a decorator does."""
    return functools.wraps(method)(lambda self, gti: method(self, gti, 1))


def unchanged(method):
    """Return a method with the arguments of another, as most decorators do."""
    return functools.wraps(method)(lambda *arguments: print(arguments))


@pytest.mark.parametrize(
    ("base", "members", "message"),
    [
        (Selector, {"cut_gti": cut_one}, r"cut_gti has the signature \(gti, margin\).*\(gti\)"),
        (Selector, {"cut_gti": cut_nothing}, r"signature \(\); it is called with \(gti\)"),
        (Selector, {"select": lambda self: None}, r"select has the signature \(\)"),
        (Selector, {"check": lambda self: ()}, r"check has the signature \(\).*\(pipeline\)"),
        (Selector, {"validate": lambda self, pipeline: ()}, r"validate has the signature"),
        (Maker, {"prepare": prepare_by_keyword}, r"called with \(observations\)"),
        (Selector, {"cut_gti": unchanged(cut_one)}, r"cut_gti has the signature \(gti, margin\)"),
        (Selector, {"summary": option("", doc="Text.")}, "is an option; expected a method: choose"),
        (Maker, {"make": property(is_method)}, "is a property; expected a method"),
        (Maker, {"prepare": 3}, "is 3; expected a method"),
        (Maker, {"largest_offset": is_method}, "expected a property: decorate it with @property"),
        (Model, {"adapt": lambda cls, candidate: None}, "decorate it with @classmethod"),
        (Estimator, {"estimate": lambda self, datasets: None}, "estimate has the signature"),
    ],
)
def test_method_that_cannot_be_called_is_an_error_of_the_declaration(base, members, message):
    with pytest.raises(TypeError, match=message) as excinfo:
        declare(base, **members)
    assert str(excinfo.value).startswith(f"Declared.{next(iter(members))} ")


@pytest.mark.parametrize(
    ("base", "members"),
    [
        (Selector, {"cut_gti": lambda self, time_range, margin=0: ()}),
        (Selector, {"cut_gti": lambda *arguments: ()}),
        (Selector, {"cut_gti": with_margin(cut_one)}),
        (Selector, {"cut_gti": staticmethod(lambda gti: ())}),
        (Selector, {"select": functools.partialmethod(lambda self, a, table: table, 1)}),
        (Maker, {"largest_offset": None}),
        (Maker, {"largest_offset": functools.cached_property(is_method)}),
        (
            Estimator,
            {"estimate": lambda self, datasets, fit, tasks=None: None, "product": TableProduct},
        ),
        (Model, {"adapt": classmethod(lambda cls, candidate, name="x": None)}),
        (Selector, {"evolve": lambda self, **changes: self}),
        (Selector, {"own_method": lambda self, *, anything: None}),
    ],
)
def test_method_with_names_and_defaults_of_its_own_is_accepted(base, members):
    assert issubclass(declare(base, **members), base)


def test_method_of_a_parent_that_is_no_component_is_checked():
    class Mixin:
        def cut_gti(self):
            return ()

    class Mixed(Mixin, Selector):
        kind: ClassVar[str] = "mixed"

        def select(self, table):
            return table

    with pytest.raises(TypeError, match=r"Mixed\.cut_gti has the signature \(\)"):
        component(Mixed)


def test_method_of_a_product_is_checked():
    with pytest.raises(TypeError, match=r"Plotless\.plot has the signature \(\)"):

        class Plotless(Product):
            def plot(self):
                return None
