"""The functions and constants of a script, whatever the parts of the pipeline are called."""

import ast
import keyword
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from hypothesis import given, settings, strategies as st
from regions import Regions

from skyred import Pipeline
from skyred.export import export
from skyred.scripting import Script
from small_datasets import map_dataset, spectrum_on_off

ARCHIVED = """
    archive: $EXPORT_DATA
    geometry: {kind: map, center: [83.6 deg, 22 deg], width: 1 deg,
               energy: {edges: [1 TeV, 10 TeV]}, energy_true: {edges: [0.5 TeV, 20 TeV]}}
    make: [{kind: map}]
    stack: {kind: sum}"""
REGION = '"icrs; circle(83.63, 22.01, 0.1)"'
NAMES = st.from_regex(r"[A-Za-z0-9_][\w.+-]{0,8}", fullmatch=True).filter(str.isascii)


@pytest.fixture(autouse=True)
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder in the place of an archive."""
    monkeypatch.setenv("EXPORT_DATA", str(tmp_path))


def entries(*names: str) -> str:
    return "data:" + "".join(f"\n  {name}:{ARCHIVED}" for name in names)


def functions(text: str) -> list[str]:
    """Name the functions of a script, which must all be different."""
    names = [each.name for each in ast.parse(text).body if isinstance(each, ast.FunctionDef)]
    assert max(Counter(names).values()) == 1
    return names


def called(text: str) -> list[str]:
    """Name what `main` calls, in order."""
    main = next(each for each in ast.parse(text).body if getattr(each, "name", "") == "main")
    calls = [each.func for each in ast.walk(main) if isinstance(each, ast.Call)]
    return sorted(each.id for each in calls if isinstance(each, ast.Name))


def namespace(text: str) -> dict[str, Any]:
    """Give what a script defines; nothing is run."""
    held: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "exported.py", "exec"), held)
    return held


@pytest.mark.parametrize("names", [("a-b", "a_b"), ("Crab", "crab"), ("a.b", "a+b", "A_b")])
def test_entries_of_like_names_have_functions_of_their_own(names: tuple[str, ...]) -> None:
    text = Pipeline.from_yaml(entries(*names)).to_script()
    made = [each for each in functions(text) if each.startswith("reduce_")]
    assert len(made) == len(names)
    assert [each for each in called(text) if each.startswith("reduce_")] == sorted(made)


def test_estimates_of_like_names_are_each_made_once() -> None:
    estimates = "\n".join(f"  - {{kind: excess-map, name: {n}}}" for n in ("sed-1", "sed_1"))
    text = Pipeline.from_yaml(f"{entries('a')}\nestimate:\n{estimates}").to_script()
    made = [each for each in functions(text) if each.startswith("estimate_")]
    assert len(made) == 2
    assert [each for each in called(text) if each.startswith("estimate_")] == sorted(made)


@pytest.fixture
def reduced(tmp_path: Path) -> None:
    Datasets([map_dataset("map")]).write(tmp_path / "datasets.yaml")
    spectrum = spectrum_on_off("spectrum")
    spectrum.exposure.meta["livetime"] = 1 * u.h  # which OGIP files hold
    spectrum.write(tmp_path / "pha.fits", format="ogip")


@pytest.mark.usefixtures("reduced")
def test_entries_called_like_their_reader_or_by_a_year_are_read_each_in_its_range() -> None:
    text = Pipeline.from_yaml(f"""
data:
  datasets: {{datasets: $EXPORT_DATA/datasets.yaml, fit_range: {{energy: [1 TeV, 5 TeV]}}}}
  spectra: {{datasets: [$EXPORT_DATA/pha.fits], fit_range: {{energy: [2 TeV, 5 TeV]}}}}
  2021: {{datasets: $EXPORT_DATA/datasets.yaml, fit_range: {{region: {REGION}}}}}
  2022:
    datasets: $EXPORT_DATA/datasets.yaml
    fit_range: {{energy: [1 TeV, 5 TeV], region: {REGION}}}
""").to_script()
    functions(text)
    held = namespace(text)
    found = [held[name]() for name in called(text) if name.startswith("read_")]
    read = {each.name: each for datasets in found for each in datasets}
    assert set(read) == {"datasets-1", "spectra-1", "2021-1", "2022-1"}
    geom = read["2021-1"].counts.geom
    energies = geom.energy_mask(1 * u.TeV, 5 * u.TeV).data
    region = geom.region_mask(Regions.parse(REGION.strip('"'), format="ds9")).data
    assert 0 < (energies & region).sum() < min(energies.sum(), region.sum())
    np.testing.assert_array_equal(read["datasets-1"].mask_fit.data, energies)
    np.testing.assert_array_equal(read["2021-1"].mask_fit.data, region)
    np.testing.assert_array_equal(read["2022-1"].mask_fit.data, energies & region)


@pytest.mark.parametrize("source", ['x"y\\.yaml', "x'y.yaml", '"""quoted""".yaml', "a/b.c.yaml"])
def test_a_file_of_any_name_is_exported(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = export(Pipeline.from_yaml(entries("2021")), source)
    name = source.rsplit("/", 1)[-1]
    assert f"The analysis of {name} in plain gammapy." in str(ast.get_docstring(ast.parse(text)))
    held = namespace(text)
    held |= {name: lambda *_: Datasets() for name in ("reduce_2021", "fit_models")}
    monkeypatch.setattr(sys, "argv", ["script.py"])
    monkeypatch.chdir(tmp_path)
    held["main"]()
    assert (tmp_path / f"{name.removesuffix('.yaml')}-gammapy" / "datasets.yaml").exists()


@settings(max_examples=30)
@given(st.lists(NAMES, max_size=5))
def test_functions_have_names_of_their_own(wishes: list[str]) -> None:
    script = Script()
    made = [script.name(wish) for wish in [*wishes, "main"]]
    made += [script.shared(f"{name}(x)", "Doc.", f"return {i}") for i, name in enumerate(made)]
    assert all(each.isidentifier() and not keyword.iskeyword(each) for each in made)
    assert len({*made, "main", "build_models", "fit_models"}) == len(made) + 3


@settings(max_examples=30)
@given(st.lists(NAMES, max_size=5, unique=True))
def test_constants_have_names_of_their_own(wishes: list[str]) -> None:
    script = Script()
    made = [script.constant(wish, str(i)) for i, wish in enumerate(wishes)]
    assert all(each.isidentifier() for each in made)
    assert len(set(made)) == len(made)


def test_a_shared_function_is_defined_once_for_all_that_are_alike() -> None:
    script = Script()
    made = [script.shared("add(x)", "Add.", f"return x + {n}") for n in (1, 2, 1)]
    assert made == ["add", "add_2", "add"]
    held = namespace(script.text(["Adds."]))
    assert [held[name](0) for name in made] == [1, 2, 1]
