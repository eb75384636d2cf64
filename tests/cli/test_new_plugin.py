"""The command new-plugin: what it writes installs, runs, and meets the requirements."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from distributions import install_distribution
from skyred import TableProduct
from skyred.cli import main
from skyred.plugins import Plugins
from skyred.result import Result as RunResult
from skyred.testing import check

ROLES = ("selector", "maker", "stacker", "model", "fitter", "estimator", "engine")
SLOW = {"maker", "engine"}  # those that are checked in more than a second
ALL = [word for role in ROLES for word in (f"--{role}", f"my-{role}")]


def new_plugin(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["new-plugin", *words, "-o", str(folder)])


def lines_of(block: str) -> int:
    return sum(bool(line.strip()) for line in block.splitlines())


def test_a_maker_takes_at_most_15_lines_of_python_and_10_of_pyproject(tmp_path: Path) -> None:
    assert new_plugin(tmp_path, "skyred-dust", "--maker", "dust-veto").exit_code == 0
    folder = tmp_path / "skyred-dust"
    assert lines_of((folder / "src/skyred_dust/__init__.py").read_text()) <= 15
    assert lines_of((folder / "pyproject.toml").read_text()) <= 10


def test_a_package_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As installed: metadata of what its pyproject.toml says, beside the package."""
    assert new_plugin(tmp_path, "skyred-dust", "--maker", "dust-veto").exit_code == 0
    folder = tmp_path / "skyred-dust"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / "src" / "skyred_dust-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = project["entry-points"]["skyred"]
    (info / "entry_points.txt").write_text(
        "[skyred]\n" + "".join(f"{name} = {module}\n" for name, module in points.items())
    )
    monkeypatch.syspath_prepend(str(folder / "src"))
    (distribution,) = Distribution.discover(path=[str(folder / "src")])
    plugins = Plugins.load(distribution.entry_points)
    plugins.require_sound()
    assert plugins.catalog.kinds("maker") == ["dust-veto"]


def test_its_readme_says_how_to_add_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert new_plugin(tmp_path, "skyred-sand", "--maker", "sand-veto").exit_code == 0
    folder = tmp_path / "skyred-sand"
    blocks = re.findall(r"((?:^    .*\n|^\n)+)", (folder / "README.md").read_text(), re.MULTILINE)
    (module,) = [dedent(block) for block in blocks if "def skyred_commands" in block]
    (points,) = [dedent(block) for block in blocks if "skyred.commands" in block]
    assert tomllib.loads(points)["project"]["entry-points"]["skyred.commands"] == {
        "sand": "skyred_sand.commands"
    }
    site = install_distribution(
        tmp_path, "sand-commands", module, plugin="sand", group="skyred.commands"
    )
    monkeypatch.syspath_prepend(str(site))
    assert CliRunner().invoke(main, ["hello"]).stdout == "hello\n"


@pytest.mark.parametrize(
    "role",
    [pytest.param(role, marks=[pytest.mark.slow] if role in SLOW else []) for role in ROLES],
)
def test_created_components_pass_the_conformance_kit(role: str, tmp_path: Path) -> None:
    done = new_plugin(tmp_path, "mine.py", f"--{role}", f"my-{role}")
    assert done.exit_code == 0, done.output
    check(Plugins.load(files=[tmp_path / "mine.py"]).catalog.get(role, f"my-{role}"))


@pytest.mark.slow
def test_a_file_with_one_of_each_role_runs_as_it_says(tmp_path: Path) -> None:
    done = new_plugin(tmp_path, "mine.py", *ALL)
    assert done.exit_code == 0, done.output
    command = done.output.partition("try: ")[2].split()
    assert command[0] == "skyred"
    ran = subprocess.run(
        [sys.executable, "-m", *command, "-o", str(tmp_path / "out")],
        env=dict(os.environ, SKYRED_BLOCK="progress"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    result = RunResult.read(tmp_path / "out", plugins=Plugins.load(files=[tmp_path / "mine.py"]))
    counted = result.estimates["my-estimator"].table()
    assert counted["counts"].sum() == sum(outcome.counts for outcome in result.outcomes)
    assert (tmp_path / "out" / "plots" / "my-estimator.png").is_file()


@pytest.mark.parametrize("words", [ALL, ["--engine", "e"], ["--model", "m", "--maker", "k"]])
def test_its_source_is_in_order(words: list[str], tmp_path: Path) -> None:
    assert new_plugin(tmp_path, "skyred-mine", *words).exit_code == 0
    ruff = [sys.executable, "-m", "ruff"]
    flags = ["--isolated", "--line-length", "100", "."]
    for command in (["check", "--select", "E,F,W,I,B,UP"], ["format", "--check"]):
        done = subprocess.run(
            [*ruff, *command, *flags],
            cwd=tmp_path / "skyred-mine",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


MISTAKES = {
    "no component": (["skyred-dust"], "no component is requested; add one: --maker"),
    "a name of capitals": (["Dust", "--maker", "a"], "'Dust' is not a valid name of a plugin"),
    "a path for a name": (["../dust", "--maker", "a"], "'../dust' is not a valid name of a plugin"),
    "a kind that is none": (["dust", "--maker", "DustVeto"], "'DustVeto' is not a valid kind"),
    "a kind that is taken": (["dust", "--maker", "safe-mask"], "'safe-mask' is provided by skyred"),
    "a keyword": (["class", "--maker", "a"], "'class' is a keyword or an installed package"),
    "a package that is there": (
        ["numpy", "--maker", "a"],
        "'numpy' is a keyword or an installed package",
    ),
    "a kind for two roles": (["dust", "--maker", "a", "--model", "a"], "'a' is duplicated"),
    "a kind twice": (["dust", "--maker", "a", "--maker", "a"], "'a' is duplicated"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_and_nothing_written(mistake: str, tmp_path: Path) -> None:
    words, message = MISTAKES[mistake]
    done = new_plugin(tmp_path, *words)
    assert done.exit_code == 2
    assert message in done.output
    assert not list(tmp_path.iterdir())


def test_class_name_differs_from_imported_names(tmp_path: Path) -> None:
    done = new_plugin(tmp_path, "mine.py", "--estimator", "table-product")
    assert done.exit_code == 0, done.output
    estimator = Plugins.load(files=[tmp_path / "mine.py"]).catalog.get("estimator", "table-product")
    assert estimator.__name__ == "TableProductEstimator"
    assert estimator.product is TableProduct  # type: ignore[attr-defined]


def test_existing_files_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "dust.yaml").write_text("mine", encoding="utf-8")
    for name in ("dust.py", "skyred-sand"):
        (tmp_path / "skyred-sand").mkdir(exist_ok=True)
        done = new_plugin(tmp_path, name, "--maker", "dust-veto")
        assert done.exit_code == 2
        assert "already exists; choose another name" in done.output
    assert (tmp_path / "dust.yaml").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "dust.py").exists()
