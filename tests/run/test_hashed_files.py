"""How often the files of a run are hashed, in runs with and without reduced chunks in the cache."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from skyred import Orchestrator, Pipeline
from skyred.inspection import file_content, run as inspection
from skyred.io import checksums
from skyred.result import Result

PIPELINE = """
data:
  sim:
    archive: {archive}
    geometry: {{kind: map, center: [83.63 deg, 22.01 deg], width: 1 deg, bin_size: 0.1 deg,
               energy: {{min: 1 TeV, max: 10 TeV, bins: 2}},
               energy_true: {{min: 1 TeV, max: 10 TeV, bins: 3}}}}
    make: [{{kind: map}}]
    stack: {{kind: sum}}
"""


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Counter[Path]:
    """Return a counter of the files whose content is hashed."""
    counter: Counter[Path] = Counter()
    compute_digest, read_file = checksums._compute_digest, file_content.read_file

    def count_digest(path: Path) -> str:
        counter[path] += 1
        return compute_digest(path)

    def count_inspection(path: Path, *args: Any) -> file_content.FileContent:
        counter[path] += 1  # of the bytes from which the run is reduced
        return read_file(path, *args)

    monkeypatch.setattr(checksums, "_compute_digest", count_digest)
    monkeypatch.setattr(inspection, "read_file", count_inspection)
    monkeypatch.setenv("SKYRED_BLOCK", "plots,progress")
    return counter


def run_pipeline(archive: Path, folder: Path, cache: Path | bool) -> Result:
    pipeline = Pipeline.from_yaml(PIPELINE.format(archive=archive))
    return Orchestrator(pipeline, cache=cache).run(folder)


def test_output_and_index_files_are_hashed_once(
    crab_archive: Path, tmp_path: Path, hashed: Counter[Path]
) -> None:
    result = run_pipeline(crab_archive, tmp_path / "run", cache=False)
    output_names = {path.name for path in (tmp_path / "run").rglob("*") if path.is_file()}
    by_name = Counter(path.name for path in hashed.elements() if ".run.part" in str(path))
    assert by_name == dict.fromkeys(output_names - {"SHA256SUMS"}, 1)
    inputs = {Path(entry["path"]) for entry in result.provenance["inputs"]}
    index_files = {path for path in inputs if "index" in path.name}
    assert len(index_files) == 2
    assert {hashed[path] for path in index_files} == {1}


def test_files_of_cached_runs_are_hashed_once(
    crab_archive: Path, tmp_path: Path, hashed: Counter[Path]
) -> None:
    run_pipeline(crab_archive, tmp_path / "first", tmp_path / "cache")
    hashed.clear()
    result = run_pipeline(crab_archive, tmp_path / "second", tmp_path / "cache")
    assert {outcome.status for outcome in result.outcomes} == {"cached"}
    inputs = [Path(entry["path"]) for entry in result.provenance["inputs"]]
    assert {path: hashed[path] for path in inputs} == dict.fromkeys(inputs, 1)


@pytest.mark.parametrize(("use_cache", "times"), [(False, 1), (True, 2)])
def test_files_of_other_runs_are_hashed_for_the_key_and_when_they_are_read(
    crab_archive: Path, tmp_path: Path, hashed: Counter[Path], use_cache: bool, times: int
) -> None:
    result = run_pipeline(
        crab_archive, tmp_path / "run", tmp_path / "cache" if use_cache else False
    )
    assert {outcome.status for outcome in result.outcomes} == {"reduced"}
    inputs = {Path(entry["path"]) for entry in result.provenance["inputs"]}
    files = {path for path in inputs if "index" not in path.name}
    assert {hashed[path] for path in files} == {times}
    expected = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs}
    assert {
        Path(entry["path"]): entry["sha256"] for entry in result.provenance["inputs"]
    } == expected
