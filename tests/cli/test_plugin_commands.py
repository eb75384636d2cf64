"""Commands of plugins: help, execution, and errors, which do not affect other commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from distributions import install_distribution
from skyred import __version__
from skyred.cli import main
from skyred.plugins import BLOCK_VARIABLE

HEAD = "import click\nfrom skyred import ConfigError, Problem, hookimpl\n"
GREET = """
@click.command()
@click.argument("name")
def greet(name):
    '''Greet NAME.'''
    if name == "nobody":
        raise ConfigError([Problem(("NAME",), "is nobody", "expected a name")])
    click.echo(f"hello {name.upper() if name else 1 / 0}")

@hookimpl
def skyred_commands(cli):
    cli.add_command(greet)
"""
FAULTS = {
    "raises on import": ("raise RuntimeError('no libfoo')",
                         "cannot be imported: RuntimeError: no libfoo"),
    "exits on import": ("raise SystemExit('bye')", "cannot be imported: SystemExit: bye"),
    "syntax error": ("def f(:", "cannot be imported: SyntaxError"),
    "misspelt hook": (GREET.replace("skyred_commands", "skyred_comands"),
                      "unknown hook 'skyred_comands' (did you mean 'skyred_commands'?)"),
    "undecorated hook": (GREET.replace("@hookimpl", ""), "skyred_commands is not decorated"),
    "raises": (GREET + "    1 / 0", "skyred_commands() failed: ZeroDivisionError"),
    "exits": (GREET + "    raise SystemExit(3)", "skyred_commands() failed: SystemExit: 3"),
    "wrong argument": (GREET.replace("(cli)", "(group)"),
                       "the hook skyred_commands has no argument 'group'; available: cli"),
    "adds no command": (GREET.replace("(greet)", "(5)"), "skyred_commands() failed: "),
    "has no hook": ("", "provides no command; expected a function skyred_commands(cli)"),
    "has another hook": (GREET + "@hookimpl\ndef skyred_components():\n    return []\n",
                         "entry points of skyred.commands may implement only skyred_commands; "
                         "move skyred_components to an entry point in the group skyred"),
    "takes a name of the core": (GREET + "    cli.add_command(greet, 'run')",
                                 f"the command 'run' is already provided by skyred {__version__}"),
    "takes a name of skyred": (GREET + "    cli.add_command(greet, 'export')",
                               f"the command 'export' is already provided by skyred {__version__} "
                               "(plugin 'export')"),
}  # fmt: skip
CORE_COMMANDS = ("cache", "check", "convert", "plugins", "report", "run", "show")

Install = Callable[..., None]


def invoke(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def listed_commands(output: str) -> list[str]:
    """Return the names of the commands in the output of ``--help``."""
    _, _, commands = output.partition("\nCommands:\n")
    lines = commands.partition("\n\n")[0].split("\n")
    return [line.split()[0] for line in lines]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that installs a distribution with a command, until the test ends."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def install(name: str, code: str = GREET, **options: str) -> None:
        install_distribution(folder, name, HEAD + code, group="skyred.commands", **options)
        monkeypatch.delitem(sys.modules, name.replace("-", "_"), raising=False)

    return install


def test_command_is_listed_and_runs(install: Install) -> None:
    assert "greet" not in listed_commands(invoke("--help").stdout)
    install("skyred-greet", plugin="greeter")
    help_text = invoke("--help").stdout
    assert listed_commands(help_text) == sorted(
        [*CORE_COMMANDS, "demo", "export", "greet", "new-plugin"]
    )
    assert "Greet NAME." in help_text
    assert "Greet NAME." in invoke("greet", "--help").stdout
    result = invoke("greet", "crab")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "hello CRAB\n", "")


def test_command_runs_in_a_new_process(tmp_path: Path) -> None:
    folder = install_distribution(tmp_path, "skyred-greet", HEAD + GREET, group="skyred.commands")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-m", "skyred", "greet", "crab"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "hello CRAB\n"), result.stderr


def test_class_can_add_commands(install: Install) -> None:
    code = GREET.replace("@hookimpl", "class Greeter:\n  @hookimpl").replace("(cli)", "(self, cli)")
    install("class-greet", code.replace("def skyred", "  def skyred"), cls="Greeter")
    assert invoke("greet", "crab").stdout == "hello CRAB\n"


def test_list_of_plugins_has_the_commands_of_each_plugin(install: Install) -> None:
    install("skyred-greet", plugin="greeter")
    result = invoke("plugins")
    assert "greeter  skyred-greet 1.2  skyred_greet\n    command greet" in result.stdout
    assert f"export  skyred {__version__}  skyred.cli.export\n    command export" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_plugin_is_reported_and_does_not_affect_other_commands(
    fault: str, install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, message = FAULTS[fault]
    install("faulty-greet", code, plugin="faulty")
    install("skyred-wave", GREET.replace("greet", "wave"), plugin="wave")
    begin = f"plugin 'faulty' of faulty-greet 1.2 (faulty_greet): {message}"
    end = f"; fix or remove the plugin, or block it with {BLOCK_VARIABLE}=faulty"

    help_result = invoke("--help")
    assert help_result.exit_code == 0
    assert listed_commands(help_result.stdout) == sorted(
        [*CORE_COMMANDS, "demo", "export", "new-plugin", "wave"]
    )
    (error,) = [line for line in help_result.stdout.split("\n") if line.startswith("plugin ")]
    assert error.startswith(begin)
    assert error.endswith(end)

    result = invoke("plugins")
    assert result.exit_code == 0
    assert "faulty  faulty-greet 1.2  faulty_greet FAULTY" in result.stdout
    assert error in result.stderr

    assert invoke("wave", "crab").exit_code == 0
    for command in (*CORE_COMMANDS, "export", "demo", "new-plugin"):
        result = invoke(command, "--help")
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: main {command} [OPTIONS]")
        assert result.stderr == ""
    for command in ("run", "check"):
        assert "faulty-greet" not in invoke(command, str(tmp_path / "none.yaml")).stderr
    assert invoke("cache", "--cache", str(tmp_path)).exit_code == 0

    result = invoke("greet", "crab")
    assert result.exit_code == 2
    assert error in result.stderr

    monkeypatch.setenv(BLOCK_VARIABLE, "faulty")
    assert "faulty" not in invoke("--help").stdout
    assert "faulty_greet (blocked by SKYRED_BLOCK)" in invoke("plugins").stdout


class TestTwoPluginsWithTheSameCommand:
    def test_error_contains_the_names_of_both_plugins(self, install: Install) -> None:
        install("blue-greet", plugin="blue")
        install("red-greet", GREET + "    cli.add_command(greet, 'wave')", plugin="red")
        result = invoke("greet", "crab")
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr == (
            "skyred: plugin 'red' of red-greet 1.2 (red_greet): the command 'greet' is already "
            "provided by blue-greet 1.2 (plugin 'blue'); fix or remove the plugin, or block it "
            "with SKYRED_BLOCK=red\n"
        )
        assert "plugin 'red' of red-greet" in invoke("--help").stdout
        # the other commands of the faulty plugin are not added either
        assert "wave" not in listed_commands(invoke("--help").stdout)

    def test_either_plugin_can_be_blocked(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install("blue-greet", plugin="blue")
        install("red-greet", GREET.replace("hello", "red"), plugin="red")
        for block, output in (("red", "hello CRAB\n"), ("blue-greet", "red CRAB\n")):
            monkeypatch.setenv(BLOCK_VARIABLE, block)
            assert invoke("greet", "crab").stdout == output

    def test_plugins_with_the_same_name_are_blocked_by_distribution(self, install: Install) -> None:
        install("blue-greet", plugin="greeter")
        install("red-greet", plugin="greeter")
        assert invoke("greet", "crab").stderr.endswith("SKYRED_BLOCK=red-greet\n")


class TestErrorsOfCommands:
    def test_skyred_errors_are_printed_without_traceback(self, install: Install) -> None:
        install("skyred-greet")
        result = invoke("greet", "nobody")
        assert result.exit_code == 2
        assert "NAME: is nobody; expected a name" in result.stderr
        assert "Traceback" not in result.stderr

    def test_bug_is_attributed_to_the_plugin(self, install: Install) -> None:
        install("skyred-greet", plugin="greeter")
        result = invoke("greet", "")
        assert result.exit_code == 1
        assert "ZeroDivisionError" in result.stderr
        assert "the command 'greet' of skyred-greet 1.2 (plugin 'greeter') failed" in result.stderr


@pytest.mark.parametrize("args", [["--help"], ["run", "--help"], ["cache"]], ids=" ".join)
def test_core_commands_do_not_load_plugin_commands(args: list[str], tmp_path: Path) -> None:
    # the help imports neither plugins with components nor slow dependencies
    folder = install_distribution(tmp_path, "skyred-greet", HEAD + GREET, group="skyred.commands")
    names = ("skyred_greet", "skyred.cli.export", "skyred.cli.demo", "skyred.cli.new_plugin")
    slow = ("numpy", "astropy", "gammapy", "skyred.components", "skyred.plugins.loading")
    code = (
        "import sys\n"
        "from skyred.cli import main\n"
        "try:\n"
        f"    main({args!r})\n"
        "finally:\n"
        f"    print('commands:', [name for name in {names} if name in sys.modules])\n"
        f"    print('slow:', [name for name in {slow} if name in sys.modules])\n"
    )
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "PYTHONPATH": path,
            "SKYRED_CACHE_DIR": str(tmp_path),
            BLOCK_VARIABLE: "",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    *_, commands, imported = result.stdout.strip().split("\n")
    assert commands == f"commands: {list(names) if args == ['--help'] else []}"
    if "--help" in args:
        assert imported == "slow: []"
