"""The compiled likelihood of every spectral model of gammapy agrees with gammapy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gammapy.modeling.models import (
    SPECTRAL_MODEL_REGISTRY,
    FoVBackgroundModel,
    NaimaSpectralModel,
    PointSpatialModel,
    SkyModel,
    TemplateNPredModel,
)

from likelihood_comparison import (
    DatasetsFactory,
    assert_agrees_with_gammapy,
    draw_values,
    with_models,
)
from small_datasets import (
    CRAB,
    flux_points,
    map_dataset,
    map_on_off,
    spectrum_dataset,
    spectrum_on_off,
)
from spectral_models import NORMS, SOURCES, free_all, power_law

SPECTRA = {name: make for kinds in SOURCES.values() for name, make in kinds.items()}
NORM_MODELS = {name: make for kinds in NORMS.values() for name, make in kinds.items()}
all_spectra = pytest.mark.parametrize("kind", SPECTRA)
all_norms = pytest.mark.parametrize("kind", NORM_MODELS)


def map_without_psf() -> Any:
    """Return a map without PSF, since gammapy's computation of kernels is slow."""
    return map_dataset(psf="none")


# without convolution, sums differ only by rounding
EXACT = {"stat": 1e-7, "counts": 1e-9}


def source(spectral: Any, with_position: bool) -> SkyModel:
    free_all(spectral)
    spatial = None
    if with_position:
        spatial = PointSpatialModel(
            lon_0=f"{CRAB[0] + 0.03} deg", lat_0=f"{CRAB[1]} deg", frame="icrs"
        )
    return SkyModel(spectral, spatial, name="source")


def case(
    dataset: Callable[[], Any], spectral: Callable[[], Any], with_position: bool = False
) -> DatasetsFactory:
    return with_models(lambda: [dataset()], lambda: [source(spectral(), with_position)])


@pytest.mark.parametrize("cls", SPECTRAL_MODEL_REGISTRY, ids=lambda cls: cls.__name__)
def test_every_spectral_model_is_tested(cls: type[Any]) -> None:
    kinds = {**SOURCES.get(cls, {}), **NORMS.get(cls, {})}
    if cls is NaimaSpectralModel and not kinds:
        pytest.skip("naima is not installed")
    assert kinds
    assert all(type(make()) is cls for make in kinds.values())


@all_spectra
def test_point_source_with_any_spectrum_agrees_with_gammapy(kind: str) -> None:
    assert_agrees_with_gammapy(case(map_without_psf, SPECTRA[kind], with_position=True), 2)


@all_spectra
def test_any_spectrum_in_a_region_agrees_with_gammapy(kind: str) -> None:
    assert_agrees_with_gammapy(case(spectrum_on_off, SPECTRA[kind]), 2, **EXACT)


@all_spectra
def test_any_spectrum_with_energies_in_gev_agrees_with_gammapy(kind: str) -> None:
    make = case(lambda: spectrum_dataset(unit="GeV"), SPECTRA[kind])
    assert_agrees_with_gammapy(make, 1, **EXACT)


@pytest.mark.slow
# the quotient would be 0 / 0, and gammapy predicts no counts for a sum with an amplitude of zero
@pytest.mark.parametrize("kind", sorted({*SPECTRA} - {"quotient", "sum-const"}))
def test_any_spectrum_that_starts_at_zero_agrees_with_gammapy(kind: str) -> None:
    def spectral() -> Any:
        model = SPECTRA[kind]()
        for name in ("norm", "amplitude", "alpha_norm", "tilt"):
            for parameter in model.parameters.select(name=name):
                parameter.value = 0
        return model

    parameters = case(spectrum_dataset, SPECTRA[kind])().models.parameters.free_parameters
    value_sets = draw_values(parameters, 2)
    assert_agrees_with_gammapy(case(spectrum_dataset, spectral), more_values=value_sets, **EXACT)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in SPECTRA if "template" not in kind])
def test_any_spectrum_with_negative_flux_agrees_with_gammapy(kind: str) -> None:
    make = case(spectrum_dataset, SPECTRA[kind])
    parameters = make().models.parameters.free_parameters
    value_sets = draw_values(parameters, 2)
    norms = [
        index
        for index, name in enumerate(parameters.names)
        if name in ("amplitude", "const", "norm")
    ]
    for index in norms[:1] if kind in ("absorbed", "quotient") else norms:
        value_sets[0][index] *= -0.3
    assert_agrees_with_gammapy(make, more_values=value_sets, **EXACT)


@pytest.mark.parametrize("factor", [-0.03, 0])
@pytest.mark.parametrize("dataset", [map_dataset, spectrum_dataset, spectrum_on_off, map_on_off])
def test_source_with_zero_or_negative_flux_agrees_with_gammapy(
    factor: float, dataset: Callable[[], Any]
) -> None:
    make = case(dataset, power_law, with_position=True)
    parameters = make().models.parameters.free_parameters
    value_sets = draw_values(parameters, 2)
    for values in value_sets:
        values[parameters.names.index("amplitude")] *= factor
    assert_agrees_with_gammapy(make, more_values=value_sets)


@pytest.mark.slow
@all_spectra
@pytest.mark.parametrize("asymmetric", [False, True])
def test_any_spectrum_of_flux_points_agrees_with_gammapy(kind: str, asymmetric: bool) -> None:
    make = case(lambda: flux_points(asymmetric=asymmetric), SPECTRA[kind])
    assert_agrees_with_gammapy(make, 3, **EXACT)


@pytest.mark.slow
@all_norms
def test_power_law_times_any_norm_agrees_with_gammapy(kind: str) -> None:
    def spectral() -> Any:
        return power_law() * NORM_MODELS[kind]()

    assert_agrees_with_gammapy(case(map_without_psf, spectral, with_position=True), 2)
    assert_agrees_with_gammapy(case(spectrum_on_off, spectral), 2, **EXACT)
    assert_agrees_with_gammapy(case(flux_points, spectral), 3, **EXACT)


# gammapy cannot evaluate a background whose norm has no parameters
@pytest.mark.parametrize("kind", sorted({*NORM_MODELS} - {"template-fixed-norm"}))
def test_background_with_any_norm_agrees_with_gammapy(kind: str) -> None:
    def models() -> list[Any]:
        background = FoVBackgroundModel("map", spectral_model=NORM_MODELS[kind]())
        free_all(background)
        return [background]

    assert_agrees_with_gammapy(with_models(lambda: [map_without_psf()], models), 3, **EXACT)


@all_norms
@pytest.mark.parametrize("is_cutout", [False, True], ids=["full", "cutout"])
def test_template_with_any_norm_agrees_with_gammapy(kind: str, is_cutout: bool) -> None:
    def models() -> list[Any]:
        counts = map_dataset().background * 0.7
        if is_cutout:
            counts = counts.cutout(counts.geom.center_skydir, width="0.5 deg")
        model = TemplateNPredModel(counts, spectral_model=NORM_MODELS[kind](), name="template")
        free_all(model)
        return [model, FoVBackgroundModel("map")]

    assert_agrees_with_gammapy(with_models(lambda: [map_without_psf()], models), 3, **EXACT)
