"""The requirements of a stacker on toy map datasets, compared with plain sums and gammapy."""

from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.time import Time
from gammapy.data import GTI
from gammapy.datasets import MapDatasetOnOff

from skyred import Pipeline
from skyred_example import SumByNight

EXACT, ROUNDING = 0, 1e-6
FIRST = ("2004-12-09T22:00:00", "2004-12-10T02:00:00")
SECOND = ("2004-12-10T22:00:00", "2004-12-11T02:00:00")


@pytest.fixture(scope="module")
def geometry(example):
    chosen = Pipeline.from_yaml(example).data["crab"].geometry
    return chosen.evolve(width="1.5 deg", bin_size="0.1 deg", irf_bin_size="0.2 deg", name="toy")


@pytest.fixture
def runs(geometry):
    """Four runs of two nights, no two alike; each safe in another part of the map."""
    return [run(geometry, number, time) for number, time in enumerate((*FIRST, *SECOND))]


def run(geometry, number, time):
    """Make a run on a cutout, as real ones are, that leaves the safe mask ragged at its edge."""
    random = np.random.default_rng(number)
    center = geometry.center.skycoord.directional_offset_by(90 * number * u.deg, 0.3 * u.deg)
    dataset = geometry.target("toy").cutout(center, "1.1 deg", name=f"toy-{number}")
    shape = dataset.counts.data.shape
    dataset.counts.data = random.poisson(3, shape)
    dataset.background.data = random.uniform(1, 2, shape)
    for part in (dataset.exposure, dataset.psf.exposure_map, dataset.edisp.exposure_map):
        part.data = random.uniform(1, 2, part.data.shape) * 1e9
    dataset.psf.psf_map.data = random.uniform(1, 2, dataset.psf.psf_map.data.shape)
    dataset.edisp.edisp_map.data = random.uniform(1, 2, dataset.edisp.edisp_map.data.shape)
    dataset.mask_safe.data[...] = random.uniform(size=shape) < 0.7
    start = Time(time)
    dataset.gti = GTI.create(0 * u.s, (600 + number) * u.s, reference_time=start)
    return dataset, SimpleNamespace(tmid=start + 5 * u.min, obs_id=number)


def total(stacker, geometry, runs):
    held = stacker.zero(geometry)
    for dataset, observation in runs:
        held = stacker.add(held, dataset, observation)
    return held


def assert_same(stacker, left, right, tolerance):
    lefts, rights = stacker.result(left), stacker.result(right)
    assert lefts.names == rights.names
    for one, other in zip(lefts, rights, strict=True):
        assert_same_dataset(one, other, tolerance)


def assert_same_dataset(one, other, tolerance):
    for name, values in arrays(one).items():
        np.testing.assert_allclose(values, arrays(other)[name], rtol=tolerance, err_msg=name)
    assert np.array_equal(one.mask_safe.data, other.mask_safe.data)
    assert one.gti.time_sum.to_value("s") == pytest.approx(other.gti.time_sum.to_value("s"), 1e-9)


def arrays(dataset):
    return {
        "counts": dataset.counts.data,
        "background": dataset.background.data,
        "exposure": dataset.exposure.data,
        "psf": dataset.psf.psf_map.data,
        "psf exposure": dataset.psf.exposure_map.data,
        "edisp": dataset.edisp.edisp_map.data,
        "edisp exposure": dataset.edisp.exposure_map.data,
    }


def test_zero_is_an_exact_identity_on_both_sides(geometry, runs):
    stacker = SumByNight()
    alone = total(stacker, geometry, runs)
    for pair in ([], runs), (runs, []):
        merged = stacker.merge(*(total(stacker, geometry, part) for part in pair))
        assert_same(stacker, merged, alone, EXACT)


def test_zero_alone_gives_no_dataset(geometry):
    stacker = SumByNight()
    assert len(stacker.result(stacker.zero(geometry))) == 0


def test_merge_is_associative(geometry, runs):
    stacker = SumByNight(noon="0 h")  # a boundary at midnight leaves three nights of these runs

    def parts():
        return [
            total(stacker, geometry, runs[begin:end]) for begin, end in ((0, 1), (1, 3), (3, 4))
        ]

    first, second, third = parts()
    left = stacker.merge(stacker.merge(first, second), third)
    first, second, third = parts()
    right = stacker.merge(first, stacker.merge(second, third))
    assert_same(stacker, left, right, ROUNDING)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_chunks_merged_are_the_runs_added(geometry, runs, cut):
    stacker = SumByNight()
    merged = stacker.merge(
        total(stacker, geometry, runs[:cut]), total(stacker, geometry, runs[cut:])
    )
    assert_same(stacker, merged, total(stacker, geometry, runs), ROUNDING)


def test_each_night_is_what_plain_gammapy_stacks(geometry, runs):
    stacked = SumByNight().result(total(SumByNight(), geometry, runs))
    for result, night in zip(stacked, (runs[:2], runs[2:]), strict=True):
        expected = geometry.target("expected")
        for dataset, _ in night:
            expected.stack(dataset)
        assert_same_dataset(result, expected, EXACT)
        safe = [dataset.counts.data[dataset.mask_safe.data].sum() for dataset, _ in night]
        assert result.counts.data.sum() == sum(safe)


def test_no_dataset_is_changed_or_held_on_to(geometry, runs):
    before = deepcopy([dataset for dataset, _ in runs])
    held = total(SumByNight(), geometry, runs)
    for dataset, untouched in zip([dataset for dataset, _ in runs], before, strict=True):
        assert_same_dataset(dataset, untouched, EXACT)
    counts = [stack.counts.data.copy() for stack in SumByNight().result(held)]
    for dataset, _ in runs:
        dataset.counts.data[...] = 1000
    for stack, values in zip(SumByNight().result(held), counts, strict=True):
        assert np.array_equal(stack.counts.data, values)


def test_nights_are_named_by_the_day_they_begin_and_come_in_order(geometry, runs):
    stacked = SumByNight().result(total(SumByNight(), geometry, reversed(runs)))
    assert stacked.names == ["toy-20041209", "toy-20041210"]


@pytest.mark.parametrize(
    ("time", "noon", "day"),
    [
        ("2004-12-09T11:59:00", "12 h", "20041208"),
        ("2004-12-09T12:01:00", "12 h", "20041209"),
        ("2004-12-10T11:59:00", "12 h", "20041209"),
        ("2004-12-09T18:59:00", "19 h", "20041208"),
        ("2004-12-09T19:01:00", "1140 min", "20041209"),
    ],
)
def test_a_night_goes_from_noon_to_noon(geometry, runs, time, noon, day):
    stacker = SumByNight(noon=noon)
    observation = SimpleNamespace(tmid=Time(time, scale="utc").tt)
    held = stacker.add(stacker.zero(geometry), runs[0][0], observation)
    assert stacker.result(held).names == [f"toy-{day}"]


def test_datasets_of_another_type_are_refused(geometry, runs):
    dataset, observation = runs[0]
    on_off = MapDatasetOnOff.from_map_dataset(dataset, acceptance=1, acceptance_off=1)
    with pytest.raises(TypeError, match="MapDatasetOnOff"):
        SumByNight().add(SumByNight().zero(geometry), on_off, observation)
