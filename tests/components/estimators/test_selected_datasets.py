"""The option `datasets` of estimators, compared with gammapy run on these datasets alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.estimators import ExcessMapEstimator, FluxPointsEstimator, SensitivityEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

import flux_points_comparison
import light_curve_comparison as comparison
import small_datasets as small
from skyred import Estimator, Pipeline
from skyred.components.gammapy import (
    ExcessMap,
    FluxPoints,
    FluxProfile,
    LightCurve,
    ProfileLikelihood,
    Rings,
    Sensitivity,
    SourceDetection,
    TSMap,
)
from skyred.errors import ConfigError, ModelError, SkyredWarning
from skyred.interfaces.dataset_names import may_match, select_datasets
from toys import ToyEstimator

EDGES = [1, 10] * u.TeV
OPTIONS = {"columns": (), "energy_edges": EDGES}


@pytest.fixture
def datasets() -> Datasets:
    return joint_datasets()


def joint_datasets() -> Datasets:
    """Return two maps and a spectrum, with different counts, of one source."""
    datasets = Datasets(
        [
            small.map_dataset("hess-1"),
            small.map_dataset("hess-2", seed=7),
            small.spectrum_dataset("magic"),
        ]
    )
    spatial = PointSpatialModel(lon_0="83.653 deg", lat_0="22.031 deg", frame="icrs")
    spatial.parameters.freeze_all()
    spectral = PowerLawSpectralModel(index=2.4, amplitude="3e-12 cm-2 s-1 TeV-1")
    models = [SkyModel(spectral, spatial, name="crab")]
    models += [FoVBackgroundModel(dataset_name=name) for name in ("hess-1", "hess-2")]
    datasets.models = Models(models)
    return datasets


def subset(*names: str) -> Datasets:
    """Return the named datasets of a new copy, for gammapy."""
    datasets = joint_datasets()
    return Datasets([datasets[name] for name in names])


@pytest.mark.parametrize(
    ("patterns", "names"),
    [(["hess-2"], ["hess-2"]), (["hess-*"], ["hess-1", "hess-2"]), (["magic", "*-1"], None)],
    ids=["name", "wildcard", "several"],
)
def test_flux_points_agree_with_gammapy(
    datasets: Datasets, patterns: list[str], names: list[str] | None
) -> None:
    names = names or ["hess-1", "magic"]
    estimator = FluxPoints(source="crab", energy_edges=EDGES, columns=(), datasets=patterns)
    flux = estimator.estimate(datasets, None).flux
    expected = flux_points_comparison.flux_points_by_gammapy(
        subset(*names), "crab", EDGES, selection_optional=[], allow_multiple_telescopes=True
    )
    flux_points_comparison.assert_same_points(flux, expected)
    assert flux.counts.geom.axes["dataset"].center.tolist() == names


def test_light_curve_agrees_with_gammapy(datasets: Datasets) -> None:
    estimator = LightCurve(source="crab", datasets=["hess-2"], **OPTIONS)
    with pytest.warns(SkyredWarning, match="hess-2 is the only dataset"):
        flux = estimator.estimate(datasets, None).flux
    expected = comparison.light_curve_by_gammapy(subset("hess-2"), "crab", energy_edges=EDGES)
    comparison.assert_same(flux, expected)


def test_flux_profile_agrees_with_gammapy(datasets: Datasets) -> None:
    rings = Rings(center=small.centre(), radii=[0, 0.1, 0.2] * u.deg)
    estimator = FluxProfile(rings=rings, datasets=["hess-2"], **OPTIONS)
    flux = estimator.estimate(datasets, None).flux
    alone = subset("hess-2")
    alone.models = [alone.models["hess-2-bkg"]]  # gammapy subtracts all sources
    expected = comparison.profile_by_gammapy(
        alone, rings.regions(alone[0].counts.geom.wcs), energy_edges=EDGES
    )
    np.testing.assert_allclose(flux.norm.data, expected.norm.data, rtol=1e-3)


def test_excess_map_agrees_with_gammapy(datasets: Datasets) -> None:
    maps = ExcessMap(datasets=["hess-2"]).estimate(datasets, None).maps
    alone = subset("hess-2")[0]
    alone.background = alone.npred_background()
    alone.models = None
    expected = ExcessMapEstimator(0.1 * u.deg, sum_over_energy_groups=True).run(alone)
    np.testing.assert_allclose(maps.sqrt_ts.data, expected.sqrt_ts.data, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("estimator_kind", ["source-detection", "ts-map"])
def test_sources_are_detected_in_the_selected_maps(datasets: Datasets, estimator_kind: str) -> None:
    options: dict[str, Any] = {"datasets": ["hess-2"]}
    estimator = (
        SourceDetection(threshold=1, **options)
        if estimator_kind == "source-detection"
        else SourceDetection(threshold=1, on=TSMap(**options))
    )
    maps = estimator.estimate(datasets, None).maps
    expected = TSMap().estimate(subset("hess-2"), None).maps
    both = TSMap().estimate(subset("hess-1", "hess-2"), None).maps
    np.testing.assert_array_equal(maps.sqrt_ts.data, expected.sqrt_ts.data)
    assert not np.array_equal(maps.sqrt_ts.data, both.sqrt_ts.data)


def test_profile_likelihood_agrees_with_the_fit_of_gammapy(datasets: Datasets) -> None:
    estimator = ProfileLikelihood(
        parameters=["crab.amplitude"], sigmas=[1], points=3, datasets=["magic"]
    )
    (curve,) = estimator.estimate(datasets, None).curves
    alone = subset("magic")
    Fit().run(alone)
    amplitude = alone.models["crab"].spectral_model.amplitude
    # MIGRAD stops within a small fraction of the error
    assert curve.value == pytest.approx(amplitude.value, abs=0.01 * amplitude.error)
    assert curve.error == pytest.approx(amplitude.error, rel=0.02)


def test_sensitivity_uses_the_selected_spectra() -> None:
    spectra = Datasets([small.spectrum_on_off("a"), small.spectrum_on_off("b", seed=9)])
    table = Sensitivity(datasets=["b"]).estimate(spectra, None).table()
    expected = SensitivityEstimator(spectral_model=PowerLawSpectralModel(index=2)).run(spectra["b"])
    np.testing.assert_allclose(table["excess"], expected["excess"], rtol=1e-5)


def test_gammapy_estimators_and_those_of_plugins_get_the_selected_datasets(
    datasets: Datasets,
) -> None:
    toy = ToyEstimator(datasets=["magic"]).estimate(datasets, None)
    assert toy.counts == datasets["magic"].counts.data.sum()
    gammapy_estimator = FluxPointsEstimator(
        source="crab", energy_edges=EDGES, selection_optional=[]
    )
    adapted = Estimator.adapt(gammapy_estimator, datasets=["hess-2"])
    assert isinstance(adapted, Estimator)
    norm = adapted.estimate(datasets, None).value.norm.data
    np.testing.assert_allclose(norm, gammapy_estimator.run(subset("hess-2")).norm.data, rtol=1e-6)


def test_pattern_that_matches_no_dataset_is_rejected() -> None:
    datasets = Datasets([small.map_dataset("y[1]")])  # the name is not a pattern
    assert select_datasets(datasets, ["y[1]"]).names == ["y[1]"]
    with pytest.raises(ModelError, match=r"no dataset is named '\*zzz'; available: y\[1\]"):
        select_datasets(datasets, ["*zzz"])


def test_datasets_and_their_models_are_shared_with_the_selection(datasets: Datasets) -> None:
    selection = select_datasets(datasets, ["hess-2"])
    assert selection[0] is datasets["hess-2"]
    assert selection.models["crab"] is datasets.models["crab"]
    assert select_datasets(datasets, []) is datasets


def test_unknown_name_is_rejected_with_the_available_names(datasets: Datasets) -> None:
    with pytest.raises(ModelError, match=r"no dataset is named 'hes-1'; available: hess-1, hess-2"):
        ToyEstimator(datasets=["hes-1"]).estimate(datasets, None)


@pytest.mark.parametrize(
    ("expected", "pattern", "possible"),
    [
        ("hess", "hess", True),
        ("hess", "h*", True),
        ("hess", "hess-1", False),
        ("hess-*", "hess-23523", True),
        ("hess-*", "magic", False),
        ("hess-*", "*-23523", True),
        ("hess-*", "h*", True),
        ("hess-*", "m*", False),
        ("*", "anything", True),
    ],
)
def test_possible_dataset_names_are_known_before_the_reduction(
    expected: str, pattern: str, possible: bool
) -> None:
    assert may_match(expected, pattern) is possible


class TestConfiguration:
    def test_unknown_name_is_reported_as_configuration_error(self, crab_yaml: str) -> None:
        changed = crab_yaml.replace("kind: excess-map", "kind: excess-map, datasets: [hes]")
        with pytest.raises(ConfigError) as error:
            Pipeline.from_yaml(changed)
        (problem,) = error.value.problems
        assert problem.path == ("estimate", 2, "datasets", 0)
        assert "no dataset is named 'hes'" in problem.message
        assert problem.suggestion == "hess"

    def test_one_dataset_per_run_is_checked_by_its_prefix(self, crab_yaml: str) -> None:
        one_per_run = crab_yaml.replace("stack: {kind: sum}", "stack: {kind: keep}")
        for name, valid in (("hess-23523", True), ("hess", False), ("hess-2*", True)):
            changed = one_per_run.replace("kind: excess-map", f"kind: excess-map, datasets: {name}")
            if valid:
                assert Pipeline.from_yaml(changed).estimate[2].datasets == (name,)
            else:
                with pytest.raises(ConfigError, match="no dataset is named"):
                    Pipeline.from_yaml(changed)

    def test_other_checks_consider_only_the_selected_entries(self, crab_yaml: str) -> None:
        pipeline = Pipeline.from_yaml(crab_yaml)
        geometry = pipeline.data["hess"].geometry
        shifted = geometry.energy.evolve(min="1.1 TeV", max="9 TeV", bins=3)
        shifted_entry = pipeline.data["hess"].evolve(geometry=geometry.evolve(energy=shifted))
        pipeline = pipeline.evolve(data={**pipeline.data, "shifted": shifted_entry})
        assert any("no common energy bins" in str(problem) for problem in pipeline.problems())
        points = pipeline.estimate[0].evolve(datasets=["hess"])
        alone = pipeline.evolve(estimate=[points, *pipeline.estimate[1:]])
        assert not any("energy" in str(problem) for problem in alone.problems())

    def test_exported_script_keeps_the_penalties_of_the_models(
        self, crab_yaml: str, tmp_path: Path
    ) -> None:
        for index in ("hdu-index.fits.gz", "obs-index.fits.gz"):
            (tmp_path / "data" / "hess-dl3-dr1" / index).touch()
        changed = crab_yaml.replace("kind: flux-points,", "kind: flux-points, datasets: hess,")
        variables: dict[str, Any] = {"__name__": "exported"}
        exec(Pipeline.from_yaml(changed).to_script(), variables)
        all_datasets = Datasets([*joint_datasets(), small.map_dataset("y[1]")])
        all_datasets._penalties = ["penalty"]
        for pattern, selected in (("hess-*", ["hess-1", "hess-2"]), ("y[1]", ["y[1]"])):
            selection = variables["select_datasets"](all_datasets, [pattern])
            assert selection.names == selected
            assert selection._penalties == select_datasets(all_datasets, [pattern])._penalties
            assert selection._penalties == ["penalty"]
