"""The types of the public names, as a user's type checker sees them: checked by mypy, never run."""

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
class Doubled(Maker):
    """A maker as a third party writes it."""

    kind = "doubled"
    factor: float = option(2.0, min=0, doc="By what the counts are multiplied.")
    radius = quantity("0.2 deg", doc="Where.")
    name: str = option(doc="Which.")

    def make(self, dataset: Any, observation: Any) -> Any:
        """Multiply the counts."""
        dataset.counts.data *= self.factor
        return dataset


def a_component_knows_its_options() -> None:
    """The constructor and the attributes are typed by the declarations."""
    maker = Doubled(name="x", factor=3.0)
    assert_type(maker.factor, float)
    assert_type(maker.evolve(factor=1.0), Doubled)
    assert_type(maker.digest(), str)
    assert_type(Doubled.kind, str)
    assert_type(maker.name, str)
    Doubled(name="x", radius="3 deg", factor="4")  # options are converted, so that texts will do
    Doubled("x")  # type: ignore[call-arg]


def a_pipeline_is_read_and_run(
    geometry: Geometry, selector: Selector, stack: skyred.Stacker, model: Model, fitter: Fitter
) -> None:
    """From YAML or from Python to a result."""
    pipeline = Pipeline.from_yaml(Path("crab.yaml"), overrides=["fit.kind=newton"])
    assert_type(pipeline, Pipeline)
    reduction = Reduction(
        archive="$DATA/archive", select=[selector], geometry=geometry,
        make=[Doubled(name="x")], stack=stack,
    )  # fmt: skip
    made = Pipeline(
        data={"a": reduction, "b": ReducedData(datasets="x.fits")},
        model=[model],
        fit=fitter,
    )
    assert_type(dict(made.entries()), dict[str, DataEntry])
    assert_type(dict(made.reductions()), dict[str, Reduction])
    assert_type(made.to_yaml(), str)
    assert_type(made.to_script(), str)
    assert_type(made.run("crab", overwrite=True), Result)


def an_orchestrator_takes_steps(pipeline: Pipeline) -> None:
    """Methods give results, attributes those or None."""
    orchestrator = Orchestrator(pipeline, cache=False)
    assert_type(orchestrator.fit(), FitResult | None)
    assert_type(orchestrator.fit_result, FitResult | None)
    assert_type(orchestrator.estimate(), dict[str, Product])
    assert_type(orchestrator.estimates, dict[str, Product] | None)
    assert_type(orchestrator.outcomes, tuple[Outcome, ...])
    assert_type(orchestrator.run(), Result)


def a_fit_has_values(result: FitResult, objective: Objective) -> None:
    """What a fit gives."""
    assert_type(result.success, bool)
    assert_type(result.stat, float)
    assert_type(result.message, str)
    assert_type(objective.names, tuple[str, ...])


def a_hook_is_told(run: Run, report: Report, step: StepRecord) -> None:
    """What watchers are told."""
    assert_type(run.folder, Path | None)
    assert_type(report.state, str)
    assert_type(step.seconds, float)


@hookimpl
def skyred_components() -> list[type[Component]]:
    """Offer a component."""
    return [Doubled]


def components_are_checked(estimator: Estimator) -> None:
    """The conformance kit takes components and cases."""
    check(estimator)
    parametrize_with_checks([Doubled(name="x"), ComponentCase(estimator)])
    assert_type(ConformanceError("x", ()).violations, tuple[Violation, ...])
    assert_type(Problem(("a",), "is wrong").message, str)
