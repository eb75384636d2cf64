"""The command line: what it says, what it imports, and what it exits with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from skyred import Pipeline
from skyred.cli import main
from skyred.plugins import Plugins
from toys import ToyEstimator, ToyFitter, ToyMaker, toy_pipeline, toy_plugins

SLOW = ("gammapy", "regions", "matplotlib", "astropy.coordinates", "scipy", "iminuit")
ROOT = Path(__file__).parent.parent.parent


def invoke(*words: str) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let the commands find the toys alone, in an empty folder."""
    monkeypatch.setattr(Plugins, "load", classmethod(lambda cls, **_: PLUGINS))
    monkeypatch.chdir(tmp_path)
    return tmp_path


PLUGINS = toy_plugins()


def write(folder: Path, **changes: Any) -> str:
    pipeline = toy_pipeline(3, **{"estimate": [ToyEstimator()], **changes})
    (folder / "toy.yaml").write_text(pipeline.to_yaml(), encoding="utf-8")
    return "toy.yaml"


class TestRun:
    def test_a_run_ends_with_0_and_says_where_it_is(self, toys: Path) -> None:
        done = invoke("run", write(toys))
        assert done.exit_code == 0, done.output
        assert "3 of 3 observations are in the result" in done.stdout
        assert str(toys / "toy") in done.stdout
        assert json.loads((toys / "toy" / "report.json").read_text())["state"] == "finished"

    def test_a_second_run_needs_overwrite(self, toys: Path) -> None:
        name = write(toys)
        assert invoke("run", name).exit_code == 0
        refused = invoke("run", name)
        assert refused.exit_code == 2
        assert "already exists" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert invoke("run", name, "--overwrite").exit_code == 0
        assert invoke("run", name, "-o", "elsewhere").exit_code == 0
        assert (toys / "elsewhere" / "report.json").is_file()

    def test_failed_runs_end_with_3(self, toys: Path) -> None:
        done = invoke("run", write(toys, make=[ToyMaker(fail=[2])]))
        assert done.exit_code == 3
        assert "run 2 is broken" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (toys / "toy" / "estimates").exists()

    def test_failed_runs_that_are_left_out_end_with_3_all_the_same(self, toys: Path) -> None:
        done = invoke("run", write(toys, make=[ToyMaker(fail=[2])], on_error="skip"))
        assert done.exit_code == 3
        assert "2 of 3 observations are in the result" in done.stdout
        assert (toys / "toy" / "estimates").is_dir()

    def test_skipped_runs_end_with_0(self, toys: Path) -> None:
        assert invoke("run", write(toys, make=[ToyMaker(skip=[2])])).exit_code == 0

    def test_a_fit_that_did_not_converge_ends_with_4(self, toys: Path) -> None:
        done = invoke("run", write(toys, fit=ToyFitter(gives_up=True)))
        assert done.exit_code == 4
        assert "no more ideas" in done.stderr

    def test_a_bug_ends_with_1_and_asks_for_a_report(self, toys: Path) -> None:
        done = invoke("run", write(toys, estimate=[ToyEstimator(breaks=True)]))
        assert done.exit_code == 1
        assert "RuntimeError: nothing to add up" in done.stderr
        assert "this is a bug" in done.stderr

    def test_a_pipe_that_is_closed_early_ends_quietly(self) -> None:
        command = f"{sys.executable} -m skyred plugins | head -n 1"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        assert done.stdout.count("\n") == 1
        assert done.stderr == ""

    def test_warnings_of_skyred_are_sentences(self, toys: Path) -> None:
        code = (
            "import warnings; from skyred.cli.main import _log_to_console; "
            "from skyred.errors import warn_of_old_name; _log_to_console(); "
            "warn_of_old_name('one', 'two'); warnings.warn('other')"
        )
        run = [sys.executable, "-c", code]
        done = subprocess.run(run, capture_output=True, text=True, check=True)
        first, second = done.stderr.splitlines()
        assert first == "WARNING: one is now called two; the old name works until the next release"
        assert second.endswith("UserWarning: other")

    def test_an_interrupt_ends_with_130(self, toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(self: Any, datasets: Any, fit: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(ToyEstimator, "estimate", interrupt)
        done = invoke("run", write(toys))
        assert done.exit_code == 130
        assert "interrupted" in done.stderr
        assert json.loads((toys / "toy" / "report.json").read_text())["state"] == "interrupted"

    def test_until_ends_early(self, toys: Path) -> None:
        assert invoke("run", write(toys), "--until", "reduce").exit_code == 0
        assert not (toys / "toy" / "estimates").exists()
        assert invoke("run", "toy.yaml", "--until", "fitt").exit_code == 2

    def test_set_changes_the_pipeline_that_is_run(self, toys: Path) -> None:
        done = invoke("run", write(toys), "--set", "data.toy.make[0].skip=[1, 2]")
        assert done.exit_code == 0
        assert "1 of 3 observations" in done.stdout
        again = Pipeline.from_yaml(toys / "toy" / "config.yaml", plugins=PLUGINS)
        assert again.data["toy"].make[0].skip == (1, 2)

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--engine", "proceses"], "did you mean 'processes'?"),
            (["--workers", "2"], "the engine 'serial' has no option workers"),
            (["--engine", "{kind: processes, worker: 2}"], "did you mean 'workers'?"),
            (["--engine", "{kind: processes, workers: 3}", "--workers", "2"], "has 3 workers"),
            (["--engine", "[serial]"], "expected a kind, or {kind: KIND, ...}"),
            (["--workers", "0"], "0 is not in the range"),
            (["--set", "nothing"], "'nothing' is not an override; expected path=value"),
        ],
    )
    def test_a_wrong_option_ends_with_2_before_anything_is_done(
        self, toys: Path, words: list[str], message: str
    ) -> None:
        done = invoke("run", write(toys), *words)
        assert done.exit_code == 2
        assert message in done.stderr
        assert not (toys / "toy").exists()


