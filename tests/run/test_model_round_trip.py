"""Models that would not survive their file stop the run, or are reported, before the fit."""

from __future__ import annotations

import logging
import operator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.maps import Map
from gammapy.modeling import Parameter
from gammapy.modeling.models import (
    SPATIAL_MODEL_REGISTRY,
    SPECTRAL_MODEL_REGISTRY,
    TEMPORAL_MODEL_REGISTRY,
    CompoundSpectralModel,
    ConstantSpectralModel,
    ExpDecayTemporalModel,
    GaussianPrior,
    GaussianSpatialModel,
    Models,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    SpectralModel,
    TemplateSpatialModel,
    TemplateSpectralModel,
)

import small_datasets as small
from skyred import Orchestrator, Pipeline, ReducedData, Result
from skyred.errors import ModelError, OutputError, SkyredWarning
from skyred.interfaces.records import Owner
from skyred.io.model_files import read_models, write_models
from skyred.io.model_types import iter_submodels
from skyred.plugins import Catalog
from skyred.run.model_round_trip import check_round_trip


class Base(SpectralModel):
    """A power law with an option."""

    tag = "own-model"
    norm = Parameter("norm", "1e-11 cm-2 s-1 TeV-1")

    def __init__(self, slope: float = 2.0, **parameters: Any) -> None:
        self.slope = slope
        super().__init__(**parameters)

    def evaluate(self, energy: Any, norm: Any) -> Any:
        """Evaluate the power law."""
        return norm * energy.to_value("TeV") ** -self.slope


class Complete(Base):
    """Its methods write and read the option."""

    norm, tag = Base.norm, "complete"

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return all parameters, and the option."""
        data: dict[str, Any] = super().to_dict(full_output)
        data["spectral"]["slope"] = self.slope
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Any:
        """Create the model with the option."""
        return super().from_dict(data, slope=data["spectral"]["slope"], **kwargs)


class Unwritable(Base):
    """A model like those of naima in older versions of gammapy."""

    norm, tag = Base.norm, "unwritable"

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Fail."""
        raise NotImplementedError("the particle distribution has no YAML")


class Unreadable(Base):
    """A model like gammapy's NaimaSpectralModel."""

    norm, tag = Base.norm, "unreadable"

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Any:
        """Fail."""
        raise NotImplementedError("cannot be read from YAML")


def catalog(*classes: Any) -> Catalog:
    """Return a catalog with model classes of a plugin."""
    catalog = Catalog()
    for cls in classes:
        assert catalog.models.add(cls, Owner("dist", "0.3", "dark")) == ""
    return catalog


def check(model: Any, *classes: Any, is_written: bool = True) -> None:
    check_round_trip([SkyModel(model, name="halo")], catalog(*classes), is_written=is_written)


@pytest.fixture(autouse=True)
def _registry() -> Any:
    registries = [SPATIAL_MODEL_REGISTRY, SPECTRAL_MODEL_REGISTRY, TEMPORAL_MODEL_REGISTRY]
    saved_classes = [list(registry) for registry in registries]
    yield
    for registry, classes in zip(registries, saved_classes, strict=True):
        registry[:] = classes


def test_unwritable_model_is_refused_for_a_run_with_a_folder() -> None:
    with pytest.raises(ModelError, match=r"Unwritable of 'halo' cannot be written.*no YAML"):
        check(Unwritable(), Unwritable)
    check(Unwritable(), Unwritable, is_written=False)


def test_model_that_would_be_read_with_other_options_is_refused() -> None:
    with pytest.raises(ModelError, match="with another value of slope"):
        check(Base(slope=3.0), Base)
    check(Base(), Base)  # the default of the option
    check(Complete(slope=3.0), Complete)
    with pytest.raises(ModelError, match="value of slope"):  # inside a compound model
        check(Base(slope=3.0) * PowerLawNormSpectralModel(), Base)


class Forgetful(PowerLawSpectralModel):
    """Its `from_dict` only reads the values of the parameters, and not its options."""

    tag = "forgetful"
    amplitude, index = PowerLawSpectralModel.amplitude, PowerLawSpectralModel.index
    reference = PowerLawSpectralModel.reference
    option: Any = 1 * u.TeV

    def __init__(self, option: Any = None, **parameters: Any) -> None:
        self.option = type(self).option if option is None else option
        super().__init__(**parameters)

    def __call__(self, energy: Any) -> Any:
        """Multiply the flux by the option."""
        return super().__call__(energy) * self.factor(energy)

    def factor(self, energy: Any) -> Any:
        """Return the sum of the numbers in the option."""
        option = list(self.option.values()) if isinstance(self.option, dict) else self.option
        return np.sum(u.Quantity(option).value)

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Any:
        """Create the model from the values."""
        entries = data["spectral"]["parameters"]
        return cls(
            **{entry["name"]: u.Quantity(entry["value"], entry["unit"]) for entry in entries}
        )


