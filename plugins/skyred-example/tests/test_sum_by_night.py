"""Tests of the stacker on toy maps, compared with sums computed by numpy and gammapy."""

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

EXACT, ROUNDING = 0, 1e-6  # relative tolerances
FIRST = ("2004-12-09T22:00:00", "2004-12-10T02:00:00")
SECOND = ("2004-12-10T22:00:00", "2004-12-11T02:00:00")


@pytest.fixture(scope="module")
def geometry(example):
    full_geometry = Pipeline.from_yaml(example).data["crab"].geometry
    return full_geometry.evolve(
        width="1.5 deg", bin_size="0.1 deg", irf_bin_size="0.2 deg", name="toy"
    )


@pytest.fixture
def runs(geometry):
    """Return four runs of two nights, with different data and safe masks."""
    return [create_run(geometry, obs_id, time) for obs_id, time in enumerate((*FIRST, *SECOND))]


def create_run(geometry, obs_id, time):
    """Return the dataset of a run on a cutout with a random safe mask, and a toy observation."""
    random = np.random.default_rng(obs_id)
    center = geometry.center.skycoord.directional_offset_by(90 * obs_id * u.deg, 0.3 * u.deg)
    dataset = geometry.target("toy").cutout(center, "1.1 deg", name=f"toy-{obs_id}")
    shape = dataset.counts.data.shape
    dataset.counts.data = random.poisson(3, shape)
    dataset.background.data = random.uniform(1, 2, shape)
    for exposure in (dataset.exposure, dataset.psf.exposure_map, dataset.edisp.exposure_map):
        exposure.data = random.uniform(1, 2, exposure.data.shape) * 1e9
    dataset.psf.psf_map.data = random.uniform(1, 2, dataset.psf.psf_map.data.shape)
    dataset.edisp.edisp_map.data = random.uniform(1, 2, dataset.edisp.edisp_map.data.shape)
    dataset.mask_safe.data[...] = random.uniform(size=shape) < 0.7
    start = Time(time)
    dataset.gti = GTI.create(0 * u.s, (600 + obs_id) * u.s, reference_time=start)
    return dataset, SimpleNamespace(tmid=start + 5 * u.min, obs_id=obs_id)


def add_runs(stacker, geometry, runs):
    """Return the total of runs."""
    total = stacker.zero(geometry)
    for dataset, observation in runs:
        total = stacker.add(total, dataset, observation)
    return total


def assert_same(stacker, left, right, tolerance):
    left_datasets, right_datasets = stacker.result(left), stacker.result(right)
    assert left_datasets.names == right_datasets.names
    for left_dataset, right_dataset in zip(left_datasets, right_datasets, strict=True):
        assert_same_dataset(left_dataset, right_dataset, tolerance)


def assert_same_dataset(left, right, tolerance):
    for name, values in arrays(left).items():
        np.testing.assert_allclose(values, arrays(right)[name], rtol=tolerance, err_msg=name)
    assert np.array_equal(left.mask_safe.data, right.mask_safe.data)
    assert left.gti.time_sum.to_value("s") == pytest.approx(right.gti.time_sum.to_value("s"), 1e-9)


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


def test_zero_is_an_identity(geometry, runs):
    stacker = SumByNight()
    expected = add_runs(stacker, geometry, runs)
    for parts in ([], runs), (runs, []):
        merged = stacker.merge(*(add_runs(stacker, geometry, part) for part in parts))
        assert_same(stacker, merged, expected, EXACT)


def test_zero_has_no_datasets(geometry):
    stacker = SumByNight()
    assert len(stacker.result(stacker.zero(geometry))) == 0


def test_merge_is_associative(geometry, runs):
    stacker = SumByNight(noon="0 h")  # if days begin at midnight, the runs are in three nights

    def parts():
        return [
            add_runs(stacker, geometry, runs[begin:end]) for begin, end in ((0, 1), (1, 3), (3, 4))
        ]

    first, second, third = parts()
    left = stacker.merge(stacker.merge(first, second), third)
    first, second, third = parts()
    right = stacker.merge(first, stacker.merge(second, third))
    assert_same(stacker, left, right, ROUNDING)


@pytest.mark.parametrize("n_first", [1, 2, 3])
def test_merged_chunks_equal_added_runs(geometry, runs, n_first):
    stacker = SumByNight()
    first, second = (
        add_runs(stacker, geometry, chunk) for chunk in (runs[:n_first], runs[n_first:])
    )
    expected = add_runs(stacker, geometry, runs)
    assert_same(stacker, stacker.merge(first, second), expected, ROUNDING)


def test_each_night_agrees_with_gammapy(geometry, runs):
    datasets = SumByNight().result(add_runs(SumByNight(), geometry, runs))
    for stack, night in zip(datasets, (runs[:2], runs[2:]), strict=True):
        expected = geometry.target("expected")
        for dataset, _ in night:
            expected.stack(dataset)
        assert_same_dataset(stack, expected, EXACT)
        counts = [dataset.counts.data[dataset.mask_safe.data].sum() for dataset, _ in night]
        assert stack.counts.data.sum() == sum(counts)


def test_datasets_are_copied(geometry, runs):
    originals = deepcopy([dataset for dataset, _ in runs])
    total = add_runs(SumByNight(), geometry, runs)
    for (dataset, _), original in zip(runs, originals, strict=True):
        assert_same_dataset(dataset, original, EXACT)
    counts = [stack.counts.data.copy() for stack in SumByNight().result(total)]
    for dataset, _ in runs:
        dataset.counts.data[...] = 1000
    for stack, expected in zip(SumByNight().result(total), counts, strict=True):
        assert np.array_equal(stack.counts.data, expected)


def test_nights_are_sorted_and_named_after_their_first_day(geometry, runs):
    datasets = SumByNight().result(add_runs(SumByNight(), geometry, reversed(runs)))
    assert datasets.names == ["toy-20041209", "toy-20041210"]


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
def test_night_is_from_noon_to_noon(geometry, runs, time, noon, day):
    stacker = SumByNight(noon=noon)
    observation = SimpleNamespace(tmid=Time(time, scale="utc").tt)
    total = stacker.add(stacker.zero(geometry), runs[0][0], observation)
    assert stacker.result(total).names == [f"toy-{day}"]


def test_datasets_of_another_type_are_rejected(geometry, runs):
    dataset, observation = runs[0]
    on_off = MapDatasetOnOff.from_map_dataset(dataset, acceptance=1, acceptance_off=1)
    with pytest.raises(TypeError, match="MapDatasetOnOff"):
        SumByNight().add(SumByNight().zero(geometry), on_off, observation)
