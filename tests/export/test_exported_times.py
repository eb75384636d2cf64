"""Exported scripts select the same runs and events as skyred: windows, good time and phases."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from gammapy.data import DataStore
from gammapy.datasets import Datasets

from fault_injection.archive_damage import Archive, find_hdu
from skyred import Orchestrator, Pipeline
from skyred.errors import ExportError

CONFIG = """
data:
  crab:
    archive: $EXPORT_DATA
    select: SELECT
    geometry:
      kind: spectrum
      on_region: "icrs; circle(83.633, 22.014, 0.3)"
      energy: {min: 0.5 TeV, max: 10 TeV, bins: 4}
      energy_true: {min: 0.3 TeV, max: 20 TeV, bins: 6}
    make: MAKE
    stack: {kind: keep}
"""
MAKE = "[{kind: spectrum, parts: [counts, exposure, background, edisp]}]"
PHASES = "[{kind: spectrum}, {kind: phase-background, on_phase: [0.1, 0.4], off_phase: [0.5, 0.9]}]"
# columns of the index; its livetimes are omitted, because they do not include the gap
INDEX_COLUMNS = ("OBS_ID", "RA_PNT", "DEC_PNT", "TSTART", "TSTOP")


@pytest.fixture(scope="module")
def folder(crab_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive of two runs with phases, and with a gap in their good time."""
    archive = Archive.copy(crab_archive, tmp_path_factory.mktemp("times") / "archive")
    for run in archive.runs:
        archive.change_hdus(run, divide_good_time)
    archive.change_index("obs", lambda table: table[[*INDEX_COLUMNS]])
    return archive.folder


def divide_good_time(hdus: fits.HDUList) -> None:
    """Leave a gap in the good time, and add phases and an event just after the end of the run."""
    events, gti = find_hdu(hdus, "events"), find_hdu(hdus, "gti")
    start, stop = float(gti.data["START"][0]), float(gti.data["STOP"][0])
    length = stop - start
    times = [[start, start + 0.6 * length], [start + 0.45 * length, stop]]  # START, STOP
    columns = [
        fits.Column(name, "D", unit="s", array=np.array(values))
        for name, values in zip(("START", "STOP"), times, strict=True)
    ]
    hdus[hdus.index_of("GTI")] = fits.BinTableHDU.from_columns(
        columns, header=gti.header, name="GTI"
    )
    events.data["TIME"][-1] = stop + 1.5
    phases = np.random.default_rng(4).uniform(-0.5, 0.5, len(events.data))
    column = fits.Column("PHASE", "D", array=phases)
    hdus[hdus.index_of("EVENTS")] = fits.BinTableHDU.from_columns(
        [*events.columns, column], header=events.header, name="EVENTS"
    )
    for key in ("ONTIME", "LIVETIME"):
        hdus["EVENTS"].header[key] *= 0.85


def reduce_both(
    folder: Path, monkeypatch: pytest.MonkeyPatch, select: str, make: str = MAKE
) -> tuple[Datasets, Datasets]:
    """Return the datasets of skyred and of the exported script."""
    monkeypatch.setenv("EXPORT_DATA", str(folder))
    pipeline = Pipeline.from_yaml(CONFIG.replace("SELECT", select).replace("MAKE", make))
    variables: dict[str, Any] = {"__name__": "exported"}
    exec(compile(pipeline.to_script(), "exported.py", "exec"), variables)
    return Orchestrator(pipeline).reduce(), variables["reduce_crab"]()


def assert_same(actual: Datasets, reference: Datasets) -> None:
    assert actual.names == reference.names
    assert sum(expected.counts.data.sum() for expected in reference) > 0
    for dataset, expected in zip(actual, reference, strict=True):
        np.testing.assert_array_equal(dataset.counts.data, expected.counts.data)
        if expected.stat_type == "wstat":
            np.testing.assert_array_equal(dataset.counts_off.data, expected.counts_off.data)
            np.testing.assert_allclose(dataset.alpha.data, expected.alpha.data, rtol=1e-6)
        np.testing.assert_allclose(dataset.exposure.data, expected.exposure.data, rtol=1e-6)
        spans = [gti.time_sum.to_value("s") for gti in (dataset.gti, expected.gti)]
        assert spans[0] == pytest.approx(spans[1], rel=1e-9)


def times_in_first_run(folder: Path, *fractions: float) -> list[str]:
    """Return times within the first run in UTC, as fractions of its duration."""
    gti = DataStore.from_dir(folder).get_observations()[0].gti
    start, stop = gti.time_start[0], gti.time_stop[-1]
    times = start + (stop - start) * np.array(fractions)
    return [time.utc.isot for time in Time(times, precision=6)]