@pytest.mark.parametrize("option", [3 * u.TeV, (1, 2), np.array([1.0, 4.0]), {"a": 7}])
def test_options_of_all_types_must_be_in_the_file(option: Any) -> None:
    with pytest.raises(ModelError, match="with another value of option"):
        check(Forgetful(option), Forgetful)
    check(Forgetful(), Forgetful)


@pytest.mark.parametrize(
    ("name", "value"),
    [("frozen", True), ("min", 1), ("max", 3), ("prior", GaussianPrior(mu=2, sigma=0.1))],
)
def test_attributes_of_parameters_must_be_in_the_file(name: str, value: Any) -> None:
    model = Forgetful()
    setattr(model.index, name, value)
    with pytest.raises(ModelError, match=f"with another {name} of index"):
        check(model, Forgetful)


class Wide(GaussianSpatialModel):
    """A Gaussian without its frame in the file, and with an option that widens it."""

    tag = "wide"
    lon_0, lat_0 = GaussianSpatialModel.lon_0, GaussianSpatialModel.lat_0
    sigma, e, phi = (getattr(GaussianSpatialModel, name) for name in ("sigma", "e", "phi"))

    def __init__(self, kernel: Any = None, **options: Any) -> None:
        self._kernel = 0 * u.deg if kernel is None else kernel
        super().__init__(**options)

    def evaluate(self, lon: Any, lat: Any, sigma: Any, **parameters: Any) -> Any:
        """Evaluate a wider Gaussian."""
        return super().evaluate(lon, lat, sigma=np.hypot(sigma, self._kernel), **parameters)

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Remove the frame."""
        data: dict[str, Any] = super().to_dict(full_output)
        del data["spatial"]["frame"]
        return data


class Decay(ExpDecayTemporalModel):
    """An exponential decay after a plateau that is not written."""

    tag = "decay"
    t0, t_ref = ExpDecayTemporalModel.t0, ExpDecayTemporalModel.t_ref

    def __init__(self, plateau: Any = None, **options: Any) -> None:
        self._plateau = 0 * u.day if plateau is None else plateau
        super().__init__(**options)

    def evaluate(self, time: Any, t0: Any, t_ref: Any) -> Any:
        """Evaluate the model."""
        return super().evaluate(time - self._plateau, t0, t_ref)


def test_profiles_and_light_curves_are_compared() -> None:
    spectrum = PowerLawSpectralModel()
    spatial, temporal = Owner("dist", "0.3", "dark"), Owner("dist", "0.3", "dark")
    declared = Catalog()
    assert declared.models.add(Wide, spatial) == declared.models.add(Decay, temporal) == ""
    for incomplete in (
        SkyModel(spectrum, Wide(frame="galactic")),
        SkyModel(spectrum, Wide(kernel=1 * u.deg)),
        SkyModel(spectrum, temporal_model=Decay(plateau=1 * u.day)),
    ):
        with pytest.raises(ModelError, match=r"another (value of frame|flux or profile)"):
            check_round_trip([incomplete], declared, is_written=True)
    for model in (SkyModel(spectrum, Wide()), SkyModel(spectrum, temporal_model=Decay())):
        check_round_trip([model], declared, is_written=True)


class Table(Base):
    """A model with a limited range of energies, or with noise of a Monte Carlo integral."""

    norm, tag = Base.norm, "table"
    lowest = 0.45 * u.TeV
    noise = 0.0

    def __init__(self, verbose: Any = np.nan, operator: str = "", **parameters: Any) -> None:
        self.verbose, self.operator, self.model1 = verbose, operator, None
        super().__init__(**parameters)

    def evaluate(self, energy: Any, norm: Any) -> Any:
        """Evaluate the model, or fail."""
        if np.any(energy < self.lowest):
            raise ValueError("outside the table")
        noise = self.noise * np.random.default_rng().normal(size=np.shape(energy))
        return super().evaluate(energy, norm) * (1 + noise)


def test_models_with_noise_or_limited_energies_are_accepted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = catalog(Table)
    dataset = small.spectrum_dataset()
    lowest = dataset.exposure.geom.axes["energy_true"].edges[0]
    with caplog.at_level(logging.WARNING):
        check_round_trip([SkyModel(Table())], declared, is_written=True)  # not comparable
        check(Table(norm=np.nan * u.Unit("cm-2 s-1 TeV-1")), Table)
        monkeypatch.setattr(Table, "lowest", lowest)
        check_round_trip([SkyModel(Table())], declared, is_written=True, datasets=[dataset])
        monkeypatch.setattr(Table, "noise", 1e-2)
        check_round_trip([SkyModel(Table())], declared, is_written=True, datasets=[dataset])
        assert caplog.records == []
        monkeypatch.setattr(Table, "noise", 0)
        model = SkyModel(Table(verbose=True, operator="add"))  # no compound model
        check_round_trip([model], declared, is_written=True, datasets=[dataset])
    assert "another value of verbose, which does not change" in caplog.records[0].getMessage()
    assert list(iter_submodels(model)) == [model.spectral_model]


def test_template_with_a_map_that_is_written_later_is_accepted(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    class Template(TemplateSpatialModel):
        """A map."""

        tag = "own-template"
        lon_0, lat_0 = TemplateSpatialModel.lon_0, TemplateSpatialModel.lat_0

    skymap = Map.create(npix=4, unit="sr-1")
    skymap.data += 1
    declared = Catalog()
    assert declared.models.add(Template, Owner("dist", "0.3", "dark")) == ""
    for filename in (None, str(tmp_path / "map.fits")):
        model = SkyModel(PowerLawSpectralModel(), Template(skymap, filename=filename))
        check_round_trip([model], declared, is_written=True)
        write_models(tmp_path / "models.yaml", Models([model]))
        (copy,) = read_models(tmp_path / "models.yaml")
        np.testing.assert_array_equal(copy.spatial_model.map, model.spatial_model.map)
    assert not (tmp_path / "map.fits").exists()
    assert not [record for record in caplog.records if record.name.startswith("skyred")]


def test_template_that_is_built_from_options_is_compared(tmp_path: Path) -> None:
    class Layer(TemplateSpatialModel):
        """A map with a slope, without a file."""

        tag = "layer"
        lon_0, lat_0 = TemplateSpatialModel.lon_0, TemplateSpatialModel.lat_0
        default = 1.0

        def __init__(self, slope: float = 1.0, **kwargs: Any) -> None:
            self.slope = slope
            skymap = Map.create(npix=4, unit="sr-1")
            skymap.data += 1 + slope * np.arange(4)
            super().__init__(skymap, **kwargs)

        def to_dict(self, full_output: bool = False) -> dict[str, Any]:
            return {"spatial": {"type": self.tag, "slope": self.slope, "parameters": []}}

        @classmethod
        def from_dict(cls, data: dict[str, Any]) -> Any:
            return cls(data["spatial"]["slope"] * cls.default)

    declared = Catalog()
    assert declared.models.add(Layer, Owner("dist", "0.3", "dark")) == ""
    model = SkyModel(PowerLawSpectralModel(), Layer(2.0))
    check_round_trip([model], declared, is_written=True)
    write_models(tmp_path / "models.yaml", Models([model]))
    (copy,) = read_models(tmp_path / "models.yaml")
    assert copy.spatial_model.slope == 2
    assert not list(tmp_path.glob("*.fits"))
    Layer.default = 0.5
    with pytest.raises(ModelError, match="another value of slope"):
        check_round_trip([model], declared, is_written=True)


def test_unreadable_model_is_reported_before_the_fit(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check(Unreadable(), Unreadable)
        check(CompoundSpectralModel(ConstantSpectralModel(), ConstantSpectralModel(), operator.mod))
        check(Complete())  # not declared by a plugin
    messages = [record.getMessage() for record in caplog.records]
    assert ["Unreadable" in messages[0], "cannot be read from YAML" in messages[0]] == [True] * 2
    assert "expected one of add, mul" in messages[1]
    assert "declare it with the hook skyred_models" in messages[2]


def test_models_of_gammapy_are_not_checked(caplog: pytest.LogCaptureFixture) -> None:
    template = TemplateSpectralModel([1, 2] * u.TeV, [3, 4] * u.Unit("cm-2 s-1 TeV-1"))
    for model in (PowerLawSpectralModel(), template, template * PowerLawNormSpectralModel()):
        check(model)
    assert caplog.records == []


def test_run_with_an_unwritable_model_stops_before_the_fit(tmp_path: Path) -> None:
    Datasets([small.spectrum_dataset()]).write(tmp_path / "datasets.yaml")
    pipeline = Pipeline(
        data={"small": ReducedData(datasets=str(tmp_path / "datasets.yaml"))},
        model=[Models([SkyModel(Unwritable(), name="halo")])],
    )
    with pytest.raises(ModelError, match="cannot be written"):
        pipeline.run(tmp_path / "out")
    assert Orchestrator(pipeline).model().names == ["halo"]


def test_folder_with_an_unreadable_model_opens(tmp_path: Path) -> None:
    Datasets([small.spectrum_dataset()]).write(tmp_path / "datasets.yaml")
    SPECTRAL_MODEL_REGISTRY.append(Unreadable)
    pipeline = Pipeline(
        data={"small": ReducedData(datasets=str(tmp_path / "datasets.yaml"))},
        model=[Models([SkyModel(Unreadable(), name="halo")])],
    )
    pipeline.run(tmp_path / "out")
    with pytest.warns(SkyredWarning, match=r"models.yaml is not read: cannot be read from YAML"):
        result = Result.read(tmp_path / "out")
    assert list(result.unread) == ["models"]
    assert result.unread["models"].startswith("cannot be read from YAML")
    assert len(result.datasets or ()) == 1
    with pytest.raises(OutputError, match="cannot be read from YAML"):
        _ = result.models
