"""Makers of spectra on real runs, against gammapy's makers with the same options."""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import Observation
from gammapy.datasets import SpectrumDataset, SpectrumDatasetOnOff
from gammapy.makers import (
    ReflectedRegionsBackgroundMaker,
    ReflectedRegionsFinder,
    SafeMaskMaker,
    SpectrumDatasetMaker,
    WobbleRegionsFinder,
)
from gammapy.maps import Map
from regions import CircleSkyRegion, EllipseSkyRegion, Regions

import plain_gammapy
import plain_spectra as spectra
from array_comparison import assert_same_arrays, assert_same_regions
from skyred import SkipObservation
from skyred.components.gammapy import ReflectedRegions, SafeMask, SpectrumData
from skyred.errors import ArchiveError

pytestmark = pytest.mark.data

RUN = 23523  # 0.5 deg from the Crab
PARTS = ["counts", "exposure", "edisp"]
EXCLUSION_MASK = "$GAMMAPY_DATA/joint-crab/exclusion/exclusion_mask_crab.fits.gz"
ELLIPSE = EllipseSkyRegion(spectra.CRAB, 0.4 * u.deg, 0.2 * u.deg, 30 * u.deg)


@pytest.fixture(scope="session")
def observation() -> Observation:
    return plain_gammapy.observations((RUN,))[0]


@pytest.fixture(scope="session")
def magic_observation() -> Observation:
    if not spectra.magic_archive().is_dir():
        pytest.skip("needs $GAMMAPY_DATA/magic")
    return spectra.magic_observations()[0]


@pytest.fixture(scope="session")
def plain_spectrum(observation) -> SpectrumDataset:
    return SpectrumDatasetMaker(selection=PARTS).run(spectra.empty_dataset("run"), observation)


@pytest.fixture(scope="session")
def on_off_spectrum(plain_spectrum, observation) -> SpectrumDatasetOnOff:
    return ReflectedRegionsBackgroundMaker().run(plain_spectrum.copy(name="run"), observation)


@pytest.fixture
def spectrum(plain_spectrum) -> SpectrumDataset:
    return plain_spectrum.copy(name="run")


def assert_equal(dataset: SpectrumDataset, expected: SpectrumDataset) -> None:
    assert type(dataset) is type(expected)
    assert dataset.name == expected.name
    assert_same_arrays(spectra.arrays(dataset), spectra.arrays(expected))
    assert str(dataset.gti) == str(expected.gti)
    assert dataset.meta_table.pformat() == expected.meta_table.pformat()
    assert dataset.exposure is None or dataset.exposure.meta == expected.exposure.meta


