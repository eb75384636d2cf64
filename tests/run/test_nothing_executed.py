"""Crafted input, at every way into a run and out of a run folder: an error, and nothing else."""

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

ATTACK = "open('canary', 'w') and (20, 20)"
TAG = "!!python/object/apply:builtins.open ['canary', 'w']"


@pytest.fixture(autouse=True)
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look for the file that crafted code would make."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path("canary").exists()


def craft(path: Path, hdu: str | int) -> None:
    with fits.open(path) as hdus:
        hdus[hdu].header["WCSSHAPE"] = ATTACK
        hdus.writeto(path, overwrite=True)


def reduce_datasets(location: Path) -> Any:
    pipeline = Pipeline(data={"other": ReducedData(datasets=[str(location)])})
    return Orchestrator(pipeline, plugins=toy_plugins()).reduce()


def index(folder: Path) -> Path:
    write_datasets(folder, [small.map_dataset()])
    return folder / "datasets.yaml"


def spectrum(path: Path) -> None:
    dataset = small.spectrum_on_off("x")
    dataset.exposure.meta = {"livetime": 100 * small.u.s}
    dataset.write(path, format="ogip")


# -- what a run reads ------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
@pytest.mark.parametrize("hdu", ["COUNTS", "PSF", "MASK_SAFE"])
def test_a_dataset(tmp_path: Path, hdu: str, suffix: str) -> None:
    path = index(tmp_path)
    craft(tmp_path / "map.fits", hdu)
    if suffix == ".fits.gz":
        packed = gzip.compress((tmp_path / "map.fits").read_bytes())
        (tmp_path / "map.fits.gz").write_bytes(packed)
        path.write_text(path.read_text().replace("map.fits", "map.fits.gz"))
    with pytest.raises(ArchiveError, match=r"data.other: .*map.fits.* has the card WCSSHAPE"):
        reduce_datasets(path)


@pytest.mark.parametrize("part", ["", "_bkg", "_arf", "_rmf"])
def test_a_spectrum_and_its_companions(tmp_path: Path, part: str) -> None:
    spectrum(tmp_path / "pha_x.fits")
    craft(tmp_path / f"pha_x{part}.fits", -1)
    with pytest.raises(ArchiveError, match=rf"pha_x{part}.fits has the card WCSSHAPE"):
        reduce_datasets(tmp_path / "pha_x.fits")


def test_an_exclusion_mask(tmp_path: Path) -> None:
    Map.from_geom(small.image(), data=np.ones((20, 20))).write(tmp_path / "mask.fits")
    craft(tmp_path / "mask.fits", 0)
    (problem,) = Regions((Location(tmp_path / "mask.fits"),)).problems("exclude")
    assert "has the card WCSSHAPE" in str(problem)


@pytest.mark.parametrize("name", ["../map.fits", "{folder}/map.fits", "$HOME/map.fits"])
def test_an_index_that_leads_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    path = index(tmp_path / "in")
    index(tmp_path)
    path.write_text(path.read_text().replace("map.fits", name.format(folder=tmp_path)))
    with pytest.raises(
        ArchiveError, match=r"data.other: .* refers to .*; expected a file in the same folder"
    ):
        reduce_datasets(path)


@pytest.mark.parametrize("card", ["BACKFILE", "ANCRFILE", "RESPFILE"])
def test_a_spectrum_that_leads_elsewhere(tmp_path: Path, card: str) -> None:
    spectrum(tmp_path / "pha_x.fits")
    fits.setval(tmp_path / "pha_x.fits", card, value="/etc/passwd", extname="SPECTRUM")
    with pytest.raises(
        ArchiveError, match="refers to '/etc/passwd'; expected a file in the same folder"
    ):
        reduce_datasets(tmp_path / "pha_x.fits")


def test_a_tag_in_an_index(tmp_path: Path) -> None:
    path = index(tmp_path)
    path.write_text(path.read_text() + f"\nmore: {TAG}\n")
    with pytest.raises(ArchiveError, match="could not determine a constructor for the tag"):
        reduce_datasets(path)


# -- what a run folder holds -----------------------------------------------------------------


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = tmp_path_factory.mktemp("made")
    pipeline = Pipeline(
        data={"other": ReducedData(datasets=[str(index(archive))])},
        model=toy_pipeline().model,
        estimate=[ToyEstimator()],
    )
    Orchestrator(pipeline, plugins=toy_plugins()).run(archive / "run")
    return archive / "run"


@pytest.fixture
def folder(tmp_path: Path, run_folder: Path) -> Path:
    """Give a run folder."""
    return shutil.copytree(run_folder, tmp_path / "run")


