"""Every spectral model of gammapy, as a source and as a norm: the same numbers as gammapy's."""

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

from every_spectrum import NORMS, SOURCES, free_all, power_law
from side_by_side import Make, assert_agrees_with_gammapy, draw_values, with_models
from small_datasets import (
    CRAB,
    flux_points,
    map_dataset,
    map_on_off,
    spectrum_dataset,
    spectrum_on_off,
)

SPECTRA = {name: make for kinds in SOURCES.values() for name, make in kinds.items()}
FACTORS = {name: make for kinds in NORMS.values() for name, make in kinds.items()}
each_spectrum = pytest.mark.parametrize("kind", SPECTRA)
each_norm = pytest.mark.parametrize("kind", FACTORS)


def sharp() -> Any:
    """Give a map without PSF, of which gammapy would make kernels for a long time."""
    return map_dataset(psf="none")


# nothing is convolved, so the sums differ by rounding alone
EXACT = {"stat": 1e-7, "counts": 1e-9}


def source(spectral: Any, place: bool) -> SkyModel:
    free_all(spectral)
    spatial = None
    if place:
        spatial = PointSpatialModel(
            lon_0=f"{CRAB[0] + 0.03} deg", lat_0=f"{CRAB[1]} deg", frame="icrs"
        )
    return SkyModel(spectral, spatial, name="source")


def case(dataset: Callable[[], Any], spectral: Callable[[], Any], place: bool = False) -> Make:
    return with_models(lambda: [dataset()], lambda: [source(spectral(), place)])


@pytest.mark.parametrize("cls", SPECTRAL_MODEL_REGISTRY, ids=lambda cls: cls.__name__)
def test_no_spectral_model_is_forgotten(cls: type[Any]) -> None:
    kinds = {**SOURCES.get(cls, {}), **NORMS.get(cls, {})}
    if cls is NaimaSpectralModel and not kinds:
        pytest.skip("naima is not installed")
    assert kinds
    assert all(type(make()) is cls for make in kinds.values())


@each_spectrum
def test_a_point_of_any_spectrum_has_gammapys_numbers(kind: str) -> None:
    assert_agrees_with_gammapy(case(sharp, SPECTRA[kind], place=True), 2)


@each_spectrum
def test_any_spectrum_in_a_region_has_gammapys_numbers(kind: str) -> None:
    assert_agrees_with_gammapy(case(spectrum_on_off, SPECTRA[kind]), 2, **EXACT)


@each_spectrum
def test_any_spectrum_by_energies_in_gev_has_gammapys_numbers(kind: str) -> None:
    make = case(lambda: spectrum_dataset(unit="GeV"), SPECTRA[kind])
    assert_agrees_with_gammapy(make, 1, **EXACT)


@pytest.mark.slow
# a quotient would start from 0 / 0; of a sum gammapy predicts nothing while its amplitude is 0
@pytest.mark.parametrize("kind", sorted({*SPECTRA} - {"quotient", "sum-const"}))
def test_any_spectrum_that_starts_from_nothing_has_gammapys_numbers(kind: str) -> None:
    def spectral() -> Any:
        made = SPECTRA[kind]()
        for name in ("norm", "amplitude", "alpha_norm", "tilt"):
            for parameter in made.parameters.select(name=name):
                parameter.value = 0
        return made

    free = case(spectrum_dataset, SPECTRA[kind])().models.parameters.free_parameters
    moves = draw_values(free, 2)
    assert_agrees_with_gammapy(case(spectrum_dataset, spectral), moves=moves, **EXACT)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in SPECTRA if "template" not in kind])
def test_any_spectrum_of_negative_flux_has_gammapys_numbers(kind: str) -> None:
    make = case(spectrum_dataset, SPECTRA[kind])
    free = make().models.parameters.free_parameters
    moves = draw_values(free, 2)
    norms = [at for at, name in enumerate(free.names) if name in ("amplitude", "const", "norm")]
    for place in norms[:1] if kind in ("absorbed", "quotient") else norms:
        moves[0][place] *= -0.3
    assert_agrees_with_gammapy(make, moves=moves, **EXACT)


@pytest.mark.parametrize("factor", [-0.03, 0])
@pytest.mark.parametrize("dataset", [map_dataset, spectrum_dataset, spectrum_on_off, map_on_off])
def test_a_source_of_no_or_negative_flux_has_gammapys_numbers(
    factor: float, dataset: Callable[[], Any]
) -> None:
    make = case(dataset, power_law, place=True)
    free = make().models.parameters.free_parameters
    moves = draw_values(free, 2)
    for values in moves:
        values[free.names.index("amplitude")] *= factor
    assert_agrees_with_gammapy(make, moves=moves)


@pytest.mark.slow
@each_spectrum
@pytest.mark.parametrize("asymmetric", [False, True])
def test_any_spectrum_through_flux_points_has_gammapys_numbers(kind: str, asymmetric: bool) -> None:
    make = case(lambda: flux_points(asymmetric=asymmetric), SPECTRA[kind])
    assert_agrees_with_gammapy(make, 3, **EXACT)


@pytest.mark.slow
@each_norm
def test_a_power_law_times_any_norm_has_gammapys_numbers(kind: str) -> None:
    def spectral() -> Any:
        return power_law() * FACTORS[kind]()

    assert_agrees_with_gammapy(case(sharp, spectral, place=True), 2)
    assert_agrees_with_gammapy(case(spectrum_on_off, spectral), 2, **EXACT)
    assert_agrees_with_gammapy(case(flux_points, spectral), 3, **EXACT)


# gammapy cannot evaluate a background whose norm has no parameters
@pytest.mark.parametrize("kind", sorted({*FACTORS} - {"template-fixed-norm"}))
def test_a_background_of_any_norm_has_gammapys_numbers(kind: str) -> None:
    def models() -> list[Any]:
        background = FoVBackgroundModel("map", spectral_model=FACTORS[kind]())
        free_all(background)
        return [background]

    assert_agrees_with_gammapy(with_models(lambda: [sharp()], models), 3, **EXACT)


@each_norm
@pytest.mark.parametrize("part", [False, True], ids=["whole", "cutout"])
def test_a_template_of_any_norm_has_gammapys_numbers(kind: str, part: bool) -> None:
    def models() -> list[Any]:
        counts = map_dataset().background * 0.7
        if part:
            counts = counts.cutout(counts.geom.center_skydir, width="0.5 deg")
        model = TemplateNPredModel(counts, spectral_model=FACTORS[kind](), name="template")
        free_all(model)
        return [model, FoVBackgroundModel("map")]

    assert_agrees_with_gammapy(with_models(lambda: [sharp()], models), 3, **EXACT)
