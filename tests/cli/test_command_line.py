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
from skyred.components.watchers import plots as plot_watcher
from skyred.plugins import Plugins
from toys import ToyEstimator, ToyFitter, ToyMaker, toy_pipeline, toy_plugins

ROOT = Path(__file__).parent.parent.parent


def invoke(*args: str) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Make the commands use only toy components, and return their empty working directory."""
    monkeypatch.setattr(Plugins, "load", classmethod(lambda cls, **_: PLUGINS))
    monkeypatch.chdir(tmp_path)
    return tmp_path


PLUGINS = toy_plugins()
PLUGINS_WITH_PLOTS = toy_plugins(("plots", plot_watcher))


def write_toy_pipeline(folder: Path, **changes: Any) -> str:
    """Write a pipeline of toy components, and return the name of the file."""
    pipeline = toy_pipeline(3, **{"estimate": [ToyEstimator()], **changes})
    (folder / "toy.yaml").write_text(pipeline.to_yaml(), encoding="utf-8")
    return "toy.yaml"


class TestRun:
    def test_finished_run_exits_with_0_and_prints_its_folder(self, toys: Path) -> None:
        result = invoke("run", write_toy_pipeline(toys))
        assert result.exit_code == 0, result.output
        assert "3 of 3 observations are in the result" in result.stdout
        assert str(toys / "toy") in result.stdout
        assert json.loads((toys / "toy" / "report.json").read_text())["state"] == "finished"

    @pytest.mark.parametrize(("options", "plots"), [([], True), (["--no-plots"], False)])
    def test_no_plots_leaves_them_out_and_is_reported(
        self, toys: Path, options: list[str], plots: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Plugins, "load", classmethod(lambda cls, **_: PLUGINS_WITH_PLOTS))
        assert invoke("run", write_toy_pipeline(toys), *options).exit_code == 0
        assert (toys / "toy" / "plots" / "counts-toy.png").is_file() is plots
        assert (toys / "toy" / "plots").is_dir() is plots
        assert json.loads((toys / "toy" / "report.json").read_text())["plots"] is plots

    def test_second_run_needs_overwrite(self, toys: Path) -> None:
        name = write_toy_pipeline(toys)
        assert invoke("run", name).exit_code == 0
        result = invoke("run", name)
        assert result.exit_code == 2
        assert "already exists" in result.stderr
        assert "Traceback" not in result.stderr
        assert invoke("run", name, "--overwrite").exit_code == 0
        assert invoke("run", name, "-o", "other").exit_code == 0
        assert (toys / "other" / "report.json").is_file()

    def test_failed_observations_exit_with_3(self, toys: Path) -> None:
        result = invoke("run", write_toy_pipeline(toys, make=[ToyMaker(fail=[2])]))
        assert result.exit_code == 3
        assert "run 2 is broken" in result.stderr
        assert "Traceback" not in result.stderr
        assert not (toys / "toy" / "estimates").exists()

    def test_failed_observations_exit_with_3_also_with_on_error_skip(self, toys: Path) -> None:
        result = invoke("run", write_toy_pipeline(toys, make=[ToyMaker(fail=[2])], on_error="skip"))
        assert result.exit_code == 3
        assert "2 of 3 observations are in the result" in result.stdout
        assert (toys / "toy" / "estimates").is_dir()

    def test_skipped_observations_exit_with_0(self, toys: Path) -> None:
        assert invoke("run", write_toy_pipeline(toys, make=[ToyMaker(skip=[2])])).exit_code == 0

    def test_fit_that_did_not_converge_exits_with_4(self, toys: Path) -> None:
        result = invoke("run", write_toy_pipeline(toys, fit=ToyFitter(fails=True)))
        assert result.exit_code == 4
        assert "too many iterations" in result.stderr

    def test_bug_exits_with_1_and_asks_for_a_report(self, toys: Path) -> None:
        result = invoke("run", write_toy_pipeline(toys, estimate=[ToyEstimator(fails=True)]))
        assert result.exit_code == 1
        assert "RuntimeError: the estimator failed" in result.stderr
        assert "raised in the estimator toy-total of toys 1.0 (plugin 'toys')" in result.stderr
        assert "the estimator toy-total of toys 1.0 (plugin 'toys') failed; please" in result.stderr

    @pytest.mark.slow
    def test_closed_pipe_ends_the_command_without_error(self) -> None:
        command = f"{sys.executable} -m skyred plugins | head -n 1"
        result = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        assert result.stdout.count("\n") == 1
        assert result.stderr == ""

    def test_skyred_warnings_are_printed_without_source_lines(self, toys: Path) -> None:
        code = (
            "import warnings; from skyred.cli.log_options import log_to_console\n"
            "from skyred.errors import warn_of_old_name\n"
            "with log_to_console(): warn_of_old_name('one', 'two'); warnings.warn('other')"
        )
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        first, second = result.stderr.splitlines()
        assert first == "WARNING: one is now called two; the old name works until the next release"
        assert second.endswith("UserWarning: other")

    def test_interrupt_exits_with_130(self, toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(self: Any, datasets: Any, fit: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(ToyEstimator, "estimate", interrupt)
        result = invoke("run", write_toy_pipeline(toys))
        assert result.exit_code == 130
        assert "interrupted" in result.stderr
        assert json.loads((toys / "toy" / "report.json").read_text())["state"] == "interrupted"

    def test_until_option_skips_later_steps(self, toys: Path) -> None:
        assert invoke("run", write_toy_pipeline(toys), "--until", "reduce").exit_code == 0
        assert not (toys / "toy" / "estimates").exists()
        assert invoke("run", "toy.yaml", "--until", "fitt").exit_code == 2

    def test_set_option_changes_the_executed_pipeline(self, toys: Path) -> None:
        result = invoke("run", write_toy_pipeline(toys), "--set", "data.toy.make[0].skip=[1, 2]")
        assert result.exit_code == 0
        assert "1 of 3 observations" in result.stdout
        pipeline = Pipeline.from_yaml(toys / "toy" / "config.yaml", plugins=PLUGINS)
        assert pipeline.data["toy"].make[0].skip == (1, 2)

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (["--engine", "proceses"], "did you mean 'processes'?"),
            (["--workers", "2"], "the engine 'serial' has no option workers"),
            (["--engine", "{kind: processes, worker: 2}"], "did you mean 'workers'?"),
            (
                ["--engine", "{kind: processes, workers: 3}", "--workers", "2"],
                "--engine, which sets 3 workers",
            ),
            (["--engine", "[serial]"], "expected the kind of an engine, or {kind: KIND, ...}"),
            (["--workers", "0"], "0 is not in the range"),
            (["--set", "nothing"], "'nothing' is not an override; expected path=value"),
        ],
    )
    def test_invalid_option_exits_with_2_before_any_work(
        self, toys: Path, args: list[str], message: str
    ) -> None:
        result = invoke("run", write_toy_pipeline(toys), *args)
        assert result.exit_code == 2
        assert message in result.stderr
        assert not (toys / "toy").exists()


class TestCheck:
    def test_example_has_no_problems(self, crab_yaml: str) -> None:
        result = invoke("check", str(ROOT / "examples" / "crab.yaml"), "--no-data")
        assert result.exit_code == 0, result.output
        digest = Pipeline.from_yaml(crab_yaml).digest()
        assert f"digest {digest[:16]}" in result.stdout

    def test_invalid_file_exits_with_2_and_errors_have_line_numbers(self, toys: Path) -> None:
        (toys / "invalid.yaml").write_text("data:\n  x: 5\nfti: {}\n")
        result = invoke("check", "invalid.yaml")
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.startswith(
            "invalid.yaml:2:3: data.x: invalid value 5; expected a data entry"
        )
        assert "invalid.yaml:3:1: fti: unknown key" in result.stderr

    def test_missing_file_exits_with_2(self, toys: Path) -> None:
        result = invoke("check", "none.yaml")
        assert result.exit_code == 2
        assert "none.yaml" in result.stderr
        assert "Traceback" not in result.stderr

    def test_override_is_checked(self, crab_yaml: str) -> None:
        example = str(ROOT / "examples" / "crab.yaml")
        result = invoke("check", example, "--set", "fit.tolerance=70")
        assert result.exit_code == 2
        assert (
            "fit.tolerance: invalid value 70.0; expected a number from 1e-06 to 10.0"
            in result.stderr
        )


class TestShow:
    def test_kind_is_shown_with_options_units_and_defaults(self) -> None:
        result = invoke("show", "safe-mask")
        assert result.exit_code == 0
        assert result.stdout.startswith("maker safe-mask    (skyred ")
        for message in (
            "offset_max: an angle [3.0 deg]",
            "Largest offset from the pointing",
            "aeff_percent: a number from 0 to 100 [10.0]",
            "position: a position on the sky (optional)",
        ):
            assert message in result.stdout

    def test_kind_of_two_roles_is_shown_twice(self) -> None:
        output = invoke("show", "map").stdout
        assert "geometry map" in output
        assert "maker map" in output
        assert "energy: an energy axis (required)" in output
        assert "bins: an integer from 1 to 10000" in output, "an option of a nested value"

    def test_options_of_list_items_are_shown(self) -> None:
        assert "start: a date and time (required)" in invoke("show", "light-curve").stdout
        assert "replace: a mapping" in invoke("show", "model-comparison").stdout

    def test_unknown_kind_exits_with_2_and_a_suggestion(self) -> None:
        result = invoke("show", "save-mask")
        assert result.exit_code == 2
        assert "unknown kind 'save-mask'" in result.stderr
        assert "did you mean 'safe-mask'?" in result.stderr

    def test_every_kind_can_be_shown(self) -> None:
        for entry in Plugins.load().catalog:
            result = invoke("show", entry.cls.kind)
            assert result.exit_code == 0, result.output
            assert entry.cls.summary() in result.stdout


COMPONENTS = ("gammapy", "regions", "matplotlib", "astropy.coordinates", "scipy", "iminuit", "rich")
DEVELOPMENT = ("IPython", "ipywidgets", "jinja2", "dask", "distributed", "skyred.testing")
UNUSED_BY_CHECKS = (
    *("gammapy.data", "gammapy.datasets", "gammapy.makers", "gammapy.estimators"),
    *("gammapy.catalog", "gammapy.workflow", "gammapy.astro", *DEVELOPMENT),
)
UNUSED_BY_RUNS = ("gammapy.catalog", "gammapy.workflow", "gammapy.astro", *DEVELOPMENT)


def imported_by(args: list[str], names: tuple[str, ...]) -> str:
    """Run a command in a new process, and return the modules of `names` that it imports."""
    code = (
        "import sys\n"
        "from skyred.cli import main\n"
        "try:\n"
        f"    main({args!r})\n"
        "finally:\n"
        f"    print('imported:', *[name for name in {names} if name in sys.modules])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SKYRED_BLOCK": ""},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.rpartition("imported:")[2].strip()


@pytest.mark.parametrize("args", [["--help"], ["run", "--help"], ["--version"]], ids=" ".join)
def test_help_imports_only_the_command_line(args: list[str]) -> None:
    assert imported_by(args, ("numpy", "astropy", "ruamel.yaml", *COMPONENTS, *DEVELOPMENT)) == ""


@pytest.mark.parametrize("args", [["plugins"], ["show", "flux-points"], ["cache"]], ids=" ".join)
def test_commands_without_data_do_not_import_gammapy(args: list[str]) -> None:
    assert imported_by(args, ("ruamel.yaml", *COMPONENTS, *DEVELOPMENT)) == ""


@pytest.mark.slow
@pytest.mark.data("hess-dl3-dr1")
def test_check_of_a_configuration_imports_gammapy_for_its_models_only() -> None:
    args = ["check", "--no-data", str(ROOT / "examples" / "crab.yaml")]
    assert imported_by(args, ("gammapy.modeling.models", *UNUSED_BY_CHECKS)) == (
        "gammapy.modeling.models"
    )


@pytest.mark.slow
@pytest.mark.data("hess-dl3-dr1")
def test_run_imports_no_unused_package(tmp_path: Path) -> None:
    args = ["run", str(ROOT / "examples" / "crab.yaml"), "--no-cache", "-o", str(tmp_path / "crab")]
    assert imported_by([*args, "--no-report"], UNUSED_BY_RUNS) == ""
    reported = imported_by([*args, "--overwrite"], (*UNUSED_BY_RUNS, "plotly"))
    assert reported == "jinja2"  # of the report


def test_choices_of_the_until_option_are_the_steps_of_a_run() -> None:
    from skyred.cli.commands import STEPS
    from skyred.interfaces import records

    assert records.STEPS == STEPS


def test_importing_skyred_imports_no_dependency() -> None:
    code = (
        "import sys, skyred;"
        "print([name for name in ('numpy', 'astropy', 'attrs') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_all_public_names_can_be_imported() -> None:
    import skyred

    for name in skyred.__all__:
        assert getattr(skyred, name) is not None
    assert set(skyred.__all__) <= set(dir(skyred))
    with pytest.raises(AttributeError, match="nothing"):
        skyred.nothing  # noqa: B018
