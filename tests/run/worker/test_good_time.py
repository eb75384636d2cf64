"""Events outside the good time intervals are not counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.data import GTI, DataStore, Observation
from gammapy.makers import ReflectedRegionsBackgroundMaker, SpectrumDatasetMaker

import plain_gammapy
import plain_spectra as spectra
from fault_injection.archive_damage import Archive
from skyred import Orchestrator, Pipeline
from skyred.inspection.index import list_run_inputs
from skyred.inspection.run import inspect_run
from skyred.run.worker.good_time import drop_events_outside

YAML = """
data:
  hess:
    archive: {archive}
    geometry:
      kind: spectrum
      on_region: "icrs; circle(83.633, 22.014, 0.11)"
      energy: {{min: 0.1 TeV, max: 40 TeV, bins: 10, per_decade: true}}
      energy_true: {{min: 0.05 TeV, max: 100 TeV, bins: 20, per_decade: true}}
    make: [{{kind: spectrum, containment_correction: true}}, {{kind: reflected-regions}}]
    stack: {{kind: keep}}
"""


def event_times(observation: Observation) -> np.ndarray[Any, Any]:
    """Return the times of the events since the start of the run, in s."""
    return np.asarray((observation.events.time - observation.gti.time_start[0]).to_value("s"))


def cut_gti(archive: Archive, run: int, fractions: list[tuple[float, float]]) -> None:
    """Reduce the good time interval of a run to fractions of it; scale ONTIME and LIVETIME."""
    total = sum(stop - start for start, stop in fractions)

    def change(hdus: Any) -> None:
        gti, header = hdus["GTI"], hdus["EVENTS"].header
        first, last = float(gti.data["START"][0]), float(gti.data["STOP"][0])
        rows = type(gti).from_columns(gti.columns, header=gti.header, nrows=len(fractions))
        rows.data["START"] = [first + start * (last - first) for start, _ in fractions]
        rows.data["STOP"] = [first + stop * (last - first) for _, stop in fractions]
        hdus["GTI"] = rows
        for key in ("ONTIME", "LIVETIME"):
            header[key] *= total

    archive.change_hdus(run, change)

    def scale(table: Any) -> Any:
        for key in {"ONTIME", "LIVETIME"} & set(table.colnames):
            table[key][table["OBS_ID"] == run] *= total
        return table

    archive.change_index("obs", scale)


@pytest.mark.parametrize(
    "fractions", [[(0, 0.5)], [(0.2, 0.4), (0.5, 0.9)]], ids=["one interval", "two intervals"]
)
def test_events_outside_the_good_time_intervals_are_not_counted(
    fractions: list[tuple[float, float]], crab_archive: Path, tmp_path: Path
) -> None:
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    run = archive.runs[0]
    cut_gti(archive, run, fractions)
    orchestrator = Orchestrator(Pipeline.from_yaml(YAML.format(archive=archive.folder)))
    datasets = orchestrator.reduce()
    dataset = datasets[f"hess-{run}"]

    observation = DataStore.from_dir(archive.folder).obs(run, required_irf=["aeff", "edisp"])
    duration = DataStore.from_dir(crab_archive).obs(run).gti.time_sum.to_value("s")
    times = (observation.events.time - observation.gti.time_start[0]).to_value("s")
    times = times + fractions[0][0] * duration
    is_inside = np.any(
        [(times >= low * duration) & (times < high * duration) for low, high in fractions], axis=0
    )
    assert 0 < is_inside.sum() < len(is_inside)
    observation._events = observation.events.select_row_subset(is_inside)
    maker = SpectrumDatasetMaker(
        containment_correction=True, selection=["counts", "exposure", "edisp"]
    )
    expected = maker.run(spectra.empty_dataset("run"), observation)
    expected = ReflectedRegionsBackgroundMaker().run(expected, observation)
    np.testing.assert_array_equal(dataset.counts_off.data, expected.counts_off.data)
    np.testing.assert_array_equal(dataset.counts.data, expected.counts.data)
    np.testing.assert_allclose(dataset.exposure.data, expected.exposure.data, rtol=1e-6)
    livetime = dataset.exposure.meta["livetime"].to_value("s")
    fraction = sum(high - low for low, high in fractions)
    np.testing.assert_allclose(
        livetime, expected.exposure.meta["livetime"].to_value("s"), rtol=1e-9
    )
    np.testing.assert_allclose(dataset.gti.time_sum.to_value("s"), fraction * duration, rtol=1e-6)
    (outcome,) = [outcome for outcome in orchestrator.outcomes if outcome.obs_id == run]
    number = int((~is_inside).sum())
    assert any(
        f"outside the good time intervals are left out ({number} of " in note
        for note in outcome.notes
    )


def test_events_outside_the_observation_are_a_fault(crab_archive: Path, tmp_path: Path) -> None:
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    run = archive.runs[0]

    def shift(hdu: Any) -> None:
        hdu.data["TIME"][: len(hdu.data) // 2] -= 1e4

    archive.change_hdu(run, "events", shift)
    store = DataStore.from_dir(archive.folder)
    inputs = list_run_inputs(store.hdu_table, store.obs_table)
    (fault,) = inspect_run(inputs[0]).faults
    assert "outside the observation" in fault.message


@pytest.mark.data
class TestRealRuns:
    @pytest.fixture
    def observation(self) -> Observation:
        return plain_gammapy.observations((33787,))[0]

    @pytest.mark.slow
    def test_no_event_of_the_archive_is_dropped(self) -> None:
        # some events are up to 0.93 s after the end of the run; gammapy counts them
        store = DataStore.from_dir(plain_gammapy.archive())
        for observation in store.get_observations():
            observation_inside_gti, number = drop_events_outside(observation)
            assert (observation_inside_gti is observation, number) == (True, 0)

    def test_events_in_a_gap_are_dropped(self, observation: Observation) -> None:
        times = event_times(observation)
        duration = observation.gti.time_sum.to_value("s")
        gti = GTI.create([0, 600] * u.s, [500, duration] * u.s, observation.gti.time_start[0])
        observation._gti = gti
        observation_inside_gti, number = drop_events_outside(observation)
        in_gap = (times >= 500) & (times < 600)
        assert number == in_gap.sum() > 0
        np.testing.assert_array_equal(event_times(observation_inside_gti), times[~in_gap])
        assert len(observation.events.table) == len(times)

    def test_tolerance_applies_only_at_the_ends_of_the_observation(
        self, observation: Observation
    ) -> None:
        times = event_times(observation)
        observation._gti = GTI.create(0 * u.s, 500 * u.s, observation.gti.time_start[0])
        observation_inside_gti, _ = drop_events_outside(observation)
        assert len(observation_inside_gti.events.table) == (times < 500).sum()


def test_skipped_part_of_a_run_has_a_note(crab_archive: Path) -> None:
    first = DataStore.from_dir(crab_archive).obs_table.time_start.min()
    selector = f"{{{{kind: time-window, start: '{first.utc.isot}', width: 1 min}}}}"
    edges = ", ".join((first + minutes * u.min).utc.isot for minutes in (0, 2))
    stacker = f"{{{{kind: group, by: time, times: [{edges}]}}}}"
    yaml_text = YAML.replace("    geometry:", f"    select: [{selector}]\n    geometry:")
    yaml_text = yaml_text.replace("{{kind: keep}}", stacker)
    orchestrator = Orchestrator(Pipeline.from_yaml(yaml_text.format(archive=crab_archive)))
    (dataset,) = orchestrator.reduce()
    assert dataset.gti.time_sum.to_value("s") == pytest.approx(120, abs=1e-3)
    notes = [note for outcome in orchestrator.outcomes for note in outcome.notes]
    assert any("part 3" in note and "is outside the time bins" in note for note in notes)
