"""Notebook views of a result and of an orchestrator."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from html_parser import parse_html
from skyred import Orchestrator, Result
from skyred.components.fitters.minuit import Minuit
from skyred.errors import RunsFailedError
from skyred.interfaces.records import Outcome
from toys import ToyEstimator, ToyMaker, ToyProduct, toy_pipeline, toy_plugins

EVIL = "<script>alert('1')</script>"


def orchestrate(runs: int = 5, **changes: Any) -> Orchestrator:
    pipeline = toy_pipeline(runs, fit=Minuit(), estimate=[ToyEstimator()], **changes)
    return Orchestrator(pipeline, plugins=toy_plugins())


@attrs.define(eq=False)
class NoTable(ToyProduct):
    """A product whose table fails."""

    def table(self) -> Any:
        raise RuntimeError("the table is missing")


def test_run_shows_steps_datasets_fit_and_estimates(tmp_path: Path) -> None:
    result = orchestrate().run(tmp_path / "run")
    rendered = parse_html(result)
    assert f"finished, in {tmp_path / 'run'}, digest {result.digest[:12]}" in rendered.text
    for step in result.steps:
        assert rendered.row(step.name) == [step.name, f"{step.seconds:.1f} s", step.summary]
    counts = 2 * sum(1 / run for run in range(1, 6))  # sum of two bins by the toy maker
    assert rendered.row("toy", heading="Dataset")[:3] == ["toy", "SpectrumDataset", f"{counts:.0f}"]
    assert rendered.row("toy", heading="Dataset")[5:] == ["1.00 TeV to 10.0 TeV", "2 of 2"]
    assert result.fit is not None
    assert rendered.row(result.fit.names[0])[1] == f"{result.fit.values[0]:.5g}"
    assert "estimates['toy-total'] toy-total" in rendered.text
    assert [["counts"], [f"{counts:.5g}"]] in rendered.tables


def test_result_read_from_its_folder_has_the_same_view(tmp_path: Path) -> None:
    result = orchestrate().run(tmp_path / "run")
    again = Result.read(tmp_path / "run", plugins=toy_plugins())
    # step times, in the first table, are rounded in the file
    assert parse_html(again).tables[1:] == parse_html(result).tables[1:]


def test_failed_and_skipped_observations_are_shown_first_with_reasons() -> None:
    result = orchestrate(on_error="skip", make=[ToyMaker(skip=[2], fail=[4])]).run()
    rendered = parse_html(result)
    assert "3 reduced, 1 skipped, 1 failed" in rendered.text
    observation_log = next(table for table in rendered.tables if table[0][0] == "Data")
    assert [row[1] for row in observation_log[1:]] == ["4", "2", "1", "3", "5"]
    assert observation_log[1][2] == "failed"
    assert observation_log[1][-1].endswith("run 4 is broken")
    assert observation_log[2][-1] == "run 2 is too cloudy"


def test_long_observation_log_is_truncated() -> None:
    outcomes = tuple(Outcome("toy", run, "reduced") for run in range(1000))
    rendered = parse_html(Result(outcomes=outcomes))
    assert "1000 reduced" in rendered.text
    assert "and 980 more: all are in observations" in rendered.text


def test_failed_run_shows_its_error_and_counts_of_statuses(tmp_path: Path) -> None:
    with pytest.raises(RunsFailedError):
        orchestrate(make=[ToyMaker(fail=[4])]).run(tmp_path / "run")
    rendered = parse_html(Result.read(tmp_path / "run", plugins=toy_plugins()))
    assert "failed (RunsFailedError: 1 of 5 runs failed" in rendered.text
    assert "4 reduced, 1 failed" in rendered.text


def test_replaced_steps_are_shown() -> None:
    orchestrator = orchestrate()
    orchestrator.models = orchestrator.model()
    assert "was replaced from Python: model" in parse_html(orchestrator.run()).text


def test_strings_of_a_run_are_escaped() -> None:
    outcomes = (Outcome("toy", 1, "failed", reason=EVIL),)
    report = {"state": "failed", "error": EVIL}
    rendered = parse_html(
        Result(outcomes=outcomes, report=report, estimates={EVIL: ToyProduct("total", 1.0)})
    )
    assert rendered.text.count(EVIL) == 3
    assert f"estimates[{EVIL!r}]" in rendered.text
    assert rendered.row("toy", heading="Data")[-1] == EVIL


def test_product_without_table_does_not_hide_others() -> None:
    estimates = {"a": NoTable("a", 1.0), "b": ToyProduct("b", 2.5)}
    rendered = parse_html(Result(estimates=estimates))
    assert "the table is missing" in rendered.text
    assert [["counts"], ["2.5"]] in rendered.tables


def test_empty_result_is_shown() -> None:
    assert "in memory, digest none" in parse_html(Result()).text


def test_orchestrator_shows_finished_steps_without_running_others() -> None:
    orchestrator = orchestrate()
    assert [row[1] for row in parse_html(orchestrator).tables[0][1:]] == ["not run"] * 5
    assert orchestrator.steps == ()
    orchestrator.reduce()
    rendered = parse_html(orchestrator)
    assert [row[1] for row in rendered.tables[0][1:]] == ["done", "done", *["not run"] * 3]
    assert rendered.row("select")[3] == "5 observations"
    assert "toy-fill" in rendered.text


def test_orchestrator_shows_replaced_steps() -> None:
    orchestrator = orchestrate()
    orchestrator.datasets = orchestrate().reduce()
    rows = parse_html(orchestrator).tables[0][1:]
    assert [row[1] for row in rows] == ["not needed", "replaced from Python", *["not run"] * 3]
