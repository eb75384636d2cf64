"""Makers of maps on a real run, against gammapy's makers with the same options."""

import os
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from gammapy.data import Observation
from gammapy.datasets import Datasets, MapDataset
from gammapy.makers import FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel, Model, SkyModel
from regions import Regions

import plain_gammapy
from array_comparison import assert_same_arrays
from skyred import Maker, Orchestrator, Pipeline, SkipObservation
from skyred.components.gammapy import FixedSource, FoVBackground, MapData, SafeMask
from skyred.components.models.spec import build_submodel
from skyred.errors import ConfigError, FieldError, RunsFailedError
from skyred.run.worker import apply_background_norm

pytestmark = pytest.mark.data

RUN = 23523
CIRCLE = "icrs; circle(83.63, 22.14, 0.2)"
OTHER_CIRCLE = "icrs; circle(83.0, 21.6, 0.3)"
CRAB_SOURCE = {
    "name": "crab",
    "spectral": {"type": "pl", "index": 2.6, "amplitude": "4.5e-11 cm-2 s-1 TeV-1"},
    "spatial": {"type": "point", "lon_0": "83.63 deg", "lat_0": "22.014 deg", "frame": "icrs"},
}
GRADIENT = {  # a wide Gaussian south of the pointing
    "type": "gauss",
    "lon_0": {"value": "83.6 deg", "frozen": True},
    "lat_0": {"value": "21.6 deg", "frozen": True},
    "sigma": {"value": "3 deg", "frozen": True},
    "frame": "icrs",
}
TILTED = {"type": "pl-norm", "tilt": {"frozen": False}}
CRAB = SkyCoord(83.633, 22.014, unit="deg")


def empty_dataset() -> MapDataset:
    energy = MapAxis.from_energy_bounds("0.7 TeV", "10 TeV", nbin=4)
    geom = WcsGeom.create(skydir=CRAB, width=2.4, binsz=0.05, frame="icrs", axes=[energy])
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=8, name="energy_true")
    return MapDataset.create(geom, energy_axis_true=energy_true, name="run")


@pytest.fixture(scope="session")
def observation() -> Observation:
    return plain_gammapy.observations((RUN,))[0]


@pytest.fixture(scope="session")
def plain_dataset(observation) -> MapDataset:
    return MapDatasetMaker().run(empty_dataset(), observation)


@pytest.fixture(scope="session")
def masked_dataset(plain_dataset, observation) -> MapDataset:
    maker = SafeMaskMaker(methods=["offset-max"], offset_max="1.2 deg")
    return maker.run(plain_dataset.copy(name="run"), observation)


@pytest.fixture
def copies(masked_dataset) -> tuple[MapDataset, MapDataset]:
    return masked_dataset.copy(name="run"), masked_dataset.copy(name="run")


def arrays(dataset: MapDataset) -> dict[str, np.ndarray]:
    maps_by_name = {"counts": dataset.counts, "background": dataset.background,
             "exposure": dataset.exposure, "mask_safe": dataset.mask_safe}  # fmt: skip
    if dataset.psf:
        maps_by_name |= {"psf": dataset.psf.psf_map, "psf_exposure": dataset.psf.exposure_map}
    if dataset.edisp:
        maps_by_name |= {
            "edisp": dataset.edisp.edisp_map,
            "edisp_exposure": dataset.edisp.exposure_map,
        }
    return {
        name: value_map.data for name, value_map in maps_by_name.items() if value_map is not None
    }


def assert_equal(dataset: MapDataset, expected: MapDataset) -> None:
    assert_same_arrays(arrays(dataset), arrays(expected))
    assert str(dataset.gti) == str(expected.gti)
    if expected.exposure:
        assert dataset.exposure.meta == expected.exposure.meta


def assert_errors_agree_with_hesse(dataset: MapDataset) -> None:
    """Compare the errors with an explicit HESSE at the same values; `Fit.run` does not call it."""
    parameters = dataset.models.parameters.free_parameters
    actual = [parameter.error for parameter in parameters]
    Fit(covariance_opts={"strategy": 2}).covariance(Datasets([dataset]))
    assert actual == pytest.approx([parameter.error for parameter in parameters], rel=0.01)


class TestMapData:
    def test_all_maps_agree_with_gammapy(self, observation, plain_dataset):
        assert_equal(MapData().make(empty_dataset(), observation), plain_dataset)

    @pytest.mark.parametrize(
        "selected_parts",
        [["counts"], ["counts", "exposure"], ["exposure", "psf", "edisp"], ["background"]],
        ids="+".join,
    )
    def test_only_the_selected_parts_are_filled(self, observation, selected_parts):
        expected = MapDatasetMaker(selection=selected_parts).run(empty_dataset(), observation)
        assert_equal(MapData(parts=selected_parts).make(empty_dataset(), observation), expected)

    def test_background_oversampling_agrees_with_gammapy(self, observation, plain_dataset):
        expected = MapDatasetMaker(background_oversampling=4).run(empty_dataset(), observation)
        dataset = MapData(background_oversampling=4).make(empty_dataset(), observation)
        assert_equal(dataset, expected)
        assert not np.array_equal(dataset.background.data, plain_dataset.background.data)

    def test_unknown_part_is_rejected(self):
        with pytest.raises(FieldError, match=r"MapData\.parts.*'count'.*did you mean 'counts'"):
            MapData(parts=["count"])


