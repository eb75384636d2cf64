"""The plugins in examples/plugins pass the conformance checks, and work in a run."""

from __future__ import annotations

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.maps import Map

from skyred import (
    ArchiveError,
    Component,
    ConfigError,
    EnergyAxis,
    Orchestrator,
    Pipeline,
    Plugins,
    Result,
)
from skyred.testing import check

FOLDER = Path(__file__).parents[1] / "examples" / "plugins"
FILES = sorted(FOLDER.glob("*.py"))
OPTIONS = {
    "sum-by-phase": {"period": "3.9 d", "reference": 53000.0},
    "dark-matter-line": {"mass": "2 TeV", "center": ["83.633 deg", "22.014 deg"]},
    "polite-processes": {"workers": 2},
    "like-map": {
        "file": "map.fits",
        "energy_true": EnergyAxis(min="0.3 TeV", max="20 TeV", bins=10),
    },
}
MAX_LINES = 100
TRUE_ENERGIES = "{min: 0.3 TeV, max: 20 TeV, bins: 10}"
CONFIG = """
data:
  crab:
    archive: sim:crab?runs=4&livetime=5min
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: 1 deg
      bin_size: 0.05 deg
      energy: {min: 0.5 TeV, max: 10 TeV, bins: 6}
      energy_true: {min: 0.3 TeV, max: 20 TeV, bins: 10}
    make:
      - {kind: map}
      - {kind: safe-mask, methods: [offset-max], offset_max: 2.5 deg}
    stack: {kind: sum}
"""


def load(name: str) -> Plugins:
    return Plugins.load(files=[FOLDER / f"{name}.py"])


def components(plugins: Plugins) -> dict[str, type[Component]]:
    """Return the components of a one-file plugin, by kind."""
    entries = [entry for entry in plugins.catalog if entry.owner.file]
    return {entry.cls.kind: entry.cls for entry in entries}


def pipeline(name: str, *overrides: str) -> Pipeline:
    return Pipeline.from_yaml(CONFIG, overrides=overrides, plugins=load(name))


def orchestrator(name: str, *overrides: str) -> Orchestrator:
    return Orchestrator(pipeline(name, *overrides), plugins=load(name))


def open_runs(location: str = "sim:crab?runs=4&livetime=5min") -> Any:
    return Plugins.load().open_archive(location).get_observations()


