"""The command `cache`: its output, and the chunks that it removes."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from skyred.cli.cache import cache
from skyred.run.cache import Cache

KEY = "ab" * 32


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    Cache.open(tmp_path / "cache").put(KEY, bytes(2_000_000), {"entry": "hess", "runs": [1, 2]})
    return tmp_path / "cache"


def invoke(*args: object) -> Result:
    return CliRunner().invoke(cache, [str(arg) for arg in args])


def test_cached_chunks_of_each_entry_are_shown(folder: Path) -> None:
    output = invoke("--cache", folder).output
    assert f"{folder / 'chunks'}: 1 chunk, 2.0 MB (limit: 20.0 GB)" in output
    assert "hess: 1 chunk, 2.0 MB, used today" in output


def test_verbose_output_lists_the_runs_of_every_chunk(folder: Path) -> None:
    assert "hess: runs 1, 2" in invoke("--cache", folder, "--verbose").output


def test_clear_removes_all_or_old_chunks(folder: Path) -> None:
    assert "removed 0 chunks" in invoke("clear", "--cache", folder, "--older-than", 1).output
    assert "removed 1 chunk, 2.0 MB" in invoke("clear", "--cache", folder).output
    assert not list(folder.rglob(KEY))


def test_missing_cache_is_not_created(tmp_path: Path) -> None:
    for args in ((), ("clear",)):
        result = invoke(*args, "--cache", tmp_path / "missing")
        assert result.exit_code == 0
        assert f"no cache in {tmp_path / 'missing'}" in result.output
    assert not (tmp_path / "missing").exists()
