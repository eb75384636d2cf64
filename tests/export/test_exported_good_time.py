"""The functions of exported scripts that select good time, compared with those of the reduction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from gammapy.data import GTI, DataStore, Observation

from fault_injection.archive_damage import Archive, find_hdu
from skyred.components.time_window import TimeWindow
from skyred.export.good_time import write_good_time
from skyred.fields import Instant
from skyred.run.worker.good_time import cut_observation, drop_events_outside
from skyred.scripting import Script

WINDOW = ("2000-01-01", "2100-01-01")


@pytest.fixture
def observation(crab_archive: Path, tmp_path: Path) -> Observation:
    """Return a run with an event outside its good time, and another one without a time."""
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    archive.change_hdus(archive.runs[0], change_times)
    return DataStore.from_dir(archive.folder).get_observations([int(archive.runs[0])])[0]


def change_times(hdus: fits.HDUList) -> None:
    times = find_hdu(hdus, "events").data["TIME"]
    times[:2] = [times.max() + 1000, np.nan]


@pytest.fixture
def functions() -> dict[str, Any]:
    """Return the functions of a script that cuts runs to a window."""
    script = Script()
    script.entry, script.cuts = "crab", [tuple(script.time(Instant(time, "tt")) for time in WINDOW)]
    write_good_time(script)
    script.function("reduce(observations)", "Cut the runs.")
    variables: dict[str, Any] = {"__name__": "exported"}
    exec(script.text(["Cuts runs."]), variables)
    return variables


def without_good_time(observation: Observation) -> Observation:
    gti = GTI(observation.gti.table[:0], observation.gti.time_ref)
    return observation.copy(in_memory=True, gti=gti, events=observation.events)


def test_events_without_a_time_are_kept(
    observation: Observation, functions: dict[str, Any]
) -> None:
    expected, n_outside = drop_events_outside(observation)
    selected = functions["select_good_time"](observation)
    assert n_outside == 1
    np.testing.assert_array_equal(
        selected.events.table["EVENT_ID"], expected.events.table["EVENT_ID"]
    )
    assert len(selected.events.table) == len(observation.events.table) - 1


def test_cut_run_has_the_same_events(observation: Observation, functions: dict[str, Any]) -> None:
    window = TimeWindow(start=WINDOW[0], stop=WINDOW[1])
    (expected,) = cut_observation(drop_events_outside(observation)[0], [window])
    windows = functions["CRAB_WINDOWS"]
    selected = functions["cut_to_windows"](observation, windows)
    np.testing.assert_array_equal(
        selected.events.table["EVENT_ID"], expected.events.table["EVENT_ID"]
    )


def test_run_without_good_time(observation: Observation, functions: dict[str, Any]) -> None:
    empty = without_good_time(observation)
    expected, n_outside = drop_events_outside(empty)
    assert n_outside == 0
    selected = functions["select_good_time"](empty)
    assert len(selected.events.table) == len(expected.events.table)
    windows = functions["CRAB_WINDOWS"]
    assert cut_observation(empty, [TimeWindow(start=WINDOW[0])]) == ()
    assert functions["cut_to_windows"](empty, windows) is None
