"""The observation log of a run folder is read as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyred.interfaces.records import Outcome
from skyred.result.observation_log import (
    observation_log,
    read_observation_log,
    write_observation_log,
)

OUTCOMES = (
    Outcome("crab", 23523, "reduced", seconds=1.25, counts=12, background_norm=1 / 3),
    Outcome("crab", 23526, "cached", notes=("no pointing", "5 % of the events, outside the GTI")),
    Outcome("crab", 23559, "failed", reason='invalid "GTI"', traceback="Traceback:\nline 1"),
    Outcome("msh", 20136, "skipped", reason="no events", maker="selector of a plugin"),
)


@pytest.mark.parametrize("outcomes", [OUTCOMES, OUTCOMES[:1], OUTCOMES[2:], ()])
def test_outcomes_are_equal_after_reading(outcomes: tuple[Outcome, ...], tmp_path: Path) -> None:
    write_observation_log(tmp_path, outcomes)
    # as strings, because NaN differs from itself
    assert repr(read_observation_log(tmp_path)) == repr(outcomes)


def test_folder_without_a_log_has_no_outcomes(tmp_path: Path) -> None:
    assert read_observation_log(tmp_path) == ()


def test_columns_have_units_and_descriptions() -> None:
    table = observation_log(OUTCOMES)
    assert table["seconds"].unit == "s"
    assert all(column.description for column in table.itercols())
