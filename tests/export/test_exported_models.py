"""Models that exported scripts build, compared with those of skyred."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from gammapy.datasets import Datasets
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import Models

from ebl_table import write_table
from skyred import Pipeline
from skyred.run.build_models import build_models
from small_datasets import map_dataset, spectrum_dataset

ENERGIES = [0.5, 1, 8] * u.TeV
PIPELINE = """
data:
  hess: {archive: $EXPORT_DATA, geometry: GEOMETRY, make: [{kind: map}], stack: {kind: sum}}
model: MODEL
"""
GEOMETRY = (
    "{kind: map, center: [83.633 deg, 22.014 deg], width: 2 deg, "
    "energy: {edges: [1 TeV, 10 TeV]}, energy_true: {edges: [1 TeV, 10 TeV]}}"
)
SHAPE = "spatial: {type: gauss, lon_0: 83.6 deg, lat_0: 22 deg, sigma: 0.1 deg, frame: icrs}"
POWER_LAW = "spectral: {type: pl, index: 2.3, amplitude: 4e-11 cm-2 s-1 TeV-1}"
MODELS = {
    "limits": """
  - kind: source
    name: crab
    datasets: [hess]
    spatial:
      type: disk
      lon_0: {value: 83.6 deg, frozen: true}
      lat_0: {value: 22 deg, min: 21.9, max: 22.1}
      r_0: 6 arcmin
      e: {value: 0.3, frozen: false}
      frame: galactic
    spectral: {type: lp, alpha: {value: 2.1, max: 3}, amplitude: 3e-11 cm-2 s-1 TeV-1,
               reference: 3 TeV, beta: {value: 0.1, frozen: true}}""",
    "priors": f"""
  - kind: source
    name: crab
    {SHAPE}
    spectral:
      type: pl
      index: {{value: 2.3, prior: {{type: gaussian, mu: 2.5, sigma: 0.1}}}}
      amplitude: {{value: 4e-11 cm-2 s-1 TeV-1, prior: {{type: log-uniform, min: 1e-12, max: 1e-10}}}}""",  # noqa: E501
    "links": f"""
  - kind: source
    name: one
    {SHAPE}
    spectral: {{type: ecpl, index: {{value: 2.3, min: 1, link: shared}},
                lambda_: {{value: 0.1 TeV-1, link: cut}}}}
  - kind: source
    name: other
    {SHAPE}
    spectral: {{type: ecpl, index: {{value: 2.3, link: shared}}, lambda_: {{value: 0.1 TeV-1, link: cut}}}}""",  # noqa: E501
    "backgrounds": f"""
  - {{kind: source, name: crab, {SHAPE}, {POWER_LAW}}}
  - kind: fov-background
    spectral: {{type: pl-norm, norm: {{value: 1.1, min: 0.5}}, tilt: {{value: 0.1, frozen: false}}}}""",  # noqa: E501
    "piecewise background": f"""
  - {{kind: source, name: crab, {SHAPE}, {POWER_LAW}}}
  - kind: fov-background
    spectral: {{type: piecewise-norm, energy: [1 TeV, 10 TeV], norm_1: {{value: 1.1, max: 2}}}}
    spatial: {{type: gauss, lon_0: 83 deg, lat_0: 22 deg, sigma: {{value: 3 deg, frozen: true}}}}""",  # noqa: E501
    "absorption": f"""
  - kind: source
    name: agn
    {SHAPE}
    {POWER_LAW}
    absorption: {{file: $EXPORT_DATA/ebl.fits, redshift: 0.2,
                  parameters: {{alpha_norm: {{value: 0.9, frozen: false}}}}}}""",
    "absorption by name": f"""
  - {{kind: source, name: agn, {SHAPE}, {POWER_LAW},
     absorption: {{ebl: dominguez, redshift: 0.2}}}}""",
    "templates": """
  - kind: template
    name: cloud
    map: $EXPORT_DATA/image.fits
    spectrum: $EXPORT_DATA/spectrum.ecsv
    spectral: {type: pl-norm, norm: {value: 1.2, max: 3}, tilt: {value: 0.1, frozen: false}}
  - kind: counts-template
    name: template
    map: $EXPORT_DATA/counts.fits
    dataset: hess
    spectral: {type: pl-norm, norm: {value: 0.7}}""",
    "gammapy": """
  - kind: gammapy
    components:
      - name: crab
        type: SkyModel
        spectral:
          type: PowerLawSpectralModel
          parameters: [{name: index, value: 2.2, max: 3}, {name: amplitude, value: 3.0e-12,
                        unit: TeV-1 s-1 cm-2}]""",
    "times": f"""
  - kind: source
    name: flare
    {SHAPE}
    {POWER_LAW}
    temporal: {{type: GaussianTemporalModel, t_ref: 53000 d, sigma: {{value: 0.1 d, min: 0}}}}""",
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the files of `MODELS` to $EXPORT_DATA and $GAMMAPY_DATA."""
    monkeypatch.setenv("EXPORT_DATA", str(tmp_path))
    (tmp_path / "hdu-index.fits.gz").touch()
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path))
    write_table(tmp_path / "ebl.fits")
    write_table(tmp_path / "ebl" / "ebl_dominguez11.fits.gz")
    dnde = 3e-11 * np.array([1, 0.2, 0.01]) * u.Unit("cm-2 s-1 TeV-1")
    Table({"energy": [0.3, 1, 30] * u.TeV, "dnde": dnde}).write(tmp_path / "spectrum.ecsv")
    image = WcsGeom.create(skydir=(83.633, 22.014), width=0.4, binsz=0.1, frame="icrs")
    Map.from_geom(image, data=np.arange(16.0).reshape(4, 4)).write(tmp_path / "image.fits")
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)  # the axis of the datasets
    Map.from_geom(image.to_cube([energy]), data=np.ones((3, 4, 4))).write(tmp_path / "counts.fits")


