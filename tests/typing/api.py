"""Types of the public API as seen by a plugin; mypy checks this module, which is not executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import skyred
from skyred import (
    Component,
    DataEntry,
    Estimator,
    FitResult,
    Fitter,
    Geometry,
    Maker,
    Model,
    Objective,
    Orchestrator,
    Outcome,
    Pipeline,
    Problem,
    Product,
    ReducedData,
    Reduction,
    Report,
    Result,
    Run,
    Selector,
    StepRecord,
    component,
    hookimpl,
    option,
    quantity,
)
from skyred.testing import (
    ComponentCase,
    ConformanceError,
    Violation,
    check,
    parametrize_with_checks,
)


@component
class MultiplyCounts(Maker):
    """A maker as in a plugin."""

    kind = "multiply-counts"
    factor: float = option(2.0, min=0, doc="Factor of the counts.")
    radius = quantity("0.2 deg", doc="A radius.")
    name: str = option(doc="A name.")

    def make(self, dataset: Any, observation: Any) -> Any:
        """Multiply the counts."""
        dataset.counts.data *= self.factor
        return dataset


def check_types_of_options() -> None:
    """Check the types of the constructor and of the attributes."""
    maker = MultiplyCounts(name="x", factor=3.0)
    assert_type(maker.factor, float)
    assert_type(maker.evolve(factor=1.0), MultiplyCounts)
    assert_type(maker.digest(), str)
    assert_type(MultiplyCounts.kind, str)
    assert_type(maker.name, str)
    # strings are accepted, since options are converted
    MultiplyCounts(name="x", radius="3 deg", factor="4")
    MultiplyCounts("x")  # type: ignore[call-arg]


def check_types_of_pipelines(
    geometry: Geometry, selector: Selector, stack: skyred.Stacker, model: Model, fitter: Fitter
) -> None:
    """Check pipelines from YAML and from Python, and their result."""
    pipeline = Pipeline.from_yaml(Path("crab.yaml"), overrides=["fit.kind=newton"])
    assert_type(pipeline, Pipeline)
    reduction = Reduction(
        archive="$DATA/archive", select=[selector], geometry=geometry,
        make=[MultiplyCounts(name="x")], stack=stack,
    )  # fmt: skip
    pipeline_in_python = Pipeline(
        data={"a": reduction, "b": ReducedData(datasets="x.fits")},
        model=[model],
        fit=fitter,
    )
    assert_type(dict(pipeline_in_python.entries()), dict[str, DataEntry])
    assert_type(dict(pipeline_in_python.reductions()), dict[str, Reduction])
    assert_type(pipeline_in_python.to_yaml(), str)
    assert_type(pipeline_in_python.to_script(), str)
    assert_type(pipeline_in_python.run("crab", overwrite=True), Result)


def check_types_of_orchestrators(pipeline: Pipeline) -> None:
    """Check the types of the results of methods, and of attributes, which may be None."""
    orchestrator = Orchestrator(pipeline, cache=False)
    assert_type(orchestrator.fit(), FitResult | None)
    assert_type(orchestrator.fit_result, FitResult | None)
    assert_type(orchestrator.estimate(), dict[str, Product])
    assert_type(orchestrator.estimates, dict[str, Product] | None)
    assert_type(orchestrator.outcomes, tuple[Outcome, ...])
    assert_type(orchestrator.run(), Result)


def check_types_of_fits(result: FitResult, objective: Objective) -> None:
    """Check the attributes of a fit result and an objective."""
    assert_type(result.success, bool)
    assert_type(result.stat, float)
    assert_type(result.message, str)
    assert_type(objective.names, tuple[str, ...])


def check_types_of_hook_arguments(run: Run, report: Report, step: StepRecord) -> None:
    """Check the arguments of watchers."""
    assert_type(run.folder, Path | None)
    assert_type(report.state, str)
    assert_type(step.seconds, float)


@hookimpl
def skyred_components() -> list[type[Component]]:
    """Provide a component."""
    return [MultiplyCounts]


def check_types_of_testing(estimator: Estimator) -> None:
    """Check that `check` accepts components and cases."""
    check(estimator)
    parametrize_with_checks([MultiplyCounts(name="x"), ComponentCase(estimator)])
    assert_type(ConformanceError("x", ()).violations, tuple[Violation, ...])
    assert_type(Problem(("a",), "is wrong").message, str)