class TestCheck:
    def test_the_example_has_no_problems(self, crab_yaml: str) -> None:
        done = invoke("check", str(ROOT / "examples" / "crab.yaml"), "--no-data")
        assert done.exit_code == 0, done.output
        digest = Pipeline.from_yaml(crab_yaml).digest()
        assert f"digest {digest[:16]}" in done.stdout

    def test_a_mistake_ends_with_2_and_its_place(self, toys: Path) -> None:
        (toys / "wrong.yaml").write_text("data:\n  x: 5\nfti: {}\n")
        done = invoke("check", "wrong.yaml")
        assert done.exit_code == 2
        assert done.stdout == ""
        assert done.stderr.startswith("wrong.yaml:2:3: data.x: is 5; expected a mapping")
        assert "wrong.yaml:3:1: fti: there is no such key" in done.stderr

    def test_a_file_that_is_not_there_ends_with_2(self, toys: Path) -> None:
        done = invoke("check", "none.yaml")
        assert done.exit_code == 2
        assert "none.yaml" in done.stderr
        assert "Traceback" not in done.stderr

    def test_an_override_is_checked(self, crab_yaml: str) -> None:
        example = str(ROOT / "examples" / "crab.yaml")
        done = invoke("check", example, "--set", "fit.tolerance=70")
        assert done.exit_code == 2
        assert "fit.tolerance: is 70.0; expected a number from 1e-06 to 10.0" in done.stderr


class TestShow:
    def test_a_kind_is_shown_with_options_units_and_defaults(self) -> None:
        done = invoke("show", "safe-mask")
        assert done.exit_code == 0
        assert done.stdout.startswith("maker safe-mask    (skyred ")
        for message in (
            "offset_max: an angle [3.0 deg]",
            "Largest offset from the pointing",
            "aeff_percent: a number from 0 to 100 [10.0]",
            "position: a position on the sky (optional)",
        ):
            assert message in done.stdout

    def test_a_kind_of_two_roles_is_shown_twice(self) -> None:
        out = invoke("show", "map").stdout
        assert "geometry map" in out
        assert "maker map" in out
        assert "energy: an energy axis (required)" in out
        assert "bins: a whole number of at least 1" in out, "options of nested values too"

    def test_options_of_list_items_are_shown(self) -> None:
        assert "start: a date and time (required)" in invoke("show", "light-curve").stdout
        assert "replace: a mapping" in invoke("show", "model-comparison").stdout

    def test_an_unknown_kind_ends_with_2_and_the_nearest(self) -> None:
        done = invoke("show", "save-mask")
        assert done.exit_code == 2
        assert "unknown kind 'save-mask'" in done.stderr
        assert "did you mean 'safe-mask'?" in done.stderr

    def test_every_kind_can_be_shown(self) -> None:
        for entry in Plugins.load().catalog:
            done = invoke("show", entry.cls.kind)
            assert done.exit_code == 0, done.output
            assert entry.cls.summary() in done.stdout


@pytest.mark.parametrize(
    "words",
    [["--help"], ["run", "--help"], ["--version"], ["plugins"], ["show", "flux-points"]],
    ids=" ".join,
)
def test_commands_without_data_do_not_import_gammapy(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from skyred.cli import main\n"
        "try:\n"
        f"    main({words!r})\n"
        "finally:\n"
        f"    print('imported:', [name for name in {SLOW} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SKYRED_BLOCK": ""},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("imported: []")


def test_the_steps_of_the_option_until_are_those_of_a_run() -> None:
    from skyred.cli.commands import STEPS
    from skyred.interfaces import records

    assert records.STEPS == STEPS


def test_importing_skyred_costs_nothing() -> None:
    code = (
        "import sys, skyred; print([n for n in ('numpy', 'astropy', 'attrs') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_all_there() -> None:
    import skyred

    for name in skyred.__all__:
        assert getattr(skyred, name) is not None
    assert set(skyred.__all__) <= set(dir(skyred))
    with pytest.raises(AttributeError, match="nothing"):
        skyred.nothing  # noqa: B018
