"""Models of third parties are compared with gammapy, and evaluated by gammapy if they differ."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.maps import Map
from gammapy.modeling import Parameter
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
    SpatialModel,
    SpectralModel,
    TemplateNPredModel,
    TemporalModel,
)

from likelihood_comparison import DatasetsFactory, assert_agrees_with_gammapy, with_models
from skyred.errors import SkyredWarning
from skyred.likelihood import Likelihood
from small_datasets import CRAB, flux_points, map_dataset, spectrum_on_off
from spatial_models import SPATIAL
from spectral_models import power_law

POSITION = {"lon_0": f"{CRAB[0] + 0.04} deg", "lat_0": f"{CRAB[1]} deg"}
SHAPES = {name: make for kinds in SPATIAL.values() for name, make in kinds.items()}


class UserSpectrum(SpectralModel):
    """A power law with a bend, as a user could write it."""

    tag = ["UserSpectrum", "own"]
    amplitude = Parameter("amplitude", "2e-11 cm-2 s-1 TeV-1")
    index = Parameter("index", 2.3)
    bend = Parameter("bend", 0.2)
    reference = Parameter("reference", "1 TeV", frozen=True)

    @staticmethod
    def evaluate(energy: Any, amplitude: Any, index: Any, bend: Any, reference: Any) -> Any:
        ratio = energy / reference
        return amplitude * ratio**-index * (1 + bend * np.log(ratio) ** 2)


class SwitchingSpectrum(SpectralModel):
    """A spectrum that is wrong if evaluated without units, except at its initial values."""

    tag = ["SwitchingSpectrum", "switching"]
    amplitude = Parameter("amplitude", "2e-11 cm-2 s-1 TeV-1")
    index = Parameter("index", 2.3)
    reference = Parameter("reference", "1 TeV", frozen=True)

    @staticmethod
    def evaluate(energy: Any, amplitude: Any, index: Any, reference: Any) -> Any:
        is_plain = not isinstance(energy, u.Quantity)
        value = amplitude * (energy / reference) ** -index
        return value * (1.5 if is_plain and abs(index - 2.3) > 1e-9 else 1)


class UserShape(SpatialModel):
    """A cone: the surface brightness decreases linearly with the distance from the centre."""

    tag = ["UserShape", "cone"]
    lon_0 = Parameter("lon_0", "0 deg")
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90)
    radius = Parameter("radius", "0.2 deg", min=0)

    @property
    def evaluation_radius(self) -> u.Quantity:
        return self.radius.quantity

    @staticmethod
    def evaluate(lon: Any, lat: Any, lon_0: Any, lat_0: Any, radius: Any) -> Any:
        from astropy.coordinates import angular_separation

        separation = angular_separation(lon, lat, lon_0, lat_0)
        height = 3 / (np.pi * radius**2)
        return (height * np.clip(1 - (separation / radius).to_value(""), 0, None)).to("sr-1")


class RescaledCone(SpatialModel):
    """A cone with a custom integration, which skyred does not support."""

    tag = ["RescaledCone", "rescaled-cone"]
    lon_0 = Parameter("lon_0", "0 deg")
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90)
    radius = Parameter("radius", "0.2 deg", min=0)
    evaluation_radius = UserShape.evaluation_radius
    evaluate = staticmethod(UserShape.evaluate)

    def integrate_geom(self, geom: Any, oversampling_factor: int | None = None) -> Map:
        return super().integrate_geom(geom, oversampling_factor) * 1.1


class UserLightCurve(TemporalModel):
    """A parabola in time."""

    tag = ["UserLightCurve", "parabola"]
    bend = Parameter("bend", 3.0)
    t_ref = Parameter("t_ref", 58849.07, unit="day", frozen=True)

    @staticmethod
    def evaluate(time: Any, bend: Any, t_ref: Any) -> Any:
        return 1 + bend * ((time - t_ref) / u.d) ** 2


class UserSource(SkyModel):
    """A sky model with twice the flux of its components."""

    tag = ["UserSource", "own-source"]

    def evaluate(self, *args: Any, **options: Any) -> Any:
        return 2 * super().evaluate(*args, **options)


def case(
    spectral: Any, spatial: Any = None, temporal: Any = None, cls: Any = SkyModel
) -> DatasetsFactory:
    def models() -> list[Any]:
        shape = spatial() if spatial else GaussianSpatialModel(**POSITION, sigma="0.1 deg")
        curve = temporal() if temporal else None
        return [cls(spectral(), shape, curve, name="star"), FoVBackgroundModel("map")]

    return with_models(lambda: [map_dataset(), spectrum_on_off()], models)


@pytest.fixture
def no_warning() -> Iterator[None]:
    """Turn warnings of skyred into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", SkyredWarning)
        yield


