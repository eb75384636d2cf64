"""The command line: output, imports and exit codes."""

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
    """Let the commands use only the toy components, in an empty folder."""
    monkeypatch.setattr(Plugins, "load", classmethod(lambda cls, **_: PLUGINS))
    monkeypatch.chdir(tmp_path)
    return tmp_path


PLUGINS = toy_plugins()


def write(folder: Path, **changes: Any) -> str:
    pipeline = toy_pipeline(3, **{"estimate": [ToyEstimator()], **changes})
    (folder / "toy.yaml").write_text(pipeline.to_yaml(), encoding="utf-8")
    return "toy.yaml"


class TestRun:
    def test_finished_run_exits_with_0_and_prints_its_folder(self, toys: Path) -> None:
        outcome = invoke("run", write(toys))
        assert outcome.exit_code == 0, outcome.output
        assert "3 of 3 observations are in the result" in outcome.stdout
        assert str(toys / "toy") in outcome.stdout
        assert json.loads((toys / "toy" / "report.json").read_text())["state"] == "finished"

    def test_second_run_needs_overwrite(self, toys: Path) -> None:
        name = write(toys)
        assert invoke("run", name).exit_code == 0
        refused = invoke("run", name)
        assert refused.exit_code == 2
        assert "already exists" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert invoke("run", name, "--overwrite").exit_code == 0
        assert invoke("run", name, "-o", "elsewhere").exit_code == 0
        assert (toys / "elsewhere" / "report.json").is_file()

    def test_failed_observations_exit_with_3(self, toys: Path) -> None:
        outcome = invoke("run", write(toys, make=[ToyMaker(fail=[2])]))
        assert outcome.exit_code == 3
        assert "run 2 is broken" in outcome.stderr
        assert "Traceback" not in outcome.stderr
        assert not (toys / "toy" / "estimates").exists()

    def test_failed_observations_exit_with_3_also_with_on_error_skip(self, toys: Path) -> None:
        outcome = invoke("run", write(toys, make=[ToyMaker(fail=[2])], on_error="skip"))
        assert outcome.exit_code == 3
        assert "2 of 3 observations are in the result" in outcome.stdout
        assert (toys / "toy" / "estimates").is_dir()

    def test_skipped_observations_exit_with_0(self, toys: Path) -> None:
        assert invoke("run", write(toys, make=[ToyMaker(skip=[2])])).exit_code == 0

    def test_fit_that_did_not_converge_exits_with_4(self, toys: Path) -> None:
        outcome = invoke("run", write(toys, fit=ToyFitter(fails=True)))
        assert outcome.exit_code == 4
        assert "too many iterations" in outcome.stderr

    def test_bug_exits_with_1_and_asks_for_a_report(self, toys: Path) -> None:
        outcome = invoke("run", write(toys, estimate=[ToyEstimator(fails=True)]))
        assert outcome.exit_code == 1
        assert "RuntimeError: the estimator failed" in outcome.stderr
        assert "this is a bug" in outcome.stderr

    def test_closed_pipe_ends_the_command_without_error(self) -> None:
        command = f"{sys.executable} -m skyred plugins | head -n 1"
        outcome = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        assert outcome.stdout.count("\n") == 1
        assert outcome.stderr == ""

    def test_skyred_warnings_are_printed_without_source_lines(self, toys: Path) -> None:
        code = (
            "import warnings; from skyred.cli.main import _log_to_console; "
            "from skyred.errors import warn_of_old_name; _log_to_console(); "
            "warn_of_old_name('one', 'two'); warnings.warn('other')"
        )
        run = [sys.executable, "-c", code]
        outcome = subprocess.run(run, capture_output=True, text=True, check=True)
        first, second = outcome.stderr.splitlines()
        assert first == "WARNING: one is now called two; the old name works until the next release"
        assert second.endswith("UserWarning: other")

    def test_interrupt_exits_with_130(self, toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(self: Any, datasets: Any, fit: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(ToyEstimator, "estimate", interrupt)
        outcome = invoke("run", write(toys))
        assert outcome.exit_code == 130
        assert "interrupted" in outcome.stderr
        assert json.loads((toys / "toy" / "report.json").read_text())["state"] == "interrupted"

    def test_until_option_skips_later_steps(self, toys: Path) -> None:
        assert invoke("run", write(toys), "--until", "reduce").exit_code == 0
        assert not (toys / "toy" / "estimates").exists()
        assert invoke("run", "toy.yaml", "--until", "fitt").exit_code == 2

    def test_set_option_changes_the_executed_pipeline(self, toys: Path) -> None:
        outcome = invoke("run", write(toys), "--set", "data.toy.make[0].skip=[1, 2]")
        assert outcome.exit_code == 0
        assert "1 of 3 observations" in outcome.stdout
        again = Pipeline.from_yaml(toys / "toy" / "config.yaml", plugins=PLUGINS)
        assert again.data["toy"].make[0].skip == (1, 2)

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--engine", "proceses"], "did you mean 'processes'?"),
            (["--workers", "2"], "the engine 'serial' has no option workers"),
            (["--engine", "{kind: processes, worker: 2}"], "did you mean 'workers'?"),
            (["--engine", "{kind: processes, workers: 3}", "--workers", "2"], "--engine sets 3"),
            (["--engine", "[serial]"], "expected a kind, or {kind: KIND, ...}"),
            (["--workers", "0"], "0 is not in the range"),
            (["--set", "nothing"], "'nothing' is not an override; expected path=value"),
        ],
    )
    def test_invalid_option_exits_with_2_before_any_work(
        self, toys: Path, words: list[str], message: str
    ) -> None:
        outcome = invoke("run", write(toys), *words)
        assert outcome.exit_code == 2
        assert message in outcome.stderr
        assert not (toys / "toy").exists()


