"""Runs with damaged input are in the observation log, and do not contribute to results.

Runs with unusual input contribute, with a note.
"""

import functools
import os
from pathlib import Path

import attrs
import pytest

from fault_injection.archive_damage import Archive, Damage
from fault_injection.damage_cases import DAMAGES
from fault_injection.killed_runs import CONFIG
from skyred import Orchestrator, Pipeline
from skyred.errors import RunsFailedError
from skyred.interfaces.records import Outcome

# damage that is only noted in the observation log: the runs are used
WARNINGS = {
    "no LIVETIME",
    "no ONTIME",
    "an event lost",
    "edisp twice as large",
    "edisp 15 % too large",
    "edisp: ENERG begins at twice the energy of the area",
}


@attrs.frozen
class Reduced:
    """The result of a reduction: its maps as bytes, and the outcomes of its runs."""

    maps: dict[str, bytes]
    outcomes: dict[int, Outcome]


@functools.cache
def pipeline(*overrides: str) -> Pipeline:
    config = CONFIG.format(archive="$SKYRED_TEST_ARCHIVE")
    return Pipeline.from_yaml(
        config, overrides=["data.crab.on_error=skip", "estimate=[]", *overrides]
    )


def reduce(archive: Path, cache: Path, *overrides: str) -> Reduced:
    os.environ["SKYRED_TEST_ARCHIVE"] = str(archive)
    orchestrator = Orchestrator(pipeline(*overrides), cache=cache)
    (dataset,) = orchestrator.reduce()
    maps = {name: getattr(dataset, name) for name in ("counts", "background", "exposure")}
    maps |= {"psf": dataset.psf.psf_map, "edisp": dataset.edisp.edisp_map}
    return Reduced(
        {name: value_map.data.tobytes() for name, value_map in maps.items()},
        {outcome.obs_id: outcome for outcome in orchestrator.outcomes},
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache of the valid runs, which must not be used for damaged ones."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def both_runs(crab_archive: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Reduced:
    copy = Archive.copy(crab_archive, tmp_path_factory.mktemp("both") / "archive")
    return reduce(copy.folder, cache)


@pytest.fixture(scope="module")
def valid_run_alone(
    crab_archive: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Reduced:
    copy = Archive.copy(crab_archive, tmp_path_factory.mktemp("alone") / "archive")
    only = f"data.crab.select=[{{kind: observation-ids, ids: [{copy.runs[0]}]}}]"
    return reduce(copy.folder, cache, only)


def test_undamaged_runs_have_no_fault(both_runs: Reduced) -> None:
    assert {outcome.status for outcome in both_runs.outcomes.values()} <= {"reduced", "cached"}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_damaged_run_is_recorded_and_excluded(
    damage: Damage,
    crab_archive: Path,
    cache: Path,
    valid_run_alone: Reduced,
    both_runs: Reduced,
    tmp_path: Path,
) -> None:
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    other_run, run = archive.runs
    damage.apply(archive, run, other_run)
    if damage.both_runs:  # if two runs share a file, both fail
        with pytest.raises(RunsFailedError, match=damage.word):
            reduce(archive.folder, cache)
        return
    reduced = reduce(archive.folder, cache)
    if damage.name in WARNINGS:
        assert reduced.outcomes[run].status in ("reduced", "cached")
        assert any(damage.word in note for note in reduced.outcomes[run].notes)
        return
    if reduced.outcomes[run].status != "failed":
        # a run that is listed twice in the index of observations is used once
        assert damage.name == "run twice"
        assert reduced.maps == both_runs.maps
        return
    assert damage.word in reduced.outcomes[run].reason
    assert reduced.outcomes[run].maker == "inspection"
    assert reduced.outcomes[other_run].status in ("reduced", "cached")
    assert reduced.maps == valid_run_alone.maps


def test_fault_can_be_tolerated_with_a_note(
    crab_archive: Path, cache: Path, both_runs: Reduced, tmp_path: Path
) -> None:
    (damage,) = (case for case in DAMAGES if case.name == "aeff all 0.0")
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    other_run, run = archive.runs
    damage.apply(archive, run, other_run)
    reduced = reduce(archive.folder, cache, "data.crab.on_fault=note")
    assert {outcome.status for outcome in reduced.outcomes.values()} == {"reduced"}
    assert any(damage.word in note for note in reduced.outcomes[run].notes)
    assert reduced.maps["counts"] == both_runs.maps["counts"]
    assert reduced.maps["exposure"] != both_runs.maps["exposure"]


def test_unreadable_file_is_not_tolerated(crab_archive: Path, cache: Path, tmp_path: Path) -> None:
    (damage,) = (case for case in DAMAGES if case.name == "gzip: wrong CRC")
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    other_run, run = archive.runs
    damage.apply(archive, run, other_run)
    reduced = reduce(archive.folder, cache, "data.crab.on_fault=note")
    assert reduced.outcomes[run].status == "failed"
