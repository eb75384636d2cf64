"""Publish run folders in processes that are killed, and check the folders at the same time.

``python killed_publishers.py FOLDER KILLS SEED METHOD`` prints the observed states as JSON. METHOD
is "exchange" or "renames".
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path

from skyred.io.checksums import find_damage
from skyred.run import run_folder as folder
from skyred.run.run_folder import RunFolder

MISSING = "no folder"
FILES = ("config.yaml", "log.jsonl", "datasets/a.fits", "datasets/b.fits")


def publish(target: Path, content: str) -> None:
    with RunFolder.create(target, overwrite=True) as run_folder:
        for name in FILES:
            (run_folder.staging / name).parent.mkdir(exist_ok=True)
            (run_folder.staging / name).write_text(content * 2000)
        run_folder.publish()


def publish_repeatedly(target: Path) -> None:
    for number in count():
        publish(target, f"{os.getpid()} {number}\n")


def published_by(process: int, target: Path) -> bool:
    """Return whether the run folder was published by this process."""
    with suppress(FileNotFoundError):
        return (target / FILES[0]).read_text().startswith(f"{process} ")
    return False


def check_folder(target: Path) -> str:
    """Return the damage of a folder; "" if it is complete, or was replaced during the check."""
    try:
        first = target.stat()
    except FileNotFoundError:
        return MISSING
    try:
        fault = find_damage(target) or ""
        if not fault and len({(target / name).read_text() for name in FILES}) > 1:
            fault = "files of two runs"
        second = target.stat()
    except FileNotFoundError:
        return ""
    is_same = (first.st_ino, first.st_ctime_ns) == (second.st_ino, second.st_ctime_ns)
    return fault if is_same else ""


def main(target: Path, kills: int, seed: int, can_exchange: bool) -> None:
    if not can_exchange:
        folder.exchange = lambda first, second: False
    random_generator, n_interrupted = random.Random(seed), 0
    states, restored_states = Counter[str](), Counter[str]()
    publish(target, "the first\n")
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            publish_repeatedly(target)
        while not published_by(child, target):
            time.sleep(0.001)
        for _ in range(random_generator.randint(10, 100)):
            states[check_folder(target)] += 1
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        n_interrupted += any(path.name.startswith(".") for path in target.parent.iterdir())
        # the next process restores the earlier run, and removes partial folders
        with RunFolder.create(target, overwrite=True):
            restored_states[check_folder(target)] += 1
    remaining = sorted(path.name for path in target.parent.iterdir() if path != target)
    report = {
        "states": states,
        "restored_states": restored_states,
        "n_interrupted": n_interrupted,
        "remaining": remaining,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "exchange")