def build_models_twice(model: str) -> tuple[Models, Models]:
    """Return the models built by skyred, and by the exported script."""
    datasets = Datasets([map_dataset("hess"), spectrum_dataset("other")])
    config = PIPELINE.replace("GEOMETRY", GEOMETRY).replace("MODEL", model)
    pipeline = Pipeline.from_yaml(config)
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(compile(pipeline.to_script(), "exported.py", "exec"), namespace)
    return build_models(pipeline.model, datasets), namespace["build_models"](datasets)


def describe_parameters(models: Models) -> list[tuple[object, ...]]:
    """Return all properties of each parameter, with the same number for linked parameters."""
    order: dict[int, int] = {}
    return [
        (parameter.name, parameter.value, str(parameter.unit), str(parameter.min),
         str(parameter.max), parameter.frozen,
         parameter.prior and parameter.prior.to_dict(full_output=True),
         order.setdefault(id(parameter), len(order)))
        for model in models
        for parameter in model.parameters
    ]  # fmt: skip


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("name", MODELS)
def test_exported_models_agree_with_skyred(name: str) -> None:
    expected_models, exported = build_models_twice(MODELS[name])
    assert exported.names == expected_models.names
    assert [type(model) for model in exported] == [type(model) for model in expected_models]
    assert describe_parameters(exported) == describe_parameters(expected_models)
    for model, expected in zip(exported, expected_models, strict=True):
        assert model.datasets_names == expected.datasets_names
        for part in ("spectral_model", "spatial_model", "temporal_model"):
            assert type(getattr(model, part, None)) is type(getattr(expected, part, None))
        np.testing.assert_array_equal(
            model.spectral_model(ENERGIES).value, expected.spectral_model(ENERGIES).value
        )
        if (spatial := getattr(expected, "spatial_model", None)) is not None:
            assert model.spatial_model.frame == spatial.frame
            geom = WcsGeom.create(skydir=spatial.position, width=0.3, binsz=0.05, frame="icrs")
            np.testing.assert_array_equal(
                model.spatial_model.evaluate_geom(geom).value, spatial.evaluate_geom(geom).value
            )


@pytest.mark.usefixtures("files")
def test_linked_parameters_are_linked_in_the_script() -> None:
    _, exported = build_models_twice(MODELS["links"])
    first, second = (model.spectral_model for model in exported)
    assert first.index is second.index
    assert first.lambda_ is second.lambda_
    assert first.amplitude is not second.amplitude