def add_tag(path: Path) -> None:
    path.write_text(path.read_text() + f"\nmore: {TAG}\n")


def add_template(folder: Path) -> None:
    Map.from_geom(small.image(), data=np.ones((20, 20))).write(folder / "template.fits")
    craft(folder / "template.fits", 0)
    models_yaml = (folder / "models.yaml").read_text()
    spatial = "    spatial: {type: TemplateSpatialModel, filename: template.fits}\n"
    where = models_yaml.index("    type: SkyModel\n")
    (folder / "models.yaml").write_text(models_yaml[:where] + spatial + models_yaml[where:])


def add_estimate(folder: Path) -> None:
    Map.from_geom(small.image(), data=np.ones((20, 20))).write(folder / "estimates" / "map.fits")
    craft(folder / "estimates" / "map.fits", 0)


def lead_out(folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("kind: toy-total", "kind: toy-total, name: ../x"))


CRAFTED: dict[str, tuple[Callable[[Path], None], str]] = {
    "dataset": (lambda run: craft(run / "datasets" / "other-1.fits", "COUNTS"), "WCSSHAPE"),
    "template": (add_template, "WCSSHAPE"),
    "estimate": (add_estimate, "WCSSHAPE"),
    "name": (lead_out, "has the name '../x'"),
    "index": (lambda run: add_tag(run / "datasets" / "datasets.yaml"), "for the tag"),
    "models": (lambda run: add_tag(run / "models.yaml"), "for the tag"),
    "ledger": (
        lambda run: (run / "observations.ecsv").write_text(
            f"# %ECSV 1.0\n# ---\n# meta: {TAG}\na\n"
        ),
        "unable to parse yaml in meta header",
    ),
    "report": (lambda run: (run / "report.json").write_text(f"{{{TAG}}}"), "JSONDecodeError"),
}


@pytest.mark.parametrize("crafted_file", CRAFTED)
def test_a_run_folder(folder: Path, crafted_file: str) -> None:
    harm, says = CRAFTED[crafted_file]
    harm(folder)
    with pytest.raises(OutputError, match=f"run cannot be read: .*({says})"):
        Result.read(folder, plugins=toy_plugins(), verify=False)


def test_a_tag_in_the_fit_or_the_configuration_of_a_run_folder_is_plain_text(folder: Path) -> None:
    (folder / "config.yaml").write_text(f"data: {{}}\nmore: {TAG}\n")
    assert Result.read(folder, plugins=toy_plugins(), verify=False).estimates == {}
    (folder / "fit.yaml").write_text(f"names: {TAG}\n")
    with pytest.raises(OutputError, match="cannot be read"):
        Result.read(folder, plugins=toy_plugins(), verify=False)


# -- what was written, and is no longer ------------------------------------------------------


@pytest.mark.parametrize("name", ["datasets/other-1.fits", "config.yaml", "report.json"])
def test_a_changed_file_is_named(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    says = rf"{name} does not match SHA256SUMS.*verify=False\) reads it without this check"
    with pytest.raises(OutputError, match=says):
        Result.read(folder, plugins=toy_plugins())


def test_a_missing_or_cut_dataset_is_named_and_never_read_as_less(folder: Path) -> None:
    path = folder / "datasets" / "other-1.fits"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 7])
    for verify, says in ((True, "does not match SHA256SUMS"), (False, "is truncated")):
        with pytest.raises(OutputError, match=says):
            Result.read(folder, plugins=toy_plugins(), verify=verify)
    path.unlink()
    for verify, says in ((True, "other-1.fits is missing"), (False, "which does not exist")):
        with pytest.raises(OutputError, match=says):
            Result.read(folder, plugins=toy_plugins(), verify=verify)


@pytest.mark.parametrize("cut", ["", "config.yaml"])
def test_sums_that_were_cut_are_no_sums(folder: Path, cut: str) -> None:
    sums = folder / "SHA256SUMS"
    lines = [line for line in sums.read_text().splitlines(True) if cut and cut not in line]
    sums.write_text("".join(lines))
    with pytest.raises(OutputError, match=r"SHA256SUMS does not list config\.yaml"):
        Result.read(folder, plugins=toy_plugins())


def test_a_folder_without_sums_is_read_with_a_warning(folder: Path) -> None:
    from skyred.errors import SkyredWarning

    (folder / "SHA256SUMS").unlink()
    with pytest.warns(SkyredWarning, match="run holds no SHA256SUMS"):
        result = Result.read(folder, plugins=toy_plugins())
    assert json.loads((folder / "report.json").read_text())["digest"] == result.digest
