"""Gradient and Fisher matrix, compared with numerical derivatives of the statistic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianPrior,
    PowerLawNormSpectralModel,
    SkyModel,
    TemplateNPredModel,
    UniformPrior,
)
from gammapy.stats import wstat

from likelihood_comparison import DatasetsFactory, with_models
from skyred.likelihood import Likelihood, objective_of
from small_datasets import (
    CRAB,
    flux_points,
    map_dataset,
    map_on_off,
    spectrum_dataset,
    spectrum_on_off,
)
from spatial_models import SPATIAL
from spectral_models import NORMS, SOURCES, free_all, power_law
from temporal_models import LIGHT_CURVES

SPECTRA = {name: make for kinds in SOURCES.values() for name, make in kinds.items()}
NORM_MODELS = {name: make for kinds in NORMS.values() for name, make in kinds.items()}
SHAPES = {name: make for kinds in SPATIAL.values() for name, make in kinds.items()}
CURVES = {name: make for kinds in LIGHT_CURVES.values() for name, make in kinds.items()}
POSITION = (CRAB[0] + 0.071, CRAB[1] - 0.044)  # the likelihood is not smooth at pixel centres
# For derivatives in units of the errors; expected values are numerical, and images are float32.
# Fitters need much less: a gradient that is wrong by 0.01 moves the minimum by about 0.01 sigma.
GRADIENT_TOLERANCE = 3e-3


def errors(likelihood: Likelihood) -> np.ndarray:
    """Return the errors from the Fisher matrix; 0.01 for parameters without effect."""
    diagonal = np.diag(likelihood.fisher(likelihood.initial_state[likelihood.space.free]))
    assert np.all(diagonal >= 0)
    return np.sqrt(2 / np.where(diagonal > 0, diagonal, 2e4))


def steps(likelihood: Likelihood, fraction: float) -> np.ndarray:
    """Return a fraction of the errors, but at most 1 % of the values that are not zero."""
    values = np.abs(likelihood.initial_state[likelihood.space.free])
    return np.minimum(fraction * errors(likelihood), 0.01 * np.where(values > 0, values, np.inf))


def differentiate(
    function: Callable[[np.ndarray], Any], x: np.ndarray, step: np.ndarray
) -> np.ndarray:
    """Return central differences of fourth order, of shape (parameters, ...)."""
    derivatives = []
    for size, direction in zip(step, np.eye(len(x)), strict=True):
        shift = size * direction
        near_difference = function(x + shift) - function(x - shift)
        far_difference = function(x + 2 * shift) - function(x - 2 * shift)
        derivatives.append((8 * near_difference - far_difference) / (12 * size))
    return np.array(derivatives)


def assert_gradient_is_correct(
    make: DatasetsFactory, fraction: float = 3e-2, tolerance: float = GRADIENT_TOLERANCE
) -> None:
    likelihood = Likelihood(make())
    assert likelihood.exact
    x, scale = likelihood.initial_state[likelihood.space.free], errors(likelihood)
    expected = differentiate(likelihood.stat, x, steps(likelihood, fraction)) * scale
    difference = likelihood.gradient(x) * scale - expected
    names = likelihood.space.names()
    is_close = np.abs(difference) < tolerance * (1 + np.abs(expected))
    assert np.all(is_close), dict(zip(names, difference, strict=True))


def source(spectral: Any, shape: str | None = None, temporal: Any = None) -> SkyModel:
    spatial = None
    if shape:
        spatial = SHAPES[shape](POSITION, "icrs")
        free_all(spatial)
        if shape in ("gauss", "gauss-narrow", "disk"):  # e of circular shapes is at its limit
            spatial.e.frozen = spatial.phi.frozen = True
    return SkyModel(spectral, spatial, temporal, name="source")


@pytest.mark.parametrize("kind", [kind for kind in SPECTRA if "template-fixed" not in kind])
def test_gradient_of_every_spectrum_is_correct(kind: str) -> None:
    def models() -> list[Any]:
        spectral = SPECTRA[kind]()
        free_all(spectral)
        return [source(spectral)]

    assert_gradient_is_correct(with_models(lambda: [spectrum_on_off()], models), 3e-3)
    assert_gradient_is_correct(with_models(lambda: [flux_points()], models), 3e-3)


@pytest.mark.parametrize("kind", [kind for kind in NORM_MODELS if "template-fixed" not in kind])
def test_gradient_of_every_norm_is_correct(kind: str) -> None:
    def models() -> list[Any]:
        norm, template = NORM_MODELS[kind](), NORM_MODELS[kind]()
        free_all(norm), free_all(template)
        return [
            FoVBackgroundModel("map", spectral_model=norm),
            TemplateNPredModel(map_dataset().background * 0.3, spectral_model=template),
        ]

    assert_gradient_is_correct(with_models(lambda: [map_dataset()], models))


@pytest.mark.parametrize(
    "shape",
    # disks and shells are tested in test_sharp_edges.py
    [
        shape
        for shape in SHAPES
        if not shape.startswith(("const-flux", "piecewise-norm", "disk", "shell"))
    ],
)
def test_gradient_of_every_smooth_shape_is_correct(shape: str) -> None:
    assert_gradient_is_correct(
        with_models(lambda: [map_dataset()], lambda: [source(power_law(), shape)])
    )


@pytest.mark.parametrize("shape", ["point", "gauss", "template"])
def test_gradient_of_on_off_maps_is_correct(shape: str) -> None:
    make = with_models(lambda: [map_on_off()], lambda: [source(power_law(), shape)])
    assert_gradient_is_correct(make)


@pytest.mark.parametrize("shape", ["point", "gauss"])
def test_gradient_in_a_region_is_correct(shape: str) -> None:
    def models() -> list[Any]:
        return [source(power_law(), shape)]

    assert_gradient_is_correct(with_models(lambda: [spectrum_dataset(psf=True)], models), 3e-3)


@pytest.mark.parametrize("kind", [kind for kind in CURVES if kind not in ("const", "phase-curve")])
@pytest.mark.parametrize("dataset", [spectrum_dataset, flux_points])
def test_gradient_of_every_light_curve_is_correct(kind: str, dataset: Callable[[], Any]) -> None:
    def models() -> list[Any]:
        spectral, temporal = power_law(), CURVES[kind]()
        spectral.amplitude.frozen = True  # some light curves have a norm
        return [source(spectral, temporal=temporal)]

    assert_gradient_is_correct(with_models(lambda: [dataset()], models))


def all_dataset_types() -> list[Any]:
    return [
        map_dataset(),
        map_on_off(),
        spectrum_dataset(psf=True),
        spectrum_on_off(),
        flux_points(),
    ]


def linked_models() -> list[Any]:
    """Return two sources that share an index and a position, and backgrounds with norms."""
    first, second = source(power_law(), "point"), source(SPECTRA["ecpl"](), "gauss")
    second = second.copy(name="second")
    second.spectral_model.index = first.spectral_model.index
    second.spatial_model.lon_0 = first.spatial_model.lon_0
    tilted_background = FoVBackgroundModel("map", PowerLawNormSpectralModel(tilt=0.1))
    tilted_background.spectral_model.tilt.frozen = False
    return [
        first,
        second,
        tilted_background,
        FoVBackgroundModel("spectrum", NORM_MODELS["piecewise-norm"]()),
    ]


@pytest.mark.slow
def test_gradient_of_linked_parameters_is_correct_for_all_dataset_types() -> None:
    make = with_models(all_dataset_types, linked_models)
    assert len(make().models.parameters.free_parameters) > len(Likelihood(make()).space.free)
    assert_gradient_is_correct(make)


def test_gradient_with_masked_bins_is_correct() -> None:
    def masked_datasets() -> list[Any]:
        dataset = map_dataset()
        dataset.mask_safe.data[0, :7] = False
        dataset.mask_fit = dataset.mask_safe.copy()
        dataset.mask_fit.data[:, :, 11:] = False
        return [dataset]

    assert_gradient_is_correct(with_models(masked_datasets, lambda: linked_models()[:3]))


@pytest.mark.slow
def test_gradient_and_fisher_matrix_include_priors() -> None:
    def models() -> list[Any]:
        first, second, *backgrounds = linked_models()
        first.spectral_model.index.prior = GaussianPrior(mu=2.1, sigma=0.04)
        second.spatial_model.sigma.prior = GaussianPrior(mu=0.1, sigma=0.01)
        first.spectral_model.amplitude.prior = UniformPrior(min=0, max=1e-9)
        return [first, second, *backgrounds]

    make = with_models(all_dataset_types, models)
    objective, likelihood = objective_of(make()), Likelihood(make())
    x, scale = objective.start, errors(likelihood)
    expected = differentiate(objective.total, x, steps(likelihood, 3e-2))
    assert objective.gradient(x) * scale == pytest.approx(expected * scale, abs=0.1, rel=3e-3)
    curvature = objective.fisher(x) - likelihood.fisher(x)
    expected_curvature = differentiate(
        lambda values: differentiate(objective.prior_stat, values, scale), x, scale
    )
    units = np.outer(scale, scale)
    assert curvature * units == pytest.approx(expected_curvature * units, abs=1e-5, rel=1e-5)
    # both sources have this index, so gammapy adds its prior twice
    assert curvature[0, 0] == pytest.approx(2 * 2 / 0.04**2)


def weights(dataset: Any, npred: np.ndarray) -> np.ndarray:
    """Return the second derivatives of the statistic with respect to the predicted counts."""
    if dataset.stat_type == "chi2":
        second_derivatives = 2 / dataset.data.dnde_err.quantity.to_value("cm-2 s-1 TeV-1") ** 2
        return np.where(dataset.mask, second_derivatives, 0)
    counts = dataset.counts.data
    if dataset.stat_type == "cash":
        return np.where(dataset.mask.data, 2 * counts / npred**2, 0)
    off, alpha = dataset.counts_off.data, dataset.alpha.data

    def stat(signal: np.ndarray) -> np.ndarray:
        return np.nan_to_num(wstat(counts, off, alpha, signal))

    step = 1e-3 * np.maximum(np.abs(npred), 0.3)
    second = (stat(npred + step) - 2 * stat(npred) + stat(npred - step)) / step**2
    return np.where(dataset.mask.data, second, 0)


@pytest.mark.parametrize("kind", ["map", "map-on-off", "spectrum", "on-off", "points"])
def test_fisher_matrix_agrees_with_derivatives_of_predicted_counts(kind: str) -> None:
    def dataset() -> list[Any]:
        return [dataset for dataset in all_dataset_types() if dataset.name == kind]

    def models() -> list[Any]:
        return linked_models() if kind == "map" else linked_models()[:1]

    make = with_models(dataset, models)
    likelihood, data = Likelihood(make()), make()[0]
    x, scale = likelihood.initial_state[likelihood.space.free], errors(likelihood)

    def signal(values: np.ndarray) -> np.ndarray:
        """Return the counts without background, on which the statistic of on-off data depends."""
        state = likelihood.state(values)
        return sum(
            contribution.cube(state) for contribution in likelihood.datasets[0].contributions
        )

    jacobian = differentiate(signal, x, 3e-2 * scale) * scale[:, None, None, None]
    weighted = jacobian * weights(data, signal(x))
    expected = np.einsum("ikyx,jkyx->ij", weighted, jacobian)
    # in units of the errors, where the diagonal is 2
    assert likelihood.fisher(x) * np.outer(scale, scale) == pytest.approx(expected, abs=0.02)


@pytest.mark.slow
def test_results_do_not_depend_on_earlier_evaluations() -> None:
    make = with_models(all_dataset_types, linked_models)
    likelihood, start = Likelihood(make()), Likelihood(make()).initial_state
    x = start[likelihood.space.free]
    for factor in (1.02, 0.97, 1.0):
        likelihood.stat(factor * x), likelihood.gradient(factor * x), likelihood.fisher(factor * x)
    expected = Likelihood(make())
    assert likelihood.stat(x) == expected.stat(x)
    assert likelihood.gradient(x) == pytest.approx(expected.gradient(x), rel=1e-12)
    assert likelihood.fisher(x) == pytest.approx(expected.fisher(x), rel=1e-12)
