"""Cached archives are created once, verified at each use, and replaced if they are damaged."""

import logging
import shutil
import sys
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from skyred.components.simulation import cache
from skyred.components.simulation.archive import CrabSimulation
from skyred.components.simulation.location import ensure_archive
from skyred.io.checksums import SUMS, find_damage
from waiting import LIMIT

LOCATION = "sim:crab?runs=2&livetime=2min"


@pytest.fixture
def created_archives(monkeypatch, archive):
    """Return a list that collects the folders of new archives, which are copies of `archive`."""
    folders = []

    def copy(self, folder):
        folders.append(folder)
        return shutil.copytree(archive, folder)

    monkeypatch.setattr(CrabSimulation, "write", copy)
    return folders


def test_archive_is_created_only_on_first_use(created_archives, tmp_path):
    location = f"{LOCATION}&folder={tmp_path}"
    assert [ensure_archive(location), ensure_archive(location)] == created_archives * 2


def test_cache_folder_is_set_by_the_environment(created_archives, monkeypatch, tmp_path):
    monkeypatch.setenv("SKYRED_CACHE_DIR", str(tmp_path))
    assert ensure_archive(LOCATION).is_relative_to(tmp_path)


@pytest.mark.parametrize("change", [{"seed": 1}, {"runs": 1}, {"livetime": 3.0}])
def test_different_simulations_have_different_folders(created_archives, tmp_path, change):
    options = {"seed": 42, "runs": 2, "livetime": 2.0}
    first, second = (
        cache.get_cached_archive(CrabSimulation(**values), tmp_path)
        for values in (options, options | change)
    )
    assert first != second


@pytest.mark.parametrize("package", ["gammapy", "numpy", "astropy", "format"])
def test_different_versions_have_different_folders(
    created_archives, monkeypatch, tmp_path, package
):
    folder = cache.get_cached_archive(CrabSimulation(runs=2, livetime=2), tmp_path)
    if package == "format":
        monkeypatch.setattr(cache, "FORMAT_VERSION", 999)
    else:
        monkeypatch.setattr(cache, "version", {"gammapy": "", "numpy": "", "astropy": ""}.get)
    assert cache.get_cached_archive(CrabSimulation(runs=2, livetime=2), tmp_path) != folder


def flip_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE_CASES = {
    "flipped bit": lambda folder: flip_bit(folder / "data/sim_crab_obs_id_900001.fits.gz"),
    "missing file": lambda folder: (folder / "truth.json").unlink(),
    "empty checksum file": lambda folder: (folder / SUMS).write_text(""),
    "no checksum file": lambda folder: (folder / SUMS).unlink(),
    "no data folder": lambda folder: shutil.rmtree(folder / "data"),
}


@pytest.mark.parametrize("apply_damage", DAMAGE_CASES.values(), ids=DAMAGE_CASES)
def test_damaged_archive_is_created_again_with_a_warning(
    created_archives, tmp_path, caplog, simulation, apply_damage
):
    location = f"{LOCATION}&folder={tmp_path}"
    folder = ensure_archive(location)
    apply_damage(folder)
    with caplog.at_level(logging.WARNING, logger="skyred.simulation"):
        assert ensure_archive(location) == folder
    assert find_damage(folder, simulation.files) is None
    assert len(created_archives) == 2
    assert "is damaged" in caplog.text


def test_partial_folders_of_killed_processes_are_removed(created_archives, tmp_path):
    folder = cache.get_cached_archive(CrabSimulation(runs=2, livetime=2), tmp_path)
    shutil.rmtree(folder)
    folder.with_name(f".{folder.name}.0123abcd.part").mkdir()
    cache.get_cached_archive(CrabSimulation(runs=2, livetime=2), tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == [folder.name]


SCRIPT = """
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
from skyred.components.simulation.location import ensure_archive
print(ensure_archive(sys.argv[1]))
"""


@pytest.mark.slow
def test_two_concurrent_processes_create_the_archive_once(tmp_path):
    command = [sys.executable, "-c", SCRIPT, f"sim:crab?runs=1&livetime=1min&folder={tmp_path}"]
    processes = [Popen(command, stdout=PIPE, text=True) for _ in range(2)]
    lines = [process.communicate(timeout=LIMIT)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert lines[0][-1] == lines[1][-1]
    assert len([line for line in lines[0] + lines[1] if line.startswith("Creating the")]) == 1
    assert find_damage(Path(lines[0][-1]), CrabSimulation(runs=1, livetime=1).files) is None