class TestSafeMask:
    @pytest.mark.parametrize(
        ("options", "gammapy_options"),
        [
            ({"methods": "aeff-default"}, {"methods": ["aeff-default"]}),
            (
                {"methods": "aeff-max", "aeff_percent": 30},
                {"methods": ["aeff-max"], "aeff_percent": 30},
            ),
            (
                {"methods": "edisp-bias", "bias_percent": 5},
                {"methods": ["edisp-bias"], "bias_percent": 5},
            ),
            (
                {"methods": "offset-max", "offset_max": "60 arcmin"},
                {"methods": ["offset-max"], "offset_max": 1 * u.deg},
            ),
            ({"methods": "bkg-peak"}, {"methods": ["bkg-peak"]}),
            (
                {"methods": "aeff-max", "position": CRAB, "aeff_percent": 20},
                {"methods": ["aeff-max"], "position": CRAB, "aeff_percent": 20},
            ),
            (
                {"methods": "aeff-max", "fixed_offset": "1.5 deg", "irfs": "DL3"},
                {"methods": ["aeff-max"], "fixed_offset": 1.5 * u.deg, "irfs": "DL3"},
            ),
            (
                {"methods": "edisp-bias", "fixed_offset": "0.5 deg", "irfs": "DL3"},
                {"methods": ["edisp-bias"], "fixed_offset": 0.5 * u.deg, "irfs": "DL3"},
            ),
            (
                {"methods": ["offset-max", "aeff-max", "bkg-peak"], "offset_max": "1.3 deg"},
                {"methods": ["offset-max", "aeff-max", "bkg-peak"], "offset_max": 1.3 * u.deg},
            ),
        ],
        ids=lambda options: "+".join(f"{v}" for v in options.values()),
    )
    def test_agrees_with_gammapy(self, plain_dataset, observation, options, gammapy_options):
        expected = SafeMaskMaker(**gammapy_options).run(plain_dataset.copy(name="run"), observation)
        dataset = SafeMask(**options).make(plain_dataset.copy(name="run"), observation)
        assert_equal(dataset, expected)
        assert dataset.mask_safe.data.any()

    def test_first_bin_above_the_area_threshold_is_not_masked(self, observation):
        # the area of the first bin is 43 % of the largest; gammapy masks it
        energy = MapAxis.from_energy_edges([1, 2, 4, 8, 16], unit="TeV")
        energy_true = MapAxis.from_energy_edges(
            [1, 2, 4, 8, 16, 32], unit="TeV", name="energy_true"
        )
        geom = WcsGeom.create(skydir=CRAB, width=1, binsz=0.1, axes=[energy])
        empty = MapDataset.create(geom, energy_axis_true=energy_true, name="run")
        dataset = MapDatasetMaker(selection=["exposure"]).run(empty, observation)
        area = dataset.exposure.get_spectrum(CRAB).data.ravel()
        assert 0.4 * area.max() < area[0] < 0.5 * area.max()
        maker = SafeMask(methods="aeff-max", aeff_percent=1, position=CRAB)
        assert maker.make(dataset.copy(name="run"), observation).mask_safe.data.all()
        # with a threshold between the areas of two bins, gammapy's mask is correct
        options = {"methods": ["aeff-max"], "aeff_percent": 50, "position": CRAB}
        expected = SafeMaskMaker(**options).run(dataset.copy(name="run"), observation)
        assert_equal(SafeMask(**options).make(dataset.copy(name="run"), observation), expected)
        assert not expected.mask_safe.data[0].any()

    def test_defaults_agree_with_gammapy(self, plain_dataset, observation):
        # the default method of skyred and of gammapy is aeff-default
        expected = SafeMaskMaker().run(plain_dataset.copy(name="run"), observation)
        assert_equal(SafeMask().make(plain_dataset.copy(name="run"), observation), expected)

    def test_run_with_an_empty_safe_mask_is_skipped(self, plain_dataset, observation):
        maker = SafeMask(methods="offset-max", offset_max="0 deg")
        with pytest.raises(SkipObservation, match=r"safe mask \(offset-max\) excludes all pixels"):
            maker.make(plain_dataset.copy(name="run"), observation)

    @pytest.mark.parametrize(
        "bounds",
        [
            {"energy_min": "2.5 TeV"},
            {"energy_max": "7 TeV"},
            {"energy_min": "2.5 TeV", "energy_max": "7 TeV"},
        ],
        ids="+".join,
    )
    def test_energy_range_agrees_with_gammapy(self, plain_dataset, observation, bounds):
        quantities = {name: u.Quantity(value) for name, value in bounds.items()}
        energy_mask = plain_dataset.counts.geom.energy_mask(**quantities)
        result = SafeMask(methods=[], **bounds).make(plain_dataset.copy(name="run"), observation)
        expected = energy_mask.data & np.isfinite(plain_dataset.background.data)
        np.testing.assert_array_equal(result.mask_safe.data, expected)
        assert expected.any()
        assert not expected.all()
        options = {"methods": ["offset-max"], "offset_max": 1.3 * u.deg}
        gammapy_dataset = SafeMaskMaker(**options).run(plain_dataset.copy(name="run"), observation)
        result = SafeMask(**options, **bounds).make(plain_dataset.copy(name="run"), observation)
        expected = gammapy_dataset.mask_safe.data & energy_mask.data
        np.testing.assert_array_equal(result.mask_safe.data, expected)

    def test_energy_range_at_rounded_edges_contains_the_bins_between_them(self, observation):
        axis = MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=10, per_decade=True)
        dataset = MapDataset.create(WcsGeom.create(npix=2, axes=[axis]), name="run")
        dataset.mask_safe.data[...] = True
        dataset.background = None
        for index in range(1, axis.nbin):
            edge = f"{axis.edges[index].value:.9g} TeV"
            masks = [
                SafeMask(methods=[], **{name: edge})
                .make(dataset.copy(name="run"), observation)
                .mask_safe.data.all(axis=(1, 2))
                for name in ("energy_min", "energy_max")
            ]
            assert [mask.sum() for mask in masks] == [axis.nbin - index, index]

    def test_energy_range_without_a_bin_skips_a_run_and_is_named(self, plain_dataset, observation):
        maker = SafeMask(methods=[], energy_min="900 TeV")
        with pytest.raises(SkipObservation, match=r"safe mask \(above 900.0 TeV\) excludes all"):
            maker.make(plain_dataset.copy(name="run"), observation)

    def test_invalid_energy_ranges_are_rejected(self):
        with pytest.raises(FieldError, match=r"2\.0 TeV is not below energy_max, 1\.0 TeV"):
            SafeMask(energy_min="2 TeV", energy_max="1 TeV")
        with pytest.raises(FieldError, match=r"expected at least one of .* or energy_min"):
            SafeMask(methods=[])

    def test_position_together_with_offset_is_rejected(self):
        with pytest.raises(FieldError, match="cannot be combined with fixed_offset"):
            SafeMask(position=CRAB, fixed_offset="1 deg")


