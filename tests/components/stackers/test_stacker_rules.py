"""Algebraic rules of stackers on real runs: maps and spectra, with and without off counts."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import EarthLocation, SkyCoord
from gammapy.datasets import (
    Datasets,
    MapDataset,
    MapDatasetOnOff,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)
from gammapy.makers import RingBackgroundMaker
from gammapy.maps import Map, RegionGeom

from plain_gammapy import EXAMPLE, RUNS, arrays, observations
from plain_spectra import empty_dataset as empty_spectrum, make_run
from skyred import Pipeline
from skyred.components.gammapy import EnergyAxis, SpectrumGeometry
from skyred.components.stackers import GroupRuns, Keep, Stack, Sum

pytestmark = [pytest.mark.data, pytest.mark.slow]

STACKERS = [Sum(), Keep(), GroupRuns(by="night")]
# all other arrays are float32 sums
EXACT = ("counts", "mask_safe", "counts_off")


@pytest.fixture(scope="session")
def map_geometry():
    return Pipeline.from_yaml(EXAMPLE).data["hess"].with_name("hess").geometry


@pytest.fixture(scope="session")
def spectrum_geometry():
    axes = empty_spectrum().exposure.geom.axes, empty_spectrum().counts.geom.axes
    energy_true, energy = (EnergyAxis(edges=axis[0].edges) for axis in axes)
    region = empty_spectrum().counts.geom.region
    return SpectrumGeometry(on_region=region, energy=energy, energy_true=energy_true, name="hess")


@pytest.fixture
def geometry(kind, map_geometry, spectrum_geometry):
    return spectrum_geometry if kind == "spectra" else map_geometry


@pytest.fixture(scope="session")
def spectra(compute_once) -> list[SpectrumDatasetOnOff]:
    """Return gammapy's spectra of the runs, with different safe masks and alphas."""
    run_datasets = compute_once(
        "plain-spectra", lambda _: [make_run(observation) for observation in observations(RUNS)]
    )
    assert len({spectrum.mask_safe.data.sum() for spectrum in run_datasets}) > 1
    assert any((spectrum.counts_off.data == 0).any() for spectrum in run_datasets)
    return run_datasets


@pytest.fixture(scope="session")
def on_off_maps(corners) -> list[MapDatasetOnOff]:
    """Return partly overlapping maps with off counts, many of which are 0."""
    random = np.random.default_rng(5)
    on_off_datasets = []
    for ratio, dataset in enumerate(corners, start=2):
        geom = dataset.counts.geom
        off = Map.from_geom(geom, data=random.poisson(ratio * dataset.background.data))
        acceptance = Map.from_geom(geom, data=0.5 + random.random(geom.data_shape))
        on_off = MapDatasetOnOff.from_map_dataset(
            dataset, acceptance, acceptance * ratio, counts_off=off, name=dataset.name
        )
        on_off_datasets.append(on_off)
    return on_off_datasets


@pytest.fixture(scope="session")
def rings(run_datasets) -> list[MapDatasetOnOff]:
    """Return the runs with gammapy's off counts from rings, rounded to integers."""
    maker = RingBackgroundMaker(r_in="0.3 deg", width="0.2 deg")
    datasets = [maker.run(dataset.copy(name=dataset.name)) for dataset in run_datasets]
    for dataset in datasets:
        dataset.counts_off.data = np.rint(dataset.counts_off.data)
    return datasets


@pytest.fixture(scope="session")
def corners(run_datasets) -> list[MapDataset]:
    """Return partly overlapping cutouts of the runs; the last one overlaps with no other."""
    positions = [(83.2, 21.6), (83.7, 22.1), (84.3, 22.6), (82.9, 22.8)]
    return [
        dataset.cutout(SkyCoord(*position, unit="deg"), width=width * u.deg, name=dataset.name)
        for dataset, position, width in zip(
            run_datasets, positions, (1.0, 1.2, 0.8, 0.3), strict=True
        )
    ]


@pytest.fixture(params=["run_datasets", "corners", "spectra", "on_off_maps", "rings"])
def kind(request) -> str:
    return request.param


