"""Sources with sharp edges are detected, and their derivatives and fits are correct."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.maps import WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    DiskSpatialModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    GeneralizedGaussianSpatialModel,
    PowerLawSpectralModel,
    Shell2SpatialModel,
    ShellSpatialModel,
    SkyModel,
    SpatialModel,
)

import skyred
import small_datasets as small
from fit_comparison import free_parameters
from skyred.components.fitters.minuit import Minuit, Newton
from skyred.likelihood import Likelihood, objective_of
from skyred.likelihood.model_image import ModelImage
from skyred.likelihood.sharp_edges import SLOPE_STEP, has_sharp_edges

PIXEL = 0.05 * u.deg
# the accuracy of all fits; the search ends about 0.005 above the minimum, which depends on the
# rounding of the processor (0.0063 with AVX-512), and IRFs at slightly different positions and
# rounding to float32 change the statistic by up to 0.001
STAT_TOLERANCE = 0.01

SHARP: dict[str, Callable[[], SpatialModel]] = {
    "disk": lambda: DiskSpatialModel(r_0=3 * PIXEL),
    "large disk": lambda: DiskSpatialModel(r_0=8 * PIXEL),
    "elongated disk": lambda: DiskSpatialModel(r_0=3 * PIXEL, e=0.8),
    "shell": lambda: ShellSpatialModel(radius=3 * PIXEL, width=PIXEL),
    "wide shell": lambda: ShellSpatialModel(radius=8 * PIXEL, width=2 * PIXEL),
    "shell2": lambda: Shell2SpatialModel(r_0=8 * PIXEL, eta=0.2),
}
SMOOTH: dict[str, Callable[[], SpatialModel]] = {
    "Gaussian": lambda: GaussianSpatialModel(sigma=3 * PIXEL),
    "small Gaussian": lambda: GaussianSpatialModel(sigma=0.5 * PIXEL),
    "elongated Gaussian": lambda: GaussianSpatialModel(sigma=3 * PIXEL, e=0.8),
    "generalized Gaussian": lambda: GeneralizedGaussianSpatialModel(r_0=2 * PIXEL, eta=0.5),
    "soft disk": lambda: DiskSpatialModel(r_0=3 * PIXEL, edge_width=0.5),
}


@pytest.mark.parametrize("shift", [(0, 0), (0.31, -0.17), (0.5, 0.5)])
@pytest.mark.parametrize("kind", [*SHARP, *SMOOTH])
def test_sharp_edges_are_detected_in_the_image(kind: str, shift: tuple[float, float]) -> None:
    model = (SHARP | SMOOTH)[kind]()
    model.frame = "icrs"
    geom = WcsGeom.create(skydir=(83, 22), npix=(60, 60), binsz=PIXEL, proj="TAN")
    model.lon_0.quantity, model.lat_0.quantity = [83, 22] * u.deg + shift * PIXEL
    image, parameters = ModelImage(model, geom), list(model.parameters)

    def evaluate_image(values: np.ndarray) -> np.ndarray:
        for parameter, value in zip(parameters, values, strict=True):
            parameter.value = value
        return image(values)

    values = np.array([parameter.value for parameter in parameters], dtype=float)
    axes = [image.position.lon_index, image.position.lat_index]
    detected = has_sharp_edges(evaluate_image, values, axes, PIXEL.to_value("deg") * np.ones(2))
    assert detected == (kind in SHARP)


def simulated_source(spatial: SpatialModel, seed: int = 7) -> Datasets:
    """Return a map with a bright source that is not at the centre of a pixel."""
    dataset = small.map_dataset()
    spatial.frame = "icrs"
    spatial.lon_0.value, spatial.lat_0.value = small.CRAB[0] + 0.011, small.CRAB[1] - 0.017
    spectral = PowerLawSpectralModel(index=2.3, amplitude="8e-11 cm-2 s-1 TeV-1")
    dataset.models = [
        SkyModel(spectral, spatial, name="source"),
        FoVBackgroundModel(dataset_name=dataset.name),
    ]
    dataset.fake(random_state=seed)
    return Datasets([dataset])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["disk", "shell"])
def test_derivatives_use_steps_of_a_tenth_of_a_pixel(kind: str) -> None:
    """Compare with derivatives of the Cash statistic, from counts predicted by gammapy."""

    def shifted_npred(name: str, side: int) -> np.ndarray:
        (dataset,) = simulated_source(SHARP[kind]())
        dataset.npred()  # gammapy looks up the IRFs at the initial position
        parameter = dataset.models["source"].parameters[name]
        parameter.value += side * SLOPE_STEP * PIXEL.to_value(parameter.unit)
        return np.asarray(dataset.npred().data)

    likelihood = Likelihood(simulated_source(SHARP[kind]()))
    x = likelihood.initial_state[likelihood.space.free]
    gradient = dict(zip(likelihood.space.names(), likelihood.gradient(x), strict=True))
    (dataset,) = simulated_source(SHARP[kind]())
    weights = 2 * (1 - dataset.counts.data / dataset.npred().data)
    for parameter in dataset.models["source"].spatial_model.parameters.free_parameters:
        difference = shifted_npred(parameter.name, 1) - shifted_npred(parameter.name, -1)
        expected = np.sum(weights * difference) / (2 * SLOPE_STEP * PIXEL.to_value(parameter.unit))
        # images are convolved in float32
        derivative = gradient[f"source.spatial.{parameter.name}"]
        assert derivative == pytest.approx(expected, rel=1e-3, abs=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["disk", "shell"])
def test_minimum_is_independent_of_start_and_fitter(kind: str) -> None:
    counts = simulated_source(SHARP[kind]())[0].counts
    stats = []
    starts = [
        (Newton(), (2.0, -1.0), 0.6),
        (Newton(), (-0.6, 0.9), 1.5),
        (Minuit(), (-0.6, 0.9), 1.1),
    ]
    if kind == "shell":  # a fit takes ten times as long
        del starts[1:]
    for fitter, shift_in_pixels, size_factor in starts:
        datasets = simulated_source(SHARP[kind]())
        datasets[0].counts = counts
        truth = {parameter.name: float(parameter.value) for parameter in free_parameters(datasets)}
        spatial = datasets.models["source"].spatial_model
        spatial.lon_0.value += shift_in_pixels[0] * PIXEL.to_value("deg")
        spatial.lat_0.value += shift_in_pixels[1] * PIXEL.to_value("deg")
        size = spatial.parameters[2]
        size.value *= size_factor
        result = skyred.fit(datasets, fitter=fitter)
        assert result.success, result.message
        stats.append(float(datasets.copy().stat_sum()))
        # within 5 sigma, since the likelihood is not Gaussian
        for parameter in free_parameters(datasets):
            assert abs(parameter.value - truth[parameter.name]) < 5 * parameter.error
    gammapy_datasets = simulated_source(SHARP[kind]())
    gammapy_datasets[0].counts = counts
    Fit().run(gammapy_datasets)
    assert max(stats) - min(stats) < STAT_TOLERANCE
    assert max(stats) < gammapy_datasets.copy().stat_sum() + STAT_TOLERANCE


@pytest.mark.slow
def test_negative_radius_of_a_shell_is_not_a_minimum() -> None:
    """Check a fit from a local minimum at a radius below 0, which gammapy does not exclude."""
    datasets = simulated_source(ShellSpatialModel(radius=3 * PIXEL, width=1.5 * PIXEL))
    stat_of_true_values = objective_of(datasets).total(objective_of(datasets).start)
    spatial = datasets.models["source"].spatial_model
    spatial.radius.quantity, spatial.width.quantity = -1.5 * PIXEL, 6.3 * PIXEL
    result = skyred.fit(datasets)
    assert result.success, result.message
    assert spatial.radius.value > 0
    assert result.stat < stat_of_true_values


@pytest.mark.slow
@pytest.mark.parametrize(("amplitude", "has_note"), [(1e-11, True), (8e-11, False)])
def test_size_compatible_with_zero_has_a_note(amplitude: float, has_note: bool) -> None:
    radius = PIXEL if has_note else 3 * PIXEL
    datasets = simulated_source(DiskSpatialModel(r_0=radius))
    datasets.models["source"].spectral_model.amplitude.value = amplitude
    datasets[0].fake(random_state=3)
    result = skyred.fit(datasets)
    r_0 = datasets.models["source"].spatial_model.r_0
    assert (r_0.value < 3 * r_0.error) == has_note
    notes = [note for note in result.notes if "compare the fit with that of a point" in note]
    assert len(notes) == has_note
    assert all(note.startswith("source.spatial.r_0: less than 3 errors") for note in notes)