class TestSpectrumData:
    def test_all_parts_agree_with_gammapy(self, observation, plain_spectrum):
        assert_equal(SpectrumData().make(spectra.empty_dataset("run"), observation), plain_spectrum)
        assert plain_spectrum.counts.data.sum() > 100

    @pytest.mark.parametrize(
        ("options", "region"),
        [
            ({"parts": ["counts", "exposure", "edisp", "background"]}, spectra.ON),
            ({"parts": ["counts"]}, spectra.ON),
            ({"parts": ["background"], "background_oversampling": 4}, spectra.ON),
            ({"containment_correction": True}, spectra.ON),
            ({"parts": ["exposure", "background"], "use_region_center": False}, ELLIPSE),
        ],
        ids=["all parts", "counts", "oversampling", "containment", "averaged"],
    )
    def test_agrees_with_gammapy(self, observation, options, region):
        gammapy_options = {name: value for name, value in options.items() if name != "parts"}
        maker = SpectrumDatasetMaker(selection=options.get("parts", PARTS), **gammapy_options)
        expected = maker.run(spectra.empty_dataset("run", region), observation)
        dataset = SpectrumData(**options).make(spectra.empty_dataset("run", region), observation)
        assert_equal(dataset, expected)

    def test_containment_correction_agrees_with_the_psf(self, observation, plain_spectrum):
        maker = SpectrumData(parts=["exposure"], containment_correction=True)
        corrected = maker.make(spectra.empty_dataset("run"), observation).exposure.data.ravel()
        offset = spectra.CRAB.separation(observation.get_pointing_icrs(observation.tmid))
        energy = plain_spectrum.exposure.geom.axes["energy_true"].center
        containment = observation.psf.containment(
            energy_true=energy, offset=offset, rad=0.11 * u.deg
        )
        uncorrected = plain_spectrum.exposure.data.ravel()
        # float32
        np.testing.assert_allclose(corrected, containment.value.ravel() * uncorrected, rtol=1e-6)
        assert 0.4 < corrected.sum() / uncorrected.sum() < 0.95

    def test_on_region_larger_than_the_psf_table_has_containment_of_one(self, observation):
        # the table of the PSF ends at 0.67 deg, where gammapy's containment drops from 1 to 0
        large_region = CircleSkyRegion(spectra.CRAB, 0.7 * u.deg)
        maker = SpectrumData(parts=["exposure"], containment_correction=True)
        corrected = maker.make(
            spectra.empty_dataset("run", large_region), observation
        ).exposure.data.ravel()
        maker = SpectrumDatasetMaker(selection=["exposure"])
        uncorrected = maker.run(
            spectra.empty_dataset("run", large_region), observation
        ).exposure.data.ravel()
        np.testing.assert_allclose(corrected, uncorrected, rtol=2e-3)  # H.E.S.S. PSF tails

    def test_needed_irfs_depend_on_the_parts(self):
        assert set(SpectrumData().needs) == {"aeff", "edisp"}
        assert set(SpectrumData(parts=["counts"]).needs) == {"aeff"}
        assert "psf" in SpectrumData(containment_correction=True).needs
        assert "bkg" in SpectrumData(parts=["counts", "background"]).needs

    def test_run_with_the_on_region_outside_its_irfs_is_skipped(self, observation):
        distant_region = CircleSkyRegion(SkyCoord(83.6, 25.5, unit="deg"), 0.1 * u.deg)
        with pytest.raises(SkipObservation, match=r"lies 3\.99 deg from .* end at 2\.75 deg"):
            SpectrumData().make(spectra.empty_dataset("run", distant_region), observation)

    def test_point_region_needs_a_radius_in_the_irfs(self, observation):
        with pytest.raises(ArchiveError, match=r"is a point, .* have no radius .*circle"):
            SpectrumData().make(spectra.empty_magic_dataset("run"), observation)

    def test_circle_is_rejected_if_the_radius_depends_on_energy(self, magic_observation):
        with pytest.raises(ArchiveError, match=r"radius that depends on energy .*point\("):
            SpectrumData().make(spectra.empty_dataset("run"), magic_observation)

    def test_circle_must_have_the_fixed_radius_of_the_irfs(self, magic_observation):
        class FixedRadius:
            """The MAGIC run, with IRFs for a radius of 0.1 deg at all energies."""

            rad_max = type("RadMax", (), {"is_fixed_rad_max": True, "quantity": [[0.1]] * u.deg})()

            def __getattr__(self, name):
                return getattr(magic_observation, name)

        with pytest.raises(ArchiveError, match=r"circle with a radius of 0\.1 deg"):
            SpectrumData().make(spectra.empty_dataset("run"), FixedRadius())
        circle = CircleSkyRegion(spectra.CRAB, 0.1 * u.deg)
        spectrum = SpectrumData().make(spectra.empty_dataset("run", circle), FixedRadius())
        in_region = magic_observation.events.radec.separation(spectra.CRAB) < 0.1 * u.deg
        energy = magic_observation.events.energy[in_region].to_value("TeV")
        assert spectrum.counts.data.sum() == ((energy > 0.1) & (energy < 39.9)).sum()

    def test_containment_correction_of_point_like_irfs_is_rejected(self, magic_observation):
        with pytest.raises(ArchiveError, match=r"remove containment_correction"):
            SpectrumData(containment_correction=True).make(
                spectra.empty_magic_dataset("run"), magic_observation
            )


