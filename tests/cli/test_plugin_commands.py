"""Commands of plugins: listed and run; a faulty plugin is named, and stops no other command."""

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
from skyred.plugins import BLOCK

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
    "is no Python": ("def f(:", "cannot be imported: SyntaxError"),
    "misspelt hook": (GREET.replace("skyred_commands", "skyred_comands"),
                      "unknown hook 'skyred_comands'; did you mean 'skyred_commands'?"),
    "undecorated hook": (GREET.replace("@hookimpl", ""), "skyred_commands is not decorated"),
    "raises": (GREET + "    1 / 0", "skyred_commands() failed: ZeroDivisionError"),
    "exits": (GREET + "    raise SystemExit(3)", "skyred_commands() failed: SystemExit: 3"),
    "wrong argument": (GREET.replace("(cli)", "(group)"),
                       "cannot be registered: Plugin 'faulty_greet' for hook 'skyred_commands'"),
    "adds no command": (GREET.replace("(greet)", "(5)"), "skyred_commands() failed: "),
    "has no hook": ("", "provides no command: expected a function skyred_commands(cli)"),
    "has another hook": (GREET + "@hookimpl\ndef skyred_components():\n    return []\n",
                         "skyred_components is not called here: expected a function "
                         "skyred_commands(cli)"),
    "takes a name of the core": (GREET + "    cli.add_command(greet, 'run')",
                                 f"the command 'run' is already added by skyred {__version__}"),
    "takes a name of skyred": (GREET + "    cli.add_command(greet, 'export')",
                               f"the command 'export' is already added by skyred {__version__} "
                               "(plugin 'export')"),
}  # fmt: skip
CORE = ("cache", "check", "plugins", "run", "show")

Install = Callable[..., None]


def invoke(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def listed(output: str) -> list[str]:
    """Return the names of the commands in the output of help."""
    _, _, commands = output.partition("\nCommands:\n")
    lines = commands.partition("\n\n")[0].split("\n")
    return [line.split()[0] for line in lines]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install distributions that add commands; their modules are forgotten after the test."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def install(name: str, code: str = GREET, **options: str) -> None:
        install_distribution(folder, name, HEAD + code, group="skyred.commands", **options)
        monkeypatch.delitem(sys.modules, name.replace("-", "_"), raising=False)

    return install


def test_a_command_is_listed_and_runs(install: Install) -> None:
    assert "greet" not in listed(invoke("--help").stdout)
    install("skyred-greet", plugin="greeter")
    help_text = invoke("--help").stdout
    assert listed(help_text) == sorted([*CORE, "demo", "export", "greet", "new-plugin"])
    assert "Greet NAME." in help_text
    assert "Greet NAME." in invoke("greet", "--help").stdout
    done = invoke("greet", "crab")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "hello CRAB\n", "")


def test_a_command_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    folder = install_distribution(tmp_path, "skyred-greet", HEAD + GREET, group="skyred.commands")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "skyred", "greet", "crab"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "hello CRAB\n"), done.stderr


def test_a_class_can_add_commands(install: Install) -> None:
    code = GREET.replace("@hookimpl", "class Greeter:\n  @hookimpl").replace("(cli)", "(self, cli)")
    install("class-greet", code.replace("def skyred", "  def skyred"), cls="Greeter")
    assert invoke("greet", "crab").stdout == "hello CRAB\n"


