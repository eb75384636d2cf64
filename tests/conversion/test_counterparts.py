"""Tests of the tables of counterparts, against gammapy's own classes and the catalog."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from gammapy import estimators, makers
from gammapy.analysis import AnalysisConfig
from gammapy.modeling import Fit
from gammapy.workflow import WorkflowConfig
from pydantic import BaseModel

from skyred import ReducedData, Reduction
from skyred.conversion.counterparts import (
    Counterpart,
    class_counterparts,
    option_counterparts,
)
from skyred.fields import specs
from skyred.plugins import Plugins

MAX_MISSING = 5
REGISTRIES = {"MAKER_REGISTRY", "ESTIMATOR_REGISTRY"}
SHARED_ARGUMENTS = {"self", "kwargs", "args"}
OPTIONS = option_counterparts("gammapy")
CLASSES = class_counterparts()


def option_paths(config_class: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the paths of all options of a configuration class."""
    for name, field in config_class.model_fields.items():
        annotation: Any = field.annotation
        if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
            yield from option_paths(annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def arguments(cls: type) -> set[str]:
    """Return the arguments of a class and of the base classes that it passes arguments to."""
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" in vars(base) and base is not object:
            parameters = inspect.signature(base.__init__).parameters
            names |= set(parameters)
            if "kwargs" not in parameters:
                break
    return names - SHARED_ARGUMENTS


def public_classes(module: Any) -> list[str]:
    """Return the names of the public classes of a module."""
    return [name for name in module.__all__ if name not in REGISTRIES]


def options_of(kind: str) -> set[str]:
    """Return the options of all components of a kind, or of data entries."""
    if kind == "DATA":
        return {*specs(Reduction), *specs(ReducedData)}
    return {option for entry in Plugins.load().catalog.find(kind) for option in specs(entry.cls)}


def check(counterpart: Counterpart) -> None:
    """Check that the components and options of a counterpart exist."""
    assert counterpart.components or counterpart.note or counterpart.reason, counterpart.name
    for kind in counterpart.components:
        assert options_of(kind), f"{counterpart.name}: no component {kind!r}"
        if counterpart.option:
            assert counterpart.option in options_of(kind), counterpart


def test_every_option_of_analysis_and_workflow_has_a_row() -> None:
    expected = {*option_paths(AnalysisConfig), *option_paths(WorkflowConfig)}
    assert set(OPTIONS) == expected


@pytest.mark.parametrize("program", ["gammapy", "asgardpy"])
def test_components_and_options_in_the_tables_exist(program: str) -> None:
    for counterpart in option_counterparts(program).values():
        check(counterpart)


def test_at_most_five_options_of_gammapy_have_no_counterpart() -> None:
    assert sum(bool(counterpart.reason) for counterpart in OPTIONS.values()) <= MAX_MISSING


@pytest.mark.parametrize("name", [*public_classes(makers), *public_classes(estimators), "Fit"])
def test_every_class_of_makers_and_estimators_has_a_row(name: str) -> None:
    check(CLASSES[name].counterpart)


@pytest.mark.parametrize("name", [name for name, entry in CLASSES.items() if entry.arguments])
def test_every_argument_of_a_class_has_a_row(name: str) -> None:
    cls = next(
        getattr(module, name) for module in (makers, estimators, Fit) if hasattr(module, name)
    ) if name != "Fit" else Fit  # fmt: skip
    rows = CLASSES[name].arguments
    assert set(rows) == arguments(cls)
    for counterpart in rows.values():
        check(counterpart)


def test_classes_in_the_table_exist_in_gammapy() -> None:
    from importlib import import_module

    for name, entry in CLASSES.items():
        assert hasattr(import_module(entry.module), name), name