@pytest.fixture
def datasets(request, kind) -> list[MapDataset]:
    originals = request.getfixturevalue(kind)
    return [dataset.copy(name=dataset.name) for dataset in originals]


@pytest.fixture(params=STACKERS, ids=lambda stacker: stacker.kind)
def stacker(request):
    return request.param


def stack_all(stacker, geometry, datasets):
    total = stacker.zero(geometry)
    for dataset in datasets:
        total = stacker.add(total, dataset, run_of(dataset))
    return total


def run_of(dataset):
    """Return a stand-in for the observation of a dataset, with the attributes that stackers use."""
    tmid = dataset.gti.time_start[0] + dataset.gti.time_sum / 2
    location = EarthLocation.from_geodetic(16.5, -23.27, 1835)
    return SimpleNamespace(tmid=tmid, observatory_earth_location=location)


def results(stacker, total) -> list[MapDataset]:
    return list(stacker.result(total))


def assert_equal(left: list[MapDataset], right: list[MapDataset], rtol: float) -> None:
    assert [dataset.name for dataset in left] == [dataset.name for dataset in right]
    for left_dataset, right_dataset in zip(left, right, strict=True):
        assert type(left_dataset) is type(right_dataset)
        expected = all_arrays(right_dataset)
        for name, array in all_arrays(left_dataset).items():
            tolerance = 0 if name in EXACT else rtol
            scale = np.abs(expected[name]).max() if tolerance else 0
            # the rounding error of a pixel is relative to its largest summand, at most `scale`
            np.testing.assert_allclose(
                array, expected[name], rtol=tolerance, atol=1e-7 * scale * bool(rtol), err_msg=name
            )
        assert livetime(left_dataset) == pytest.approx(livetime(right_dataset), rel=1e-9)
        assert str(left_dataset.gti) == str(right_dataset.gti)
        assert times(left_dataset) == times(right_dataset)
        assert (
            left_dataset.meta_table is None
            or left_dataset.meta_table.pformat() == right_dataset.meta_table.pformat()
        )


def all_arrays(dataset) -> dict[str, np.ndarray]:
    if dataset.tag == "MapDataset":
        return arrays(dataset)
    maps_by_name = {"counts": dataset.counts, "mask_safe": dataset.mask_safe,
            "exposure": dataset.exposure, "edisp": dataset.edisp.edisp_map,
            "edisp_exposure": dataset.edisp.exposure_map, "counts_off": dataset.counts_off,
            "acceptance": dataset.acceptance, "acceptance_off": dataset.acceptance_off,
            "alpha": dataset.alpha, "background": dataset.background}  # fmt: skip
    return {name: value_map.data for name, value_map in maps_by_name.items()}


def livetime(dataset: MapDataset) -> float:
    return dataset.exposure.meta["livetime"].to_value("s")


def times(dataset: MapDataset) -> list[tuple[float, float]]:
    return list(zip(dataset.gti.time_start.mjd, dataset.gti.time_stop.mjd, strict=True))


def test_zero_is_a_left_identity(stacker, geometry, datasets):
    expected = results(stacker, stack_all(stacker, geometry, datasets[:2]))
    total = stacker.merge(stacker.zero(geometry), stack_all(stacker, geometry, datasets[:2]))
    assert_equal(results(stacker, total), expected, rtol=0)


def test_zero_is_a_right_identity(stacker, geometry, datasets):
    expected = results(stacker, stack_all(stacker, geometry, datasets[:2]))
    total = stacker.merge(stack_all(stacker, geometry, datasets[:2]), stacker.zero(geometry))
    assert_equal(results(stacker, total), expected, rtol=0)


def test_merged_zeros_have_no_datasets(stacker, map_geometry):
    total = stacker.merge(stacker.zero(map_geometry), stacker.zero(map_geometry))
    assert results(stacker, total) == []


def test_merge_is_associative(stacker, geometry, datasets):
    def parts():
        return [stack_all(stacker, geometry, [dataset]) for dataset in datasets[:3]]

    a, b, c = parts()
    left = stacker.merge(stacker.merge(a, b), c)
    a, b, c = parts()
    right = stacker.merge(a, stacker.merge(b, c))
    # float32 sums in another order
    assert_equal(results(stacker, left), results(stacker, right), rtol=1e-6)