class TestFoVBackground:
    @pytest.mark.parametrize(
        ("method", "spectral", "tolerance"),
        [
            ("scale", "pl-norm", 1e-6),  # float32 sums
            ("scale", "ecpl-norm", 1e-6),
            ("fit", "pl-norm", 2e-4),  # MIGRAD stops early
            ("fit", TILTED, 2e-4),
            # MIGRAD stops early along the degeneracy of norm and shape, so the tolerance is larger
            ("fit", "lp-norm", 2e-3),
            ("fit", "ecpl-norm", 2e-3),
        ],
    )
    def test_agrees_with_gammapy(self, copies, observation, method, spectral, tolerance):
        dataset, plain_dataset = copies
        mask = ~dataset.counts.geom.region_mask(Regions.parse(CIRCLE, format="ds9"))
        is_tag = isinstance(spectral, str)
        norm_model = Model.create(spectral if is_tag else "pl-norm", model_type="spectral")
        if not is_tag:
            norm_model.tilt.frozen = False
        plain_maker = FoVBackgroundMaker(method, mask, spectral_model=norm_model)
        plain_dataset = plain_maker.run(plain_dataset, observation)
        maker = FoVBackground(method=method, spectral=spectral, exclude=CIRCLE)
        dataset = maker.make(dataset, observation)
        dataset.mask_fit = plain_dataset.mask_fit = mask
        expected = plain_dataset.npred_background().data
        parameters = dataset.background_model.parameters, plain_dataset.background_model.parameters
        for parameter, expected_parameter in zip(*parameters, strict=True):
            assert parameter.frozen == expected_parameter.frozen
            sigma = expected_parameter.error if method == "fit" else 0
            assert parameter.value == pytest.approx(
                expected_parameter.value, rel=tolerance, abs=0.02 * sigma
            )
        assert parameters[0]["norm"].error == pytest.approx(parameters[1]["norm"].error, rel=0.1)
        if method == "fit":
            assert dataset.stat_sum() <= plain_dataset.stat_sum() + 1e-3
        if (
            norm_model.tag[1] == "pl-norm" and method == "fit"
        ):  # HESSE is 6 % off along degeneracies
            assert_errors_agree_with_hesse(dataset)
        assert apply_background_norm(dataset) == parameters[0]["norm"].value
        np.testing.assert_allclose(dataset.background.data, expected, rtol=tolerance)
        assert dataset.models is None

    def test_scale_is_counts_over_background_outside_the_exclusion(self, copies, observation):
        dataset, _ = copies
        not_excluded = ~dataset.counts.geom.region_mask(Regions.parse(CIRCLE, format="ds9")).data
        mask = dataset.mask_safe.data & not_excluded
        expected = dataset.counts.data[mask].sum() / dataset.background.data[mask].sum()
        dataset = FoVBackground(method="scale", exclude=CIRCLE).make(dataset, observation)
        # float32 sum
        assert apply_background_norm(dataset) == pytest.approx(expected, rel=1e-6)

    def test_normalised_background_can_be_used_in_later_models(self, copies, observation):
        # later models must not use gammapy's cache of the fitted background as their template
        dataset = FoVBackground(exclude=CIRCLE).make(copies[0], observation)
        norm = apply_background_norm(dataset)
        template = dataset.background.data.copy()
        dataset.models = FoVBackgroundModel(dataset_name="run")
        for value in (norm, 2.0, 0.5, 1.0):
            dataset.models["run-bkg"].spectral_model.norm.value = value
            # float32
            np.testing.assert_allclose(dataset.npred_background().data, value * template, rtol=1e-6)
            np.testing.assert_array_equal(dataset.background.data, template)

    def test_mask_and_counts_are_unchanged(self, copies, observation):
        dataset, expected = copies
        dataset = FoVBackground(exclude=CIRCLE).make(dataset, observation)
        np.testing.assert_array_equal(dataset.mask_safe.data, expected.mask_safe.data)
        np.testing.assert_array_equal(dataset.counts.data, expected.counts.data)
        assert dataset.mask_fit is None

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"min_counts": 10**6}, r"\d+ counts and a background of \d+\.\d"),
            ({"min_background": 1e6}, r"\d+ counts and a background of \d+\.\d"),
            ({"exclude": "icrs; circle(83.6, 22.0, 5)"}, r"0 counts and a background of 0\.0"),
        ],
        ids=["few counts", "little background", "all excluded"],
    )
    def test_run_that_cannot_be_normalised_is_skipped(self, copies, observation, options, reason):
        with pytest.raises(SkipObservation, match="cannot be normalised: " + reason):
            FoVBackground(method="scale", **options).make(copies[0], observation)

    @pytest.mark.parametrize("method", ["scale", "fit"])
    def test_run_without_counts_is_skipped(self, copies, observation, method):
        copies[0].counts.data[...] = 0
        with pytest.raises(SkipObservation, match=r"0 counts and a background of \d+\.\d"):
            FoVBackground(method=method).make(copies[0], observation)

    def test_run_with_too_few_counts_for_a_tilt_is_skipped(self, copies, observation):
        copies[0].counts.data[1:] = 0
        with pytest.raises(SkipObservation, match=r"fit of norm and tilt diverges"):
            FoVBackground(spectral=TILTED).make(copies[0], observation)

    def test_bins_with_zero_or_nan_background_are_ignored(self, copies, observation):
        dataset, plain_dataset = copies
        expected = apply_background_norm(
            FoVBackground(method="scale").make(plain_dataset, observation)
        )
        for value, pixel in ((np.nan, 20), (0, 28)):
            dataset.counts.data[:, pixel] = 10 * (dataset.background.data[:, pixel] > 0)
            dataset.background.data[:, pixel] = value
        assert dataset.counts.data[dataset.mask_safe.data].sum() > 1000
        norm = apply_background_norm(FoVBackground().make(dataset, observation))
        assert norm == pytest.approx(expected, rel=0.1)

    def test_dataset_with_models_is_rejected(self, copies, observation):
        copies[0].models = FoVBackgroundModel(dataset_name="run")
        with pytest.raises(ValueError, match=r"already has the models \['run-bkg'\]"):
            FoVBackground().make(copies[0], observation)

    @pytest.mark.parametrize("method", ["scale", "fit"])
    @pytest.mark.parametrize(
        ("spectral", "spatial"),
        [
            ({"type": "pl-norm", "tilt": {"value": 0.2, "min": 0.2, "frozen": False}}, None),
            ({"type": "pl-norm", "tilt": 0.3}, None),
            ({"type": "ecpl-norm", "lambda_": {"min": 0, "max": 1}, "reference": "2 TeV"}, None),
            ({"type": "piecewise-norm", "energy": ["0.7 TeV", "3 TeV", "10 TeV"]}, None),
            ({"type": "pl-norm"}, GRADIENT),
        ],
        ids=["limited tilt", "tilt", "limited cutoff", "piecewise", "spatial"],
    )  # fmt: skip
    def test_models_with_start_values_and_limits_agree_with_gammapy(
        self, copies, observation, method, spectral, spatial
    ):
        dataset, plain_dataset = copies
        if method == "scale" and spectral["type"] == "piecewise-norm":
            pytest.skip("has no norm")
        mask = ~dataset.counts.geom.region_mask(Regions.parse(CIRCLE, format="ds9"))
        plain_maker = FoVBackgroundMaker(
            method,
            mask,
            spectral_model=build_submodel("spectral", spectral),
            spatial_model=build_submodel("spatial", spatial) if spatial else None,
        )
        plain_dataset = plain_maker.run(plain_dataset, observation)
        maker = FoVBackground(method=method, spectral=spectral, spatial=spatial, exclude=CIRCLE)
        dataset = maker.make(dataset, observation)
        dataset.mask_fit = plain_dataset.mask_fit = mask
        if method == "fit":
            assert dataset.stat_sum() <= plain_dataset.stat_sum() + 1e-3
        expected = plain_dataset.background_model.parameters
        for parameter, other_parameter in zip(dataset.models.parameters, expected, strict=True):
            sigma = other_parameter.error if method == "fit" else 0
            assert parameter.value == pytest.approx(
                other_parameter.value, rel=2e-4, abs=0.02 * sigma
            )

    @pytest.mark.parametrize("method", ["scale", "fit"])
    @pytest.mark.parametrize("spectral", ["pl-norm", TILTED], ids=["norm", "tilt"])
    def test_norm_with_fixed_sources_agrees_with_gammapy(
        self, copies, observation, method, spectral
    ):
        # without an exclusion, the source changes the norm by 24 %
        dataset, plain_dataset = copies
        is_tag = isinstance(spectral, str)
        norm_model = build_submodel("spectral", {"type": spectral} if is_tag else spectral)
        plain_dataset.models = [
            SkyModel(
                spectral_model=build_submodel("spectral", CRAB_SOURCE["spectral"]),
                spatial_model=build_submodel("spatial", CRAB_SOURCE["spatial"]),
            )
        ]
        plain_dataset = FoVBackgroundMaker(method, spectral_model=norm_model).run(plain_dataset)
        maker = FoVBackground(
            method=method, spectral=spectral, sources=[FixedSource(**CRAB_SOURCE)]
        )
        dataset = maker.make(dataset, observation)
        assert dataset.models.names == [f"{dataset.name}-bkg"]
        parameters, expected = (
            item.background_model.spectral_model.parameters for item in (dataset, plain_dataset)
        )
        without_sources = FoVBackground(method=method, spectral=spectral)
        dataset.models = None
        biased = without_sources.make(dataset, observation).background_model.spectral_model
        assert biased.norm.value > 1.05 * parameters["norm"].value
        # MIGRAD stops early; the errors are those of HESSE and of the exact second derivatives
        for name in ("norm", "tilt"):
            tolerance = 0.05 * expected[name].error if method == "fit" else 1e-6
            assert parameters[name].value == pytest.approx(expected[name].value, abs=tolerance)
            assert parameters[name].error == pytest.approx(expected[name].error, rel=0.07)

    def test_run_with_fewer_counts_than_its_sources_is_skipped(self, copies, observation):
        source = CRAB_SOURCE | {"spectral": {"type": "pl", "amplitude": "1e-8 cm-2 s-1 TeV-1"}}
        for method in ("scale", "fit"):
            with pytest.raises(SkipObservation, match="not more than those predicted"):
                FoVBackground(method=method, sources=[FixedSource(**source)]).make(
                    copies[0], observation
                )
            assert not copies[0].models

    def test_sources_need_the_exposure_of_the_run(self, copies, observation):
        copies[0].exposure = None
        with pytest.raises(ValueError, match="need the exposure"):
            FoVBackground(sources=[FixedSource(**CRAB_SOURCE)]).make(copies[0], observation)

    @pytest.mark.parametrize("method", ["scale", "fit"])
    def test_norm_is_the_closest_value_within_its_limits(self, copies, observation, method):
        spectral = {"type": "pl-norm", "norm": {"value": 0.2, "max": 0.3}}
        dataset = FoVBackground(method=method, spectral=spectral).make(copies[0], observation)
        assert apply_background_norm(dataset) == 0.3

    def test_start_value_of_the_norm_has_no_effect(self, copies, observation):
        # gammapy divides the counts by the background times the start value
        makers = (
            FoVBackground(method="scale", spectral={"type": "pl-norm", "norm": norm})
            for norm in (1, 2)
        )
        norms = [
            apply_background_norm(maker.make(dataset, observation))
            for maker, dataset in zip(makers, copies, strict=True)
        ]
        assert norms[0] == norms[1]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"spectral": {"norm": 2}}, "missing key 'type'"),
            ({"spectral": True}, "free tilt"),
            ({"spatial": {"type": "template", "filename": "a.fits"}}, "is not supported"),
            ({"spectral": {"type": "pl-norm", "norm": {"link": "a"}}}, "remove the link"),
            ({"sources": [FixedSource(**CRAB_SOURCE)] * 2}, "'crab' is not unique"),
        ],
    )
    def test_invalid_models_are_rejected(self, options, message):
        with pytest.raises(FieldError, match=message):
            FoVBackground(**options)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"spectral": "pl"}, "'pl' is not a norm model"),
            ({"spectral": "pl-nrom"}, "did you mean"),
            ({"spectral": {"type": "pl-norm", "norm": {"frozen": True}}}, "no free parameter"),
            (
                {"spectral": {"type": "pl-norm", "norm": {"frozen": True}}, "method": "scale"},
                "scale sets the norm",
            ),
            ({"sources": [FixedSource(**CRAB_SOURCE | {"spectral": {"type": "plx"}})]}, "plx"),
        ],
    )
    def test_invalid_models_are_reported_before_data_are_read(self, options, message):
        pipeline = Pipeline.from_yaml(plain_gammapy.EXAMPLE)
        entry = pipeline.data["hess"]
        entry = entry.evolve(make=[*entry.make[:2], FoVBackground(**options)])
        with pytest.raises(ConfigError, match=message):
            Orchestrator(pipeline.evolve(data={"hess": entry}))


