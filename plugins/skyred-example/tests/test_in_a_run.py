"""Both components in a pipeline, as an installed plugin."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time, TimeDelta
from astropy.utils import iers

from skyred import Orchestrator, Pipeline


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory):
    """Set the folder of the simulated archive, unless SKYRED_CACHE_DIR is set."""
    with pytest.MonkeyPatch.context() as patch:
        if "SKYRED_CACHE_DIR" not in os.environ:
            patch.setenv("SKYRED_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def result(example, cache_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "nights"
    return Pipeline.from_yaml(example).run(folder, until="reduce")


def test_plugins_command_lists_both_components():
    skyred = Path(sys.executable).with_name("skyred")
    process = subprocess.run([skyred, "plugins"], capture_output=True, text=True, check=True)
    assert "example  skyred-example 0.1.0  skyred_example\n" in process.stdout
    assert "maker zenith-veto" in process.stdout
    assert "stacker sum-by-night" in process.stdout
    assert "FAULTY" not in process.stdout
    assert process.stderr == ""


def test_example_survives_yaml_round_trip(example):
    pipeline = Pipeline.from_yaml(example)
    assert Pipeline.from_yaml(pipeline.to_yaml()) == pipeline
    assert pipeline.data["crab"].make[0].kind == "zenith-veto"
    assert pipeline.data["crab"].stack.kind == "sum-by-night"


def test_runs_above_the_limit_are_skipped_and_the_reason_is_logged(result, example, cache_folder):
    table = Orchestrator(Pipeline.from_yaml(example)).select()["crab"]
    expected = [row["OBS_ID"] for row in table if zenith_angle(row, table.meta) > 48]
    assert 0 < len(expected) < len(table)
    skipped = [outcome for outcome in result.outcomes if outcome.status == "skipped"]
    assert [outcome.obs_id for outcome in skipped] == expected
    assert all(outcome.reason.endswith("is above 48.0 deg") for outcome in skipped)


def zenith_angle(row, meta):
    """Compute the zenith angle at mid-run with astropy, in deg."""
    reference_time = Time(meta["MJDREFI"] + meta["MJDREFF"], format="mjd", scale="tt")
    time = reference_time + TimeDelta((row["TSTART"] + row["TSTOP"]) / 2, format="sec")
    location = EarthLocation(lon=meta["GEOLON"], lat=meta["GEOLAT"], height=meta["ALTITUDE"])
    pointing = SkyCoord(row["RA_PNT"], row["DEC_PNT"], unit="deg")
    with iers.earth_orientation_table.set(iers.IERS_B.open()):
        return pointing.transform_to(AltAz(obstime=time, location=location)).zen.deg


def test_each_night_is_a_dataset_with_the_counts_of_its_runs(result):
    assert result.datasets.names == ["crab-20041209", "crab-20041210"]
    first, second = (int(dataset.counts.data.sum()) for dataset in result.datasets)
    reduced = [outcome for outcome in result.outcomes if outcome.status == "reduced"]
    counts_by_run = {outcome.obs_id: outcome.counts for outcome in reduced}
    assert first == sum(counts for obs_id, counts in counts_by_run.items() if obs_id <= 900004)
    assert second == sum(counts for obs_id, counts in counts_by_run.items() if obs_id > 900004)


def test_chunk_size_changes_only_rounding(result, example, cache_folder):
    pipeline = Pipeline.from_yaml(example, overrides=["data.crab.stack.chunk=1"])
    datasets = Orchestrator(pipeline).reduce()
    for dataset, expected in zip(datasets, result.datasets, strict=True):
        assert dataset.counts.data.sum() == expected.counts.data.sum()
        background = expected.background.data.sum()
        assert dataset.background.data.sum() == pytest.approx(background, rel=1e-6)
        assert dataset.exposure.data.sum() == pytest.approx(expected.exposure.data.sum(), rel=1e-6)