class TestCheck:
    def test_example_has_no_problems(self, crab_yaml: str) -> None:
        outcome = invoke("check", str(ROOT / "examples" / "crab.yaml"), "--no-data")
        assert outcome.exit_code == 0, outcome.output
        digest = Pipeline.from_yaml(crab_yaml).digest()
        assert f"digest {digest[:16]}" in outcome.stdout

    def test_mistake_exits_with_2_and_is_reported_with_its_line(self, toys: Path) -> None:
        (toys / "wrong.yaml").write_text("data:\n  x: 5\nfti: {}\n")
        outcome = invoke("check", "wrong.yaml")
        assert outcome.exit_code == 2
        assert outcome.stdout == ""
        assert outcome.stderr.startswith("wrong.yaml:2:3: data.x: is 5; expected a data entry")
        assert "wrong.yaml:3:1: fti: unknown key" in outcome.stderr

    def test_missing_file_exits_with_2(self, toys: Path) -> None:
        outcome = invoke("check", "none.yaml")
        assert outcome.exit_code == 2
        assert "none.yaml" in outcome.stderr
        assert "Traceback" not in outcome.stderr

    def test_override_is_checked(self, crab_yaml: str) -> None:
        example = str(ROOT / "examples" / "crab.yaml")
        outcome = invoke("check", example, "--set", "fit.tolerance=70")
        assert outcome.exit_code == 2
        assert "fit.tolerance: is 70.0; expected a number from 1e-06 to 10.0" in outcome.stderr


class TestShow:
    def test_kind_is_shown_with_options_units_and_defaults(self) -> None:
        outcome = invoke("show", "safe-mask")
        assert outcome.exit_code == 0
        assert outcome.stdout.startswith("maker safe-mask    (skyred ")
        for message in (
            "offset_max: an angle [3.0 deg]",
            "Largest offset from the pointing",
            "aeff_percent: a number from 0 to 100 [10.0]",
            "position: a position on the sky (optional)",
        ):
            assert message in outcome.stdout

    def test_kind_of_two_roles_is_shown_twice(self) -> None:
        out = invoke("show", "map").stdout
        assert "geometry map" in out
        assert "maker map" in out
        assert "energy: an energy axis (required)" in out
        assert "bins: a whole number from 1 to 10000" in out, "options of nested values too"

    def test_options_of_list_items_are_shown(self) -> None:
        assert "start: a date and time (required)" in invoke("show", "light-curve").stdout
        assert "replace: a mapping" in invoke("show", "model-comparison").stdout

    def test_unknown_kind_exits_with_2_and_a_suggestion(self) -> None:
        outcome = invoke("show", "save-mask")
        assert outcome.exit_code == 2
        assert "unknown kind 'save-mask'" in outcome.stderr
        assert "did you mean 'safe-mask'?" in outcome.stderr

    def test_every_kind_can_be_shown(self) -> None:
        for entry in Plugins.load().catalog:
            outcome = invoke("show", entry.cls.kind)
            assert outcome.exit_code == 0, outcome.output
            assert entry.cls.summary() in outcome.stdout


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
    outcome = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SKYRED_BLOCK": ""},
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.strip().endswith("imported: []")


def test_choices_of_the_until_option_are_the_steps_of_a_run() -> None:
    from skyred.cli.commands import STEPS
    from skyred.interfaces import records

    assert records.STEPS == STEPS


def test_importing_skyred_imports_no_dependency() -> None:
    code = (
        "import sys, skyred; print([n for n in ('numpy', 'astropy', 'attrs') if n in sys.modules])"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert outcome.stdout.strip() == "[]"


def test_all_public_names_can_be_imported() -> None:
    import skyred

    for name in skyred.__all__:
        assert getattr(skyred, name) is not None
    assert set(skyred.__all__) <= set(dir(skyred))
    with pytest.raises(AttributeError, match="nothing"):
        skyred.nothing  # noqa: B018
