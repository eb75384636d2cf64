"""Killing a run at a random moment, starting it again, and comparing what it gives."""

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
# what says when, not what
DATES = ("DATE", "CREATED", "CHECKSUM", "DATASUM")


@attrs.define
class Victim:
    """A run that is killed and started again, in a folder of its own.

    Parameters
    ----------
    archive : str
        What it reduces.
    folder : Path
        Where it works; made if it is not there.
    engine : str
        Where it works.
    """

    archive: str
    folder: Path
    engine: str = "serial"

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(CONFIG.format(archive=self.archive), encoding="utf-8")

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.folder / "crab.yaml"

    @property
    def output(self) -> Path:
        """Its run folder."""
        return self.folder / "crab"

    def start(self) -> subprocess.Popen[str]:
        """Start the program, in a process group of its own."""
        command = [sys.executable, "-m", "skyred", "run", str(self.config), "-o", str(self.output)]
        command += ["--cache", str(self.folder / "cache"), "--engine", self.engine]
        environment = {name: held for name, held in os.environ.items() if name != "SKYRED_CACHE"}
        return subprocess.Popen(
            command,
            env=environment | {"SKYRED_BLOCK": "progress,pictures"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self) -> Result:
        """Run it to its end."""
        process = self.start()
        said, _ = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, said
        return Result.read(self.output)

    def kill_after(self, seconds: float) -> bool:
        """Start it and kill it so much later; gives whether it was still at work.

        Raises
        ------
        AssertionError
            If half a run folder stands under the final name.
        """
        process = self.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
            self.assert_whole_or_absent()
        alive = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.assert_whole_or_absent()
        return alive

    def assert_whole_or_absent(self) -> None:
        """Say that what stands under the final name, if anything does, is complete."""
        if self.output.exists():
            names = {path.name for path in self.output.iterdir()}
            whole = {"config.yaml", "datasets", "estimates", "observations.ecsv", "report.json"}
            assert whole | {"SHA256SUMS", "log.jsonl"} <= names, names

    def kept(self) -> set[int]:
        """Give the runs whose chunks are finished."""
        chunks = self.folder / "cache" / "chunks"
        if not chunks.exists():
            return set()
        return {run for entry in Cache(chunks, b"").entries() for run in entry.description["runs"]}


def moments(seed: int, number: int, longest: float) -> list[float]:
    """Give random moments of a run that takes so many seconds."""
    chance = random.Random(seed)
    return [chance.uniform(0.05, 1.0) * longest for _ in range(number)]


def differences(one: Path, other: Path) -> list[str]:
    """Say in what the products of two run folders differ, but for dates."""
    names = {place: _products(place) for place in (one, other)}
    if names[one] != names[other]:
        return [f"{names[one] ^ names[other]} are in one only"]
    return [name for name in sorted(names[one]) if not _same(one / name, other / name)]


def _products(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for place in ("datasets", "estimates")
        for path in (folder / place).rglob("*")
        if path.is_file()
    }


def _same(one: Path, other: Path) -> bool:
    if one.suffix == ".fits":
        return bool(fits.FITSDiff(one, other, ignore_keywords=DATES).identical)
    return _without_dates(one) == _without_dates(other)


def _without_dates(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not any(word in line for word in ("date:", "checksum:"))]
