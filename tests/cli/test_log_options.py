"""The log options of commands: levels, log files, and their errors before a run starts."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from secret_toys import Uploader
from skyred.cli import main
from skyred.cli.log_options import ConsoleHandler
from skyred.errors import SkyredWarning
from skyred.interfaces.records import Owner
from skyred.plugins import Plugins
from toys import ToyEstimator, toy_pipeline, toy_plugins


def invoke(*args: str) -> Result:
    """Run a command without the log handlers of pytest, as in a terminal."""
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(logging.getLogger(), "handlers", [])
        return CliRunner().invoke(main, args)


def show_warning(message: Any, category: Any, filename: str, lineno: int, *args: Any) -> None:
    """Show a warning as Python does; pytest would collect it."""
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno))
    sys.stderr.flush()  # old versions of click do not flush the stream that they capture


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A configuration in the working directory, whose estimator logs at three levels and warns."""

    def estimate(self: Any, datasets: Any, fit: Any) -> Any:
        for number in (logging.DEBUG, logging.INFO, logging.WARNING):
            logging.getLogger("skyred.toys").log(number, "message of level %d", number)
        warnings.warn("a Python warning", SkyredWarning, stacklevel=1)
        return original_estimate(self, datasets, fit)

    original_estimate = ToyEstimator.estimate
    plugins = toy_plugins()
    assert plugins.catalog.add(Uploader, Owner("toy-secrets", "1", "secrets")) == ""
    monkeypatch.setattr(Plugins, "load", classmethod(lambda *args, **kwargs: plugins))
    monkeypatch.setattr(ToyEstimator, "estimate", estimate)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", show_warning)
    monkeypatch.setattr(warnings, "filters", [("always", None, Warning, None, 0)])
    (tmp_path / "toys.yaml").write_text(toy_pipeline(2, estimate=[ToyEstimator()]).to_yaml())
    return "toys.yaml"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["message of level 30", "a Python warning"]),
        (["-v"], ["message of level 20", "message of level 30", "a Python warning"]),
        (["-q"], []),
        (["--log-level", "error"], []),
        (
            ["--log-level", "DEBUG"],
            [
                "message of level 10",
                "message of level 20",
                "message of level 30",
                "a Python warning",
            ],
        ),
    ],
)
def test_level_selects_the_messages_on_the_console(
    config: str, options: list[str], expected: list[str]
) -> None:
    result = invoke("run", config, *options)
    assert result.exit_code == 0
    messages = ["message of level 10", "message of level 20", "message of level 30",
                "a Python warning"]  # fmt: skip
    assert [message for message in messages if message in result.stderr] == expected
    assert result.stderr.count("a Python warning") <= 1


def test_log_file_contains_messages_and_warnings_once_at_its_level(config: str) -> None:
    assert invoke("run", config, "-q", "--log-file", "run.log").exit_code == 0
    content = Path("run.log").read_text()
    assert "message of level 10" not in content
    for message in ("INFO skyred.toys: message of level 20", "a Python warning"):
        assert content.count(message) == 1
        assert (Path("toys") / "log.jsonl").read_text().count(message.rpartition(": ")[2]) == 1


def test_log_level_applies_to_the_log_file(config: str) -> None:
    assert invoke("run", config, "--log-level", "debug", "--log-file", "a.jsonl").exit_code == 0
    lines = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    assert "message of level 10" in [line["message"] for line in lines]


@pytest.mark.parametrize(("options", "is_kept"), [([], False), (["--log-append"], True)])
def test_log_file_is_replaced_or_appended_to(
    config: str, options: list[str], is_kept: bool
) -> None:
    Path("run.log").write_text("an earlier line\n")
    assert invoke("run", config, "--log-file", "run.log", *options).exit_code == 0
    content = Path("run.log").read_text()
    assert content.startswith("an earlier line\n") is is_kept
    assert "message of level 30" in content


def test_error_of_the_configuration_is_in_the_log_file(config: str) -> None:
    Path(config).write_text("unknown: 1\n")
    assert invoke("check", config, "--log-file", "check.log").exit_code == 2
    assert "ERROR skyred.cli: toys.yaml:1:1: unknown: unknown key" in Path("check.log").read_text()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing/run.log", "the log file missing/run.log cannot be written: No such file"),
        ("folder", "the log file folder is not a regular file"),
        ("toys/run.log", "the log file toys/run.log is in the run folder toys"),
        ("toys.yaml", "the log file toys.yaml is another file of the command"),
    ],
)
def test_invalid_log_file_is_an_error_before_the_run(config: str, path: str, message: str) -> None:
    Path("folder").mkdir()
    content = Path(config).read_text()
    result = invoke("run", config, "--log-file", path)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("toys").exists()
    assert Path(config).read_text() == content


def test_contradictory_options_are_errors(config: str) -> None:
    for options in (["-v", "-q"], ["--log-append"]):
        assert invoke("run", config, *options).exit_code == 2


def test_logging_is_as_before_after_a_command(config: str) -> None:
    state = (warnings.showwarning, logging.getLogger("skyred").level)
    invoke("run", config, "--log-level", "debug", "--log-file", "run.log")
    assert (warnings.showwarning, logging.getLogger("skyred").level) == state
    handlers = [*logging.getLogger().handlers, *logging.getLogger("py.warnings").handlers]
    assert not [handler for handler in handlers if isinstance(handler, ConsoleHandler)]
    assert not logging.getLogger("py.warnings").handlers


def test_secrets_are_hidden_in_the_log_file(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "s3cr3t-value")
    uploader = Uploader(token={"env": "TOKEN"})
    Path(config).write_text(toy_pipeline(1, estimate=[uploader]).to_yaml())
    result = invoke("run", config, "--log-level", "debug", "--log-file", "run.log")
    assert result.exit_code != 0
    content = Path("run.log").read_text()
    assert "upload with ***" in content
    assert "ERROR skyred.cli: cannot upload with ***" in content
    assert "s3cr3t" not in content + result.output
