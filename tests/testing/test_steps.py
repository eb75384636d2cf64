"""Errors of components in the conformance checks name the step in which they were raised."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from planted_defects.fitters import ValidNewton
from planted_defects.makers import EnoughEvents
from planted_defects.models import FlatSpectrum, SumOfCounts, Total
from planted_defects.selectors import EverySecond
from planted_defects.stackers import ValidList
from skyred import Component, component, option
from skyred.testing import ComponentCase, requirements
from skyred.testing.checking import check_requirement

pytestmark = pytest.mark.slow


def fail(*arguments: Any, **options: Any) -> Any:
    """Raise an error."""
    raise ZeroDivisionError("no data")


class BadProduct(Total):
    """A product, one of whose methods fails."""

    def write(self, folder: Path) -> list[Path]:
        return fail() if self.name == "write" else super().write(folder)

    @classmethod
    def read(cls, folder: Path, name: str, models: Any) -> Any:
        return fail() if name == "read" else super().read(folder, name, models)

    def table(self) -> Any:
        return fail() if self.name == "table" else super().table()

    def plot(self, ax: Any = None) -> Any:
        return fail() if self.name == "plot" else super().plot(ax)

    def plot_functions(self) -> Any:
        return fail() if self.name == "plots" else super().plot_functions()


@component
class BadEstimator(SumOfCounts):
    """An estimator that fails, or whose product fails."""

    kind = "fails-in-a-step"
    product = BadProduct
    fault: str = option("", doc="The fault.")

    def estimate(self, datasets: Any, fit: Any) -> Any:
        if self.fault == "exit":
            sys.exit(4)
        return fail() if self.fault == "estimate" else super().estimate(datasets, fit)


@component
class BadMaker(EnoughEvents):
    """A maker that fails."""

    kind = "maker-fails-in-a-step"
    prepares: bool = option(True, doc="Whether prepare works.")

    def prepare(self, observations: Any) -> Any:
        return self if self.prepares else fail()

    def make(self, dataset: Any, observation: Any) -> Any:
        return fail()


@component
class BadStacker(ValidList):
    """A stacker that cannot merge totals."""

    kind = "stacker-fails-in-a-step"

    def merge(self, left: Any, right: Any) -> Any:
        return fail()


@component
class BadModel(FlatSpectrum):
    """A model that cannot be built."""

    kind = "model-fails-in-a-step"

    def build(self, datasets: Any) -> Any:
        return fail()


@component
class BadFitter(ValidNewton):
    """A fitter that fails."""

    kind = "fitter-fails-in-a-step"

    def fit(self, objective: Any) -> Any:
        return fail()


@component
class BadSelector(EverySecond):
    """A selector that fails."""

    kind = "selector-fails-in-a-step"

    def select(self, table: Any) -> Any:
        return fail()


@pytest.mark.parametrize(
    ("tested", "requirement_name", "step"),
    [
        (BadEstimator(fault="estimate"), "returns a product with the label", "estimating"),
        (BadEstimator(name="write"), "writes files, in its folder only", "writing its files"),
        (BadEstimator(name="read"), "reads back the product", "reading its files"),
        (BadEstimator(name="table"), "returns a table with units", "creating its table"),
        (BadEstimator(name="plots"), "draws on the given axes", "listing its plots"),
        (BadEstimator(name="plot"), "draws on the given axes", "plotting on new axes"),
        (BadMaker(), "makes a dataset of an observation", "reducing run 900001"),
        (BadMaker(prepares=False), "leaves itself and the observ", "preparing the maker"),
        (BadStacker(), "has an associative merge", "merging two totals"),
        (BadModel(), "builds gammapy models with unique", "building its models"),
        (BadFitter(), "finds the minimum of known", "fitting an objective"),
        (BadSelector(), "returns the same rows", "selecting runs"),
    ],
)
def test_error_names_its_step(tested: Component, requirement_name: str, step: str) -> None:
    observed = check(tested, requirement_name)
    assert f"while {step}, ZeroDivisionError: no data (test_steps.py:" in observed


def test_estimator_that_exits_is_reported_with_its_step() -> None:
    observed = check(BadEstimator(fault="exit"), "returns a product with the label")
    assert observed == "while estimating, it exits Python (code 4)"


def test_error_of_the_sample_names_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    from skyred.testing import sample

    case = ComponentCase(SumOfCounts())
    monkeypatch.setattr(ComponentCase, "crab", sample.Crab(case.crab.plugins))
    monkeypatch.setattr("skyred.run.build_models.build_models", fail)
    (tested_requirement,) = (
        item for item in requirements("estimator") if item.name.startswith("returns a product")
    )
    observed = check_requirement(case, tested_requirement)
    assert observed.startswith("while building the models of the sample, ZeroDivisionError")


def check(tested: Component, requirement_name: str) -> str:
    (tested_requirement,) = (
        item for item in requirements(tested.role) if item.name.startswith(requirement_name)
    )
    return check_requirement(ComponentCase(tested), tested_requirement)
