"""Comparison of datasets with those of gammapy: sound data agree, and wrong values are found."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import MapDataset, SpectrumDataset
from gammapy.irf import Background3D
from gammapy.makers import MapDatasetMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom, WcsGeom

from fault_injection.inexact_makers import change_quantity, find_map
from random_irfs import AREAS, BACKGROUNDS, PSFS, create_irf, create_observation
from skyred.components.projection.makers import MapProjection, SpectrumProjection
from skyred.run.worker.dataset_comparison import compare_datasets

POINTING = SkyCoord(83.63, 22.01, unit="deg")
ENERGY = MapAxis.from_energy_bounds("0.3 TeV", "80 TeV", nbin=4, name="energy")
ENERGY_TRUE = MapAxis.from_energy_bounds("0.02 TeV", "200 TeV", nbin=7, name="energy_true")
MIGRA = MapAxis.from_edges(np.linspace(0.2, 3, 21), name="migra")
RAD = MapAxis.from_edges(np.linspace(0, 0.66, 12), unit="deg", name="rad")
MAPS = (
    *("counts", "exposure", "background", "PSF", "energy dispersion"),
    *("exposure of the PSF", "exposure of the energy dispersion"),
)


def create_irfs(background: str = "bkg_2d", psf: str = "psf_table", area: str = "aeff_2d") -> Any:
    kinds = {"aeff": area, "edisp": "edisp_2d", "psf": psf, "bkg": background}
    return {name: create_irf(kind) for name, kind in kinds.items()}


def create_dataset(energy: MapAxis = ENERGY, migra: MapAxis | None = None) -> MapDataset:
    geom = WcsGeom.create(skydir=POINTING, binsz=0.5, width=7, axes=[energy])
    return MapDataset.create(
        geom, energy_axis_true=ENERGY_TRUE, migra_axis=migra, rad_axis=RAD, binsz_irf=0.5
    )


def run_both(empty: Any, observation: Any, makers: Any) -> tuple[Any, Any]:
    """Return the datasets of a maker and its reference, each from its own copy of the input."""
    result, expected = (maker.run(*copy.deepcopy((empty, observation))) for maker in makers)
    return result, expected


def find_mismatches(result: Any, expected: Any, observation: Any) -> dict[str, Any]:
    agreements = compare_datasets(result, expected, observation)
    return {agreement.quantity: agreement for agreement in agreements if not agreement.is_equal}


@pytest.mark.parametrize("migra", [None, MIGRA], ids=["kernel", "migration"])
@pytest.mark.parametrize(
    ("background", "psf", "area"),
    list(zip(BACKGROUNDS, (*PSFS, PSFS[0]), AREAS * 2, strict=True)),
)
def test_maps_of_all_irf_types_agree(background, psf, area, migra):
    observation = create_observation(POINTING, **create_irfs(background, psf, area))
    makers = MapProjection(), MapDatasetMaker()
    datasets = run_both(create_dataset(migra=migra), observation, makers)
    assert find_mismatches(*datasets, observation) == {}


@pytest.mark.parametrize(
    "options", [{"containment_correction": True}, {"use_region_center": False}]
)
@pytest.mark.parametrize("background", BACKGROUNDS[:3])
def test_spectra_agree(background, options):
    observation = create_observation(POINTING, **create_irfs(background))
    geom = RegionGeom.create("icrs;circle(84.1, 22.3, 0.2)", axes=[ENERGY])
    empty = SpectrumDataset.create(geom, energy_axis_true=ENERGY_TRUE)
    parts = ["counts", "exposure", "edisp", "background"]
    makers = [
        maker_class(selection=parts, **options)
        for maker_class in (SpectrumProjection, SpectrumDatasetMaker)
    ]
    assert find_mismatches(*run_both(empty, observation, makers), observation) == {}


@pytest.fixture(scope="module")
def equal_datasets() -> tuple[Any, Any, Any]:
    observation = create_observation(POINTING, **create_irfs())
    makers = MapDatasetMaker(), MapDatasetMaker()
    return *run_both(create_dataset(), observation, makers), observation


@pytest.mark.parametrize("quantity", [*MAPS, "safe mask", "livetime", "good time intervals"])
def test_difference_of_1e_4_is_detected_in_each_quantity(quantity, equal_datasets):
    result, expected, observation = copy.deepcopy(equal_datasets)
    result.counts.data, expected.counts.data = (
        dataset.counts.data.astype(float) for dataset in (result, expected)
    )
    change_quantity(result, quantity)
    assert list(find_mismatches(result, expected, observation)) == [quantity]


@pytest.mark.parametrize("quantity", [name for name in MAPS if name != "counts"])
@pytest.mark.parametrize(("change", "is_accepted"), [(0.8e-6, True), (1.2e-6, False)])
def test_tolerance_of_the_largest_value_is_1e_6(quantity, change, is_accepted, equal_datasets):
    result, expected, observation = copy.deepcopy(equal_datasets)
    change_quantity(result, quantity, 1 + change)
    agreement = find_mismatches(result, expected, observation).get(quantity)
    assert (agreement is None) == is_accepted


def test_position_and_values_of_the_largest_difference_are_described(equal_datasets):
    result, expected, observation = copy.deepcopy(equal_datasets)
    result.background.data[2, 5, 3] *= 1.5
    result.background.data[1, 2, 3] *= 1.01
    agreement = find_mismatches(result, expected, observation)["background"]
    assert agreement.difference == pytest.approx(0.5, rel=0.1)
    low, high = ENERGY.edges.value[2:4]
    position = f"energy {low:.4g} to {high:.4g} TeV, pixel (3, 5)"
    assert agreement.details.endswith(f"at {position}")
    assert f"instead of {expected.background.data[2, 5, 3]:.10g} at" in agreement.details


def test_missing_map_unit_shape_and_axis_are_mismatches(equal_datasets):
    result, expected, observation = copy.deepcopy(equal_datasets)
    result.background = None
    result.exposure = result.exposure.to_unit("cm2 s")
    result.exposure.meta = expected.exposure.meta
    energy = MapAxis.from_energy_bounds("0.3 TeV", "90 TeV", nbin=4, name="energy")
    result.counts._geom = result.counts.geom.to_image().to_cube([energy])
    shorter = result.psf.psf_map.slice_by_idx({"rad": slice(0, 5)})
    result.psf.psf_map = shorter
    assert set(find_mismatches(result, expected, observation)) == {
        *("geometry of the counts", "unit of the exposure", "background", "shape of the PSF")
    }


def wide_datasets() -> tuple[Any, Any, Any]:
    """Return datasets with energies beyond the background IRF, for which gammapy has NaN."""
    energy = MapAxis.from_energy_bounds("0.01 TeV", "1000 TeV", nbin=8, name="energy")
    observation = create_observation(POINTING, **create_irfs())
    makers = MapProjection(), MapDatasetMaker()
    datasets = run_both(create_dataset(energy), observation, makers)
    assert np.isnan(datasets[1].background.data).any()
    return *datasets, observation


def test_background_in_bins_partly_outside_the_irf_agrees():
    assert find_mismatches(*wide_datasets()) == {}


def test_nan_in_other_bins_is_a_mismatch():
    result, expected, observation = wide_datasets()
    assert result.background.data[3, 7, 7]
    expected.background.data[3, 7, 7] = np.nan
    agreement = find_mismatches(result, expected, observation)["background"]
    low, high = result.background.geom.axes["energy"].edges.value[3:5]
    assert f"instead of nan at energy {low:.4g} to {high:.4g} TeV" in agreement.details


def test_background_must_be_0_where_gammapy_has_nan():
    result, expected, observation = wide_datasets()
    is_lost = np.isnan(expected.background.data)
    assert (result.background.data[is_lost] == 0).all()
    result.background.data[is_lost] = 1e-9
    assert "instead of nan" in find_mismatches(result, expected, observation)["background"].details


@pytest.mark.parametrize("quantity", ["background", "exposure", "PSF", "energy dispersion"])
def test_nan_instead_of_a_value_is_a_mismatch(quantity, equal_datasets):
    result, expected, observation = copy.deepcopy(equal_datasets)
    find_map(result, quantity).data.ravel()[find_map(result, quantity).data.argmax()] = np.nan
    assert list(find_mismatches(result, expected, observation)) == [quantity]


def edge_datasets() -> tuple[Any, Any, Any]:
    """Return datasets with pixels on the edge of the background IRF, and the values that differ."""
    pointing = SkyCoord(10, 0, unit="deg")
    irfs = {"aeff": create_irf("aeff_2d"), "bkg": create_irf("bkg_3d_reversed")}
    observation = create_observation(pointing, **irfs)
    geom = WcsGeom.create(skydir=pointing, binsz=0.25, npix=(25, 25), axes=[ENERGY])
    empty = MapDataset.create(geom, energy_axis_true=ENERGY_TRUE)
    makers = [
        maker_class(selection=["background"]) for maker_class in (MapProjection, MapDatasetMaker)
    ]
    return *run_both(empty, observation, makers), observation


def test_pixels_on_the_edge_of_the_irf_may_be_on_either_side():
    result, expected, observation = edge_datasets()
    differs = (result.background.data == 0) != (expected.background.data == 0)
    assert differs.any()
    assert find_mismatches(result, expected, observation) == {}


def test_pixels_next_to_the_edge_of_the_irf_must_agree():
    result, expected, observation = edge_datasets()
    assert result.background.data[0, 12, 3]  # 2.25 deg from the pointing; the IRF ends at 2.5 deg
    result.background.data[0, 12, 3] = 0
    assert "pixel (3, 12)" in find_mismatches(result, expected, observation)["background"].details


def test_values_on_the_edge_of_the_irf_must_agree_unless_one_is_0():
    result, expected, observation = edge_datasets()
    index = 0, 12, 2  # 2.5 deg from the pointing
    for value, is_accepted in ((0, True), (1e-3, False)):
        result.background.data[index], expected.background.data[index] = value, 2e-3
        assert (find_mismatches(result, expected, observation) == {}) == is_accepted


def centred_datasets() -> tuple[Any, Any, Any]:
    """Return equal datasets with pixels at offsets of 0, 2.4 and 2.8 deg; the IRFs end at 2.4."""
    pointing = SkyCoord(10, 0, unit="deg")
    kinds = {"aeff": "aeff_2d", "edisp": "edisp_2d", "psf": "psf_table", "bkg": "bkg_2d"}
    irfs = {name: create_irf(kind, max_offset=2.4) for name, kind in kinds.items()}
    observation = create_observation(pointing, **irfs)
    geom = WcsGeom.create(skydir=pointing, binsz=0.4, npix=(17, 17), axes=[ENERGY])
    empty = MapDataset.create(
        geom, energy_axis_true=ENERGY_TRUE, rad_axis=RAD, binsz_irf=0.4, migra_axis=None
    )
    makers = MapDatasetMaker(), MapDatasetMaker()
    return *run_both(empty, observation, makers), observation


@pytest.mark.parametrize("factor", [0, 3])
@pytest.mark.parametrize("quantity", [name for name in MAPS if name != "counts"])
def test_pixel_at_the_pointing_must_agree(quantity, factor):
    result, expected, observation = centred_datasets()
    data = find_map(result, quantity).data
    row, column = (size // 2 for size in data.shape[-2:])
    assert find_map(result, quantity).geom.to_image().get_coord().skycoord[row, column].separation(
        observation.get_pointing_icrs(observation.tmid)
    ) < u.Quantity(1e-9, "deg")
    data[..., row, column] *= factor
    assert list(find_mismatches(result, expected, observation)) == [quantity]


@pytest.mark.parametrize(
    ("quantity", "column", "is_accepted"),
    [
        *(("exposure", 2, True), ("exposure", 1, False)),  # 2.4 and 2.8 deg from the pointing
        *(("background", 2, False), ("background", 1, True)),  # continued by one bin
    ],
)
def test_outer_edge_of_the_offset_depends_on_the_quantity(quantity, column, is_accepted):
    result, expected, observation = centred_datasets()
    pair = [getattr(dataset, quantity).data for dataset in (result, expected)]
    for data, value in zip(pair, (0, pair[1].max()), strict=True):
        data[2, 8, column] = value
    assert (find_mismatches(result, expected, observation) == {}) == is_accepted


@pytest.mark.parametrize("kind", ["bkg_3d", "bkg_3d_reversed"])
def test_edge_of_the_longitude_is_on_the_side_of_the_alignment(kind):
    irf = create_irf(kind)
    lon = MapAxis.from_edges(np.linspace(-1.5, 3.5, 11), unit="deg", name="fov_lon")
    axes = [irf.axes["energy"], lon, irf.axes["fov_lat"]]
    irf = Background3D(axes, irf.data, irf.unit, fov_alignment=irf.fov_alignment)
    pointing = SkyCoord(10, 0, unit="deg")
    observation = create_observation(pointing, bkg=irf, aeff=create_irf("aeff_2d"))
    geom = WcsGeom.create(skydir=pointing, binsz=0.5, npix=(13, 13), axes=[ENERGY])
    empty = MapDataset.create(geom, energy_axis_true=ENERGY_TRUE)
    maker = MapDatasetMaker(selection=["background"])
    changed, expected = run_both(empty, observation, (maker, maker))
    columns = 3, 9  # 1.5 deg from the pointing, on both sides
    outer = [expected.background.data[1, 6, column] for column in (2, 10)]
    assert sorted(value > 0 for value in outer) == [False, True]
    for column, value in zip(columns, outer, strict=True):
        changed.background.data[1, 6, column] = 0
        expected.background.data[1, 6, column] = 1
        assert (find_mismatches(changed, expected, observation) == {}) == (value == 0)
        changed.background.data[1, 6, column] = 1


def create_spectra(region: str, background: str) -> tuple[Any, Any, Any]:
    """Return equal spectra of a region."""
    observation = create_observation(POINTING, **create_irfs(background))
    geom = RegionGeom.create(region, axes=[ENERGY])
    empty = SpectrumDataset.create(geom, energy_axis_true=ENERGY_TRUE)
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp", "background"])
    return *run_both(empty, observation, (maker, maker)), observation


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("quantity", ["background", "exposure", "energy dispersion"])
@pytest.mark.parametrize("center", ["83.63, 22.01", "84.1, 22.3"], ids=["on-axis", "off-axis"])
def test_wrong_spectra_are_detected(center, quantity, background):
    result, expected, observation = create_spectra(f"icrs;circle({center}, 0.2)", background)
    sky_map = find_map(result, quantity) if quantity != "energy dispersion" else result.edisp
    getattr(sky_map, "edisp_map", sky_map).data *= 2
    assert list(find_mismatches(result, expected, observation)) == [quantity]


def test_other_region_is_a_mismatch():
    result, expected, observation = create_spectra("icrs;circle(84.1, 22.3, 0.2)", "bkg_2d")
    result.counts._geom = RegionGeom.create("icrs;circle(84.1, 22.3, 0.1)", axes=[ENERGY])
    assert list(find_mismatches(result, expected, observation)) == ["geometry of the counts"]


@pytest.mark.parametrize(("value", "is_accepted"), [(1.00000001e-8, True), (1.1e-8, False)])
def test_kernel_elements_of_1e_8_may_be_cut(value, is_accepted, equal_datasets):
    result, expected, observation = copy.deepcopy(equal_datasets)
    result.edisp.edisp_map.data[...] /= 1e4  # so that the tolerance is below 1e-8
    expected.edisp.edisp_map.data[...] /= 1e4
    result.edisp.edisp_map.data[0, 0, 3, 3] = 0
    expected.edisp.edisp_map.data[0, 0, 3, 3] = value
    assert (find_mismatches(result, expected, observation) == {}) == is_accepted


def test_livetime_in_another_unit_agrees(equal_datasets):
    result, expected, observation = copy.deepcopy(equal_datasets)
    result.exposure.meta["livetime"] = u.Quantity(result.exposure.meta["livetime"]).to("h")
    assert find_mismatches(result, expected, observation) == {}


@pytest.mark.parametrize(("livetime", "is_accepted"), [(0, True), (1, False)])
def test_livetime_of_0_must_be_equal(livetime, is_accepted, equal_datasets):
    result, expected, observation = copy.deepcopy(equal_datasets)
    expected.exposure.meta["livetime"] = 0 * u.s
    result.exposure.meta["livetime"] = livetime * u.s
    assert ("livetime" not in find_mismatches(result, expected, observation)) == is_accepted
