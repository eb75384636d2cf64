"""The command check reads reduced datasets, and reports what a run reports."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from astropy.table import Table
from click.testing import CliRunner, Result
from gammapy.datasets import Datasets

import small_datasets as small
from skyred import Orchestrator, Pipeline
from skyred.cli import main
from skyred.errors import SkyredError

Damage = Callable[[Path], object]


def check(path: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["check", str(path), *args])


def configuration(folder: Path, **entries: str) -> Path:
    lines = [f"  {name}: {{datasets: {location}}}\n" for name, location in entries.items()]
    path = folder / "analysis.yaml"
    path.write_text("data:\n" + "".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def valid_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with datasets in all formats; do not change them."""
    folder = tmp_path_factory.mktemp("datasets")
    makers = (small.map_dataset, small.map_on_off, small.flux_points)
    Datasets([make() for make in makers]).write(folder / "datasets.yaml")
    small.map_dataset("single").write(folder / "single.fits")
    on_off = small.spectrum_on_off("run7")
    on_off.exposure.meta = {"livetime": 100 * small.u.s}
    on_off.write(folder / "pha_obsrun7.fits", format="ogip")
    small.flux_points("table").data.to_table().write(folder / "points.ecsv", format="ascii.ecsv")
    return folder


@pytest.fixture
def folder(valid_files: Path, tmp_path: Path) -> Path:
    """Return a copy of the datasets, which can be damaged."""
    return Path(shutil.copytree(valid_files, tmp_path / "copy"))


FILES = ("datasets.yaml", "single.fits", "pha_obsrun7.fits", "points.ecsv")


def test_datasets_in_all_formats_are_read(folder: Path) -> None:
    entries = {f"entry-{number}": f"{folder}/{name}" for number, name in enumerate(FILES)}
    outcome = check(configuration(folder, **entries))
    assert outcome.exit_code == 0, outcome.output
    assert "data.entry-0: 3 datasets can be read\n" in outcome.stdout
    for number in (1, 2, 3):
        assert f"data.entry-{number}: 1 dataset can be read\n" in outcome.stdout


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4000])


def rename_column(path: Path) -> None:
    table = Table.read(path)
    table.rename_column("dnde", "flux_density")
    table.write(path, format="ascii.ecsv", overwrite=True)


def remove(name: str) -> Damage:
    return lambda path: (path.parent / name).unlink()


DAMAGE_CASES: dict[str, tuple[str, Damage]] = {
    "index with a missing file": (
        "datasets.yaml",
        remove("map.fits"),
    ),
    "index with a truncated file": (
        "datasets.yaml",
        lambda path: truncate(path.parent / "map.fits"),
    ),
    "index that is not YAML": ("datasets.yaml", lambda path: path.write_text("{", "utf-8")),
    "index without datasets": ("datasets.yaml", lambda path: path.write_text("a: 1", "utf-8")),
    "truncated map": ("single.fits", truncate),
    "map that is not FITS": ("single.fits", lambda path: path.write_text("no", "utf-8")),
    "spectrum without its IRFs": ("pha_obsrun7.fits", remove("pha_obsrun7_arf.fits")),
    "truncated spectrum": ("pha_obsrun7.fits", truncate),
    "flux points without a column": ("points.ecsv", rename_column),
}


@pytest.mark.parametrize("name", DAMAGE_CASES)
def test_unreadable_datasets_are_reported_as_in_a_run(folder: Path, name: str) -> None:
    file, damage = DAMAGE_CASES[name]
    damage(folder / file)
    path = configuration(folder, bad=f"{folder}/{file}")
    with pytest.raises(SkyredError) as raised:
        Orchestrator(Pipeline.from_yaml(path)).reduce()
    outcome = check(path)
    assert outcome.exit_code == raised.value.exit_code == 2
    assert str(raised.value) in outcome.stderr
    assert "Traceback" not in outcome.output
    assert check(path, "--no-data").exit_code == 0


def test_faults_of_all_entries_are_reported(folder: Path) -> None:
    truncate(folder / "single.fits")
    rename_column(folder / "points.ecsv")
    path = configuration(
        folder,
        map=f"{folder}/single.fits",
        points=f"{folder}/points.ecsv",
        good=f"{folder}/datasets.yaml",
    )
    outcome = check(path)
    assert outcome.exit_code == 2
    assert "data.map: " in outcome.stderr
    assert "data.points: " in outcome.stderr
    assert "data.good: 3 datasets can be read" in outcome.stdout


def test_datasets_with_the_same_name_are_reported(folder: Path) -> None:
    (folder / "copy.fits").write_bytes((folder / "single.fits").read_bytes())
    path = configuration(folder, a=f"{folder}/single.fits", b=f"{folder}/copy.fits")
    with pytest.raises(SkyredError) as raised:
        Orchestrator(Pipeline.from_yaml(path)).reduce()
    outcome = check(path)
    assert outcome.exit_code == 2
    assert str(raised.value) in outcome.stderr


def test_fit_range_without_bins_is_reported_as_in_a_run(folder: Path) -> None:
    path = configuration(folder, points=f"{folder}/points.ecsv")
    content = path.read_text("utf-8").replace("ecsv}", "ecsv, fit_range: {energy: [1 PeV, 2 PeV]}}")
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SkyredError) as raised:
        Orchestrator(Pipeline.from_yaml(path)).reduce()
    outcome = check(path)
    assert outcome.exit_code == 2
    assert str(raised.value) in outcome.stderr