class TestExclusion:
    """Exclusion by regions and mask maps; each test compares the norm of ``method: scale``."""

    def norm(self, dataset, observation, exclude) -> float:
        return apply_background_norm(
            FoVBackground(method="scale", exclude=exclude).make(dataset, observation)
        )

    def expected_norm(self, dataset, observation, exclusion_mask) -> Any:
        """Return gammapy's norm with a 2D exclusion mask (False where excluded)."""
        geom = dataset.counts.geom
        data = np.broadcast_to(exclusion_mask, geom.data_shape).copy()
        maker = FoVBackgroundMaker(method="scale", exclusion_mask=Map.from_geom(geom, data=data))
        dataset = maker.run(dataset, observation)
        # float32 sums
        return pytest.approx(dataset.models["run-bkg"].spectral_model.norm.value, rel=1e-6)

    @pytest.fixture
    def image_geom(self, masked_dataset) -> WcsGeom:
        return masked_dataset.counts.geom.to_image()

    @pytest.fixture
    def reg_file(self, tmp_path) -> Path:
        path = tmp_path / "sources.reg"
        Regions.parse(OTHER_CIRCLE, format="ds9").write(path, format="ds9")
        return path

    @pytest.fixture
    def mask_file(self, tmp_path) -> tuple[Path, Map]:
        """Return a mask that covers a part of the dataset, with other pixels, and its file."""
        geom = WcsGeom.create(skydir=(84.2, 22.6), width=1, binsz=0.02, frame="icrs")
        mask = geom.region_mask("icrs; circle(84.2, 22.6, 0.25)", inside=False)
        mask = Map.from_geom(geom, data=mask.data.astype(np.int16))
        mask.write(tmp_path / "mask.fits.gz")
        return tmp_path / "mask.fits.gz", mask

    def mask_outside(self, image_geom, *region_strings) -> np.ndarray:
        """Return the exclusion mask of DS9 regions: False inside."""
        regions = [
            region
            for region_string in region_strings
            for region in Regions.parse(region_string, format="ds9")
        ]
        return ~image_geom.region_mask(regions).data

    def test_exclusion_by_region_string(self, copies, observation, image_geom):
        norm = self.norm(copies[0], observation, CIRCLE)
        assert norm == self.expected_norm(
            copies[1], observation, self.mask_outside(image_geom, CIRCLE)
        )

    def test_exclusion_by_several_regions_in_one_string_and_in_a_list(
        self, copies, observation, image_geom
    ):
        exclusion_mask = self.mask_outside(image_geom, CIRCLE, OTHER_CIRCLE)
        expected = self.expected_norm(copies[1], observation, exclusion_mask)
        assert (
            self.norm(copies[0].copy(name="run"), observation, [CIRCLE, OTHER_CIRCLE]) == expected
        )
        region_string = f"{CIRCLE}; {OTHER_CIRCLE.removeprefix('icrs; ')}"
        assert self.norm(copies[0], observation, region_string) == expected

    def test_exclusion_by_region_object(self, copies, observation, image_geom):
        region = Regions.parse(CIRCLE, format="ds9")[0]
        norm = self.norm(copies[0], observation, region)
        assert norm == self.expected_norm(
            copies[1], observation, self.mask_outside(image_geom, CIRCLE)
        )

    def test_exclusion_by_region_file(self, copies, observation, image_geom, reg_file):
        norm = self.norm(copies[0], observation, [reg_file])
        assert norm == self.expected_norm(
            copies[1], observation, self.mask_outside(image_geom, OTHER_CIRCLE)
        )

    def test_exclusion_by_mask_map_that_covers_only_a_part(
        self, copies, observation, image_geom, mask_file
    ):
        path, mask = mask_file
        # the value of the mask at each pixel centre; no pixel outside of the map is excluded
        values = mask.get_by_coord(image_geom.get_coord())
        exclusion_mask = np.where(np.isnan(values), 1, values).astype(bool)
        assert 0 < (~exclusion_mask).sum() < exclusion_mask.size / 10
        norm = self.norm(copies[0], observation, [path])
        assert norm == self.expected_norm(copies[1], observation, exclusion_mask)

    def test_exclusion_by_the_mask_map_of_the_joint_crab(self, copies, observation, image_geom):
        folder = Path(os.environ["GAMMAPY_DATA"], "joint-crab", "exclusion")
        if not folder.is_dir():
            pytest.skip("needs $GAMMAPY_DATA/joint-crab")
        mask = Map.read(folder / "exclusion_mask_crab.fits.gz")
        mask.data = mask.data.astype(bool)
        maker = FoVBackgroundMaker(method="scale", exclusion_mask=mask)
        expected = maker.run(copies[1], observation).models["run-bkg"].spectral_model.norm.value
        mask_path = "$GAMMAPY_DATA/joint-crab/exclusion/exclusion_mask_crab.fits.gz"
        assert self.norm(copies[0], observation, mask_path) == pytest.approx(expected, rel=1e-6)

    def test_exclusion_by_mask_map_with_energies(self, copies, observation, tmp_path):
        # exclusion only below 2 TeV
        axis = MapAxis.from_energy_edges([0.7, 2, 10], unit="TeV")
        geom = WcsGeom.create(skydir=CRAB, width=4, binsz=0.05, axes=[axis])
        mask = Map.from_geom(geom, data=True, dtype=bool)
        mask.data[0] = geom.to_image().separation(CRAB).deg > 0.5
        mask.write(tmp_path / "mask.fits")
        maker = FoVBackgroundMaker(method="scale", exclusion_mask=mask)
        expected = maker.run(copies[1], observation).models["run-bkg"].spectral_model.norm.value
        norm = self.norm(copies[0].copy(name="run"), observation, [tmp_path / "mask.fits"])
        assert norm == pytest.approx(expected, rel=1e-6)
        assert norm != pytest.approx(self.norm(copies[0], observation, []), rel=1e-3)

    def test_exclusion_by_regions_and_mask_map_together(
        self, copies, observation, image_geom, reg_file, mask_file
    ):
        path, mask = mask_file
        exclusion_mask = self.mask_outside(image_geom, CIRCLE, OTHER_CIRCLE)
        values = mask.get_by_coord(image_geom.get_coord())
        exclusion_mask &= np.where(np.isnan(values), 1, values).astype(bool)
        norm = self.norm(copies[0], observation, [CIRCLE, reg_file, path])
        assert norm == self.expected_norm(copies[1], observation, exclusion_mask)

    def test_mask_map_excludes_the_same_pixels_as_its_region(
        self, copies, observation, image_geom, mask_file
    ):
        # the mask was created from this circle, so only pixels at its rim differ
        region_string = "icrs; circle(84.2, 22.6, 0.25)"
        norm = self.norm(copies[0], observation, [mask_file[0]])
        expected = self.norm(copies[1], observation, [region_string])
        n_pixels = copies[0].mask_safe.data.sum()
        n_rim_pixels = 2 * np.pi * 0.25 * 0.05 / 0.05**2
        assert norm == pytest.approx(expected, rel=4 * n_rim_pixels / n_pixels)


