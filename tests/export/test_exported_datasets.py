"""Exported scripts select and combine datasets that are read or kept by run, as skyred does."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from astropy.time import Time
from gammapy.data import GTI
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints

from skyred import Orchestrator, Pipeline
from skyred.components.estimators.scripted import write_runs as write_runs_of_script
from skyred.components.time_window import TimeWindow
from skyred.errors import ExportError, FitError
from skyred.export.good_time import write_good_time
from skyred.scripting import Script
from small_datasets import map_dataset

START = Time("2020-01-01T00:00:00", scale="tt")
MODEL = """
model:
  - kind: source
    name: crab
    spectral: {type: pl, index: 2.4, amplitude: 3e-12 cm-2 s-1 TeV-1}
    spatial: {type: point, lon_0: 83.653 deg, lat_0: 22.031 deg, frame: icrs}
estimate:
"""
POINTS = "{kind: flux-points, source: crab, energy_edges: [1 TeV, 10 TeV], columns: []"


def execute(pipeline: Pipeline) -> dict[str, Any]:
    """Return the functions of the exported script."""
    variables: dict[str, Any] = {"__name__": "exported"}
    exec(compile(pipeline.to_script(), "exported.py", "exec"), variables)
    return variables


def read_and_model(variables: dict[str, Any], *functions: str) -> Datasets:
    """Return the datasets of the exported script, with its models."""
    datasets = Datasets([dataset for name in functions for dataset in variables[name]()])
    datasets.models = variables["build_models"](datasets)
    return datasets


def assert_same_flux_points(pipeline: Pipeline, datasets: Datasets, folder: Path) -> None:
    """Run all estimators of a pipeline, and those of its exported script, on the same datasets."""
    variables = execute(pipeline)
    for estimator in pipeline.estimate:
        product = estimator.estimate(datasets, None)
        variables[f"estimate_{estimator.label}"](datasets, folder)
        expected = FluxPoints.read(folder / f"{estimator.label}.fits")
        np.testing.assert_allclose(
            product.flux.norm.data, expected.norm.data, rtol=1e-3, err_msg=estimator.label
        )
        np.testing.assert_allclose(
            np.nansum(product.flux.counts.data), np.nansum(expected.counts.data)
        )


@pytest.mark.slow
def test_datasets_of_a_file_are_selected_by_name(tmp_path: Path) -> None:
    names = ("hess-1", "hess-2", "magic[1]", "magic1")
    files = Datasets([map_dataset(name, seed=seed) for seed, name in enumerate(names)])
    files.write(tmp_path / "datasets.yaml")
    labels = {"prefix": "hess-*", "one": "hess-2", "brackets": '"magic[1]"', "all": '"*"'}
    lines = [
        f"  - {POINTS}, name: {label}, datasets: [{pattern}]}}" for label, pattern in labels.items()
    ]
    pipeline = Pipeline.from_yaml(
        f"data: {{all: {{datasets: {tmp_path}/datasets.yaml}}}}{MODEL}" + "\n".join(lines)
    )
    datasets = read_and_model(execute(pipeline), "read_all")
    assert tuple(datasets.names) == names
    assert_same_flux_points(pipeline, datasets, tmp_path)


@pytest.mark.slow
def test_one_of_several_maps_is_selected(tmp_path: Path) -> None:
    Datasets([map_dataset("hess-1"), map_dataset("hess-2", seed=7)]).write(
        tmp_path / "datasets.yaml"
    )
    config = f"""
data: {{all: {{datasets: {tmp_path}/datasets.yaml}}}}
estimate: [{{kind: excess-map, correlation_radius: 0.1 deg, datasets: NAMES}}]
"""
    pipeline = Pipeline.from_yaml(config.replace("NAMES", "[hess-2]"))
    variables = execute(pipeline)
    datasets = variables["read_all"]()
    maps = pipeline.estimate[0].estimate(datasets, None).maps
    variables["estimate_excess_map"](datasets, tmp_path)
    expected = type(maps).read(tmp_path / "excess-map.fits")
    np.testing.assert_allclose(maps.counts.data, expected.counts.data, rtol=1e-5)
    with pytest.raises(ExportError, match="does not use exactly one map dataset"):
        Pipeline.from_yaml(config.replace("NAMES", "['hess-*']")).to_script()


EDGES = ("[0.625 TeV, 2.5 TeV, 10 TeV]", "[2.5 TeV, 10 TeV]")
REDUCED = """
  NAME:
    archive: $EXPORT_DATA
    select: [{kind: observation-ids, ids: [ID]}]
    geometry:
      kind: spectrum
      on_region: "icrs; circle(83.633, 22.014, 0.3)"
      energy: {edges: EDGES}
      energy_true: {min: 0.3 TeV, max: 20 TeV, bins: 6}
    make: [{kind: spectrum, parts: [counts, exposure, background, edisp]}]
    stack: {kind: keep}