class TestReflectedRegions:
    @pytest.mark.parametrize(
        ("options", "finder"),
        [
            ({}, ReflectedRegionsFinder()),
            (
                {"min_distance": "0.3 rad", "min_distance_input": "0.5 rad"},
                ReflectedRegionsFinder(min_distance="0.3 rad", min_distance_input="0.5 rad"),
            ),
            (
                {"max_region_number": 2, "bin_size": "0.02 deg"},
                ReflectedRegionsFinder(max_region_number=2, binsz="0.02 deg"),
            ),
            ({"finder": "wobble", "n_off_regions": 3}, WobbleRegionsFinder(n_off_regions=3)),
            ({"finder": "wobble", "n_off_regions": 1}, WobbleRegionsFinder(n_off_regions=1)),
        ],
        ids=["reflected", "distances", "number", "wobble", "wobble of one"],
    )
    def test_agrees_with_gammapy(self, spectrum, plain_spectrum, observation, options, finder):
        expected = ReflectedRegionsBackgroundMaker(region_finder=finder).run(
            plain_spectrum, observation
        )
        dataset = ReflectedRegions(**options).make(spectrum, observation)
        assert_equal(dataset, expected)
        assert_same_regions(dataset.counts_off.geom, expected.counts_off.geom)
        assert dataset.counts_off.data.sum() > 0

    def test_angle_increment_agrees_with_gammapy(self, spectrum, plain_spectrum, observation):
        mask = spectra.exclusion_mask()  # the increment matters only if positions are excluded
        finder = ReflectedRegionsFinder(angle_increment="0.5 rad")
        maker = ReflectedRegionsBackgroundMaker(region_finder=finder, exclusion_mask=mask)
        expected = maker.run(plain_spectrum, observation)
        maker = ReflectedRegions(exclude=spectra.EXCLUDED, angle_increment="0.5 rad")
        assert_equal(maker.make(spectrum, observation), expected)

    def test_metadata_are_kept(self, spectrum, observation):
        # gammapy's conversion to an on-off dataset drops the metadata
        dataset = ReflectedRegions().make(spectrum, observation)
        assert dataset.meta.obs_info[0].obs_id == RUN

    def test_exclusion_by_region_agrees_with_a_fine_mask(
        self, spectrum, plain_spectrum, observation
    ):
        maker = ReflectedRegionsBackgroundMaker(exclusion_mask=spectra.exclusion_mask())
        expected = maker.run(plain_spectrum, observation)
        dataset = ReflectedRegions(exclude=spectra.EXCLUDED).make(spectrum, observation)
        assert_equal(dataset, expected)
        not_excluded = ReflectedRegions().make(plain_spectrum.copy(name="run"), observation)
        assert dataset.acceptance_off.data.max() < not_excluded.acceptance_off.data.max()

    def test_exclusion_by_mask_map(self, spectrum, plain_spectrum, observation):
        mask_path = Path(os.path.expandvars(EXCLUSION_MASK))
        if not mask_path.is_file():
            pytest.skip("needs $GAMMAPY_DATA/joint-crab")
        mask = Map.read(mask_path)
        mask.data = mask.data.astype(bool)
        expected = ReflectedRegionsBackgroundMaker(exclusion_mask=mask).run(
            plain_spectrum, observation
        )
        assert_equal(ReflectedRegions(exclude=EXCLUSION_MASK).make(spectrum, observation), expected)

    def test_exclusion_by_region_file(self, spectrum, plain_spectrum, observation, tmp_path):
        Regions([spectra.EXCLUDED]).write(tmp_path / "crab.reg", format="ds9")
        by_file = ReflectedRegions(exclude=[tmp_path / "crab.reg"]).make(spectrum, observation)
        expected = ReflectedRegions(exclude=spectra.EXCLUDED).make(plain_spectrum, observation)
        assert_equal(by_file, expected)

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({}, r"all positions overlap with the on region or are"),
            ({"finder": "wobble", "n_off_regions": 3}, r"3 regions would overlap, or all are excl"),
        ],
        ids=["reflected", "wobble"],
    )
    def test_run_is_skipped_if_everything_is_excluded(self, spectrum, observation, options, reason):
        maker = ReflectedRegions(exclude="icrs; circle(83.63, 21.5, 3)", **options)
        with pytest.raises(SkipObservation, match=r"at 0\.50 deg from the pointing: " + reason):
            maker.make(spectrum, observation)

    def test_background_template_does_not_replace_missing_off_counts(self, observation):
        # without off regions, gammapy would use the template
        maker = SpectrumDatasetMaker(selection=[*PARTS, "background"])
        dataset = maker.run(spectra.empty_dataset("run"), observation)
        with pytest.raises(SkipObservation, match="no off region"):
            ReflectedRegions(exclude="icrs; circle(83.63, 21.5, 3)").make(dataset, observation)

    @pytest.mark.parametrize(
        "options", [{}, {"finder": "wobble", "n_off_regions": 1}], ids=["reflected", "wobble"]
    )
    def test_run_with_its_pointing_inside_the_on_region_is_skipped(self, observation, options):
        pointing = observation.get_pointing_icrs(observation.tmid)
        centre = pointing.directional_offset_by(0 * u.deg, 0.05 * u.deg)
        empty = spectra.empty_dataset("run", CircleSkyRegion(centre, 0.11 * u.deg))
        dataset = SpectrumDatasetMaker(selection=PARTS).run(empty, observation)
        with pytest.raises(SkipObservation, match=r"0\.05 deg .* pointing is inside the on region"):
            ReflectedRegions(**options).make(dataset, observation)

    def test_wobble_regions_that_overlap_the_on_region_are_not_used(self, observation):
        # gammapy compares off regions only with each other, not with the on region
        pointing = observation.get_pointing_icrs(observation.tmid)
        centre = pointing.directional_offset_by(0 * u.deg, 0.12 * u.deg)
        maker = ReflectedRegions(finder="wobble", n_off_regions=1)
        shapes = {
            "separate": CircleSkyRegion(centre, 0.119 * u.deg),
            "overlapping": CircleSkyRegion(centre, 0.121 * u.deg),
            "elongated": EllipseSkyRegion(centre, 0.1 * u.deg, 0.3 * u.deg),
        }
        counts_maker = SpectrumDatasetMaker(selection=["counts"])
        spectra_by_shape = {
            name: counts_maker.run(spectra.empty_dataset("run", region), observation)
            for name, region in shapes.items()
        }
        assert maker.make(spectra_by_shape["separate"], observation).acceptance_off.data.max() == 1
        for name in ("overlapping", "elongated"):
            finder = WobbleRegionsFinder(n_off_regions=1)
            assert len(finder.run(shapes[name], pointing)[0]) == 1
            with pytest.raises(SkipObservation, match="no off region"):
                maker.make(spectra_by_shape[name], observation)

    def test_point_like_run_with_overlapping_off_regions_is_skipped(self, magic_observation):
        # below 50 GeV the radius is too large for three off regions at an offset of 0.4 deg
        empty = spectra.empty_magic_dataset("run", low="10 GeV")
        dataset = SpectrumDatasetMaker(selection=PARTS).run(empty, magic_observation)
        maker = ReflectedRegions(finder="wobble", n_off_regions=3)
        with pytest.raises(SkipObservation, match=r"3 regions would overlap for the radius"):
            maker.make(dataset, magic_observation)


