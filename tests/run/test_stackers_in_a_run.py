"""Stackers in a run: preparation with the observation table, and runs that they skip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from skyred import Maker, Orchestrator, Pipeline, SkipObservation, component, option
from skyred.errors import ArchiveError, OldNameWarning, RunsFailedError
from toys import ToyMaker, ToySum, toy_pipeline, toy_plugins


@component
class LimitedSum(ToySum):
    """Add only runs up to the median observation id of the table."""

    kind = "limited-sum"
    last: int = option(0, doc="The last run that is added, set by `prepare`.")
    missing_column: str = option("", doc="A column that is missing in the table.")

    def prepare(self, table: Any) -> LimitedSum:
        if self.missing_column:
            raise ArchiveError(f"there is no column {self.missing_column!r}")
        return self.evolve(last=int(np.median(table["OBS_ID"])))

    def check_observation(self, observation: Any) -> None:
        if observation.obs_id > self.last:
            raise SkipObservation(f"run {observation.obs_id} comes after {self.last}")


@component
class AcceptedRunsOnly(Maker):
    """Fail for runs that the stacker does not accept."""

    kind = "accepted-runs-only"

    def make(self, dataset: Any, observation: Any) -> Any:
        assert observation.obs_id <= 3, "the stacker does not accept this run"
        return dataset


def create_orchestrator(pipeline: Pipeline) -> Orchestrator:
    return Orchestrator(pipeline, plugins=toy_plugins())


def limited_pipeline(**options: Any) -> Pipeline:
    return toy_pipeline(
        5, make=[AcceptedRunsOnly(), ToyMaker()], stack=LimitedSum(chunk=2, **options)
    )


def test_prepared_stacker_is_used_for_runs() -> None:
    orchestrator = create_orchestrator(limited_pipeline())
    (dataset,) = orchestrator.reduce()
    assert dataset.counts.data.ravel() == pytest.approx([1 + 1 / 2 + 1 / 3] * 2)
    assert orchestrator.pipeline.data["toy"].stack.last == 0  # the pipeline is not changed


def test_runs_that_are_not_accepted_are_skipped_and_the_reason_is_logged() -> None:
    orchestrator = create_orchestrator(limited_pipeline())
    orchestrator.reduce()
    statuses = [outcome.status for outcome in orchestrator.outcomes]
    assert statuses == ["reduced", "reduced", "reduced", "skipped", "skipped"]
    assert orchestrator.outcomes[3].reason == "run 4 comes after 3"
    assert orchestrator.outcomes[3].maker == "stacker limited-sum (not from a plugin)"


def test_error_in_the_preparation_is_raised_by_the_selection() -> None:
    with pytest.raises(ArchiveError, match="no column 'NIGHT'"):
        create_orchestrator(limited_pipeline(missing_column="NIGHT")).select()


def test_error_of_a_stacker_fails_the_run() -> None:
    @component
    class FailingSum(ToySum):
        """Fail in the check of observations."""

        kind = "failing-sum"

        def check_observation(self, observation: Any) -> None:
            raise ValueError("no column")

    with pytest.raises(
        RunsFailedError, match=r"stacker failing-sum \(not from a plugin\): ValueError: no column"
    ):
        create_orchestrator(toy_pipeline(2, stack=FailingSum())).reduce()


def test_check_under_the_old_name_works_with_a_warning() -> None:
    with pytest.warns(OldNameWarning, match=r"OldSum\.admit is now called"):

        @component
        class OldSum(ToySum):
            """Skip a run in the method with the old name."""

            kind = "old-sum"

            def admit(self, observation: Any) -> None:
                if observation.obs_id == 2:
                    raise SkipObservation("skipped by the old method")

    orchestrator = create_orchestrator(toy_pipeline(2, stack=OldSum()))
    orchestrator.reduce()
    assert orchestrator.outcomes[1].reason == "skipped by the old method"
