"""What a stacker does before a run is made: it learns from the table, and judges runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from skyred import Maker, Orchestrator, Pipeline, SkipObservation, component, option
from skyred.errors import ArchiveError, RunsFailedError
from toys import ToyMaker, ToySum, toy_pipeline, toy_plugins


@component
class Choosy(ToySum):
    """Adds only runs up to the middle one of the table."""

    kind = "choosy-sum"
    last: int = option(0, doc="The last run that is added, as the table says.")
    lacking: str = option("", doc="What is asked of the table in vain.")

    def prepare(self, table: Any) -> Choosy:
        if self.lacking:
            raise ArchiveError(f"there is no column {self.lacking!r}")
        return self.evolve(last=int(np.median(table["OBS_ID"])))

    def admit(self, observation: Any) -> None:
        if observation.obs_id > self.last:
            raise SkipObservation(f"run {observation.obs_id} comes after {self.last}")


@component
class Fragile(Maker):
    """Fails on any run that should not have come so far."""

    kind = "fragile"

    def make(self, dataset: Any, observation: Any) -> Any:
        assert observation.obs_id <= 3, "made, although the stacker does not admit it"
        return dataset


def orchestrate(pipeline: Pipeline) -> Orchestrator:
    return Orchestrator(pipeline, plugins=toy_plugins())


def choosy(**options: Any) -> Pipeline:
    return toy_pipeline(5, make=[Fragile(), ToyMaker()], stack=Choosy(chunk=2, **options))


def test_what_it_learns_from_the_table_is_known_when_runs_are_made() -> None:
    orchestrator = orchestrate(choosy())
    (dataset,) = orchestrator.reduce()
    assert dataset.counts.data.ravel() == pytest.approx([1 + 1 / 2 + 1 / 3] * 2)
    assert orchestrator.pipeline.data["toy"].stack.last == 0  # the pipeline is what it was


def test_runs_that_it_does_not_admit_are_not_made_and_the_reason_is_kept() -> None:
    orchestrator = orchestrate(choosy())
    orchestrator.reduce()
    statuses = [outcome.status for outcome in orchestrator.outcomes]
    assert statuses == ["reduced", "reduced", "reduced", "skipped", "skipped"]
    assert orchestrator.outcomes[3].reason == "run 4 comes after 3"
    assert orchestrator.outcomes[3].maker == "stacker choosy-sum of no plugin"


def test_what_the_table_lacks_is_said_when_runs_are_selected() -> None:
    with pytest.raises(ArchiveError, match="no column 'NIGHT'"):
        orchestrate(choosy(lacking="NIGHT")).select()


def test_a_stacker_that_fails_to_judge_fails_the_run() -> None:
    @component
    class Undecided(ToySum):
        """Cannot tell."""

        kind = "undecided"

        def admit(self, observation: Any) -> None:
            raise ValueError("no idea")

    with pytest.raises(RunsFailedError, match="stacker undecided of no plugin: ValueError: no id"):
        orchestrate(toy_pipeline(2, stack=Undecided())).reduce()
