"""The cache of reduced chunks: stored values, and entries that are not read."""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from skyred.errors import CacheError
from skyred.run.cache import Cache
from skyred.run.cache.secret import read_or_create
from waiting import LIMIT

KEY = "ab" * 32
OTHER_KEY = "cd" * 32
SECRET = b"s" * 32

property_settings = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(_folder(tmp_path), SECRET)


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "chunks"
    folder.mkdir(mode=0o700)
    return folder


def _file(cache: Cache, key: str = KEY) -> Path:
    return cache.folder / key[:2] / key


class FileCreator:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return _create_file, (str(self.path),)


def _create_file(path: str) -> None:
    Path(path).touch()


plain_values = st.recursive(
    st.none() | st.integers() | st.text() | st.binary() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.slow
@property_settings
@given(value=plain_values.filter(lambda value: value is not None))
def test_stored_value_is_returned(cache: Cache, value: Any) -> None:
    cache.put(KEY, value, {"entry": "hess"})
    assert cache.get(KEY) == value
    assert [(entry.key, entry.description) for entry in cache.entries()] == [
        (KEY, {"entry": "hess"})
    ]


def test_unknown_key_has_no_value(cache: Cache) -> None:
    assert cache.get(KEY) is None
    assert not cache.contains(KEY)


@property_settings
@given(data=st.data())
def test_entry_with_a_flipped_bit_is_rejected(cache: Cache, data: st.DataObject) -> None:
    cache.put(KEY, {"counts": list(range(50))}, {"entry": "hess"})
    content = bytearray(_file(cache).read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    _file(cache).write_bytes(content)
    assert cache.get(KEY) is None
    assert not cache.contains(KEY)  # removed


@property_settings
@given(data=st.data())
def test_truncated_entry_is_rejected(cache: Cache, data: st.DataObject) -> None:
    cache.put(KEY, list(range(50)), {})
    content = _file(cache).read_bytes()
    _file(cache).write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    assert cache.get(KEY) is None


def test_entry_with_another_secret_is_not_unpickled(cache: Cache, tmp_path: Path) -> None:
    path = tmp_path / "created"
    Cache(cache.folder, b"x" * 32).put(KEY, FileCreator(path), {})
    assert cache.get(KEY) is None
    assert not path.exists()


def test_pickle_without_a_signature_is_not_unpickled(cache: Cache, tmp_path: Path) -> None:
    path = tmp_path / "created"
    _file(cache).parent.mkdir()
    _file(cache).write_bytes(pickle.dumps(FileCreator(path)))
    assert cache.get(KEY) is None
    assert not path.exists()


def test_entry_that_was_moved_to_another_key_is_rejected(cache: Cache) -> None:
    cache.put(OTHER_KEY, "something else", {})
    _file(cache).parent.mkdir()
    _file(cache, OTHER_KEY).rename(_file(cache))
    assert cache.get(KEY) is None


def test_value_that_cannot_be_pickled_causes_a_warning(
    cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    cache.put(KEY, lambda: None, {})
    assert "caching in" in caplog.text
    assert not list(cache.folder.rglob("*.part"))


def test_cache_that_cannot_be_written_causes_one_warning(
    cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    cache.folder.rmdir()
    cache.folder.touch()  # a file instead of the folder is an error even for root
    cache.put(KEY, 1, {})
    cache.put(OTHER_KEY, 1, {})
    assert caplog.text.count("caching in") == 1


def test_least_recently_used_entries_are_removed_first(tmp_path: Path) -> None:
    cache = Cache(_folder(tmp_path), SECRET, limit=2500)
    for number in range(3):
        key = f"{number}a" * 32
        cache.put(key, bytes(1000), {})
        os.utime(_file(cache, key), (time.time() - 100 + number,) * 2)
    assert cache.get("0a" * 32) is not None  # becomes the most recently used
    cache.prune()
    assert {entry.key[:2] for entry in cache.entries()} == {"0a", "2a"}


def test_clear_removes_all_or_old_entries(cache: Cache) -> None:
    cache.put(KEY, 1, {})
    cache.put(OTHER_KEY, 1, {})
    os.utime(_file(cache), (time.time() - 1000,) * 2)
    assert [entry.key for entry in cache.clear(older_than=500)] == [KEY]
    assert [entry.key for entry in cache.entries()] == [OTHER_KEY]
    cache.clear()
    assert not cache.entries()


def test_old_partial_files_of_killed_processes_are_removed(cache: Cache) -> None:
    cache.put(KEY, 1, {})
    old, new = (_file(cache).with_name(f".{KEY}.{age}.part") for age in ("old", "new"))
    for path in (old, new):
        path.touch()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    cache.prune()
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.slow
def test_concurrent_processes_never_read_incomplete_entries(cache: Cache) -> None:
    script = (
        "import sys; from pathlib import Path; from skyred.run.cache import Cache\n"
        "cache = Cache(Path(sys.argv[1]), b's' * 32)\n"
        "for number in range(60):\n"
        f"    cache.put({KEY!r}, bytes(300_000), {{}})\n"
        f"    assert cache.get({KEY!r}) in (None, bytes(300_000))\n"
        "    if number % 20 == 19: cache.clear()\n"
    )
    command = [sys.executable, "-c", script, str(cache.folder)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=LIMIT)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert "cannot be used" not in "".join(errors)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX modes")
def test_cache_that_is_writable_by_others_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    Cache.open(tmp_path)
    (tmp_path / "chunks").chmod(0o777)
    with pytest.raises(CacheError, match="is writable by others"):
        Cache.open(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX modes")
def test_secret_that_is_readable_by_others_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert read_or_create(path) == read_or_create(path)
    path.chmod(0o644)
    with pytest.raises(CacheError, match="is accessible to others; remove it"):
        read_or_create(path)


def test_truncated_secret_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = read_or_create(path)
    path.write_bytes(secret[:16])
    with pytest.raises(CacheError, match="is damaged"):
        read_or_create(path)


def test_secret_that_is_a_link_is_rejected(tmp_path: Path) -> None:
    read_or_create(tmp_path / "other")
    (tmp_path / "secret").symlink_to(tmp_path / "other")
    with pytest.raises(CacheError, match="not a regular file"):
        read_or_create(tmp_path / "secret")
