"""The records of a run at its start and end: configuration, result and report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from skyred.config import dump
from skyred.errors import ConfigError
from skyred.interfaces import Chain, Component
from skyred.interfaces.records import Owner, Report, Run
from skyred.plugins import Catalog
from skyred.plugins.model_registration import OWNER
from skyred.plugins.model_values import foreign_classes
from skyred.result import Result

if TYPE_CHECKING:
    from skyred.run.steps import Steps


@attrs.define(eq=False)
class _LazyYaml:
    """A function that writes plain data as YAML once; many reductions in Python never need it."""

    data: Any
    _text: str | None = None

    def __call__(self) -> str:
        if self._text is None:
            self._text = dump(self.data)
        return self._text


def create_record(pipeline: Chain) -> Run:
    """Return the record of a run that has not started.

    Parameters
    ----------
    pipeline : Chain
        The pipeline.

    Returns
    -------
    Run
        The record, with configuration and digest; both are "" if the pipeline has no YAML form.
    """
    try:
        return Run(_LazyYaml(pipeline.to_plain(complete=True)), pipeline.digest())
    except ConfigError:
        return Run()


def create_result(steps: Steps) -> Result:
    """Return the outputs of all steps that have run so far.

    Parameters
    ----------
    steps : Steps
        The steps.

    Returns
    -------
    Result
        The result.
    """
    return Result(
        config=steps.record.config,
        replaced=steps.record.replaced,
        digest=steps.record.digest,
        outcomes=tuple(steps.outcomes),
        observation_tables=steps.tables.tables(),
        steps=tuple(steps.records),
        datasets=steps.datasets(),
        models=steps.models(),
        fit=steps.outputs.get("fit"),
        estimates=dict(steps.outputs.get("estimate", steps.estimates)),
        kinds={
            estimator.label: estimator.yaml_kind or estimator.kind
            for estimator in steps.pipeline.estimate
        },
    )


def create_report(steps: Steps, state: str, error: str, result: Result) -> Report:
    """Return the report of a run, for lifecycle hooks.

    Parameters
    ----------
    steps : Steps
        The steps.
    state : str
        The final state: finished, failed or interrupted.
    error : str
        The error that stopped the run; "" if there is none.
    result : Result
        The current result.

    Returns
    -------
    Report
        The report.
    """
    components = [*steps.pipeline.components(), steps.engine]
    return Report(
        state=state,
        error=error,
        steps=result.steps,
        outcomes=result.outcomes,
        watchers=tuple(steps.watchers.errors),
        watcher_seconds=dict(steps.watchers.seconds),
        owners=_owners(steps.plugins.catalog, components, result),
        result=result,
        engine=steps.engine.to_plain(complete=True),
    )


def _owners(catalog: Catalog, components: list[Component], result: Result) -> tuple[Owner, ...]:
    """Return the owners of components and of the classes of models, without duplicates."""
    classes = [cls for model in result.models or () for cls in foreign_classes(model)]
    owners = [*catalog.owners(components), *catalog.models.owners(components)]
    owners += [vars(cls)[OWNER] for cls in classes if OWNER in vars(cls)]
    return tuple(dict.fromkeys(owners))
