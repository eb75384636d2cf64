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

SCRIPT = "<script>alert('1')</script>"


def create_orchestrator(runs: int = 5, **changes: Any) -> Orchestrator:
    pipeline = toy_pipeline(runs, fit=Minuit(), estimate=[ToyEstimator()], **changes)
    return Orchestrator(pipeline, plugins=toy_plugins())


@attrs.define(eq=False)
class FailingTable(ToyProduct):
    """A product with an error in its table."""

    def table(self) -> Any:
        raise RuntimeError("the table is missing")


def test_run_shows_steps_datasets_fit_and_estimates(tmp_path: Path) -> None:
    result = create_orchestrator().run(tmp_path / "run")
    page = parse_html(result)
    assert f"finished, in {tmp_path / 'run'}, digest {result.digest[:12]}" in page.text
    for step in result.steps:
        assert page.row(step.name) == [step.name, f"{step.seconds:.1f} s", step.summary]
    counts = 2 * sum(1 / run for run in range(1, 6))  # two bins with 1 / run counts of each run
    assert page.row("toy", heading="Dataset")[:3] == ["toy", "SpectrumDataset", f"{counts:.0f}"]
    assert page.row("toy", heading="Dataset")[5:] == ["1.00 TeV to 10.0 TeV", "2 of 2"]
    assert result.fit is not None
    assert page.row(result.fit.names[0])[1] == f"{result.fit.values[0]:.5g}"
    assert "estimates['toy-total'] toy-total" in page.text
    assert [["counts"], [f"{counts:.5g}"]] in page.tables


def test_result_read_from_its_folder_has_the_same_view(tmp_path: Path) -> None:
    result = create_orchestrator().run(tmp_path / "run")
    loaded = Result.read(tmp_path / "run", plugins=toy_plugins())
    # without the table of steps, since the file has rounded times
    assert parse_html(loaded).tables[1:] == parse_html(result).tables[1:]


def test_failed_and_skipped_observations_are_listed_first_with_reasons() -> None:
    result = create_orchestrator(on_error="skip", make=[ToyMaker(skip=[2], fail=[4])]).run()
    page = parse_html(result)
    assert "3 reduced, 1 skipped, 1 failed" in page.text
    observation_log = next(table for table in page.tables if table[0][0] == "Data")
    assert [row[1] for row in observation_log[1:]] == ["4", "2", "1", "3", "5"]
    assert observation_log[1][2] == "failed"
    assert observation_log[1][-1].endswith("run 4 is broken")
    assert observation_log[2][-1] == "run 2 is too cloudy"


def test_long_observation_log_is_truncated() -> None:
    outcomes = tuple(Outcome("toy", run, "reduced") for run in range(1000))
    page = parse_html(Result(outcomes=outcomes))
    assert "1000 reduced" in page.text
    assert "and 980 more: see the attribute observations" in page.text


def test_failed_run_shows_its_error_and_counts_of_statuses(tmp_path: Path) -> None:
    with pytest.raises(RunsFailedError):
        create_orchestrator(make=[ToyMaker(fail=[4])]).run(tmp_path / "run")
    page = parse_html(Result.read(tmp_path / "run", plugins=toy_plugins()))
    assert "failed (RunsFailedError: 1 of 5 runs failed" in page.text
    assert "4 reduced, 1 failed" in page.text


def test_replaced_steps_are_shown() -> None:
    orchestrator = create_orchestrator()
    orchestrator.models = orchestrator.model()
    assert "was replaced from Python: model" in parse_html(orchestrator.run()).text


def test_strings_of_a_run_are_escaped() -> None:
    outcomes = (Outcome("toy", 1, "failed", reason=SCRIPT),)
    report = {"state": "failed", "error": SCRIPT}
    page = parse_html(
        Result(outcomes=outcomes, provenance=report, estimates={SCRIPT: ToyProduct("total", 1.0)})
    )
    assert page.text.count(SCRIPT) == 3
    assert f"estimates[{SCRIPT!r}]" in page.text
    assert page.row("toy", heading="Data")[-1] == SCRIPT


def test_error_in_a_table_does_not_hide_other_products() -> None:
    estimates = {"a": FailingTable("a", 1.0), "b": ToyProduct("b", 2.5)}
    page = parse_html(Result(estimates=estimates))
    assert "the table is missing" in page.text
    assert [["counts"], ["2.5"]] in page.tables


def test_empty_result_is_shown() -> None:
    assert "in memory, digest none" in parse_html(Result()).text


def test_orchestrator_shows_finished_steps_without_running_others() -> None:
    orchestrator = create_orchestrator()
    assert [row[1] for row in parse_html(orchestrator).tables[0][1:]] == ["not run"] * 5
    assert orchestrator.steps == ()
    orchestrator.reduce()
    page = parse_html(orchestrator)
    assert [row[1] for row in page.tables[0][1:]] == ["done", "done", *["not run"] * 3]
    assert page.row("select")[3].startswith("5 observations; data.toy: not inspected")
    assert "toy-fill" in page.text


def test_orchestrator_shows_replaced_steps() -> None:
    orchestrator = create_orchestrator()
    orchestrator.datasets = create_orchestrator().reduce()
    rows = parse_html(orchestrator).tables[0][1:]
    assert [row[1] for row in rows] == ["not needed", "replaced from Python", *["not run"] * 3]
