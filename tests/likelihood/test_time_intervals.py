"""Time intervals of light curves, and the datasets within them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.time import Time
from gammapy.data import GTI
from gammapy.datasets import Datasets
from hypothesis import assume, given, strategies as st

import small_datasets as small
from skyred.errors import FitError
from skyred.likelihood.flux import intervals
from skyred.likelihood.flux.intervals import DAY, TimeSpans
from skyred.likelihood.flux.variability import Variability


def create_spans(*times: tuple[float, float]) -> TimeSpans:
    return TimeSpans(
        [f"run-{number}" for number in range(len(times))], np.array(times, dtype=float)
    )


@st.composite
def nights_of_runs(draw: st.DrawFn) -> tuple[TimeSpans, list[int]]:
    """Draw runs of 28 min in nights of up to 8 h, and the number of the night of each run."""
    dusk = draw(st.floats(0, DAY))
    numbers = draw(st.lists(st.integers(0, 400), min_size=1, max_size=4, unique=True))
    times, nights = [], []
    for number in sorted(numbers):
        slots = draw(st.lists(st.integers(0, 15), min_size=1, max_size=4, unique=True))
        for slot in slots:
            start = number * DAY + dusk + slot * 1800
            times.append((start, start + 1680))
            nights.append(number)
    return create_spans(*times), nights


@given(nights_of_runs())
def test_night_contains_exactly_its_runs(runs_and_nights: tuple[TimeSpans, list[int]]) -> None:
    runs, numbers = runs_and_nights
    runs_by_night = [set(runs.datasets_within(night)) for night in runs.night_intervals()]
    expected = [
        {name for name, number in zip(runs.names, numbers, strict=True) if number == night}
        for night in sorted(set(numbers))
    ]
    assert runs_by_night == expected


@given(nights_of_runs(), st.floats(60, 10 * DAY))
def test_intervals_of_equal_width_cover_all_runs_and_are_not_empty(
    runs_and_nights: tuple[TimeSpans, list[int]], width: float
) -> None:
    runs, _ = runs_and_nights
    equal_intervals = runs.equal_intervals(width)
    names = [
        {*runs.datasets_within(interval), *runs.datasets_partly_within(interval)}
        for interval in equal_intervals
    ]
    assert all(names)
    assert set().union(*names) == set(runs.names)
    assert intervals.describe_invalid_interval(equal_intervals) == ""
    np.testing.assert_allclose(np.diff(equal_intervals), width)
    # the intervals start at multiples of the width after the first run
    offsets = (equal_intervals[:, 0] - runs.times.min()) / width
    np.testing.assert_allclose(offsets, np.round(offsets), atol=1e-6)


@given(nights_of_runs())
def test_intervals_by_run_are_the_runs_in_order(
    runs_and_nights: tuple[TimeSpans, list[int]],
) -> None:
    runs, _ = runs_and_nights
    run_intervals = runs.run_intervals()
    assert len(run_intervals) == len(runs.names)
    assert [len(runs.datasets_within(interval)) for interval in run_intervals] == [1] * len(
        run_intervals
    )
    assert intervals.describe_invalid_interval(run_intervals) == ""


def test_simultaneous_datasets_share_an_interval() -> None:
    runs = create_spans((0, 10), (20, 30), (0, 10 + 5e-7))
    assert [runs.datasets_within(interval) for interval in runs.run_intervals()] == [
        ["run-0", "run-2"],
        ["run-1"],
    ]


def test_partly_overlapping_runs_are_reported() -> None:
    with pytest.raises(FitError, match="run-0 and run-1 overlap in time"):
        create_spans((0, 10), (9, 30)).run_intervals()


def test_runs_across_an_edge_are_detected() -> None:
    runs = create_spans((0, 10), (10, 20), (19, 30), (-5, 40), (30, 40))
    interval = np.array([10.0, 25.0])
    assert runs.datasets_within(interval) == ["run-1"]
    assert runs.datasets_partly_within(interval) == ["run-2", "run-3"]


def test_span_is_from_the_first_start_to_the_last_stop_in_any_order() -> None:
    # gammapy uses the first and the last row of the table
    dataset = small.spectrum_on_off()
    dataset.gti = GTI.create([3, 0] * u.h, [4.5, 1] * u.h, reference_time=small.REFERENCE)
    span = TimeSpans.from_datasets(Datasets([dataset])).times[0]
    start = Time(small.REFERENCE, scale="tt")
    offset = (start - intervals.reference_time()).to_value("s")
    assert span == pytest.approx([offset, offset + 4.5 * 3600])


def test_equal_times_of_different_scales_have_equal_seconds() -> None:
    utc = Time("2006-07-29T21:00:00", scale="utc")
    seconds = [
        intervals.to_seconds(time, intervals.reference_time()) for time in (utc, utc.tt, utc.tai)
    ]
    np.testing.assert_allclose(np.diff(seconds), 0, atol=1e-6)
    # TT is 65.184 s ahead of UTC in 2006: 33 leap seconds and 32.184 s
    days = utc.mjd - Time(intervals.REFERENCE, scale="utc").mjd
    assert seconds[0] == pytest.approx(days * DAY + 65.184, abs=1e-5)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([("21:00", "20:00")], "T21:00:00 to 2006-07-29T20:00:00 .* ends before it starts"),
        ([("20:00", "21:00"), ("20:30", "22:00")], "T20:00:00 and 2006-07-29T20:30:00 .* overlap"),
    ],
)
def test_invalid_intervals_are_rejected(times: list[tuple[str, str]], message: str) -> None:
    pairs = [(Time(f"2006-07-29T{start}"), Time(f"2006-07-29T{stop}")) for start, stop in times]
    with pytest.raises(FitError, match=message):
        intervals.intervals_from_pairs(pairs)


class TestVariability:
    @given(st.floats(0.1, 10), st.integers(2, 40), st.integers(0, 1000))
    def test_chi_square_is_relative_to_the_weighted_mean(
        self, scale: float, size: int, seed: int
    ) -> None:
        # the weighted mean minimises the sum of squares
        random = np.random.default_rng(seed)
        error = scale * random.uniform(0.5, 2, size)
        flux = 100 * scale + error * random.normal(size=size)
        variability = Variability.from_fluxes(flux, error)
        assert variability is not None
        assert variability.dof == size - 1
        sums = [(((flux - mean) / error) ** 2).sum() for mean in np.linspace(95, 105) * scale]
        assert variability.chi2 <= min(sums) + 1e-9
        assert 0 <= variability.p_value <= 1

    def test_fluxes_that_are_nan_are_ignored(self) -> None:
        flux, error = np.array([1.0, np.nan, 3.0]), np.array([1.0, 1.0, 1.0])
        variability = Variability.from_fluxes(flux, error)
        assert variability is not None
        assert (variability.chi2, variability.dof) == (2.0, 1)
        assert Variability.from_fluxes([1.0, np.nan], [1.0, 1.0]) is None

    def test_p_values_of_constant_fluxes_are_uniform(self) -> None:
        # the mean of 200 uniform p-values has a standard deviation of 0.02
        random = np.random.default_rng(1)
        values = [Variability.from_fluxes(random.normal(5, 1, 10), np.ones(10)) for _ in range(200)]
        assert np.mean([variability.p_value for variability in values]) == pytest.approx(
            0.5, abs=0.08
        )


@given(st.integers(0, 10**6))
def test_intervals_are_sorted_by_start(seed: int) -> None:
    random = np.random.default_rng(seed)
    edges = np.sort(random.uniform(53000, 53100, 6))
    assume(np.diff(edges).min() > 1e-6)
    pairs = [tuple(Time(pair, format="mjd")) for pair in edges.reshape(3, 2)]
    random.shuffle(pairs)
    times = intervals.intervals_from_pairs(pairs)
    assert (np.diff(times.ravel()) > 0).all()
    np.testing.assert_allclose(np.diff(times).ravel() / DAY, np.diff(edges)[::2], atol=1e-10)
