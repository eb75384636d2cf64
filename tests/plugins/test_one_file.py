"""A Python file named on the command line is loaded as a plugin, also in workers."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from skyred import Pipeline
from skyred.errors import PluginError
from skyred.plugins import Plugins

PLUGIN = '''"""A plugin in one file."""

from enum import Enum

from skyred import Maker, SkipObservation, component, hookimpl, option


class Quality(Enum):
    GOOD = "good"


class QualityError(ValueError):
    pass


class Number:
    def __init__(self, number):
        self.number = number


@component
class EvenRuns(Maker):
    """Skip runs with an odd number."""

    kind = "even-runs"
    start = option(0, doc="Runs below this number are not skipped.")

    def make(self, dataset, observation):
        if observation.obs_id % 2 and observation.obs_id >= self.start:
            raise SkipObservation(f"{observation.obs_id} is odd")
        return dataset


@hookimpl
def skyred_components():
    return [EvenRuns]
'''
CONFIG = """
data:
  crab:
    archive: sim:crab?runs=2&livetime=2min
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: 1 deg
      bin_size: 0.1 deg
      energy: {min: 1 TeV, max: 10 TeV, bins: 1}
      energy_true: {min: 0.5 TeV, max: 20 TeV, bins: 2}
    make: [{kind: even-runs}, {kind: map}]
    stack: {kind: sum, chunk: 1}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my plugin-1.py"
    path.write_text(PLUGIN, encoding="utf-8")
    return path


def run_skyred(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skyred", *arguments],
        cwd=folder,
        env=dict(os.environ, SKYRED_BLOCK="progress"),
        capture_output=True,
        text=True,
        check=False,
    )


def test_components_of_a_file_are_in_the_catalog(file: Path) -> None:
    plugins = Plugins.load(files=[file])
    plugins.raise_if_faulty()
    maker = plugins.catalog.get("maker", "even-runs")(start=3)
    owner = plugins.catalog.owner(maker)
    assert owner is not None
    assert (owner.distribution, owner.plugin) == ("my plugin-1.py", "my plugin-1")
    assert owner.version.startswith("sha256:")
    assert "safe-mask" in plugins.catalog.kinds("maker")


def test_unchanged_file_is_loaded_once(file: Path) -> None:
    first = Plugins.load(files=[file, str(file)]).catalog.get("maker", "even-runs")
    assert Plugins.load(files=[file]).catalog.get("maker", "even-runs") is first
    file.write_text(PLUGIN.replace("option(0", "option(5"), encoding="utf-8")
    second = Plugins.load(files=[file]).catalog.get("maker", "even-runs")
    assert (first().start, second().start) == (0, 5)  # type: ignore[attr-defined]


def test_instances_are_unpickled_in_a_process_without_the_plugin(file: Path) -> None:
    cls = Plugins.load(files=[file]).catalog.get("maker", "even-runs")
    module = sys.modules[cls.__module__]
    originals = [cls(start=3), module.Number(4), module.Quality.GOOD, module.QualityError("low")]
    code = (
        "import pickle, sys\n"
        "maker, number, quality, error = pickle.load(sys.stdin.buffer)\n"
        "print(maker.kind, maker.start, number.number, quality.value, error.args)\n"
        "sys.stdout.flush()\n"
        "sys.stdout.buffer.write(pickle.dumps([maker, quality]))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(originals), capture_output=True, check=True
    )
    line, pickled = process.stdout.split(b"\n", 1)
    assert line == b"even-runs 3 4 good ('low',)"
    assert pickle.loads(pickled) == [originals[0], originals[2]]


def test_changed_file_is_rejected_by_a_worker(file: Path) -> None:
    maker = Plugins.load(files=[file]).catalog.get("maker", "even-runs")()
    pickled = pickle.dumps(maker)
    file.write_text(PLUGIN + "# changed\n", encoding="utf-8")
    code = "import pickle, sys; pickle.load(sys.stdin.buffer)"
    process = subprocess.run(
        [sys.executable, "-c", code], input=pickled, capture_output=True, check=False
    )
    assert b"my plugin-1.py was changed after it was loaded; run skyred again" in process.stderr


