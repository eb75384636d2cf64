"""Runs that can be killed at random times and restarted, and comparison of their results."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs
from astropy.io import fits

from skyred import Result
from skyred.run.cache import Cache
from waiting import LIMIT

CONFIG = """
data:
  crab:
    archive: {archive}
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: 1 deg
      bin_size: 0.1 deg
      energy: {{min: 1 TeV, max: 10 TeV, bins: 2}}
      energy_true: {{min: 0.5 TeV, max: 20 TeV, bins: 4}}
    make:
      - {{kind: map}}
      - {{kind: safe-mask, methods: [offset-max], offset_max: 2.5 deg}}
      - {{kind: fov-background, exclude: ["icrs; circle(83.63, 22.01, 0.3)"]}}
    stack: {{kind: sum, chunk: 1}}
estimate: [{{kind: excess-map}}]
"""
# keywords that depend on the time of writing
DATES = ("DATE", "CREATED", "CHECKSUM", "DATASUM")


@attrs.define
class KillableRun:
    """A run in its own folder, which can be killed and restarted.

    Parameters
    ----------
    archive : str
        Location of the archive.
    folder : Path
        Working folder, created if it is missing.
    engine : str
        Kind of the engine.
    """

    archive: str
    folder: Path
    engine: str = "serial"

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(CONFIG.format(archive=self.archive), encoding="utf-8")

    @property
    def config(self) -> Path:
        """Path of the configuration."""
        return self.folder / "crab.yaml"

    @property
    def output(self) -> Path:
        """Path of the run folder."""
        return self.folder / "crab"

    def start(self) -> subprocess.Popen[str]:
        """Start ``skyred run`` with the configuration, without progress bar and plots."""
        command = [sys.executable, "-m", "skyred", "run", str(self.config), "-o", str(self.output)]
        command += ["--cache", str(self.folder / "cache"), "--engine", self.engine, "--no-plots"]
        environment = {name: value for name, value in os.environ.items() if name != "SKYRED_CACHE"}
        return subprocess.Popen(
            command,
            env=environment | {"SKYRED_BLOCK": "progress"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self) -> Result:
        """Run to the end, and return the result."""
        process = self.start()
        output, _ = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, output
        return Result.read(self.output)

    def kill_after(self, seconds: float) -> bool:
        """Start the run, and kill it after some seconds.

        Returns
        -------
        bool
            Whether the run was still in progress.

        Raises
        ------
        AssertionError
            If an incomplete run folder has the final name.
        """
        process = self.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
            self.assert_complete_or_absent()
        alive = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.assert_complete_or_absent()
        return alive

    def assert_complete_or_absent(self) -> None:
        """Check that the run folder is complete, if it exists under its final name."""
        if self.output.exists():
            names = {path.name for path in self.output.iterdir()}
            required = {"config.yaml", "datasets", "estimates", "observations.ecsv", "report.json"}
            assert required | {"SHA256SUMS", "log.jsonl"} <= names, names

    def cached_runs(self) -> set[int]:
        """Return the observation ids of the chunks in the cache."""
        chunks = self.folder / "cache" / "chunks"
        if not chunks.exists():
            return set()
        return {run for entry in Cache(chunks, b"").entries() for run in entry.description["runs"]}


def random_times(seed: int, number: int, duration: float) -> list[float]:
    """Return random times within the duration of a run, in seconds."""
    random_generator = random.Random(seed)
    return [random_generator.uniform(0.05, 1.0) * duration for _ in range(number)]


def differences(left: Path, right: Path) -> list[str]:
    """List differences between the products of two run folders, except for dates."""
    names = {folder: _products(folder) for folder in (left, right)}
    if names[left] != names[right]:
        return [f"{names[left] ^ names[right]} are only in one of the folders"]
    return [name for name in sorted(names[left]) if not _same(left / name, right / name)]


def _products(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for subfolder in ("datasets", "estimates")
        for path in (folder / subfolder).rglob("*")
        if path.is_file()
    }


def _same(left: Path, right: Path) -> bool:
    if left.suffix == ".fits":
        return bool(fits.FITSDiff(left, right, ignore_keywords=DATES).identical)
    return _without_dates(left) == _without_dates(right)


def _without_dates(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not any(word in line for word in ("date:", "checksum:"))]