def test_adding_a_dataset_equals_merging_a_stack_of_it(stacker, geometry, datasets):
    added = stacker.add(
        stack_all(stacker, geometry, datasets[:3]), datasets[3], run_of(datasets[3])
    )
    single = stacker.add(stacker.zero(geometry), datasets[3], run_of(datasets[3]))
    merged = stacker.merge(stack_all(stacker, geometry, datasets[:3]), single)
    # float32 sums in another order
    assert_equal(results(stacker, merged), results(stacker, added), rtol=1e-6)


def test_adding_does_not_change_the_dataset(stacker, geometry, datasets):
    expected = datasets[1].copy(name=datasets[1].name)
    stack_all(stacker, geometry, datasets)
    assert_equal([datasets[1]], [expected], rtol=0)
    assert datasets[1].models == expected.models


def test_total_shares_no_data_with_added_datasets(stacker, geometry, datasets):
    total = stack_all(stacker, geometry, datasets[:1])
    expected = [dataset.copy(name=dataset.name) for dataset in results(stacker, total)]
    for array in all_arrays(datasets[0]).values():
        array[...] = 0
    datasets[0].exposure.meta["livetime"] *= 3
    datasets[0].gti.table["STOP"] = datasets[0].gti.table["START"]
    assert_equal(results(stacker, total), expected, rtol=0)


def test_adding_after_a_merge_does_not_change_the_merged_total(geometry, datasets):
    stacker = Sum()
    right = stack_all(stacker, geometry, datasets[1:2])
    expected = right.dataset.copy(name="hess")
    merged = stacker.merge(stack_all(stacker, geometry, datasets[:1]), right)
    stacker.add(merged, datasets[2], observation=None)
    assert_equal([right.dataset], [expected], rtol=0)


def test_sum_agrees_with_gammapy(geometry, datasets):
    expected = empty_like(datasets[0], geometry.target("hess"))
    for dataset in datasets:
        expected.stack(dataset)
    assert_equal(results(Sum(), stack_all(Sum(), geometry, datasets)), [expected], rtol=0)


def test_sum_of_two_halves_has_the_total_livetime(geometry, datasets):
    stacker = Sum()
    halves = [
        stack_all(stacker, geometry, datasets[:2]),
        stack_all(stacker, geometry, datasets[2:]),
    ]
    merged = results(stacker, stacker.merge(*halves))[0]
    expected = sum(livetime(dataset) for dataset in datasets if dataset.mask_safe.data.any())
    assert livetime(merged) == pytest.approx(expected, rel=1e-9)


def test_keep_returns_the_datasets_in_order(geometry, datasets):
    assert_equal(results(Keep(), stack_all(Keep(), geometry, datasets)), datasets, rtol=0)


def test_keep_copies_datasets_as_gammapy_but_shares_geometries(geometry, datasets):
    for dataset in datasets:
        (copied,) = Keep().add([], dataset, None)
        expected = dataset.copy(name=dataset.name)
        assert_equal([copied], [expected], rtol=0)
        assert vars(copied).keys() == vars(expected).keys()
        assert copied.counts.geom is dataset.counts.geom


def test_zero_has_no_datasets(stacker, map_geometry):
    result = stacker.result(stacker.zero(map_geometry))
    assert isinstance(result, Datasets)
    assert len(result) == 0


def empty_like(dataset, target):
    """Return an empty dataset of the type of `dataset` with the geometry of `target`."""
    if not dataset.tag.endswith("OnOff"):
        return target
    energy_true = target.exposure.geom.axes["energy_true"]
    if dataset.tag == "SpectrumDatasetOnOff":
        return type(dataset).create(
            target.counts.geom, energy_axis_true=energy_true, name=target.name
        )
    rad = target.psf.psf_map.geom.axes["rad"]
    return type(dataset).create(
        target.counts.geom, energy_axis_true=energy_true, rad_axis=rad, name=target.name
    )


def without_off_counts(spectrum: SpectrumDatasetOnOff) -> SpectrumDatasetOnOff:
    spectrum = spectrum.copy(name=spectrum.name)
    spectrum.counts_off.data[...] = 0
    return spectrum