FAULTS = {
    "raises": ("import skyred\n\nx = undefined\n", "NameError", "(line 3 of faulty.py)"),
    "syntax error": ("def f(:\n", "cannot be imported: SyntaxError", "line 1"),
    "has no hook": ("x = 1\n", "provides nothing; expected functions with the names of hooks", ""),
    "adds commands": (PLUGIN + "\n@hookimpl\ndef skyred_commands(cli):\n    pass\n",
                      "is not allowed in this module: a file cannot add commands", ""),
    "no @hookimpl": (PLUGIN.replace("@hookimpl", ""), "is not decorated: decorate it", ""),
    "kind twice": (PLUGIN.replace("[EvenRuns]", "[EvenRuns, EvenRuns]"), "already provided by", ""),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_file_is_reported_with_fault_and_line(fault: str, tmp_path: Path) -> None:
    code, message, location = FAULTS[fault]
    path = tmp_path / "faulty.py"
    path.write_text(code, encoding="utf-8")
    plugins = Plugins.load(files=[path])
    (sentence,) = plugins.faults()
    assert sentence.startswith("plugin 'faulty' of faulty.py sha256:")
    assert message in sentence
    assert location in sentence
    with pytest.raises(PluginError, match="faulty"):
        plugins.raise_if_faulty()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("absent.py", "cannot be read: No such file"), ("crab.yaml", "is not a Python file")],
)
def test_missing_or_invalid_file_is_rejected(name: str, expected: str) -> None:
    with pytest.raises(PluginError, match=f"{name}.*{expected}|{name} {expected}"):
        Plugins.load(files=[name])


@pytest.mark.slow
def test_run_uses_the_file_in_workers_and_keeps_a_copy(file: Path, tmp_path: Path) -> None:
    (tmp_path / "crab.yaml").write_text(CONFIG, encoding="utf-8")
    arguments = ("crab.yaml", "--plugin", file.name, "--engine", "processes", "--workers", "2")
    process = run_skyred(tmp_path, "run", *arguments)
    assert process.returncode == 0, process.stderr
    observation_log = (tmp_path / "crab" / "observations.ecsv").read_text(encoding="utf-8")
    assert "900001 is odd" in observation_log
    assert "even-runs of my plugin-1.py sha256:" in observation_log
    assert (tmp_path / "crab" / "plugins" / file.name).read_bytes() == file.read_bytes()
    report = json.loads((tmp_path / "crab" / "report.json").read_text(encoding="utf-8"))
    (record,) = [plugin for plugin in report["plugins"] if "file" in plugin]
    assert record["file"] == str(file)


@pytest.mark.parametrize("change", ["edited", "removed"])
def test_run_folder_has_the_file_as_it_was_loaded(change: str, file: Path, tmp_path: Path) -> None:
    """Check a run in Python, where the file may change between loading and the run."""
    pipeline = Pipeline.from_yaml(CONFIG, plugins=Plugins.load(files=[file]))
    original = file.read_bytes()
    file.write_text(PLUGIN + "# changed\n", encoding="utf-8")
    if change == "removed":
        file.unlink()
    pipeline.run(tmp_path / "run")
    assert (tmp_path / "run" / "plugins" / file.name).read_bytes() == original
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    (record,) = [plugin for plugin in report["plugins"] if "file" in plugin]
    assert record["version"].removeprefix("sha256:") == hashlib.sha256(original).hexdigest()[:12]


def test_two_files_with_the_same_name_are_rejected(file: Path) -> None:
    copied_file = file.parent / "other" / file.name
    copied_file.parent.mkdir()
    copied_file.write_text(PLUGIN.replace("even-runs", "odd-runs"), encoding="utf-8")
    (sentence,) = Plugins.load(files=[file, copied_file]).faults()
    assert "has the same name; rename the file" in sentence


def test_kind_is_unknown_without_the_file(file: Path) -> None:
    with pytest.raises(Exception, match="unknown maker 'even-runs'"):
        Pipeline.from_yaml(CONFIG)
    assert Pipeline.from_yaml(CONFIG, plugins=Plugins.load(files=[file]))


@pytest.mark.parametrize("arguments", [("plugins",), ("show", "even-runs"), ("check", "crab.yaml")])
def test_other_commands_accept_the_file(
    arguments: tuple[str, ...], file: Path, tmp_path: Path
) -> None:
    (tmp_path / "crab.yaml").write_text(CONFIG, encoding="utf-8")
    flags = ("--no-data",) if arguments[0] == "check" else ()
    process = run_skyred(tmp_path, *arguments, *flags, "--plugin", file.name)
    assert process.returncode == 0, process.stderr
    assert "no problems" in process.stdout or "Skip runs with an odd number" in process.stdout
