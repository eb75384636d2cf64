"""Rows of observation tables are joined in the order of the outcomes."""

from __future__ import annotations

from typing import Any

from skyred import record_row
from skyred.interfaces.observation_rows import RowRecorder, recorded_by, running_maker
from skyred.interfaces.observation_tables import ObservationTables
from skyred.interfaces.records import Outcome


def create_outcome(obs_id: int, n_parts: int, row: dict[str, Any]) -> Outcome:
    recorder = RowRecorder()
    for number in range(1, n_parts + 1):
        recorder.part = number if n_parts > 1 else 0
        with recorded_by(recorder), recorder.running("maker a", 0):
            record_row("a", row)
    return Outcome("crab", obs_id, "reduced", rows=tuple(recorder.rows))


def create_table(*outcomes: Outcome) -> Any:
    tables = ObservationTables()
    for outcome in outcomes:
        tables.add(outcome)
    return tables.tables()["a"]


def test_parts_of_runs_are_numbered_if_a_run_is_cut() -> None:
    outcomes = [create_outcome(1, 1, {"x": 1}), create_outcome(2, 2, {"x": 1})]
    assert list(create_table(*outcomes)["part"]) == [1, 1, 2]
    assert "part" not in create_table(outcomes[0]).colnames


def test_columns_without_any_value_are_masked() -> None:
    table = create_table(create_outcome(1, 1, {"x": None, "label": ""}))
    assert table["x"].mask.all()
    assert table["label"].mask.all()


def test_rows_of_a_maker_that_another_one_calls_belong_to_the_caller() -> None:
    recorder = RowRecorder()
    with recorded_by(recorder), recorder.running("maker outer", 0):
        with running_maker("maker inner", 1):
            record_row("a", {"x": 1})
        record_row("a", {"x": 2})
    assert [rows.component for rows in recorder.rows] == ["maker outer", "maker outer"]
