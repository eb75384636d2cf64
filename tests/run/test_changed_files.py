"""Files that are changed during a run are noticed, and reported as they were read."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from astropy.io import fits
from astropy.table import Table

from skyred import Orchestrator, Pipeline
from skyred.run import reduce as reduction
from skyred.run.worker import observation as run_reduction

PIPELINE = """
data:
  sim:
    archive: {archive}
    on_error: skip
    geometry: {{kind: map, center: [83.63 deg, 22.01 deg], width: 1 deg, bin_size: 0.1 deg,
               energy: {{min: 1 TeV, max: 10 TeV, bins: 2}},
               energy_true: {{min: 1 TeV, max: 10 TeV, bins: 3}}}}
    make: [{{kind: map}}]
    stack: {{kind: sum, chunk: {chunk}}}
"""
IRFS = ("aeff", "edisp", "psf", "bkg")


@pytest.fixture
def archive(crab_archive: Path, tmp_path: Path) -> Path:
    """Return an archive of two runs with the same file of IRFs."""
    folder = Path(shutil.copytree(crab_archive, tmp_path / "archive"))
    (folder / "SHA256SUMS").unlink()
    path = next(folder.glob("hdu-index.fits*"))
    index = Table.read(path)
    types = [str(name).strip() for name in index["HDU_TYPE"]]
    rows = [row for row, name in enumerate(types) if name in IRFS]
    first = index[rows[0]]
    source = folder / str(first["FILE_DIR"]).strip() / str(first["FILE_NAME"]).strip()
    names = {str(index[row]["HDU_NAME"]).strip() for row in rows}
    with fits.open(source) as hdus:
        irfs = [hdu.copy() for hdu in hdus if hdu.name in {name.upper() for name in names}]
    for hdu in irfs:
        for key in ("OBS_ID", "CHECKSUM", "DATASUM"):
            hdu.header.pop(key, None)
    fits.HDUList([fits.PrimaryHDU(), *irfs]).writeto(folder / "irfs.fits")
    for name, value in (("FILE_DIR", "."), ("FILE_NAME", "irfs.fits")):
        index[name] = [value if row in rows else cell for row, cell in enumerate(index[name])]
    index.write(path, overwrite=True)
    return folder


def reduce(archive: Path, cache: Path | bool, chunk: int = 8) -> Orchestrator:
    pipeline = Pipeline.from_yaml(PIPELINE.format(archive=archive, chunk=chunk))
    orchestrator = Orchestrator(pipeline, cache=cache)
    orchestrator.reduce()
    return orchestrator


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("use_cache", [False, True])
@pytest.mark.parametrize("chunk", [1, 8])
def test_irfs_that_are_changed_after_the_first_run_fail_the_next(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_cache: bool, chunk: int
) -> None:
    path, inspect = archive / "irfs.fits", run_reduction.inspect_observation
    original = checksum(path)

    def inspect_and_change(*args: Any) -> Any:
        inspected = inspect(*args)
        with fits.open(path, mode="update") as hdus:
            hdus[1].data[hdus[1].columns[-1].name] *= 1.1
        return inspected

    monkeypatch.setattr(run_reduction, "inspect_observation", inspect_and_change)
    orchestrator = reduce(archive, tmp_path / "cache" if use_cache else False, chunk)
    first, second = orchestrator.outcomes
    assert (first.status, second.status) == ("reduced", "failed")
    assert "changed during the analysis" in second.reason
    assert dict(orchestrator.steps[-1].sums)[path] == original


@pytest.mark.parametrize("use_cache", [False, True])
def test_files_that_are_changed_between_data_entries_fail_the_second(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_cache: bool
) -> None:
    path, inspect = min((archive / "data").iterdir()), run_reduction.inspect_observation
    original = checksum(path)

    def inspect_and_change(*args: Any) -> Any:
        inspected = inspect(*args)
        with fits.open(path, mode="update") as hdus:
            hdus["EVENTS"].data["ENERGY"] *= 1.1
        return inspected

    monkeypatch.setattr(run_reduction, "inspect_observation", inspect_and_change)
    content = yaml.safe_load(PIPELINE.format(archive=archive, chunk=1))
    content["data"]["again"] = content["data"]["sim"]
    pipeline = Pipeline.from_yaml(yaml.safe_dump(content, sort_keys=False))
    orchestrator = Orchestrator(pipeline, cache=tmp_path / "cache" if use_cache else False)
    orchestrator.reduce()
    states = [(outcome.entry, outcome.status) for outcome in orchestrator.outcomes]
    assert states == [("sim", "reduced")] * 2 + [("again", "failed"), ("again", "reduced")]
    assert "changed during the analysis" in orchestrator.outcomes[2].reason
    assert dict(orchestrator.steps[-1].sums)[path] == original


def test_files_that_the_main_process_cannot_read_are_read_by_workers(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive / "irfs.fits"

    def compute_checksums(files: Iterable[Path]) -> dict[Path, str]:
        return {file: "" if file == path else checksum(file) for file in files}

    monkeypatch.setattr(reduction, "compute_checksums", compute_checksums)
    orchestrator = reduce(archive, cache=False)
    assert [outcome.status for outcome in orchestrator.outcomes] == ["reduced"] * 2
    assert dict(orchestrator.steps[-1].sums)[path] == checksum(path)


@pytest.mark.parametrize("use_cache", [False, True])
def test_files_of_runs_that_fail_are_reported_as_they_were_read(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_cache: bool
) -> None:
    first, second = sorted((archive / "data").iterdir())
    content = second.read_bytes()
    second.write_bytes(content[: len(content) // 2])
    damaged = checksum(second)
    orchestrator = reduce(archive, tmp_path / "cache" if use_cache else False)
    assert [outcome.status for outcome in orchestrator.outcomes] == ["reduced", "failed"]
    assert dict(orchestrator.steps[-1].sums)[second] == damaged
    assert dict(orchestrator.steps[-1].sums)[first] == checksum(first)