class TestOnOff:
    """Spectra with off counts, compared with numpy sums inside the safe masks."""

    def sum_products(self, spectra, *names) -> np.ndarray:
        """Return the sum over spectra of the product of these maps, inside the safe masks."""
        return sum(
            np.prod([getattr(spectrum, name).data for name in names], axis=0)
            * spectrum.mask_safe.data
            for spectrum in spectra
        )

    def test_sum_of_on_off_spectra_keeps_off_counts_and_wstat(self, spectrum_geometry, spectra):
        (total,) = results(Sum(), stack_all(Sum(), spectrum_geometry, spectra))
        assert total.tag == "SpectrumDatasetOnOff"
        assert total.stat_type == "wstat"
        assert total.name == "hess"
        np.testing.assert_array_equal(total.counts.data, self.sum_products(spectra, "counts"))
        np.testing.assert_array_equal(
            total.counts_off.data, self.sum_products(spectra, "counts_off")
        )
        background = self.sum_products(spectra, "alpha", "counts_off")
        # float32
        np.testing.assert_allclose(total.background.data, background, rtol=1e-6)
        assert total.stat_sum() > 0

    def test_acceptance_of_spectra_without_off_counts_is_kept(self, spectrum_geometry, spectra):
        # in this case gammapy sets the off acceptance to NaN, and alpha to 0
        empty = [without_off_counts(spectrum) for spectrum in spectra]
        left, right = (
            stack_all(Sum(), spectrum_geometry, half_datasets)
            for half_datasets in (empty[:2], empty[2:])
        )
        (total,) = results(Sum(), Sum().merge(left, right))
        acceptance = self.sum_products(empty, "acceptance")
        expected = self.sum_products(empty, "acceptance_off")
        np.testing.assert_allclose(total.acceptance.data, acceptance, rtol=1e-6)
        np.testing.assert_allclose(total.acceptance_off.data, expected, rtol=1e-6)
        assert (total.alpha.data[total.mask_safe.data] > 0).all()

    def test_spectrum_without_off_counts_can_be_added_to_others(self, spectrum_geometry, spectra):
        spectra = [without_off_counts(spectra[0]), *spectra[1:]]
        expected = empty_like(spectra[0], spectrum_geometry.target("hess"))
        for spectrum in spectra:
            expected.stack(spectrum)
        parts = [stack_all(Sum(), spectrum_geometry, part) for part in (spectra[:1], spectra[1:])]
        # float32 sums in another order
        assert_equal(results(Sum(), Sum().merge(*parts)), [expected], rtol=1e-6)

    def test_on_off_cannot_be_stacked_with_a_dataset_without_off_counts(
        self, spectrum_geometry, spectra
    ):
        total = Stack(spectrum_geometry, empty_spectrum("plain"))
        with pytest.raises(TypeError, match="OnOff cannot be stacked with a SpectrumDataset"):
            Sum().add(total, spectra[0], observation=None)

    def test_spectrum_cannot_be_stacked_with_a_map(self, map_geometry, spectra):
        with pytest.raises(
            TypeError,
            match=r"'map' creates a MapDataset, but the makers return a SpectrumDatasetOn",
        ):
            stack_all(Sum(), map_geometry, spectra[:1])


def spectrum_on_map_axes(geometry) -> SpectrumDataset:
    axes = geometry.target("x").counts.geom.axes
    return SpectrumDataset.create(
        RegionGeom.create("icrs;circle(83.6, 22, 0.1)", axes=axes), name="spectrum"
    )


def test_types_cannot_be_mixed(stacker, map_geometry, corners):
    total = stack_all(stacker, map_geometry, corners[:1])
    with pytest.raises(TypeError, match=r"SpectrumDataset cannot be stacked with a MapDataset"):
        stacker.add(total, spectrum_on_map_axes(map_geometry), observation=None)


def test_sum_rejects_a_type_that_does_not_match_the_geometry(map_geometry):
    with pytest.raises(
        TypeError, match=r"creates a MapDataset, but the makers return a SpectrumDataset"
    ):
        Sum().add(Sum().zero(map_geometry), spectrum_on_map_axes(map_geometry), observation=None)