def test_events_outside_the_good_time_are_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    actual, reference = reduce_both(folder, monkeypatch, "[]")
    assert_same(actual, reference)


def test_runs_are_cut_to_one_window(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, stop = times_in_first_run(folder, 0.2, 0.8)
    select = f"[{{kind: time-window, start: {start}, stop: {stop}}}]"
    actual, reference = reduce_both(folder, monkeypatch, select)
    assert len(actual) == 1
    assert_same(actual, reference)


@pytest.mark.parametrize("fractions", [(0.2, 0.5, 0.3, 0.9), (0.1, 0.9, 0.7, 2)])
def test_two_overlapping_windows_are_both_applied(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fractions: tuple[float, ...]
) -> None:
    # gammapy's `Observations.select_time` replaces an earlier selection
    ends = times_in_first_run(folder, *fractions)
    select = ", ".join(
        f"{{kind: time-window, start: {start}, stop: {stop}}}"
        for start, stop in (ends[:2], ends[2:])
    )
    assert_same(*reduce_both(folder, monkeypatch, f"[{select}]"))


def test_runs_are_cut_to_a_window_that_begins_just_before_a_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, stop = times_in_first_run(folder, -0.002, 0.8)
    select = f"[{{kind: time-window, start: {start}, stop: {stop}}}]"
    assert_same(*reduce_both(folder, monkeypatch, select))


@pytest.mark.parametrize("partial", ["true", "false"])
def test_uncut_runs_within_several_windows_are_selected(
    folder: Path, monkeypatch: pytest.MonkeyPatch, partial: str
) -> None:
    ends = times_in_first_run(folder, -0.1, 1.1, 1.2, 50)
    windows = [f"{{start: {ends[i]}, stop: {ends[i + 1]}}}" for i in (0, 2)]
    select = (
        f"[{{kind: time-window, cut: false, partial: {partial}, windows: [{', '.join(windows)}]}}]"
    )
    assert_same(*reduce_both(folder, monkeypatch, select))


@pytest.mark.parametrize("cut", ["true", "false"])
def test_same_runs_are_selected_with_an_inexact_index(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cut: str
) -> None:
    inexact = tmp_path / "archive"
    shutil.copytree(folder, inexact)
    index = Table.read(inexact / "obs-index.fits.gz")
    for name in ("TSTART", "TSTOP"):
        index[name] = index[name] - 1.5 * u.s  # before the window
    index.write(inexact / "obs-index.fits.gz", overwrite=True)
    (start,) = times_in_first_run(folder, 0.996)
    select = f"[{{kind: time-window, start: {start}, cut: {cut}}}]"
    actual, reference = reduce_both(inexact, monkeypatch, select)
    assert len(actual) == (2 if cut == "true" else 1)
    assert_same(actual, reference)


def test_same_runs_are_selected_without_times_in_the_index(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    shutil.copytree(folder, archive)
    index = Table.read(archive / "obs-index.fits.gz")
    index.remove_columns(["TSTART", "TSTOP"])
    index.write(archive / "obs-index.fits.gz", overwrite=True)
    (stop,) = times_in_first_run(folder, 0.4)
    actual, reference = reduce_both(archive, monkeypatch, f"[{{kind: time-window, stop: {stop}}}]")
    assert len(actual) == 1
    assert_same(actual, reference)


@pytest.mark.slow
def test_phases_of_cut_runs_agree(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, stop = times_in_first_run(folder, 0.1, 0.8)
    select = f"[{{kind: time-window, start: {start}, stop: {stop}}}]"
    assert_same(*reduce_both(folder, monkeypatch, select, PHASES))
    assert_same(*reduce_both(folder, monkeypatch, "[]", PHASES))


def test_uncompressed_index_is_opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    shutil.copytree(folder, archive)
    for name in ("hdu-index.fits", "obs-index.fits"):
        with gzip.open(archive / f"{name}.gz") as compressed:
            (archive / name).write_bytes(compressed.read())
        (archive / f"{name}.gz").unlink()
    assert_same(*reduce_both(archive, monkeypatch, "[]"))
    monkeypatch.setenv("EXPORT_DATA", str(archive / "hdu-index.fits"))
    Pipeline.from_yaml(CONFIG.replace("SELECT", "[]").replace("MAKE", MAKE)).to_script()


@pytest.mark.parametrize(
    "archive",
    ["$EXPORT_DATA/data", "$EXPORT_DATA/data/*.fits.gz",
     "$EXPORT_DATA/hdu-index*", "[$EXPORT_DATA, $EXPORT_DATA]",
     "$EXPORT_DATA/obs-index.fits.gz", "'sim:crab'"],
)  # fmt: skip
def test_archives_without_a_single_index_are_rejected(
    folder: Path, monkeypatch: pytest.MonkeyPatch, archive: str
) -> None:
    monkeypatch.setenv("EXPORT_DATA", str(folder))
    config = CONFIG.replace("$EXPORT_DATA", archive).replace("SELECT", "[]").replace("MAKE", MAKE)
    message = "plain gammapy can only open a single folder with index files"
    with pytest.raises(ExportError, match=message) as excinfo:
        Pipeline.from_yaml(config).to_script()
    assert str(excinfo.value).count("plain gammapy") == 1


def test_missing_archive_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPORT_DATA", str(folder))
    pipeline = Pipeline.from_yaml(CONFIG.replace("SELECT", "[]").replace("MAKE", MAKE))
    monkeypatch.setenv("EXPORT_DATA", str(folder / "missing"))
    with pytest.raises(ExportError, match=r"reads \$EXPORT_DATA: no such file or folder"):
        pipeline.to_script()


@pytest.mark.parametrize(
    "options",
    ["start: 2020-01-01, width: 10 min",
     "windows: [{start: 2020-01-01, stop: 2020-01-02}, {start: 2020-01-03, stop: 2020-01-04}]"],
)  # fmt: skip
def test_parts_of_runs_are_rejected(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    monkeypatch.setenv("EXPORT_DATA", str(folder))
    select = f"[{{kind: time-window, {options}}}]"
    with pytest.raises(ExportError, match="divides runs into parts; only one window"):
        Pipeline.from_yaml(CONFIG.replace("SELECT", select).replace("MAKE", MAKE)).to_script()


LIGHT_CURVES = """
model:
  - kind: source
    name: crab
    spectral: {type: pl, index: 2.6, amplitude: 4e-11 cm-2 s-1 TeV-1}
estimate:
  - {kind: light-curve, name: runs, source: crab, columns: []}
  - {kind: light-curve, name: equal, source: crab, columns: [], by: interval, width: 200 s}
  - {kind: light-curve, name: counted, source: crab, columns: [], by: interval, width: 1000 s, start: EARLY}
  - kind: light-curve
    name: intervals
    source: crab
    columns: []
    by: interval
    intervals: [{start: FIRST, stop: MIDDLE tt}, {start: MIDDLE tt, stop: LAST tai}]
"""  # noqa: E501


@pytest.mark.slow
def test_light_curves_agree(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gtis = [observation.gti for observation in DataStore.from_dir(folder).get_observations()]
    middle = gtis[0].time_stop[-1] + 1 * u.s
    times = {
        "EARLY": (middle - 300 * u.d).utc,  # not a multiple of the width, and long before
        "FIRST": gtis[0].time_start[0].utc - 1 * u.ms,
        "MIDDLE": middle.tt,
        "LAST": gtis[1].time_stop[-1].tai + 1 * u.ms,
    }
    config = CONFIG.replace("SELECT", "[]").replace("MAKE", MAKE) + LIGHT_CURVES
    for name, time in times.items():
        config = config.replace(name, Time(time, precision=6).isot)
    monkeypatch.setenv("EXPORT_DATA", str(folder))
    pipeline = Pipeline.from_yaml(config)
    variables: dict[str, Any] = {"__name__": "exported"}
    exec(compile(pipeline.to_script(), "exported.py", "exec"), variables)
    datasets = variables["reduce_crab"]()
    datasets.models = variables["build_models"](datasets)
    for estimator in pipeline.estimate:
        product = estimator.estimate(datasets, None)
        variables[f"estimate_{estimator.label}"](datasets, tmp_path)
        expected = Table.read(tmp_path / f"{estimator.label}.ecsv")
        actual = product.flux.to_table(format="lightcurve", sed_type="flux")
        actual = actual[np.isfinite(actual["flux"]).ravel()]  # gammapy omits intervals without data
        assert len(actual) == len(expected) > 0, estimator.label
        for name in ("time_min", "time_max"):
            np.testing.assert_allclose(actual[name], expected[name], rtol=0, atol=1e-9)
        np.testing.assert_allclose(actual["flux"], expected["flux"], rtol=1e-3)
