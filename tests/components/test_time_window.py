"""The selector `time-window`, against gammapy's `select_time`."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.time import Time
from gammapy.data import GTI, Observation, Observations, ObservationTable
from gammapy.datasets import Datasets
from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker

import light_curve_comparison as comparison
import plain_flare as flare
import plain_gammapy
from component_checks import problems_of
from skyred import Orchestrator, Pipeline
from skyred.components.intervals import Interval
from skyred.components.time_window import TimeWindow
from skyred.errors import ArchiveError, FieldError
from skyred.run.worker.good_time import cut_observation, drop_events_outside

RUN = 23523
EXAMPLE = plain_gammapy.EXAMPLE.with_name("minutes.yaml")
START, STOP = Time("2006-07-29T20:30:00"), Time("2006-07-30T03:20:00")
REGION = 'data.hess.geometry.on_region="icrs; circle(329.71693826, -30.2255890, 0.11)"'
# the window starts during run 33787, and contains the next run
# fewer intervals than in the example, of which the last one ends with the window
NIGHT = ["data.hess.select.1.width=20.5 min", "estimate.1.width=20.5 min"]
TWO_RUNS = ["data.hess.select.1.stop=2006-07-29T21:10:00"]


def ids(table: ObservationTable) -> list[int]:
    return list(table["OBS_ID"].tolist())


def uncut_window(**options: Any) -> TimeWindow:
    """Return a window that selects complete runs."""
    return TimeWindow(cut=False, **options)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "neither start nor stop"),
            ({"start": "2005-01-01", "stop": "2004-01-01"}, "is not before"),
            ({"start": "2005-01-01", "partial": True}, "set cut: false"),
            ({"start": "2005-01-01", "width": "10 min", "cut": False}, "with cut: false"),
            ({"stop": "2005-01-01", "width": "10 min"}, "requires start"),
            ({"start": "2005-01-01", "width": "10 TeV"}, "expected a time"),
            (
                {
                    "start": "2005-01-01",
                    "windows": [{"start": "2005-01-01", "stop": "2005-01-02"}],
                },
                "cannot be combined",
            ),
            (
                {
                    "windows": [
                        {"start": "2005-01-01", "stop": "2005-01-03"},
                        {"start": "2005-01-02", "stop": "2005-01-04"},
                    ]
                },
                "before the end of the previous interval",
            ),
        ],
    )
    def test_invalid_options_are_rejected(self, options: Any, message: str) -> None:
        windows = [Interval(**window) for window in options.get("windows", [])]
        with pytest.raises(FieldError, match=message):
            TimeWindow(**{**options, "windows": windows})

    def test_overlap_of_windows_in_two_time_scales_is_reported(self) -> None:
        # TT is 65 s ahead of UTC, so the second window starts 35 s before the end of the first
        windows = [
            Interval(start="2006-07-29T20:00:00", stop="2006-07-29T21:00:00"),
            Interval(start="2006-07-29T21:00:30 tt", stop="2006-07-29T22:00:00 tt"),
        ]
        (problem,) = problems_of(TimeWindow(windows=windows))
        assert "before the end of the previous window" in problem.message


@pytest.mark.data
class TestSelection:
    @pytest.fixture
    def window(self, table: ObservationTable) -> tuple[Time, Time]:
        """Return the times 500 s before the start of a run and 500 s after its end."""
        row = table[table["OBS_ID"] == RUN]
        return row.time_start[0] - 500 * u.s, row.time_stop[0] + 500 * u.s

    def test_runs_within_the_window_are_selected(
        self, table: ObservationTable, window: tuple[Time, Time]
    ) -> None:
        start, stop = window
        expected = table[(table.time_start >= start) & (table.time_stop <= stop)]
        assert ids(uncut_window(start=start, stop=stop).select(table)) == ids(expected)
        assert RUN in ids(expected)

    def test_run_across_the_end_of_the_window_is_not_selected(
        self, table: ObservationTable, window: tuple[Time, Time]
    ) -> None:
        start, _ = window
        assert RUN not in ids(uncut_window(stop=start + 1000 * u.s).select(table))

    def test_overlapping_runs_are_selected(
        self, table: ObservationTable, window: tuple[Time, Time]
    ) -> None:
        start, _ = window
        stop = start + 1000 * u.s
        expected = ids(table[(table.time_stop >= start) & (table.time_start <= stop)])
        assert ids(uncut_window(start=start, stop=stop, partial=True).select(table)) == expected
        assert ids(TimeWindow(start=start, stop=stop).select(table)) == expected
        assert RUN in expected

    def test_window_can_have_only_a_start_or_a_stop(
        self, table: ObservationTable, window: tuple[Time, Time]
    ) -> None:
        start, _ = window
        selected = uncut_window(start=start).select(table)
        assert ids(selected) == ids(table[table.time_start >= start])
        selected = uncut_window(stop=start, partial=True).select(table)
        assert ids(selected) == ids(table[table.time_start <= start])

    def test_several_windows_select_their_union(
        self, table: ObservationTable, window: tuple[Time, Time]
    ) -> None:
        start, stop = window
        windows = [Interval(start=start, stop=stop), Interval(start=START, stop=STOP)]
        expected = (table.time_start >= start) & (table.time_stop <= stop)
        expected |= (table.time_start >= START) & (table.time_stop <= STOP)
        assert ids(uncut_window(windows=windows).select(table)) == ids(table[expected])

    def test_times_are_utc_by_default(self, table: ObservationTable) -> None:
        start = table[table["OBS_ID"] == RUN].time_start[0] - 1 * u.s
        # TT was 64 s ahead of UTC, so this time is a minute too late if it is read as UTC
        start_string = start.tt.isot
        assert RUN in ids(uncut_window(start=f"{start_string} tt").select(table))
        assert RUN not in ids(uncut_window(start=start_string).select(table))
        assert RUN in ids(uncut_window(start=start.utc.isot).select(table))

    def test_run_is_selected_if_index_times_are_single_precision(
        self, table: ObservationTable
    ) -> None:
        stop = table[table["OBS_ID"] == RUN].time_stop[0]
        window = TimeWindow(start=stop - 1 * u.s, stop=stop + 100 * u.s)
        assert RUN in ids(window.select(table))
        table = table.copy()
        for name in ("TSTART", "TSTOP"):
            table[name] = np.float32(table[name])
        assert RUN in ids(window.select(table))

    def test_runs_without_times_in_the_index_need_cut(self, table: ObservationTable) -> None:
        without_times = table.copy()
        without_times.remove_columns(["TSTART", "TSTOP"])
        assert len(TimeWindow(start=START).select(without_times)) == len(table)
        with pytest.raises(ArchiveError, match=r"TSTART.*set cut: true"):
            uncut_window(start=START).select(without_times)


@pytest.mark.data
class TestCuts:
    @pytest.fixture
    def observation(self) -> Observation:
        return plain_gammapy.observations((33787,))[0]

    def test_events_and_good_time_agree_with_gammapy(self, observation: Observation) -> None:
        (part,) = cut_observation(observation, [TimeWindow(start=START, stop=STOP)])
        expected = observation.select_time(Time([START, STOP]))
        assert 0 < len(part.events.table) < len(observation.events.table)
        np.testing.assert_array_equal(
            part.events.table["EVENT_ID"], expected.events.table["EVENT_ID"]
        )
        assert part.gti.time_start[0] == expected.gti.time_start[0]
        assert part.gti.time_stop[0] == expected.gti.time_stop[0]
        livetime = part.observation_live_time_duration.to_value("s")
        expected_livetime = expected.observation_live_time_duration.to_value("s")
        np.testing.assert_allclose(livetime, expected_livetime, rtol=1e-9)

    def test_run_inside_the_window_is_not_cut(self, observation: Observation) -> None:
        (part,) = cut_observation(observation, [TimeWindow(start="2006-01-01")])
        assert part.gti.time_sum == observation.gti.time_sum
        assert len(part.events.table) == len(observation.events.table)

    def test_windows_agree_with_gammapy(self, observation: Observation) -> None:
        edges = START + [0, 5, 7, 30, 60] * u.min
        windows = [Interval(start=low, stop=high) for low, high in itertools.pairwise(edges)]
        parts = cut_observation(observation, [TimeWindow(windows=windows)])
        expected = Observations([observation]).select_time(
            [Time([low, high]) for low, high in itertools.pairwise(edges)]
        )
        assert len(parts) == len(expected) == 3  # the run ends before the last window
        for pair in zip(parts, expected, strict=True):
            event_ids, expected_ids = (part.events.table["EVENT_ID"].tolist() for part in pair)
            assert event_ids == expected_ids
            durations = [part.gti.time_sum.to_value("s") for part in pair]
            np.testing.assert_allclose(*durations, rtol=1e-9)

    def test_windows_of_equal_width_divide_the_run(self, observation: Observation) -> None:
        window = TimeWindow(start="2006-07-29T12:00:00", width="7 min")
        parts = cut_observation(observation, [window])
        assert sum(len(part.events.table) for part in parts) == len(observation.events.table)
        total = sum(part.gti.time_sum.to_value("s") for part in parts)
        np.testing.assert_allclose(total, observation.gti.time_sum.to_value("s"), rtol=1e-9)
        for part in parts[1:]:
            n_widths = (part.gti.time_start[0] - Time("2006-07-29T12:00:00")).to_value("min") / 7
            assert n_widths == pytest.approx(round(n_widths), abs=1e-6)

    def test_gaps_of_the_good_time_are_kept(self, observation: Observation) -> None:
        first = observation.gti.time_start[0]
        with_gap = plain_gammapy.observations((33787,))[0]
        duration = observation.gti.time_sum.to_value("s")
        with_gap._gti = GTI.create([0, 600] * u.s, [500, duration] * u.s, first)
        window = TimeWindow(start=first + 100 * u.s, stop=first + 700 * u.s)
        (part,) = cut_observation(drop_events_outside(with_gap)[0], [window])
        times = (observation.events.time - first).to_value("s")
        expected = ((times >= 100) & (times < 500)) | ((times >= 600) & (times < 700))
        assert len(part.events.table) == expected.sum()
        assert part.gti.time_sum.to_value("s") == pytest.approx(500, abs=1e-6)

    def test_run_outside_the_window_has_no_parts(self, observation: Observation) -> None:
        assert cut_observation(observation, [TimeWindow(stop="2006-07-29T12:00:00")]) == ()


def reduce_plain(observations: Any, name_of: Any) -> Datasets:
    """Return gammapy's on-off spectrum of each observation, without models.

    `name_of` returns the name of a spectrum, from the index and the observation.
    """
    maker = SpectrumDatasetMaker(
        selection=["counts", "exposure", "edisp"], containment_correction=True
    )
    background_maker = ReflectedRegionsBackgroundMaker()
    safe_mask_maker = SafeMaskMaker(methods=["aeff-max"])
    spectra = []
    for index, observation in enumerate(observations):
        dataset = maker.run(flare.empty_dataset(name_of(index, observation)), observation)
        dataset = background_maker.run(dataset, observation)
        spectra.append(safe_mask_maker.run(dataset, observation))
    return Datasets(spectra)


def assert_same_spectra(actual: Datasets, expected: Datasets) -> None:
    """Compare counts exactly, and exposures to the precision of float32."""
    assert len(actual) == len(expected)
    for pair in zip(actual, expected, strict=True):
        for name in ("counts", "counts_off", "mask_safe"):
            data = [getattr(dataset, name).data for dataset in pair]
            np.testing.assert_array_equal(*data, err_msg=pair[0].name)
        exposures = [dataset.exposure for dataset in pair]
        np.testing.assert_allclose(*[exposure.data for exposure in exposures], rtol=1e-6)
        livetimes = [exposure.meta["livetime"].to_value("s") for exposure in exposures]
        np.testing.assert_allclose(*livetimes, rtol=1e-9)


@pytest.mark.data
class TestFlare:
    """The night of the flare, cut by skyred and by gammapy's `select_time`."""

    @pytest.mark.parametrize(
        "overrides",
        [
            pytest.param(TWO_RUNS, id="two runs"),
            pytest.param(NIGHT, id="night", marks=pytest.mark.slow),
        ],
    )
    def test_light_curves_agree_with_gammapy(self, overrides: list[str]) -> None:
        pipeline = Pipeline.from_yaml(EXAMPLE, overrides=[REGION, *overrides])
        orchestrator = Orchestrator(pipeline)
        orchestrator.estimate()
        actual = orchestrator.datasets
        stop = pipeline.data["hess"].select[1].stop.time
        width = pipeline.data["hess"].select[1].width
        n_bins = int(np.ceil(((stop - START) / width).to_value("") - 1e-6))
        bins = [Time([START + width * i, START + width * (i + 1)]) for i in range(n_bins)]
        # run 33801 starts after the window
        runs = [run for run in flare.FLARE if run != 33801]
        observations = Observations(plain_gammapy.observations(tuple(runs)))
        parts = observations.select_time(bins)
        parts = Observations(sorted(parts, key=lambda part: part.gti.time_start[0].tt.mjd))
        plain_datasets = reduce_plain(parts, lambda index, _: f"part-{index}")
        assert_same_spectra(actual, plain_datasets)
        assert plain_datasets[0].gti.time_start[0] == START  # run 33787 is cut
        if overrides == NIGHT:
            assert len(plain_datasets) == 32
            last_stop = plain_datasets[-1].gti.time_stop[0]
            assert abs((last_stop - STOP).to_value("s")) < 1e-6  # run 33800 is cut

        plain_datasets.models = actual.models.copy()
        options = {"energy_edges": [0.4, 20] * u.TeV}
        expected = comparison.light_curve_by_gammapy(
            plain_datasets, "pks-2155", time_intervals=bins, **options
        )
        estimates = orchestrator.estimates
        assert_same_fluxes(estimates["by-minutes"].flux, expected)
        if overrides == NIGHT:  # a test below compares the fluxes of whole runs
            return
        gtis_by_run = {}
        for part in parts:
            gtis_by_run.setdefault(part.obs_id, []).append(part.gti)
        run_times = [
            Time([gtis[0].time_start[0], gtis[-1].time_stop[0]]) for gtis in gtis_by_run.values()
        ]
        expected = comparison.light_curve_by_gammapy(
            plain_datasets, "pks-2155", time_intervals=run_times, **options
        )
        assert_same_fluxes(estimates["light-curve"].flux, expected)

    @pytest.mark.slow
    def test_light_curve_by_run_agrees_with_gammapy(self) -> None:
        pipeline = Pipeline.from_yaml(
            EXAMPLE,
            overrides=[
                REGION,
                "data.hess.select.1.width=null",
                "estimate=[{kind: light-curve, source: pks-2155}]",
            ],
        )
        orchestrator = Orchestrator(pipeline)
        orchestrator.estimate()
        runs = Observations(plain_gammapy.observations(flare.FLARE)).select_time(
            Time([START, STOP])
        )
        plain_datasets = reduce_plain(runs, lambda _, observation: f"hess-{observation.obs_id}")
        assert_same_spectra(orchestrator.datasets, plain_datasets)
        assert plain_datasets.names == orchestrator.datasets.names
        plain_datasets.models = orchestrator.datasets.models.copy()
        expected = comparison.light_curve_by_gammapy(
            plain_datasets, "pks-2155", energy_edges=[0.4, 20] * u.TeV
        )
        assert_same_fluxes(orchestrator.estimates["light-curve"].flux, expected)


def assert_same_fluxes(actual: Any, expected: Any) -> None:
    """Compare fluxes and their errors within 1e-3, and times."""
    for name in ("flux", "flux_err", "sqrt_ts"):
        data = [np.asarray(getattr(flux, name).data) for flux in (actual, expected)]
        np.testing.assert_allclose(*data, rtol=1e-3, err_msg=name)
    for name in ("time_min", "time_max"):
        difference = getattr(actual.geom.axes["time"], name) - getattr(
            expected.geom.axes["time"], name
        )
        np.testing.assert_allclose(difference.to_value("s"), 0, atol=1e-5)