"""


@pytest.mark.slow
def test_runs_of_two_entries_are_selected(
    crab_archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EXPORT_DATA", str(crab_archive))
    ids = Table.read(crab_archive / "obs-index.fits.gz")["OBS_ID"].tolist()
    entries = [
        REDUCED.replace("NAME", name).replace("ID", str(run)).replace("EDGES", edges)
        for name, run, edges in zip(("hess", "magic"), ids, EDGES, strict=True)
    ]
    # one entry does not have the lower bin
    points = POINTS.replace("[1 TeV, 10 TeV]", EDGES[0])
    lines = f"  - {points}, datasets: ['hess-*', 'm*']}}\n"
    config = f"data:{''.join(entries)}{MODEL}{lines}".replace("    spatial", "    #")
    pipeline = Pipeline.from_yaml(config)
    datasets = read_and_model(execute(pipeline), "reduce_hess", "reduce_magic")
    assert datasets.names == Orchestrator(pipeline).reduce().names
    flux = pipeline.estimate[0].estimate(datasets, None).flux
    execute(pipeline)["estimate_flux_points"](datasets, tmp_path)
    expected = Table.read(tmp_path / "flux-points.ecsv")
    ours = flux.to_table(sed_type="dnde", format="gadf-sed")
    assert len(ours) == len(expected) == 2
    np.testing.assert_allclose(ours["dnde"], expected["dnde"], rtol=1e-3)


def write_runs(folder: Path, runs: Sequence[int], *limits: tuple[float, float]) -> Pipeline:
    """Write a dataset for each time range, and return the pipeline of their light curve."""
    datasets = Datasets()
    for index, (run, (start, stop)) in enumerate(zip(runs, limits, strict=True)):
        dataset = map_dataset(f"hess-{index}", seed=index)
        dataset.gti = GTI.create(start * u.s, stop * u.s, START)
        dataset.meta_table = Table({"TELESCOP": ["hess"], "OBS_ID": [run]})
        datasets.append(dataset)
    datasets.write(folder / "datasets.yaml")
    return Pipeline.from_yaml(
        f"data: {{all: {{datasets: {folder}/datasets.yaml}}}}{MODEL}"
        "  - {kind: light-curve, source: crab, columns: []}"
    )


@pytest.mark.slow
@pytest.mark.parametrize("runs", [(1, 1, 2), (1, 3, 2)], ids=["cut", "whole"])
def test_light_curve_by_run(tmp_path: Path, runs: Sequence[int]) -> None:
    pipeline = write_runs(tmp_path, runs, (0, 500), (600, 1000), (2000, 3000))
    variables = execute(pipeline)
    datasets = read_and_model(variables, "read_all")
    flux = pipeline.estimate[0].estimate(datasets, None).flux
    variables["estimate_light_curve"](datasets, tmp_path)
    expected = Table.read(tmp_path / "light-curve.ecsv")
    ours = flux.to_table(format="lightcurve", sed_type="flux")
    assert len(ours) == len(expected) == len(set(runs))
    for name in ("time_min", "time_max"):
        np.testing.assert_allclose(ours[name], expected[name], rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours["flux"], expected["flux"], rtol=1e-3)


@pytest.mark.parametrize("runs", [(1, 2), (1, 1)])
def test_datasets_that_start_together_and_stop_apart_are_rejected(
    tmp_path: Path, runs: Sequence[int]
) -> None:
    pipeline = write_runs(tmp_path, runs, (0, 1000), (0, 2000))
    variables = execute(pipeline)
    datasets = read_and_model(variables, "read_all")
    with pytest.raises(FitError, match="overlap in time"):
        pipeline.estimate[0].estimate(datasets, None)
    with pytest.raises(ValueError, match="Overlapping"):  # by gammapy
        variables["estimate_light_curve"](datasets, tmp_path)


def test_functions_are_called_by_their_new_names() -> None:
    script = Script()
    names = ("time_range", "get_run", "get_time_ranges", "get_seconds", "is_within")
    names += ("select_good_time", "cut_to_windows", "get_index_times")
    for name in names:
        script.shared(f"{name}()", "Fail: this is the function of a plugin.", "raise TypeError")
    script.cuts = [("START", "STOP")]
    write_runs_of_script(script)
    write_good_time(script)
    for cut in (True, False):
        TimeWindow(start="2020-01-01", cut=cut).write_script(script)
    script.function("main(datasets, observation)", "Use all functions.")
    names_in_use = [
        node.id
        for node in ast.walk(ast.parse(script.text(["Names."])))
        if isinstance(node, ast.Name)
    ]
    assert not set(names) & set(names_in_use)
    assert {f"{name}_2" for name in names} <= set(names_in_use)