@pytest.mark.usefixtures("no_warning")
@pytest.mark.parametrize(
    "make",
    [
        case(UserSpectrum),
        case(lambda: power_law() + UserSpectrum()),
        case(power_law, lambda: UserShape(**POSITION)),
        case(power_law, temporal=UserLightCurve),
        case(power_law, cls=UserSource),
    ],
    ids=["spectrum", "sum", "shape", "light-curve", "source"],
)
def test_user_model_is_compiled_if_it_agrees(make: DatasetsFactory) -> None:
    likelihood = assert_agrees_with_gammapy(make, 3)
    assert likelihood.exact


@pytest.mark.parametrize(
    ("make", "dataset_names"),
    [
        (case(SwitchingSpectrum), ["map", "on-off"]),
        (case(lambda: power_law() + SwitchingSpectrum()), ["map", "on-off"]),
        (case(power_law, lambda: RescaledCone(**POSITION)), ["map"]),
    ],
    ids=["spectrum", "sum", "shape"],
)
def test_model_that_differs_is_evaluated_by_gammapy_with_a_warning(
    make: DatasetsFactory, dataset_names: list[str]
) -> None:
    with pytest.warns(SkyredWarning, match="star: its predicted counts differ by"):
        likelihood = assert_agrees_with_gammapy(make, 3, notes=True)
    assert len(likelihood.notes) == len(dataset_names)
    for note, name in zip(likelihood.notes, dataset_names, strict=True):
        assert note.startswith(f"star in {name} is evaluated by gammapy: its predicted counts")
    assert not likelihood.exact


class SwitchingNorm(SpectralModel):
    """A norm that is wrong if evaluated without units, except at its initial values."""

    tag = ["SwitchingNorm", "switching-norm"]
    tilt = Parameter("tilt", 0.1)
    norm = Parameter("norm", 1)
    reference = Parameter("reference", "1 TeV", frozen=True)

    @staticmethod
    def evaluate(energy: Any, tilt: Any, norm: Any, reference: Any) -> Any:
        is_plain = not isinstance(energy, u.Quantity)
        value = norm * (energy / reference) ** -tilt
        return value * (1.5 if is_plain and abs(norm - 1) > 1e-9 else 1)


def background_models() -> list[Any]:
    return [FoVBackgroundModel("map", spectral_model=SwitchingNorm())]


def template_models() -> list[Any]:
    return [
        TemplateNPredModel(map_dataset().background, spectral_model=SwitchingNorm(), name="star")
    ]


def flux_points_models() -> list[Any]:
    return [SkyModel(SwitchingSpectrum(), name="star")]


@pytest.mark.usefixtures("no_warning")
@pytest.mark.parametrize(
    ("dataset", "models"),
    [
        (map_dataset, background_models),
        (map_dataset, template_models),
        (flux_points, flux_points_models),
    ],
    ids=["background", "template", "flux-points"],
)
def test_user_norm_or_spectrum_is_evaluated_with_units(dataset: Any, models: Any) -> None:
    assert_agrees_with_gammapy(with_models(lambda: [dataset()], models), 3)


@pytest.mark.usefixtures("no_warning")
@pytest.mark.parametrize("shape", ["point", "gauss-elongated", "shell", "template-cube", "const"])
def test_check_of_gammapy_models_has_no_warnings(shape: str) -> None:
    make = case(power_law, lambda: SHAPES[shape]((CRAB[0] + 0.04, CRAB[1]), "icrs"))
    assert Likelihood(make(), check=True).notes == ()


def test_gammapy_models_are_checked_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    original_integral = PowerLawSpectralModel.integral
    monkeypatch.setattr(
        PowerLawSpectralModel,
        "evaluate_integral",
        staticmethod(lambda low, high, index, amplitude, reference: amplitude * (high - low)
                     * (1 if isinstance(low, u.Quantity) or abs(index - 2.3) < 1e-9 else 2)),
    )  # fmt: skip
    assert PowerLawSpectralModel.integral is original_integral
    make = case(power_law)
    assert Likelihood(make()).notes == ()
    with pytest.warns(SkyredWarning, match="star: its predicted counts differ by"):
        likelihood = Likelihood(make(), check=True)
    assert [note.split()[2] for note in likelihood.notes] == ["map", "on-off"]


def test_check_does_not_change_parameters() -> None:
    datasets = case(power_law, lambda: UserShape(**POSITION))()
    initial_values = datasets.models.parameters.value
    Likelihood(datasets, check=True)
    assert np.array_equal(datasets.models.parameters.value, initial_values)