def test_the_list_of_plugins_has_the_commands_with_their_owners(install: Install) -> None:
    install("skyred-greet", plugin="greeter")
    done = invoke("plugins")
    assert "greeter  skyred-greet 1.2  skyred_greet\n    command greet" in done.stdout
    assert f"export  skyred {__version__}  skyred.cli.export\n    command export" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_plugin_is_named_and_stops_no_other_command(
    fault: str, install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, message = FAULTS[fault]
    install("faulty-greet", code, plugin="faulty")
    install("skyred-wave", GREET.replace("greet", "wave"), plugin="wave")
    begin = f"plugin 'faulty' of faulty-greet 1.2 (faulty_greet): {message}"
    end = f"; fix or remove it, or block it with {BLOCK}=faulty"

    help_result = invoke("--help")
    assert help_result.exit_code == 0
    assert listed(help_result.stdout) == sorted([*CORE, "demo", "export", "new-plugin", "wave"])
    (sentence,) = [line for line in help_result.stdout.split("\n") if line.startswith("plugin ")]
    assert sentence.startswith(begin)
    assert sentence.endswith(end)

    done = invoke("plugins")
    assert done.exit_code == 0
    assert "faulty  faulty-greet 1.2  faulty_greet FAULTY" in done.stdout
    assert sentence in done.stderr

    assert invoke("wave", "crab").exit_code == 0
    for command in (*CORE, "export", "demo", "new-plugin"):
        usage = invoke(command, "--help")
        assert usage.exit_code == 0
        assert usage.stdout.startswith(f"Usage: main {command} [OPTIONS]")
        assert usage.stderr == ""
    for command in ("run", "check"):
        assert "faulty-greet" not in invoke(command, str(tmp_path / "none.yaml")).stderr
    assert invoke("cache", "--cache", str(tmp_path)).exit_code == 0

    refused = invoke("greet", "crab")
    assert refused.exit_code == 2
    assert sentence in refused.stderr

    monkeypatch.setenv(BLOCK, "faulty")
    assert "faulty" not in invoke("--help").stdout
    assert "faulty_greet (blocked by SKYRED_BLOCK)" in invoke("plugins").stdout


class TestTwoPluginsWithOneCommand:
    def test_both_are_named_where_it_is_called(self, install: Install) -> None:
        install("blue-greet", plugin="blue")
        install("red-greet", GREET + "    cli.add_command(greet, 'wave')", plugin="red")
        done = invoke("greet", "crab")
        assert done.exit_code == 2
        assert done.stdout == ""
        assert done.stderr == (
            "skyred: plugin 'red' of red-greet 1.2 (red_greet): the command 'greet' is already "
            "added by blue-greet 1.2 (plugin 'blue'); fix or remove it, or block it with "
            "SKYRED_BLOCK=red\n"
        )
        assert "plugin 'red' of red-greet" in invoke("--help").stdout
        assert "wave" not in listed(invoke("--help").stdout), "all of a plugin, or nothing"

    def test_either_can_be_left_out(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install("blue-greet", plugin="blue")
        install("red-greet", GREET.replace("hello", "red"), plugin="red")
        for block, output in (("red", "hello CRAB\n"), ("blue-greet", "red CRAB\n")):
            monkeypatch.setenv(BLOCK, block)
            assert invoke("greet", "crab").stdout == output

    def test_plugins_of_one_name_are_left_out_by_distribution(self, install: Install) -> None:
        install("blue-greet", plugin="greeter")
        install("red-greet", plugin="greeter")
        assert invoke("greet", "crab").stderr.endswith("SKYRED_BLOCK=red-greet\n")


class TestErrorsOfCommands:
    def test_errors_of_skyred_are_sentences(self, install: Install) -> None:
        install("skyred-greet")
        done = invoke("greet", "nobody")
        assert done.exit_code == 2
        assert "NAME: is nobody; expected a name" in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_bug_is_reported_to_the_authors_of_the_plugin(self, install: Install) -> None:
        install("skyred-greet", plugin="greeter")
        done = invoke("greet", "")
        assert done.exit_code == 1
        assert "ZeroDivisionError" in done.stderr
        assert "the command 'greet' of skyred-greet 1.2 (plugin 'greeter') failed" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["cache"]], ids=" ".join)
def test_the_core_loads_commands_of_plugins_for_help_alone(
    words: list[str], tmp_path: Path
) -> None:
    """And help imports no plugins of components, nor what these need."""
    folder = install_distribution(tmp_path, "skyred-greet", HEAD + GREET, group="skyred.commands")
    names = ("skyred_greet", "skyred.cli.export", "skyred.cli.demo", "skyred.cli.new_plugin")
    slow = ("numpy", "astropy", "gammapy", "skyred.components", "skyred.plugins.loading")
    code = (
        "import sys\n"
        "from skyred.cli import main\n"
        "try:\n"
        f"    main({words!r})\n"
        "finally:\n"
        f"    print('commands:', [name for name in {names} if name in sys.modules])\n"
        f"    print('slow:', [name for name in {slow} if name in sys.modules])\n"
    )
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, "SKYRED_CACHE_DIR": str(tmp_path), BLOCK: ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, commands, imported = done.stdout.strip().split("\n")
    assert commands == f"commands: {list(names) if words == ['--help'] else []}"
    if "--help" in words:
        assert imported == "slow: []"