def write_map(path: Path, axes: bool = True) -> None:
    """Write a map on the geometry of the pipeline."""
    counts = Map.from_geom(pipeline("like_map").data["crab"].geometry.build())
    (counts if axes else counts.sum_over_axes(keepdims=False)).write(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_example_is_short_and_imports_only_the_public_api(path: Path) -> None:
    content = path.read_text("utf-8")
    assert len(content.splitlines()) < MAX_LINES
    imported = re.findall(r"^\s*(?:from|import) (skyred[\w.]*)", content, re.MULTILINE)
    assert set(imported) == {"skyred"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_example_is_on_its_page(path: Path) -> None:
    page = FOLDER.parents[1] / "docs" / "plugins" / "examples.md"
    assert f"../../examples/plugins/{path.name}\n" in page.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_components_pass_the_checks(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_map(Path("map.fits"))
    plugins = load(path.stem)
    plugins.raise_if_faulty()
    for kind, cls in components(plugins).items():
        check(cls(**OPTIONS.get(kind, {})))


def test_runs_in_moonlight_are_not_selected() -> None:
    # the simulated runs are in the nights of December 9 and 10, 2004, two days before new moon
    example = pipeline("dark_time", "data.crab.select=[{kind: dark-time}]")
    table = Orchestrator(example).select()["crab"]
    assert len(table) == 4
    selector = example.data["crab"].select[0]
    full_moon = table.copy()
    full_moon["TSTART"] += 15 * 86400.0
    full_moon["TSTOP"] += 15 * 86400.0
    assert len(selector.select(full_moon)) == 0
    assert len(selector.evolve(altitude_max="90 deg").select(full_moon)) == 4


def test_dataset_like_a_map_is_that_of_the_same_geometry(tmp_path: Path) -> None:
    write_map(tmp_path / "map.fits")
    geometry = f"{{kind: like-map, file: {tmp_path}/map.fits, energy_true: {TRUE_ENERGIES}}}"
    [dataset] = orchestrator("like_map", f"data.crab.geometry={geometry}").reduce()
    [expected] = orchestrator("like_map").reduce()
    assert dataset.name == expected.name
    assert dataset.counts.geom == expected.counts.geom
    for name in ("counts", "exposure", "background"):
        assert getattr(dataset, name).data.sum() > 0
        np.testing.assert_array_equal(getattr(dataset, name).data, getattr(expected, name).data)


def test_map_without_energies_is_an_error(tmp_path: Path) -> None:
    write_map(tmp_path / "image.fits", axes=False)
    geometry = f"{{kind: like-map, file: {tmp_path}/image.fits, energy_true: {TRUE_ENERGIES}}}"
    with pytest.raises(ConfigError, match=r"geometry\.file: the axes of the map are \[\]"):
        pipeline("like_map", f"data.crab.geometry={geometry}")


def test_energies_below_the_threshold_are_excluded() -> None:
    makers = "[{kind: map}, {kind: zenith-threshold, energy: 0.9 TeV, exponent: 3}]"
    overrides = (f"data.crab.make={makers}", "data.crab.stack={kind: keep}")
    datasets = orchestrator("zenith_threshold", *overrides).reduce()
    for dataset, run in zip(datasets, open_runs(), strict=True):
        zenith = run.get_pointing_altaz(run.tmid).zen
        threshold = 0.9 * u.TeV / np.cos(zenith) ** 3
        edges = dataset.counts.geom.axes["energy"].edges
        expected = edges[:-1] >= threshold
        assert list(dataset.mask_safe.data.any(axis=(1, 2))) == list(expected)
        assert not expected[0]


def test_each_phase_is_a_dataset_with_the_counts_of_its_runs() -> None:
    stack = "{kind: sum-by-phase, period: 1 h, reference: 53000, bins: 12, chunk: 1}"
    result = pipeline("orbital_phase", f"data.crab.stack={stack}").run(until="reduce")
    runs = open_runs()
    phases = [((run.tmid.tdb.mjd - 53000) * 24) % 1 for run in runs]
    counts = {outcome.obs_id: outcome.counts for outcome in result.outcomes}
    expected: dict[str, int] = {}
    for run, phase in zip(runs, phases, strict=True):
        name = f"crab-phase-{int(phase * 12):03d}"
        expected[name] = expected.get(name, 0) + counts[run.obs_id]
    assert len(expected) > 1
    assert {d.name: d.counts.data[d.mask_safe.data].sum() for d in result.datasets} == expected


@pytest.mark.slow
def test_line_is_fitted_and_read_back(tmp_path: Path) -> None:
    crab = (
        "{kind: source, name: crab, spectral: {type: pl, amplitude: 3e-11 cm-2 s-1 TeV-1}, "
        "spatial: {type: point, lon_0: 83.633 deg, lat_0: 22.014 deg, frame: icrs}}"
    )
    line = "{kind: dark-matter-line, name: line, mass: 2 TeV, center: [83.8 deg, 22.2 deg]}"
    overrides = (f"model=[{crab}, {line}]", "fit={kind: newton}")
    result = orchestrator("dark_matter_line", *overrides).run(tmp_path / "line", plots=False)
    assert result.fit.success
    index = result.fit.names.index("line.spectral.amplitude")
    assert abs(result.fit.values[index]) < 5 * result.fit.errors[index]  # there is no line
    spectrum = result.models["line"].spectral_model
    integral = spectrum.integral(1 * u.TeV, 3 * u.TeV)
    assert integral.to_value("cm-2 s-1") == pytest.approx(result.fit.values[index], rel=1e-3)
    loaded_result = Result.read(tmp_path / "line")
    assert loaded_result.models["line"].spectral_model.amplitude.value == spectrum.amplitude.value


@pytest.mark.slow
def test_results_of_the_engine_are_bit_identical() -> None:
    plugins = load("polite_processes")
    engine = components(plugins)["polite-processes"](workers=2)
    example = pipeline("polite_processes", "data.crab.stack.chunk=2")
    serial = Orchestrator(example, plugins=plugins).reduce()
    parallel = Orchestrator(example, plugins=plugins, engine=engine).reduce()
    assert serial[0].counts.data.tobytes() == parallel[0].counts.data.tobytes()
    assert serial[0].background.data.tobytes() == parallel[0].background.data.tobytes()
    with engine.open() as executor:
        assert executor.submit(os.nice, 0).result() == min(19, os.nice(0) + 10)


def test_archive_in_a_zip_file_gives_the_same_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    store = load("zip_archive").open_archive("sim:crab?runs=2&livetime=5min")
    folder = Path(store.hdu_table.meta["BASE_DIR"])
    path = tmp_path / "runs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*.fits*"):
            archive.write(file, Path("dl3") / file.relative_to(folder))
    locations = (f"zip:{path}", "sim:crab?runs=2&livetime=5min")
    [dataset], [expected] = (
        orchestrator("zip_archive", f"data.crab.archive={location}").reduce()
        for location in locations
    )
    assert dataset.counts.data.sum() > 0
    assert dataset.counts.data.tobytes() == expected.counts.data.tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"no zip", "not a valid zip file"), (b"", "not a valid zip file")],
    ids=["missing", "no zip file", "empty"],
)
def test_invalid_zip_file_is_an_error(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArchiveError, match=message):
        load("zip_archive").open_archive(f"zip:{path}")


def test_status_file_contains_the_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status.json"
    monkeypatch.setenv("SKYRED_STATUS", str(path))
    result = orchestrator("status_file").run(tmp_path / "run", until="reduce", plots=False)
    assert not result.provenance["watchers"]
    status = json.loads(path.read_text("utf-8"))
    assert status["state"] == "finished"
    assert status["error"] == ""
    assert status["observations"] == 4
    assert status["counts"] == {"reduced": 4}
    assert [step["step"] for step in status["finished"]] == ["select", "reduce"]
    assert list(tmp_path.glob("*.tmp")) == []


def test_run_without_status_file_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SKYRED_STATUS", raising=False)
    monkeypatch.chdir(tmp_path)
    orchestrator("status_file").run(until="select")
    assert list(tmp_path.iterdir()) == []