class TestSafeMask:
    @pytest.mark.parametrize("with_off_counts", [False, True])
    @pytest.mark.parametrize(
        "options",
        [
            {"methods": ["aeff-default"]},
            {"methods": ["aeff-max"], "aeff_percent": 20},
            {"methods": ["edisp-bias"], "bias_percent": 5},
            {"methods": ["offset-max"], "offset_max": 1 * u.deg},
            {"methods": ["aeff-max"], "position": spectra.CRAB, "irfs": "DL3"},
            {"methods": ["edisp-bias"], "fixed_offset": 0.5 * u.deg, "irfs": "DL3"},
        ],
        ids="+".join,
    )
    def test_agrees_with_gammapy(
        self, plain_spectrum, on_off_spectrum, observation, options, with_off_counts
    ):
        spectrum = on_off_spectrum if with_off_counts else plain_spectrum
        expected = SafeMaskMaker(**options).run(spectrum.copy(name="run"), observation)
        dataset = SafeMask(**options).make(spectrum.copy(name="run"), observation)
        assert_equal(dataset, expected)
        assert dataset.mask_safe.data.any()

    @pytest.mark.parametrize("with_off_counts", [False, True], ids=["no off", "off"])
    def test_energy_range_agrees_with_gammapy(
        self, plain_spectrum, on_off_spectrum, observation, with_off_counts
    ):
        spectrum = on_off_spectrum if with_off_counts else plain_spectrum
        options = {"methods": ["aeff-max"], "aeff_percent": 20}
        expected = SafeMaskMaker(**options).run(spectrum.copy(name="run"), observation)
        expected.mask_safe &= spectrum.counts.geom.energy_mask(1.3 * u.TeV, 9 * u.TeV)
        bounds = {"energy_min": "1.3 TeV", "energy_max": "9000 GeV"}
        dataset = SafeMask(**options, **bounds).make(spectrum.copy(name="run"), observation)
        assert_equal(dataset, expected)
        assert dataset.mask_safe.data.any()

    def test_run_is_skipped_if_the_mask_excludes_all_bins(self, spectrum, observation):
        with pytest.raises(SkipObservation, match=r"\(offset-max\) excludes all pixels"):
            SafeMask(methods="offset-max", offset_max="0.4 deg").make(spectrum, observation)


def test_spectrum_of_a_run_agrees_with_gammapy(observation):
    dataset = spectra.empty_dataset(f"run-{RUN}")
    for maker in (
        SpectrumData(containment_correction=True),
        ReflectedRegions(exclude=spectra.EXCLUDED),
        SafeMask(methods="aeff-max"),
    ):
        dataset = maker.make(dataset, observation)
    assert isinstance(dataset, SpectrumDatasetOnOff)
    assert_equal(dataset, spectra.make_run(observation))


def test_spectrum_of_a_point_like_run_agrees_with_gammapy(magic_observation):
    dataset = spectra.empty_magic_dataset(f"run-{magic_observation.obs_id}")
    for maker in (
        SpectrumData(),
        ReflectedRegions(finder="wobble", n_off_regions=3),
        SafeMask(methods="aeff-default"),
    ):
        dataset = maker.make(dataset, magic_observation)
    assert_equal(dataset, spectra.make_magic(magic_observation))
