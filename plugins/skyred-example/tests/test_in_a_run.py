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
    """Where the archive is made, once; SKYRED_CACHE_DIR keeps it for the next time."""
    with pytest.MonkeyPatch.context() as patch:
        if "SKYRED_CACHE_DIR" not in os.environ:
            patch.setenv("SKYRED_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def reduced(example, cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "nights"
    return Pipeline.from_yaml(example).run(folder, until="reduce")


def test_skyred_plugins_shows_both():
    skyred = Path(sys.executable).with_name("skyred")
    answer = subprocess.run([skyred, "plugins"], capture_output=True, text=True, check=True)
    assert "example  skyred-example 0.1.0  skyred_example\n" in answer.stdout
    assert "maker zenith-veto" in answer.stdout
    assert "stacker sum-by-night" in answer.stdout
    assert "FAULTY" not in answer.stdout
    assert answer.stderr == ""


def test_the_example_is_read_and_written_without_loss(example):
    pipeline = Pipeline.from_yaml(example)
    assert Pipeline.from_yaml(pipeline.to_yaml()) == pipeline
    assert pipeline.data["crab"].make[0].kind == "zenith-veto"
    assert pipeline.data["crab"].stack.kind == "sum-by-night"


def test_runs_above_the_limit_are_in_the_ledger_with_the_reason(reduced, example, cache):
    table = Orchestrator(Pipeline.from_yaml(example)).select()["crab"]
    above = [row["OBS_ID"] for row in table if zenith(row, table.meta) > 48]
    assert 0 < len(above) < len(table)
    skipped = [outcome for outcome in reduced.outcomes if outcome.status == "skipped"]
    assert [outcome.obs_id for outcome in skipped] == above
    assert all(outcome.reason.endswith("is above 48.0 deg") for outcome in skipped)


def zenith(row, meta):
    """Compute the zenith angle at mid-run by astropy alone, in degrees."""
    reference = Time(meta["MJDREFI"] + meta["MJDREFF"], format="mjd", scale="tt")
    mid = reference + TimeDelta((row["TSTART"] + row["TSTOP"]) / 2, format="sec")
    place = EarthLocation(lon=meta["GEOLON"], lat=meta["GEOLAT"], height=meta["ALTITUDE"])
    pointing = SkyCoord(row["RA_PNT"], row["DEC_PNT"], unit="deg")
    with iers.earth_orientation_table.set(iers.IERS_B.open()):
        return pointing.transform_to(AltAz(obstime=mid, location=place)).zen.deg


def test_each_night_is_one_dataset_with_the_counts_of_its_runs(reduced):
    assert reduced.datasets.names == ["crab-20041209", "crab-20041210"]
    first, second = (int(dataset.counts.data.sum()) for dataset in reduced.datasets)
    made = {o.obs_id: o.counts for o in reduced.outcomes if o.status == "reduced"}
    assert first == sum(counts for obs_id, counts in made.items() if obs_id <= 900004)
    assert second == sum(counts for obs_id, counts in made.items() if obs_id > 900004)


def test_the_size_of_chunks_changes_nothing_but_rounding(reduced, example, cache):
    pipeline = Pipeline.from_yaml(example, overrides=["data.crab.stack.chunk=1"])
    other = Orchestrator(pipeline).reduce()
    for one, two in zip(reduced.datasets, other, strict=True):
        assert one.counts.data.sum() == two.counts.data.sum()
        assert one.background.data.sum() == pytest.approx(two.background.data.sum(), rel=1e-6)
        assert one.exposure.data.sum() == pytest.approx(two.exposure.data.sum(), rel=1e-6)