class TestInvalidExclusion:
    """Invalid exclusions must be reported, not ignored."""

    @pytest.mark.parametrize(
        "region_string",
        ["garbage", "icrs; circl(83.63, 22.14, 0.2)", "icrs; circle(83.63", "circle(a, b, c)"],
    )
    def test_invalid_region_is_reported_before_data_are_read(self, region_string):
        yaml_text = plain_gammapy.EXAMPLE.read_text().replace(CIRCLE, region_string)
        with pytest.raises(ConfigError, match=r"data\.hess\.make\[2\]\.exclude") as excinfo:
            Pipeline.from_yaml(yaml_text)
        assert region_string in str(excinfo.value)

    @pytest.mark.parametrize("name", ["none.reg", "none.fits"])
    def test_missing_file_is_reported_before_data_are_read(self, tmp_path, name):
        yaml_text = plain_gammapy.EXAMPLE.read_text().replace(CIRCLE, str(tmp_path / name))
        with pytest.raises(ConfigError, match=r"make\[2\]\.exclude"):
            Pipeline.from_yaml(yaml_text)

    def test_region_file_without_regions_is_reported(self, tmp_path):
        path = tmp_path / "empty.reg"
        path.write_text("# Region file format: DS9\n")
        yaml_text = plain_gammapy.EXAMPLE.read_text().replace(CIRCLE, str(path))
        with pytest.raises(ConfigError, match=r"empty\.reg' contains no regions"):
            Pipeline.from_yaml(yaml_text)

    def test_invalid_region_in_python_is_reported_before_data_are_read(self):
        pipeline = Pipeline.from_yaml(plain_gammapy.EXAMPLE)
        entry = pipeline.data["hess"]
        makers = [*entry.make[:2], FoVBackground(exclude="icrs; circl(83.63, 22.14, 0.2)")]
        pipeline = pipeline.evolve(data={"hess": entry.evolve(make=makers)})
        with pytest.raises(ConfigError, match=r"make\[2\]\.exclude: .*circl\(83\.63"):
            Orchestrator(pipeline)


