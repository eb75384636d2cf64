"""Cutouts and stacks of cutouts are those of gammapy."""

from __future__ import annotations

import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.nddata.utils import NoOverlapError
from gammapy.datasets import MapDataset
from gammapy.makers import MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom

import plain_gammapy
from random_irfs import create_irf, create_observation
from skyred.components.projection.cutouts import cut_out, find_slices
from skyred.components.projection.stacking import Overlap, stack_cutout
from skyred.components.stackers.records import stack_records

ENERGY = MapAxis.from_energy_bounds("0.3 TeV", "80 TeV", nbin=4, name="energy")
ENERGY_TRUE = MapAxis.from_energy_bounds("0.1 TeV", "120 TeV", nbin=6, name="energy_true")
CENTER = SkyCoord(83.63, 22.01, unit="deg")
OFFSETS = [(0, 0.5), (90, 1.3), (200, 2.4)]  # position angle and distance of pointings, deg


def create_target(frame: str = "icrs", projection: str = "CAR", width: float = 4.0) -> MapDataset:
    geom = WcsGeom.create(
        skydir=CENTER, width=width, binsz=0.1, frame=frame, proj=projection, axes=[ENERGY]
    )
    return MapDataset.create(geom, energy_axis_true=ENERGY_TRUE, name="target")


def pointings() -> list[SkyCoord]:
    return [CENTER.directional_offset_by(angle * u.deg, size * u.deg) for angle, size in OFFSETS]


def make_run(target: MapDataset, pointing: SkyCoord, number: int, mask: bool = True) -> MapDataset:
    """Return the dataset of a run, made by gammapy."""
    irfs = {"aeff": "aeff_2d", "edisp": "edisp_2d", "psf": "psf_table", "bkg": "bkg_2d"}
    observation = create_observation(
        pointing, seed=number, **{name: create_irf(kind, number) for name, kind in irfs.items()}
    )
    cutout = target.cutout(pointing, width=3 * u.deg, name=f"run-{number}")
    dataset = MapDatasetMaker().run(cutout, observation)
    if mask:
        dataset = SafeMaskMaker(["offset-max"], offset_max=1.5 * u.deg).run(dataset, observation)
    return dataset


def assert_same_datasets(dataset: MapDataset, expected: MapDataset) -> None:
    arrays, expected_arrays = plain_gammapy.arrays(dataset), plain_gammapy.arrays(expected)
    assert arrays.keys() == expected_arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_allclose(array, expected_arrays[name], rtol=1e-12, err_msg=name)
    assert dataset.counts.geom == expected.counts.geom
    assert dataset.psf.psf_map.geom == expected.psf.psf_map.geom


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("projection", ["CAR", "TAN", "AIT"])
def test_cutout_is_that_of_gammapy(frame, projection):
    target = create_target(frame, projection)
    for pointing in pointings():
        dataset = cut_out(target, pointing, 3 * u.deg, "run")
        assert dataset.name == "run"
        assert_same_datasets(dataset, target.cutout(pointing, 3 * u.deg, name="run"))


def test_cutout_without_overlap_raises_an_error():
    far = CENTER.directional_offset_by(0 * u.deg, 8 * u.deg)
    with pytest.raises(NoOverlapError):
        cut_out(create_target(), far, 2 * u.deg, "run")


def test_cutout_can_be_changed_without_changing_the_target():
    target = create_target()
    dataset = cut_out(target, CENTER, 2 * u.deg, "run")
    dataset.counts.data += 1
    dataset.edisp.edisp_map.data += 1
    assert not target.counts.data.any()
    assert_same_datasets(target, create_target())


def test_slices_need_the_same_pixels():
    parent = create_target().counts.geom
    assert find_slices(parent, parent.cutout(CENTER, 1 * u.deg)) is not None
    second = WcsGeom.create(skydir=CENTER, width=1, binsz=0.11, axes=[ENERGY])
    shifted = WcsGeom.create(skydir=(83.65, 22.01), width=1, binsz=0.1, axes=[ENERGY])
    assert find_slices(parent, second) is None
    assert find_slices(parent, shifted) is None
    assert find_slices(parent.cutout(CENTER, 1 * u.deg), parent) is None


@pytest.mark.parametrize("mask", [True, False])
@pytest.mark.parametrize(("frame", "projection"), [("icrs", "CAR"), ("galactic", "TAN")])
def test_stack_is_that_of_gammapy(frame, projection, mask):
    total, expected = create_target(frame, projection), create_target(frame, projection)
    for number, pointing in enumerate(pointings(), 1):
        dataset = make_run(total, pointing, number, mask)
        overlap = Overlap.find(total, dataset)
        assert overlap is not None
        stack_cutout(total, dataset, overlap)
        stack_records(total, dataset)
        expected.stack(dataset)
    assert expected.counts.data.any()
    assert_same_datasets(total, expected)
    assert str(total.gti) == str(expected.gti)
    assert str(total.meta_table) == str(expected.meta_table)
    livetimes = [dataset.exposure.meta["livetime"] for dataset in (total, expected)]
    assert livetimes[0] == livetimes[1]


def test_stacked_dataset_is_not_changed():
    target = create_target()
    dataset, original = (make_run(target, CENTER, 1) for _ in range(2))
    stack_cutout(target, dataset, Overlap.find(target, dataset))
    assert_same_datasets(dataset, original)


def test_invalid_values_are_left_out_as_by_gammapy():
    total, expected = create_target(), create_target()
    dataset = make_run(total, CENTER, 1)
    dataset.background.data[0, 3, 4] = np.nan
    dataset.exposure.data[1, 5, 5] = np.inf
    stack_cutout(total, dataset, Overlap.find(total, dataset))
    expected.stack(dataset)
    assert_same_datasets(total, expected)


@pytest.mark.parametrize("order", [1, -1])
def test_exposures_that_cancel_give_the_irfs_of_gammapy(order):
    total, expected = create_target(), create_target()
    datasets = [make_run(total, CENTER, number) for number in (1, 2)]
    first, second = (dataset.psf.exposure_map for dataset in datasets)
    second.data = -first.data
    for dataset in datasets[::order]:
        stack_cutout(total, dataset, Overlap.find(total, dataset))
        expected.stack(dataset)
    assert (np.abs(expected.psf.psf_map.data) > 1e30).any()
    assert_same_datasets(total, expected)


@pytest.mark.parametrize("change", ["other axis", "no psf", "fit mask", "other pixels"])
def test_other_datasets_are_left_to_gammapy(change):
    total = create_target()
    dataset = make_run(total, CENTER, 1)
    if change == "no psf":
        dataset.psf = None
    elif change == "fit mask":
        dataset.mask_fit = dataset.mask_safe.copy()
    elif change == "other pixels":
        total = create_target(projection="TAN")
    else:
        energy = MapAxis.from_energy_bounds("0.2 TeV", "80 TeV", nbin=4, name="energy")
        geom = dataset.counts.geom.to_image().to_cube([energy])
        total = MapDataset.create(geom, energy_axis_true=ENERGY_TRUE)
    assert Overlap.find(total, dataset) is None


def test_pickled_maps_have_the_same_pixels():
    center = SkyCoord(83.6334567890123, 22.0123456789012, unit="deg")
    parent = WcsGeom.create(skydir=center, width=4, binsz=0.1, frame="galactic", proj="TAN")
    cutout = pickle.loads(pickle.dumps(parent.cutout(center, 2 * u.deg)))
    assert find_slices(parent, cutout) is not None
