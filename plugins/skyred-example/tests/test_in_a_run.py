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
def cache(tmp_path_factory):
    """Set the folder of the simulated archive, unless SKYRED_CACHE_DIR is set."""
    with pytest.MonkeyPatch.context() as patch:
        if "SKYRED_CACHE_DIR" not in os.environ:
            patch.setenv("SKYRED_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def reduced(example, cache, tmp_path_factory):
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


def test_example_reads_back(example):
    pipeline = Pipeline.from_yaml(example)
    assert Pipeline.from_yaml(pipeline.to_yaml()) == pipeline
    assert pipeline.data["crab"].make[0].kind == "zenith-veto"
    assert pipeline.data["crab"].stack.kind == "sum-by-night"


def test_runs_above_the_limit_are_skipped_with_the_reason(reduced, example, cache):
    table = Orchestrator(Pipeline.from_yaml(example)).select()["crab"]
    expected = [row["OBS_ID"] for row in table if zenith(row, table.meta) > 48]
    assert 0 < len(expected) < len(table)
    skipped = [outcome for outcome in reduced.outcomes if outcome.status == "skipped"]
    assert [outcome.obs_id for outcome in skipped] == expected
    assert all(outcome.reason.endswith("is above 48.0 deg") for outcome in skipped)


def zenith(row, meta):
    """Compute the zenith angle at mid-run by astropy, in degrees."""
    reference = Time(meta["MJDREFI"] + meta["MJDREFF"], format="mjd", scale="tt")
    mid = reference + TimeDelta((row["TSTART"] + row["TSTOP"]) / 2, format="sec")
    site = EarthLocation(lon=meta["GEOLON"], lat=meta["GEOLAT"], height=meta["ALTITUDE"])
    pointing = SkyCoord(row["RA_PNT"], row["DEC_PNT"], unit="deg")
    with iers.earth_orientation_table.set(iers.IERS_B.open()):
        return pointing.transform_to(AltAz(obstime=mid, location=site)).zen.deg


def test_each_night_is_a_dataset_with_the_counts_of_its_runs(reduced):
    assert reduced.datasets.names == ["crab-20041209", "crab-20041210"]
    first, second = (int(dataset.counts.data.sum()) for dataset in reduced.datasets)
    counts_by_run = {o.obs_id: o.counts for o in reduced.outcomes if o.status == "reduced"}
    assert first == sum(counts for obs_id, counts in counts_by_run.items() if obs_id <= 900004)
    assert second == sum(counts for obs_id, counts in counts_by_run.items() if obs_id > 900004)


def test_chunk_size_changes_only_rounding(reduced, example, cache):
    pipeline = Pipeline.from_yaml(example, overrides=["data.crab.stack.chunk=1"])
    by_run = Orchestrator(pipeline).reduce()
    for left, right in zip(reduced.datasets, by_run, strict=True):
        assert left.counts.data.sum() == right.counts.data.sum()
        assert left.background.data.sum() == pytest.approx(right.background.data.sum(), rel=1e-6)
        assert left.exposure.data.sum() == pytest.approx(right.exposure.data.sum(), rel=1e-6)
