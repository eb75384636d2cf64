"""Changes of observation tables of a result are reported."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from astropy.table import Table

from skyred.run.result_state import ResultState


def test_changes_of_observation_tables_are_reported() -> None:
    table = Table({"OBS_ID": [1, 2], "ZEN_PNT": [20.0, 30.0]})
    result: Any = SimpleNamespace(datasets=None, observation_tables={"crab": table}, estimates={})
    state = ResultState.read(result)
    assert state.find_changes(result) == []
    table["ZEN_PNT"][1] = 40.0
    assert state.find_changes(result) == ["the observation table of crab"]
