"""Names of functions and constants in a script, for any names in the pipeline."""

import ast
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from regions import Regions

from skyred import Pipeline
from skyred.export import export
from small_datasets import map_dataset, spectrum_on_off

ENTRY = """
    archive: $EXPORT_DATA
    geometry: {kind: map, center: [83.6 deg, 22 deg], width: 1 deg,
               energy: {edges: [1 TeV, 10 TeV]}, energy_true: {edges: [0.5 TeV, 20 TeV]}}
    make: [{kind: map}]
    stack: {kind: sum}"""
REGION = '"icrs; circle(83.63, 22.01, 0.1)"'


@pytest.fixture(autouse=True)
def set_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a folder with an empty index as the archive."""
    monkeypatch.setenv("EXPORT_DATA", str(tmp_path))
    (tmp_path / "hdu-index.fits.gz").touch()


def data_section(*names: str) -> str:
    return "data:" + "".join(f"\n  {name}:{ENTRY}" for name in names)


def function_names(script: str) -> list[str]:
    """Return the names of the functions of a script, and check that they are unique."""
    names = [node.name for node in ast.parse(script).body if isinstance(node, ast.FunctionDef)]
    assert max(Counter(names).values()) == 1
    return names


def functions_called_by_main(script: str) -> list[str]:
    """Return the sorted names of the functions that `main` calls."""
    main = next(node for node in ast.parse(script).body if getattr(node, "name", "") == "main")
    calls = [node.func for node in ast.walk(main) if isinstance(node, ast.Call)]
    return sorted(function.id for function in calls if isinstance(function, ast.Name))


def execute_definitions(script: str) -> dict[str, Any]:
    """Return the namespace of a script after it is imported, so that `main` is not called."""
    variables: dict[str, Any] = {"__name__": "exported"}
    exec(compile(script, "exported.py", "exec"), variables)
    return variables


@pytest.mark.parametrize("names", [("a-b", "a_b"), ("Crab", "crab"), ("a.b", "a+b", "A_b")])
def test_entries_with_similar_names_have_different_functions(names: tuple[str, ...]) -> None:
    script = Pipeline.from_yaml(data_section(*names)).to_script()
    script_names = [name for name in function_names(script) if name.startswith("reduce_")]
    assert len(script_names) == len(names)
    called_functions = [
        name for name in functions_called_by_main(script) if name.startswith("reduce_")
    ]
    assert called_functions == sorted(script_names)


def test_estimates_with_similar_names_are_called_once() -> None:
    estimates = "\n".join(f"  - {{kind: excess-map, name: {name}}}" for name in ("sed-1", "sed_1"))
    script = Pipeline.from_yaml(f"{data_section('a')}\nestimate:\n{estimates}").to_script()
    script_names = [name for name in function_names(script) if name.startswith("estimate_")]
    assert len(script_names) == 2
    called_functions = [
        name for name in functions_called_by_main(script) if name.startswith("estimate_")
    ]
    assert called_functions == sorted(script_names)


@pytest.fixture
def dataset_files(tmp_path: Path) -> None:
    Datasets([map_dataset("map")]).write(tmp_path / "datasets.yaml")
    spectrum = spectrum_on_off("spectrum")
    spectrum.exposure.meta["livetime"] = 1 * u.h  # stored in OGIP files
    spectrum.write(tmp_path / "pha.fits", format="ogip")


@pytest.mark.usefixtures("dataset_files")
def test_reduced_data_with_unusual_names_are_read_with_their_fit_range() -> None:
    script = Pipeline.from_yaml(f"""
data:
  datasets:
    datasets: $EXPORT_DATA/datasets.yaml
    names: entry
    fit_range: {{energy: [1 TeV, 5 TeV]}}
  spectra: {{datasets: [$EXPORT_DATA/pha.fits], fit_range: {{energy: [2 TeV, 5 TeV]}}}}
  2021: {{datasets: $EXPORT_DATA/datasets.yaml, names: entry, fit_range: {{region: {REGION}}}}}
  2022:
    datasets: $EXPORT_DATA/datasets.yaml
    names: entry
    fit_range: {{energy: [1 TeV, 5 TeV], region: {REGION}}}
""").to_script()
    function_names(script)
    variables = execute_definitions(script)
    names = [name for name in functions_called_by_main(script) if name.startswith("read_")]
    datasets = {dataset.name: dataset for name in names for dataset in variables[name]()}
    assert set(datasets) == {"datasets-1", "spectra-1", "2021-1", "2022-1"}
    geom = datasets["2021-1"].counts.geom
    energy_mask = geom.energy_mask(1 * u.TeV, 5 * u.TeV).data
    region_mask = geom.region_mask(Regions.parse(REGION.strip('"'), format="ds9")).data
    assert 0 < (energy_mask & region_mask).sum() < min(energy_mask.sum(), region_mask.sum())
    np.testing.assert_array_equal(datasets["datasets-1"].mask_fit.data, energy_mask)
    np.testing.assert_array_equal(datasets["2021-1"].mask_fit.data, region_mask)
    np.testing.assert_array_equal(datasets["2022-1"].mask_fit.data, energy_mask & region_mask)


@pytest.mark.parametrize("source", ['x"y\\.yaml', "x'y.yaml", '"""quoted""".yaml', "a/b.c.yaml"])
def test_name_of_the_file_is_quoted_in_the_script(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = export(Pipeline.from_yaml(data_section("2021")), source)
    name = source.rsplit("/", 1)[-1]
    assert f"The analysis of {name} in plain gammapy." in str(ast.get_docstring(ast.parse(script)))
    variables = execute_definitions(script)
    variables |= {name: lambda *_: Datasets() for name in ("reduce_2021", "fit_models")}
    monkeypatch.setattr(sys, "argv", ["script.py"])
    monkeypatch.chdir(tmp_path)
    variables["main"]()
    assert (tmp_path / f"{name.removesuffix('.yaml')}-gammapy" / "datasets.yaml").exists()
