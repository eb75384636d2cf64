"""Files of models are complete, unlike those of gammapy, and can be moved with their folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gammapy.maps import Map, WcsGeom
from gammapy.modeling import Parameter
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianPrior,
    Models,
    PowerLawSpectralModel,
    SkyModel,
    TemplateNPredModel,
    TemplateSpatialModel,
    UniformPrior,
)

from ebl_table import write_table
from skyred.components.gammapy import Absorption
from skyred.io.model_files import read_models, write_models
from small_datasets import map_dataset


def absorbed_source(name: str, table: Path) -> SkyModel:
    ebl = Absorption(file=str(table), redshift=0.116, parameters={"alpha_norm": 0.9}).build()
    return SkyModel(PowerLawSpectralModel() * ebl, name=name)


@pytest.fixture
def models(tmp_path) -> Models:
    """Return linked sources with priors, absorption, templates and a covariance."""
    left, right = (absorbed_source(name, write_table(tmp_path / f"{name}.fits")) for name in "ab")
    alpha = left.parameters["alpha_norm"]
    alpha.frozen, alpha.min, alpha.max = False, 0, 3
    alpha.prior = GaussianPrior(mu=1, sigma=0.2)
    right.spectral_model.model2.alpha_norm = alpha
    right.spectral_model.model1.index = left.spectral_model.model1.index
    left.parameters["index"].prior = UniformPrior(min=1, max=4)
    geom = WcsGeom.create(skydir=(83.6, 22), width=0.5, binsz=0.05)
    template = Map.from_geom(geom, data=np.random.default_rng(1).random((10, 10)))
    template.write(tmp_path / "template.fits")
    shape = TemplateSpatialModel.read(str(tmp_path / "template.fits"))
    shape.lon_0.frozen = False
    diffuse = SkyModel(PowerLawSpectralModel(), shape, name="diffuse")
    counts = TemplateNPredModel(
        map_dataset("map").background, name="counts", datasets_names=["map"],
        filename=str(tmp_path / "counts.fits"),
    )  # fmt: skip
    models = Models([left, right, diffuse, counts, FoVBackgroundModel(dataset_name="map")])
    size = len(models.parameters)
    errors = np.linspace(0.1, 0.2, size) * np.array(
        [not parameter.frozen for parameter in models.parameters]
    )
    models.covariance = np.diag(errors**2)
    return models


def parameter_state(parameter: Parameter) -> tuple[Any, ...]:
    prior = parameter.prior
    prior_state = prior and (type(prior).__name__, prior.parameters.value.tolist())
    # limits as strings, since NaN is not equal to itself
    limits = str((parameter.min, parameter.max))
    settings = (parameter.name, parameter.value, str(parameter.unit), parameter.frozen)
    return (*settings, parameter.error, limits, prior_state)


def state(models: Models) -> list[tuple[Any, ...]]:
    """Return the values, settings and priors of all parameters."""
    return [parameter_state(parameter) for parameter in models.parameters]


def test_parameters_priors_links_and_covariance_are_read_back(models, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    expected = state(models)
    write_models(folder / "models.yaml", models)
    loaded = read_models(folder / "models.yaml")
    assert state(loaded) == expected
    assert loaded.names == models.names
    np.testing.assert_allclose(loaded.covariance.data, models.covariance.data, rtol=1e-12)
    n_unique = len(models.parameters.unique_parameters)
    assert len(loaded.parameters.unique_parameters) == n_unique == len(models.parameters) - 2
    for part, name in (("model1", "index"), ("model2", "alpha_norm")):
        left, right = (getattr(loaded[model].spectral_model, part) for model in "ab")
        assert getattr(left, name) is getattr(right, name)


def test_files_are_read_by_gammapy(models, tmp_path):
    write_models(tmp_path / "models.yaml", models)
    loaded = Models.read(tmp_path / "models.yaml", checksum=True)
    assert loaded.names == models.names
    for left, right in zip(loaded.parameters, models.parameters, strict=True):
        assert left.quantity == right.quantity


def test_files_can_be_moved_together(models, tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    write_models(first / "models.yaml", models)
    assert str(tmp_path) not in (first / "models.yaml").read_text()
    first.rename(second)
    for path in tmp_path.glob("*.fits"):
        path.unlink()
    monkeypatch.chdir(tmp_path)
    loaded = read_models(second / "models.yaml")
    np.testing.assert_array_equal(
        loaded["diffuse"].spatial_model.map.data, models["diffuse"].spatial_model.map.data
    )
    np.testing.assert_array_equal(loaded["counts"].map.data, models["counts"].map.data)
    write_models(tmp_path / "copy.yaml", loaded)
    assert state(read_models(tmp_path / "copy.yaml")) == state(models)


def test_writing_does_not_change_models(models, tmp_path):
    expected = state(models)
    names = models["diffuse"].spatial_model.filename, models["counts"].filename
    write_models(tmp_path / "models.yaml", models)
    assert state(models) == expected
    assert (models["diffuse"].spatial_model.filename, models["counts"].filename) == names


def test_equal_models_have_equal_files(models, tmp_path):
    contents = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        write_models(folder / "models.yaml", models)
        lines = (folder / "models.yaml").read_text().split("\n")
        contents.append([line for line in lines if "date" not in line and "checksum" not in line])
    assert contents[0] == contents[1]
    assert any("link: index@1" in line for line in contents[0])


def test_writing_again_replaces_a_template(models, tmp_path):
    write_models(tmp_path / "models.yaml", models)
    models["counts"].map.data *= 2
    write_models(tmp_path / "models.yaml", models)
    loaded = read_models(tmp_path / "models.yaml")
    np.testing.assert_array_equal(loaded["counts"].map.data, models["counts"].map.data)


def test_empty_models_are_read_back(tmp_path):
    write_models(tmp_path / "models.yaml", Models([]))
    assert len(read_models(tmp_path / "models.yaml")) == 0


def test_covariance_in_another_folder_is_read(models, tmp_path):
    write_models(tmp_path / "m.yaml", models)
    (tmp_path / "errors").mkdir()
    (tmp_path / "m_covariance.dat").rename(tmp_path / "errors/moved.dat")
    model_yaml = (tmp_path / "m.yaml").read_text()
    model_yaml = model_yaml.replace("covariance: m_covariance.dat", "covariance: errors/moved.dat")
    (tmp_path / "m.yaml").write_text(model_yaml)
    loaded = read_models(tmp_path / "m.yaml")
    np.testing.assert_allclose(loaded.covariance.data, models.covariance.data, rtol=1e-6)


def test_covariance_of_other_parameters_is_ignored_with_a_warning(tmp_path, caplog):
    left, right = (SkyModel(PowerLawSpectralModel(), name=name) for name in "ab")
    write_models(tmp_path / "one.yaml", Models([left]))
    write_models(tmp_path / "both.yaml", Models([left, right]))
    (tmp_path / "one_covariance.dat").replace(tmp_path / "both_covariance.dat")
    assert read_models(tmp_path / "both.yaml").names == ["a", "b"]
    assert "does not match its models" in caplog.text