def create_orchestrator(*makers, **changes) -> Orchestrator:
    """Return an orchestrator of one run of the example, with small maps and other makers."""
    small_maps = ["data.hess.geometry.bin_size=0.1 deg", "data.hess.geometry.width=0.6 deg"]
    pipeline = Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=small_maps)
    entry = pipeline.data["hess"]
    entry = entry.evolve(make=makers or entry.make, **changes)
    orchestrator = Orchestrator(pipeline.evolve(data={"hess": entry}))
    orchestrator.select()
    orchestrator.observations = {"hess": orchestrator.observations["hess"][:1]}
    return orchestrator


class TestMakersInAPipeline:
    SAFE_MASK = SafeMask(methods=["offset-max", "aeff-max"], offset_max="2.5 deg")
    FOV_BACKGROUND = FoVBackground(method="scale", exclude=CIRCLE)

    def test_adapted_gammapy_makers_agree_with_skyred_makers(self):
        orchestrator = create_orchestrator(MapData(), self.SAFE_MASK, self.FOV_BACKGROUND)
        # skyred derives the cutout width only from its own SafeMask, so set it explicitly
        geometry = orchestrator.pipeline.data["hess"].geometry.evolve(cutout_width="5 deg")
        target = geometry.target("x")
        mask = ~target.counts.geom.region_mask(Regions.parse(CIRCLE, format="ds9"))
        safe_mask = SafeMaskMaker(methods=["offset-max", "aeff-max"], offset_max=2.5 * u.deg)
        background = FoVBackgroundMaker(method="scale", exclusion_mask=mask)
        gammapy_makers_orchestrator = create_orchestrator(
            MapDatasetMaker(), safe_mask, background, geometry=geometry
        )
        assert_equal(gammapy_makers_orchestrator.reduce()["hess"], orchestrator.reduce()["hess"])
        expected = orchestrator.result().outcomes[0].background_norm
        norm = gammapy_makers_orchestrator.result().outcomes[0].background_norm
        assert norm == pytest.approx(expected, rel=1e-6)

    def test_adapted_maker_cannot_be_written_as_yaml(self):
        pipeline = create_orchestrator(MapDatasetMaker(), self.SAFE_MASK).pipeline
        with pytest.raises(ConfigError, match="contains an object of type MapDatasetMaker"):
            pipeline.to_yaml()

    def test_run_folder_of_a_pipeline_with_adapted_makers_is_readable(self, tmp_path):
        from skyred import Result

        makers = (MapDatasetMaker(), self.SAFE_MASK, self.FOV_BACKGROUND)
        create_orchestrator(*makers).run(tmp_path / "run", until="reduce")
        result = Result.read(tmp_path / "run")
        assert result.config == ""
        assert result.digest == ""
        assert result.datasets["hess"].counts.data.sum() > 0

    def test_run_that_does_not_overlap_the_map_is_skipped_with_its_pointing(self):
        makers = (MapData(), SafeMask(methods="offset-max", offset_max="0.1 deg"))
        orchestrator = create_orchestrator(*makers)
        with pytest.raises(RunsFailedError, match="does not overlap"):
            orchestrator.reduce()
        outcome = orchestrator.result().outcomes[0]
        assert outcome.status == "skipped"
        assert outcome.maker.startswith("geometry map of skyred")
        assert "83.63 21.51" in outcome.reason
        assert "0.20 deg" in outcome.reason

    def test_skipped_run_is_recorded_with_its_maker(self):
        background = FoVBackground(min_counts=10**6)
        orchestrator = create_orchestrator(MapData(), self.SAFE_MASK, background)
        with pytest.raises(RunsFailedError, match="cannot be normalised"):
            orchestrator.reduce()
        outcome = orchestrator.result().outcomes[0]
        assert outcome.status == "skipped"
        assert outcome.maker.startswith("maker fov-background")

    def test_failed_run_is_recorded_with_reason_and_traceback(self):
        class FailingMaker:
            def run(self, dataset, observation):
                raise RuntimeError("the moon was up")

        orchestrator = create_orchestrator(MapData(), FailingMaker())
        with pytest.raises(RunsFailedError, match="the moon was up"):
            orchestrator.reduce()
        outcome = orchestrator.result().outcomes[0]
        assert outcome.status == "failed"
        assert outcome.reason == "RuntimeError: the moon was up"
        assert "in run" in outcome.traceback

    def test_makers_are_not_changed_by_a_reduction(self):
        makers: list[Maker] = [MapData(), self.SAFE_MASK, self.FOV_BACKGROUND]
        digests = [maker.digest() for maker in makers]
        create_orchestrator(*makers).reduce()
        assert [maker.digest() for maker in makers] == digests
