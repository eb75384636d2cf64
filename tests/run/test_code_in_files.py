"""Code in input files and run folders is not executed: an error is raised instead."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from gammapy.maps import Map

import small_datasets as small
from skyred import Orchestrator, Pipeline, ReducedData, Result
from skyred.errors import ArchiveError, OutputError
from skyred.fields import Location, Regions
from skyred.result.dataset_files import write_datasets
from toys import ToyEstimator, toy_pipeline, toy_plugins

# both create the file "executed" if they are executed
EXPRESSION = "open('executed', 'w') and (20, 20)"
TAG = "!!python/object/apply:builtins.open ['executed', 'w']"


@pytest.fixture(autouse=True)
def check_that_no_code_is_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path("executed").exists()


def insert_expression(path: Path, hdu: str | int) -> None:
    with fits.open(path) as hdus:
        hdus[hdu].header["WCSSHAPE"] = EXPRESSION
        hdus.writeto(path, overwrite=True)


def reduce_datasets(location: Path) -> Any:
    pipeline = Pipeline(data={"other": ReducedData(datasets=[str(location)])})
    return Orchestrator(pipeline, plugins=toy_plugins()).reduce()


def write_index(folder: Path) -> Path:
    """Write a map dataset, and return the path of its `datasets.yaml`."""
    write_datasets(folder, [small.map_dataset()])
    return folder / "datasets.yaml"


def write_spectrum(path: Path) -> None:
    dataset = small.spectrum_on_off("x")
    dataset.exposure.meta = {"livetime": 100 * small.u.s}
    dataset.write(path, format="ogip")


# -- input files -----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
@pytest.mark.parametrize("hdu", ["COUNTS", "PSF", "MASK_SAFE"])
def test_dataset_with_code_is_rejected(tmp_path: Path, hdu: str, suffix: str) -> None:
    path = write_index(tmp_path)
    insert_expression(tmp_path / "map.fits", hdu)
    if suffix == ".fits.gz":
        content = gzip.compress((tmp_path / "map.fits").read_bytes())
        (tmp_path / "map.fits.gz").write_bytes(content)
        path.write_text(path.read_text().replace("map.fits", "map.fits.gz"))
    with pytest.raises(ArchiveError, match=r"data.other: .*map.fits.* has the card WCSSHAPE"):
        reduce_datasets(path)


@pytest.mark.parametrize("part", ["", "_bkg", "_arf", "_rmf"])
def test_spectrum_and_its_files_with_code_are_rejected(tmp_path: Path, part: str) -> None:
    write_spectrum(tmp_path / "pha_x.fits")
    insert_expression(tmp_path / f"pha_x{part}.fits", -1)
    with pytest.raises(ArchiveError, match=rf"pha_x{part}.fits has the card WCSSHAPE"):
        reduce_datasets(tmp_path / "pha_x.fits")


def test_exclusion_mask_with_code_is_rejected(tmp_path: Path) -> None:
    Map.from_geom(small.image_geom(), data=np.ones((20, 20))).write(tmp_path / "mask.fits")
    insert_expression(tmp_path / "mask.fits", 0)
    (problem,) = Regions((Location(tmp_path / "mask.fits"),)).problems("exclude")
    assert "has the card WCSSHAPE" in str(problem)


@pytest.mark.parametrize("name", ["../map.fits", "{folder}/map.fits", "$HOME/map.fits"])
def test_index_with_a_file_outside_its_folder_is_rejected(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    path = write_index(tmp_path / "in")
    write_index(tmp_path)
    path.write_text(path.read_text().replace("map.fits", name.format(folder=tmp_path)))
    with pytest.raises(
        ArchiveError, match=r"data.other: .* refers to .*; expected a file in the same folder"
    ):
        reduce_datasets(path)


@pytest.mark.parametrize("card", ["BACKFILE", "ANCRFILE", "RESPFILE"])
def test_spectrum_with_a_file_outside_its_folder_is_rejected(tmp_path: Path, card: str) -> None:
    write_spectrum(tmp_path / "pha_x.fits")
    fits.setval(tmp_path / "pha_x.fits", card, value="/etc/passwd", extname="SPECTRUM")
    with pytest.raises(
        ArchiveError, match="refers to '/etc/passwd'; expected a file in the same folder"
    ):
        reduce_datasets(tmp_path / "pha_x.fits")


def test_yaml_tag_in_an_index_is_rejected(tmp_path: Path) -> None:
    path = write_index(tmp_path)
    path.write_text(path.read_text() + f"\nmore: {TAG}\n")
    with pytest.raises(ArchiveError, match="could not determine a constructor for the tag"):
        reduce_datasets(path)


# -- run folders -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = tmp_path_factory.mktemp("run")
    pipeline = Pipeline(
        data={"other": ReducedData(datasets=[str(write_index(parent))])},
        model=toy_pipeline().model,
        estimate=[ToyEstimator()],
    )
    Orchestrator(pipeline, plugins=toy_plugins()).run(parent / "run")
    return parent / "run"


@pytest.fixture
def folder(tmp_path: Path, run_folder: Path) -> Path:
    """Return a copy of the run folder."""
    return shutil.copytree(run_folder, tmp_path / "run")


def add_tag(path: Path) -> None:
    path.write_text(path.read_text() + f"\nmore: {TAG}\n")


def add_template(folder: Path) -> None:
    Map.from_geom(small.image_geom(), data=np.ones((20, 20))).write(folder / "template.fits")
    insert_expression(folder / "template.fits", 0)
    models_yaml = (folder / "models.yaml").read_text()
    spatial = "    spatial: {type: TemplateSpatialModel, filename: template.fits}\n"
    position = models_yaml.index("    type: SkyModel\n")
    (folder / "models.yaml").write_text(models_yaml[:position] + spatial + models_yaml[position:])


def add_estimate(folder: Path) -> None:
    Map.from_geom(small.image_geom(), data=np.ones((20, 20))).write(
        folder / "estimates" / "map.fits"
    )
    insert_expression(folder / "estimates" / "map.fits", 0)


def add_name_outside_the_folder(folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_text(
        path.read_text().replace("- kind: toy-total\n", "- kind: toy-total\n    name: ../x\n")
    )


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "dataset": (lambda run: insert_expression(run / "datasets" / "map.fits", "COUNTS"), "WCSSHAPE"),
    "template": (add_template, "WCSSHAPE"),
    "estimate": (add_estimate, "WCSSHAPE"),
    "name": (add_name_outside_the_folder, "invalid value '../x'"),
    "index": (lambda run: add_tag(run / "datasets" / "datasets.yaml"), "for the tag"),
    "models": (lambda run: add_tag(run / "models.yaml"), "for the tag"),
    "observation log": (
        lambda run: (run / "observations.ecsv").write_text(
            f"# %ECSV 1.0\n# ---\n# meta: {TAG}\na\n"
        ),
        "unable to parse yaml in meta header",
    ),
    "report": (lambda run: (run / "report.json").write_text(f"{{{TAG}}}"), "JSONDecodeError"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_run_folder_with_code_is_rejected(folder: Path, name: str) -> None:
    change, message = CHANGES[name]
    change(folder)
    with pytest.raises(OutputError, match=f"run cannot be read: .*({message})"):
        Result.read(folder, plugins=toy_plugins(), verify=False)


def test_tags_in_fit_and_configuration_are_not_executed(folder: Path) -> None:
    (folder / "config.yaml").write_text(f"data: {{}}\nmore: {TAG}\n")
    assert Result.read(folder, plugins=toy_plugins(), verify=False).estimates == {}
    (folder / "fit.yaml").write_text(f"names: {TAG}\n")
    with pytest.raises(OutputError, match="cannot be read"):
        Result.read(folder, plugins=toy_plugins(), verify=False)


# -- changed and missing files ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["datasets/map.fits", "config.yaml", "report.json"])
def test_changed_file_is_reported(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    message = rf"{name} does not match SHA256SUMS.*verify=False\) reads it without this check"
    with pytest.raises(OutputError, match=message):
        Result.read(folder, plugins=toy_plugins())


def test_missing_or_truncated_dataset_is_reported(folder: Path) -> None:
    path = folder / "datasets" / "map.fits"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 7])
    for verify, message in ((True, "does not match SHA256SUMS"), (False, "is truncated")):
        with pytest.raises(OutputError, match=message):
            Result.read(folder, plugins=toy_plugins(), verify=verify)
    path.unlink()
    for verify, message in ((True, "map.fits is missing"), (False, "which does not exist")):
        with pytest.raises(OutputError, match=message):
            Result.read(folder, plugins=toy_plugins(), verify=verify)


@pytest.mark.parametrize("removed_name", ["", "config.yaml"])
def test_truncated_checksum_file_is_rejected(folder: Path, removed_name: str) -> None:
    sums = folder / "SHA256SUMS"
    lines = [
        line
        for line in sums.read_text().splitlines(True)
        if removed_name and removed_name not in line
    ]
    sums.write_text("".join(lines))
    with pytest.raises(OutputError, match=r"SHA256SUMS does not list config\.yaml"):
        Result.read(folder, plugins=toy_plugins())


def test_folder_without_checksums_is_read_with_a_warning(folder: Path) -> None:
    from skyred.errors import SkyredWarning

    (folder / "SHA256SUMS").unlink()
    with pytest.warns(SkyredWarning, match="run has no SHA256SUMS"):
        result = Result.read(folder, plugins=toy_plugins())
    assert json.loads((folder / "report.json").read_text())["digest"] == result.digest
