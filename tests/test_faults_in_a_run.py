"""Damaged input through the whole chain: it is named in the ledger, and no number comes of it."""

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

HARMLESS = {"run twice"}


@attrs.frozen
class Reduced:
    """What a reduction gave: its maps as bytes, and the ledger."""

    maps: dict[str, bytes]
    outcomes: dict[int, Outcome]


@functools.cache
def pipeline(*changed: str) -> Pipeline:
    text = CONFIG.format(archive="$SKYRED_TEST_ARCHIVE")
    return Pipeline.from_yaml(text, overrides=["data.crab.on_error=skip", "estimate=[]", *changed])


def reduce(archive: Path, cache: Path, *changed: str) -> Reduced:
    os.environ["SKYRED_TEST_ARCHIVE"] = str(archive)
    orchestrator = Orchestrator(pipeline(*changed), cache=cache)
    (dataset,) = orchestrator.reduce()
    maps = {name: getattr(dataset, name) for name in ("counts", "background", "exposure")}
    maps |= {"psf": dataset.psf.psf_map, "edisp": dataset.edisp.edisp_map}
    return Reduced(
        {name: held.data.tobytes() for name, held in maps.items()},
        {outcome.obs_id: outcome for outcome in orchestrator.outcomes},
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold the sound runs: what is damaged is not taken from it, however little that is."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def both(crab_archive: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Reduced:
    copy = Archive.copy(crab_archive, tmp_path_factory.mktemp("whole") / "archive")
    return reduce(copy.folder, cache)


@pytest.fixture(scope="module")
def sound_alone(
    crab_archive: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Reduced:
    copy = Archive.copy(crab_archive, tmp_path_factory.mktemp("alone") / "archive")
    only = f"data.crab.select=[{{kind: observation-ids, ids: [{copy.runs[0]}]}}]"
    return reduce(copy.folder, cache, only)


def test_undamaged_runs_have_no_fault(both: Reduced) -> None:
    assert {outcome.status for outcome in both.outcomes.values()} <= {"reduced", "cached"}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_a_damaged_run_is_recorded_and_left_out_to_the_last_bit(
    damage: Damage,
    crab_archive: Path,
    cache: Path,
    sound_alone: Reduced,
    both: Reduced,
    tmp_path: Path,
) -> None:
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    other, run = archive.runs
    damage.apply(archive, run, other)
    if damage.other:  # of two that share something, who is right? none is made
        with pytest.raises(RunsFailedError, match=damage.word):
            reduce(archive.folder, cache)
        return
    found = reduce(archive.folder, cache)
    if found.outcomes[run].status != "failed":
        # listed twice in the index of observations: it is taken once
        assert damage.name in HARMLESS
        assert found.maps == both.maps
        return
    assert damage.word in found.outcomes[run].reason
    assert found.outcomes[run].maker == "inspection"
    assert found.outcomes[other].status in ("reduced", "cached")
    assert found.maps == sound_alone.maps


def test_a_fault_can_be_tolerated_and_is_noted(
    crab_archive: Path, cache: Path, both: Reduced, tmp_path: Path
) -> None:
    (damage,) = (each for each in DAMAGES if each.name == "aeff all 0.0")
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    other, run = archive.runs
    damage.apply(archive, run, other)
    found = reduce(archive.folder, cache, "data.crab.on_fault=note")
    assert {each.status for each in found.outcomes.values()} == {"reduced"}
    assert any(damage.word in note for note in found.outcomes[run].notes)
    assert found.maps["counts"] == both.maps["counts"]
    assert found.maps["exposure"] != both.maps["exposure"]


def test_a_file_that_cannot_be_read_is_not_tolerated(
    crab_archive: Path, cache: Path, tmp_path: Path
) -> None:
    (damage,) = (each for each in DAMAGES if each.name == "gzip: wrong CRC")
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    other, run = archive.runs
    damage.apply(archive, run, other)
    found = reduce(archive.folder, cache, "data.crab.on_fault=note")
    assert found.outcomes[run].status == "failed"
