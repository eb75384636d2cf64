"""Preparation of makers with all runs, of which some may be faulty."""

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from skyred import Maker, Orchestrator, Pipeline, component, option
from skyred.errors import PrepareError

YAML = """
data:
  crab:
    archive: {archive}
    on_error: skip
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: [1 deg, 1 deg]
      bin_size: 0.5 deg
      energy: {{min: 1 TeV, max: 10 TeV, bins: 1}}
      energy_true: {{min: 1 TeV, max: 10 TeV, bins: 1}}
    make:
      - {{kind: map, parts: [counts]}}
    stack: {{kind: sum}}
"""


@component
class EventCounter(Maker):
    """Count the events of all runs in the preparation."""

    kind = "event-counter"
    events = option((), type=int, many=True, doc="Number of events of each run.")

    def prepare(self, observations: Any) -> Maker:
        return self.evolve(
            events=tuple(len(observation.events.table) for observation in observations)
        )

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.counts.data[...] = len(self.events)
        return dataset


def create_orchestrator(archive: Path, maker: Maker) -> Orchestrator:
    pipeline = Pipeline.from_yaml(YAML.format(archive=archive))
    entry = pipeline.data["crab"]
    return Orchestrator(pipeline.evolve(data={"crab": entry.evolve(make=[*entry.make, maker])}))


@pytest.mark.parametrize("damage", ["truncated", "one bit flipped"])
def test_faulty_run_is_excluded_from_the_preparation_and_fails(
    damage: str, crab_archive: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = Path(shutil.copytree(crab_archive, tmp_path / "archive"))
    path = min(path for path in archive.rglob("*.fits.gz") if "index" not in path.name)
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        del content[-3000:]
    else:
        content[len(content) // 2] ^= 1
    path.write_bytes(content)
    orchestrator = create_orchestrator(archive, EventCounter())
    with caplog.at_level(logging.WARNING):
        (dataset,) = orchestrator.reduce()
    assert [outcome.status for outcome in orchestrator.outcomes] == ["failed", "reduced"]
    assert path.name in orchestrator.outcomes[0].reason
    assert set(dataset.counts.data.ravel()) == {1}
    assert "makers are prepared without run 900001" in caplog.text


def test_error_of_a_preparation_is_reported_with_maker_and_entry(crab_archive: Path) -> None:
    @component
    class FailingPreparation(EventCounter):
        """Fail in the preparation."""

        kind = "failing-preparation"

        def prepare(self, observations: Any) -> Maker:
            raise ValueError("two runs are too few")

    with pytest.raises(
        PrepareError, match=r"data\.crab: the maker failing-preparation .*cannot be prepared"
    ) as excinfo:
        create_orchestrator(crab_archive, FailingPreparation()).reduce()
    assert "two runs are too few" in str(excinfo.value)
