"""The command `new-plugin`: its plugins can be loaded and run, and pass the conformance checks."""

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
SLOW_ROLES = {"maker", "engine"}  # their conformance checks take more than a second
ALL_ROLES = [arg for role in ROLES for arg in (f"--{role}", f"my-{role}")]


def new_plugin(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["new-plugin", *args, "-o", str(folder)])


def count_code_lines(code: str) -> int:
    return sum(bool(line.strip()) for line in code.splitlines())


def test_package_of_a_maker_has_few_lines(
    tmp_path: Path,
) -> None:
    assert new_plugin(tmp_path, "skyred-dust", "--maker", "dust-veto").exit_code == 0
    folder = tmp_path / "skyred-dust"
    assert count_code_lines((folder / "src/skyred_dust/__init__.py").read_text()) <= 15
    assert count_code_lines((folder / "pyproject.toml").read_text()) <= 10


def test_package_is_loaded_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # write the metadata of pyproject.toml next to the package, as an installation does
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
    plugins.raise_if_faulty()
    assert plugins.catalog.kinds("maker") == ["dust-veto"]


def test_code_in_the_readme_adds_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    [pytest.param(role, marks=[pytest.mark.slow] if role in SLOW_ROLES else []) for role in ROLES],
)
def test_created_components_pass_the_conformance_checks(role: str, tmp_path: Path) -> None:
    result = new_plugin(tmp_path, "mine.py", f"--{role}", f"my-{role}")
    assert result.exit_code == 0, result.output
    check(Plugins.load(files=[tmp_path / "mine.py"]).catalog.get(role, f"my-{role}"))


@pytest.mark.slow
def test_file_with_components_of_all_roles_runs_with_the_printed_command(tmp_path: Path) -> None:
    result = new_plugin(tmp_path, "mine.py", *ALL_ROLES)
    assert result.exit_code == 0, result.output
    command = result.output.partition("try: ")[2].split()
    assert command[0] == "skyred"
    run = subprocess.run(
        [sys.executable, "-m", *command, "-o", str(tmp_path / "out")],
        env=dict(os.environ, SKYRED_BLOCK="progress"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    run_result = RunResult.read(
        tmp_path / "out", plugins=Plugins.load(files=[tmp_path / "mine.py"])
    )
    table = run_result.estimates["my-estimator"].table()
    assert table["counts"].sum() == sum(outcome.counts for outcome in run_result.outcomes)
    assert (tmp_path / "out" / "plots" / "my-estimator.png").is_file()


@pytest.mark.parametrize("args", [ALL_ROLES, ["--engine", "e"], ["--model", "m", "--maker", "k"]])
def test_created_source_passes_ruff(args: list[str], tmp_path: Path) -> None:
    assert new_plugin(tmp_path, "skyred-mine", *args).exit_code == 0
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--line-length", "100", "."]
    for command in (["check", "--select", "E,F,W,I,B,UP"], ["format", "--check"]):
        result = subprocess.run(
            [*ruff, *command, *options],
            cwd=tmp_path / "skyred-mine",
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout


INVALID_ARGS = {
    "no component": (["skyred-dust"], "no component is requested; add one: --maker"),
    "name with capitals": (["Dust", "--maker", "a"], "'Dust' is not a valid plugin name"),
    "path as name": (["../dust", "--maker", "a"], "'../dust' is not a valid plugin name"),
    "invalid kind": (["dust", "--maker", "DustVeto"], "'DustVeto' is not a valid kind"),
    "kind already used by skyred": (
        ["dust", "--maker", "safe-mask"],
        "'safe-mask' is provided by skyred",
    ),
    "keyword as name": (
        ["class", "--maker", "a"],
        "'class' is a Python keyword or an installed module",
    ),
    "installed package": (
        ["numpy", "--maker", "a"],
        "'numpy' is a Python keyword or an installed module",
    ),
    "kind for two roles": (["dust", "--maker", "a", "--model", "a"], "'a' is repeated"),
    "duplicated kind": (["dust", "--maker", "a", "--maker", "a"], "'a' is repeated"),
}


@pytest.mark.parametrize("case", INVALID_ARGS)
def test_invalid_arguments_are_reported_and_no_file_is_written(case: str, tmp_path: Path) -> None:
    args, message = INVALID_ARGS[case]
    result = new_plugin(tmp_path, *args)
    assert result.exit_code == 2
    assert message in result.output
    assert not list(tmp_path.iterdir())


def test_class_name_does_not_clash_with_imported_names(tmp_path: Path) -> None:
    result = new_plugin(tmp_path, "mine.py", "--estimator", "table-product")
    assert result.exit_code == 0, result.output
    estimator = Plugins.load(files=[tmp_path / "mine.py"]).catalog.get("estimator", "table-product")
    assert estimator.__name__ == "TableProductEstimator"
    assert estimator.product is TableProduct  # type: ignore[attr-defined]


def test_existing_files_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "dust.yaml").write_text("mine", encoding="utf-8")
    for name in ("dust.py", "skyred-sand"):
        (tmp_path / "skyred-sand").mkdir(exist_ok=True)
        result = new_plugin(tmp_path, name, "--maker", "dust-veto")
        assert result.exit_code == 2
        assert "already exists; choose another name" in result.output
    assert (tmp_path / "dust.yaml").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "dust.py").exists()
