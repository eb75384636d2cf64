"""Makers that learn from all runs: what they are given, and what becomes of runs with faults."""

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
class Counter(Maker):
    """Counts the events of all runs that it is shown."""

    kind = "counter"
    events = option((), type=int, many=True, doc="How many events each run had.")

    def prepare(self, observations: Any) -> Maker:
        return self.evolve(
            events=tuple(len(observation.events.table) for observation in observations)
        )

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.counts.data[...] = len(self.events)
        return dataset


def analysis_of(archive: Path, maker: Maker) -> Orchestrator:
    pipeline = Pipeline.from_yaml(YAML.format(archive=archive))
    entry = pipeline.data["crab"]
    return Orchestrator(pipeline.evolve(data={"crab": entry.evolve(make=[*entry.make, maker])}))


@pytest.mark.parametrize("where", ["cut short", "one bit flipped"])
def test_a_run_with_a_fault_teaches_nothing_and_fails_and_the_other_is_made(
    where: str, crab_archive: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Path(shutil.copytree(crab_archive, tmp_path / "broken"))
    file = sorted(path for path in broken.rglob("*.fits.gz") if "index" not in path.name)[0]
    content = bytearray(file.read_bytes())
    if where == "cut short":
        del content[-3000:]
    else:
        content[len(content) // 2] ^= 1
    file.write_bytes(content)
    analysis = analysis_of(broken, Counter())
    with caplog.at_level(logging.WARNING):
        (dataset,) = analysis.reduce()
    assert [outcome.status for outcome in analysis.outcomes] == ["failed", "reduced"]
    assert file.name in analysis.outcomes[0].reason
    assert set(dataset.counts.data.ravel()) == {1}
    assert "makers are prepared without run 900001" in caplog.text


def test_what_a_maker_raises_while_it_learns_names_it_and_the_entry(crab_archive: Path) -> None:
    @component
    class Hopeless(Counter):
        """Learns nothing."""

        kind = "hopeless"

        def prepare(self, observations: Any) -> Maker:
            raise ValueError("two runs are too few")

    with pytest.raises(
        PrepareError, match=r"data\.crab: the maker 'hopeless' cannot be prepared"
    ) as e:
        analysis_of(crab_archive, Hopeless()).reduce()
    assert "two runs are too few" in str(e.value)
