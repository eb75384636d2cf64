"""Runs with damaged input are in the observation log, and do not contribute to results.

Runs with unusual input contribute, with a note.
"""

import functools
import os
from pathlib import Path

import attrs
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import MapDataset
from gammapy.makers import FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom
from regions import CircleSkyRegion

from fault_injection.archive_damage import Archive, Damage
from fault_injection.damage_cases import DAMAGE_CASES
from fault_injection.killed_runs import CONFIG
from skyred import Orchestrator, Pipeline
from skyred.errors import RunsFailedError
from skyred.interfaces.records import Outcome

# damage that is only noted in the observation log (the runs are used), with the changed maps
WARNINGS: dict[str, set[str]] = {
    "no LIVETIME": set(),
    "no ONTIME": set(),
    "one event missing": {"counts", "background"},  # the norm of the background is fitted
    # gammapy normalises the dispersion
    "edisp twice as large": set(),
    "edisp 15 % too large": set(),
    "edisp: ENERG begins where the area becomes positive": {"exposure", "psf", "edisp"},
}
MAPS = ("counts", "background", "exposure", "psf", "edisp")


@attrs.frozen
class Reduced:
    """The result of a reduction: its maps, as bytes and as arrays, and its outcomes."""

    maps: dict[str, bytes]
    outcomes: dict[int, Outcome]
    arrays: dict[str, np.ndarray]


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
    return Reduced(
        {name: array.tobytes() for name, array in arrays(dataset).items()},
        {outcome.obs_id: outcome for outcome in orchestrator.outcomes},
        arrays(dataset),
    )


def arrays(dataset: MapDataset) -> dict[str, np.ndarray]:
    """Return the data of `MAPS`."""
    maps = (*(getattr(dataset, name) for name in MAPS[:3]), dataset.psf.psf_map,
            dataset.edisp.edisp_map)  # fmt: skip
    return {name: value_map.data for name, value_map in zip(MAPS, maps, strict=True)}


def reduce_with_gammapy(archive: Path) -> dict[str, np.ndarray]:
    """Return the maps of the pipeline, reduced by gammapy."""
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")
    geom = WcsGeom.create(skydir=(83.633, 22.014), width=1, binsz=0.1, frame="icrs", axes=[energy])
    stacked = MapDataset.create(geom, energy_axis_true=true, name="crab")
    source = CircleSkyRegion(SkyCoord(83.63, 22.01, unit="deg"), 0.3 * u.deg)
    makers = [
        MapDatasetMaker(),
        SafeMaskMaker(methods=["offset-max"], offset_max=2.5 * u.deg),
        FoVBackgroundMaker(
            method="fit", exclusion_mask=geom.to_image().region_mask([source], inside=False)
        ),
    ]
    for observation in DataStore.from_dir(archive).get_observations():
        dataset = stacked.copy(name=f"crab-{observation.obs_id}")
        for maker in makers:
            dataset = maker.run(dataset, observation)
        stacked.stack(dataset)
    return arrays(stacked)


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
@pytest.mark.parametrize("damage", DAMAGE_CASES, ids=lambda damage: damage.name)
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
        with pytest.raises(RunsFailedError, match=damage.message_part):
            reduce(archive.folder, cache)
        return
    reduced = reduce(archive.folder, cache)
    if damage.name in WARNINGS:
        assert reduced.outcomes[run].status in ("reduced", "cached")
        assert any(damage.message_part in note for note in reduced.outcomes[run].notes)
        assert_maps_agree_with_gammapy(reduced, archive)
        for name in set(MAPS) - WARNINGS[damage.name]:
            # gammapy normalises a scaled dispersion in float32
            tolerance = 1e-6 if name == "edisp" else 0
            expected = both_runs.arrays[name]
            np.testing.assert_allclose(reduced.arrays[name], expected, rtol=tolerance, err_msg=name)
        return
    if reduced.outcomes[run].status != "failed":
        # a run that is listed twice in the index of observations is used once
        assert damage.name == "run twice"
        assert reduced.maps == both_runs.maps
        return
    assert damage.message_part in reduced.outcomes[run].reason
    assert reduced.outcomes[run].maker in ("index", "inspection")
    assert reduced.outcomes[other_run].status in ("reduced", "cached")
    assert reduced.maps == valid_run_alone.maps


def assert_maps_agree_with_gammapy(reduced: Reduced, archive: Archive) -> None:
    expected = reduce_with_gammapy(archive.folder)
    for name in MAPS:
        # MIGRAD stops up to 2e-4 before the optimal norm of the background
        tolerance = {"counts": 0, "background": 2e-4}.get(name, 1e-6)
        atol = 0 if name == "counts" else 1e-6 * np.abs(expected[name]).max()
        np.testing.assert_allclose(
            reduced.arrays[name], expected[name], rtol=tolerance, atol=atol, err_msg=name
        )


def test_fault_can_be_tolerated_with_a_note(
    crab_archive: Path, cache: Path, both_runs: Reduced, tmp_path: Path
) -> None:
    (damage,) = (case for case in DAMAGE_CASES if case.name == "aeff all 0.0")
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    other_run, run = archive.runs
    damage.apply(archive, run, other_run)
    reduced = reduce(archive.folder, cache, "data.crab.on_fault=note")
    assert {outcome.status for outcome in reduced.outcomes.values()} == {"reduced"}
    assert any(damage.message_part in note for note in reduced.outcomes[run].notes)
    assert reduced.maps["counts"] == both_runs.maps["counts"]
    assert reduced.maps["exposure"] != both_runs.maps["exposure"]


def test_unreadable_file_is_not_tolerated(crab_archive: Path, cache: Path, tmp_path: Path) -> None:
    (damage,) = (case for case in DAMAGE_CASES if case.name == "gzip: wrong CRC")
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    other_run, run = archive.runs
    damage.apply(archive, run, other_run)
    reduced = reduce(archive.folder, cache, "data.crab.on_fault=note")
    assert reduced.outcomes[run].status == "failed"
