"""The laws of the stackers, on the datasets of real runs."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset
from gammapy.maps import RegionGeom

from plain_gammapy import EXAMPLE, arrays
from skyred import Pipeline
from skyred.defaults.gammapy.stackers import Keep, Sum

pytestmark = pytest.mark.data

STACKERS = [Sum(), Keep()]
# what is not a sum of float32 is exact
EXACT = ("counts", "mask_safe")


@pytest.fixture(scope="session")
def geometry():
    return Pipeline.from_yaml(EXAMPLE).data["hess"].named("hess").geometry


@pytest.fixture(scope="session")
def corners(runs) -> list[MapDataset]:
    """Give parts of the runs that overlap only in part, the last one with none of the others."""
    places = [(83.2, 21.6), (83.7, 22.1), (84.3, 22.6), (82.9, 22.8)]
    return [
        run.cutout(SkyCoord(*place, unit="deg"), width=w * u.deg, name=run.name)
        for run, place, w in zip(runs, places, (1.0, 1.2, 0.8, 0.3), strict=True)
    ]


@pytest.fixture(params=["runs", "corners"])
def datasets(request) -> list[MapDataset]:
    originals = request.getfixturevalue(request.param)
    return [dataset.copy(name=dataset.name) for dataset in originals]


@pytest.fixture(params=STACKERS, ids=lambda stacker: stacker.kind)
def stacker(request):
    return request.param


def fold(stacker, geometry, datasets):
    total = stacker.zero(geometry)
    for dataset in datasets:
        total = stacker.add(total, dataset, observation=None)
    return total


def results(stacker, total) -> list[MapDataset]:
    return list(stacker.result(total))


def assert_equal(left: list[MapDataset], right: list[MapDataset], rtol: float) -> None:
    assert [dataset.name for dataset in left] == [dataset.name for dataset in right]
    for one, other in zip(left, right, strict=True):
        expected = arrays(other)
        for name, array in arrays(one).items():
            tolerance = 0 if name in EXACT else rtol
            scale = np.abs(expected[name]).max() if tolerance else 0
            # rounding is relative to the largest summand of a pixel, at most the largest value
            np.testing.assert_allclose(
                array, expected[name], rtol=tolerance, atol=1e-7 * scale * bool(rtol), err_msg=name
            )
        assert livetime(one) == pytest.approx(livetime(other), rel=1e-9)
        assert str(one.gti) == str(other.gti)
        assert times(one) == times(other)
        assert one.meta_table is None or one.meta_table.pformat() == other.meta_table.pformat()


def livetime(dataset: MapDataset) -> float:
    return dataset.exposure.meta["livetime"].to_value("s")


def times(dataset: MapDataset) -> list[tuple[float, float]]:
    return list(zip(dataset.gti.time_start.mjd, dataset.gti.time_stop.mjd, strict=True))


def test_zero_on_the_left_changes_nothing(stacker, geometry, datasets):
    expected = results(stacker, fold(stacker, geometry, datasets[:2]))
    total = stacker.merge(stacker.zero(geometry), fold(stacker, geometry, datasets[:2]))
    assert_equal(results(stacker, total), expected, rtol=0)


def test_zero_on_the_right_changes_nothing(stacker, geometry, datasets):
    expected = results(stacker, fold(stacker, geometry, datasets[:2]))
    total = stacker.merge(fold(stacker, geometry, datasets[:2]), stacker.zero(geometry))
    assert_equal(results(stacker, total), expected, rtol=0)


def test_zero_and_zero_is_nothing(stacker, geometry):
    total = stacker.merge(stacker.zero(geometry), stacker.zero(geometry))
    assert results(stacker, total) == []


def test_merge_is_associative(stacker, geometry, datasets):
    def parts():
        return [fold(stacker, geometry, [dataset]) for dataset in datasets[:3]]

    a, b, c = parts()
    left = stacker.merge(stacker.merge(a, b), c)
    a, b, c = parts()
    right = stacker.merge(a, stacker.merge(b, c))
    # float32 sums in another order
    assert_equal(results(stacker, left), results(stacker, right), rtol=1e-6)


def test_adding_is_merging_a_total_of_one(stacker, geometry, datasets):
    added = stacker.add(fold(stacker, geometry, datasets[:3]), datasets[3], observation=None)
    one = stacker.add(stacker.zero(geometry), datasets[3], observation=None)
    merged = stacker.merge(fold(stacker, geometry, datasets[:3]), one)
    # float32 sums in another order
    assert_equal(results(stacker, merged), results(stacker, added), rtol=1e-6)


def test_adding_leaves_the_dataset_as_it_was(stacker, geometry, datasets):
    before = datasets[1].copy(name=datasets[1].name)
    fold(stacker, geometry, datasets)
    assert_equal([datasets[1]], [before], rtol=0)
    assert datasets[1].models == before.models


def test_total_shares_nothing_with_what_was_added(stacker, geometry, datasets):
    total = fold(stacker, geometry, datasets[:1])
    before = [dataset.copy(name=dataset.name) for dataset in results(stacker, total)]
    for array in arrays(datasets[0]).values():
        array[...] = 0
    datasets[0].exposure.meta["livetime"] *= 3
    datasets[0].gti.table["STOP"] = datasets[0].gti.table["START"]
    assert_equal(results(stacker, total), before, rtol=0)


def test_adding_after_a_merge_leaves_the_other_total_alone(geometry, datasets):
    stacker = Sum()
    right = fold(stacker, geometry, datasets[1:2])
    before = right.dataset.copy(name="hess")
    merged = stacker.merge(fold(stacker, geometry, datasets[:1]), right)
    stacker.add(merged, datasets[2], observation=None)
    assert_equal([right.dataset], [before], rtol=0)


def test_sum_is_what_gammapy_stacks(geometry, datasets):
    expected = geometry.target("hess")
    for dataset in datasets:
        expected.stack(dataset)
    assert_equal(results(Sum(), fold(Sum(), geometry, datasets)), [expected], rtol=0)


def test_sum_of_two_halves_has_every_livetime_once(geometry, datasets):
    stacker = Sum()
    halves = [fold(stacker, geometry, datasets[:2]), fold(stacker, geometry, datasets[2:])]
    merged = results(stacker, stacker.merge(*halves))[0]
    expected = sum(livetime(dataset) for dataset in datasets if dataset.mask_safe.data.any())
    assert livetime(merged) == pytest.approx(expected, rel=1e-9)


def test_keep_holds_the_datasets_in_order(geometry, datasets):
    kept = results(Keep(), fold(Keep(), geometry, datasets))
    assert_equal(kept, datasets, rtol=0)


def test_nothing_gives_no_datasets(stacker, geometry):
    result = stacker.result(stacker.zero(geometry))
    assert isinstance(result, Datasets)
    assert len(result) == 0


def test_types_cannot_be_mixed(stacker, geometry, datasets):
    axes = geometry.target("x").counts.geom.axes
    spectrum = SpectrumDataset.create(
        RegionGeom.create("icrs;circle(83.6, 22, 0.1)", axes=axes), name="spectrum"
    )
    total = fold(stacker, geometry, datasets[:1])
    with pytest.raises(TypeError, match=r"SpectrumDataset cannot be stacked with a MapDataset"):
        stacker.add(total, spectrum, observation=None)


def test_sum_refuses_a_type_that_the_geometry_does_not_give(geometry):
    axes = geometry.target("x").counts.geom.axes
    spectrum = SpectrumDataset.create(
        RegionGeom.create("icrs;circle(83.6, 22, 0.1)", axes=axes), name="spectrum"
    )
    with pytest.raises(TypeError, match=r"starts from a MapDataset"):
        Sum().add(Sum().zero(geometry), spectrum, observation=None)
