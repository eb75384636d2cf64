"""The command `skyred convert`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from gammapy.analysis.config import CONFIG_PATH

from skyred.cli import main

EXAMPLE, MODELS = CONFIG_PATH / "example-3d.yaml", CONFIG_PATH / "model.yaml"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["convert", *map(str, arguments)])


@pytest.mark.data("hess-dl3-dr1")
def test_converted_file_can_be_checked_and_the_next_command_is_printed(tmp_path: Path) -> None:
    output = tmp_path / "crab.yaml"
    result = run(EXAMPLE, "--models", MODELS, "-o", output)
    assert result.exit_code == 0, result.output
    assert f"wrote {output}; run it with: skyred run {output}" in result.stderr
    check = CliRunner().invoke(main, ["check", "--no-data", str(output)])
    assert check.exit_code == 0, check.output


def test_settings_that_are_not_converted_set_the_exit_code(tmp_path: Path) -> None:
    result = run(EXAMPLE)
    assert result.exit_code == 2
    assert f"{EXAMPLE}:28:1: NOT CONVERTED: fit: needs models: pass their file" in result.stderr
    assert "#   line 28: fit: needs models" in result.stdout


def test_existing_file_is_only_replaced_on_request(tmp_path: Path) -> None:
    output = tmp_path / "crab.yaml"
    output.write_text("mine", encoding="utf-8")
    result = run(EXAMPLE, "--models", MODELS, "-o", output)
    assert result.exit_code == 2
    assert "exists already; replace it with --overwrite" in result.stderr
    assert output.read_text("utf-8") == "mine"
    run(EXAMPLE, "--models", MODELS, "-o", output, "--overwrite")
    assert output.read_text("utf-8").startswith("# Converted by `skyred convert` from")


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_unreadable_file_is_an_error(tmp_path: Path, name: str) -> None:
    result = run(tmp_path / name)
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    result = run(EXAMPLE, "-o", tmp_path / "missing" / "crab.yaml")
    assert result.exit_code == 2
    assert "cannot be written: No such file or directory" in result.stderr


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("SafeMaskMaker", ["gammapy.makers.SafeMaskMaker", "  offset_max    offset_max"]),
        ("Analysis", ["In skyred: `skyred.Pipeline` and `skyred.Orchestrator`, or `skyred run`"]),
    ],
)
def test_show_prints_the_counterpart_of_a_class(name: str, lines: list[str]) -> None:
    result = CliRunner().invoke(main, ["show", name])
    assert result.exit_code == 0
    for line in lines:
        assert line in result.stdout.split("\n")
