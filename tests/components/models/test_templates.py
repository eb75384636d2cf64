"""Templates from maps and tables, against gammapy's models of the same files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from gammapy.datasets import Datasets
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    PowerLawNormSpectralModel,
    SkyModel,
    TemplateNPredModel,
    TemplateSpatialModel,
    TemplateSpectralModel,
)

import plain_gammapy
import skyred
from component_checks import problems_of
from skyred import Pipeline
from skyred.components.gammapy import (
    CountsTemplate,
    GammapyModels,
    ModelFile,
    Source,
    TemplateSource,
)
from skyred.errors import ConfigError, FieldError, ModelError
from skyred.likelihood import objective_of
from small_datasets import map_dataset

POWER_LAW = {"type": "pl", "index": 2.3, "amplitude": "4e-11 cm-2 s-1 TeV-1", "reference": "1 TeV"}
POINT = {"type": "point", "lon_0": "83.63 deg", "lat_0": "22.01 deg", "frame": "icrs"}
CENTRE = (83.633, 22.014)


def write_map(
    path: Path, centre=CENTRE, axes=(), unit: str = "", scale: float = 1.0, **header: str
) -> str:
    """Write a map of a Gaussian, 0.8 deg wide, with a power law along an energy axis."""
    geom = WcsGeom.create(skydir=centre, width=0.8, binsz=0.04, frame="icrs", axes=list(axes))
    separation = geom.to_image().get_coord().skycoord.separation(geom.center_skydir).deg
    data = scale * np.exp(-0.5 * (separation / 0.1) ** 2) * np.ones(geom.data_shape)
    if axes:
        data *= axes[0].center.value[:, None, None] ** -2
    Map.from_geom(geom, data=data, unit=unit).write(path)
    for card, value in header.items():
        fits.setval(path, card, value=value)
    return str(path)


@pytest.fixture
def image_path(tmp_path) -> str:
    return write_map(tmp_path / "image.fits")


@pytest.fixture
def table_path(tmp_path) -> str:
    energy = np.geomspace(0.3, 30, 9) * u.TeV
    dnde = 3e-11 * energy.value**-2.4 * u.Unit("cm-2 s-1 TeV-1")
    path = tmp_path / "spectrum.ecsv"
    Table({"energy": energy, "dnde": dnde}).write(path)
    return str(path)


def build(component, *datasets):
    assert problems_of(component) == []
    (model,) = component.build(Datasets(list(datasets)))
    return model


def npred(model) -> np.ndarray:
    """Return the counts predicted by gammapy."""
    dataset = map_dataset("map")
    dataset.models = [model]
    return dataset.npred_signal().data


def compiled_and_plain_stat(model) -> tuple[float, float]:
    """Return the fit statistic of the compiled likelihood and of gammapy."""
    dataset = map_dataset("map")
    dataset.models = [model]
    datasets = Datasets([dataset])
    return objective_of(datasets)(objective_of(datasets).start), datasets.stat_sum()


class TestTemplateSource:
    def test_map_agrees_with_gammapy(self, image_path):
        model = build(TemplateSource(name="blob", map=image_path, spectral=POWER_LAW))
        expected = TemplateSpatialModel.read(image_path)
        assert isinstance(model.spatial_model, TemplateSpatialModel)
        np.testing.assert_array_equal(model.spatial_model.map.data, expected.map.data)
        plain_model = SkyModel(model.spectral_model.copy(), expected, name="plain")
        np.testing.assert_array_equal(npred(model), npred(plain_model))
        stat, plain_stat = compiled_and_plain_stat(model)
        assert stat == pytest.approx(plain_stat, abs=1e-3)

    def test_copies_keep_the_map(self, tmp_path):
        # gammapy normalises the map by the area of its pixels, and repeats this in each copy. Maps
        # with pixels of different areas would change.
        path = write_map(tmp_path / "map.fits")
        model = build(TemplateSource(name="blob", map=path, spectral=POWER_LAW))
        data = model.spatial_model.map.data
        np.testing.assert_array_equal(model.copy(name="c").spatial_model.map.data, data)
        plain_copy = TemplateSpatialModel.read(path).copy().map.data
        assert not np.allclose(plain_copy, data, rtol=1e-6)

    def test_cube_in_flux_units_has_a_norm(self, tmp_path):
        axis = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=5, name="energy_true")
        path = write_map(
            tmp_path / "cube.fits", axes=[axis], unit="cm-2 s-1 TeV-1 sr-1", scale=1e-9
        )
        model = build(TemplateSource(name="diffuse", map=path, normalize=False))
        expected = SkyModel(
            PowerLawNormSpectralModel(), TemplateSpatialModel.read(path, normalize=False)
        )
        np.testing.assert_array_equal(npred(model), npred(expected))
        assert npred(model).sum() > 0.5
        assert model.parameters.free_parameters.names == ["norm"]

    def test_table_agrees_with_gammapy_times_a_norm(self, table_path):
        model = build(TemplateSource(name="s", spectrum=table_path, spatial=POINT))
        columns = Table.read(table_path)
        expected = TemplateSpectralModel(columns["energy"].quantity, columns["dnde"].quantity)
        energies = [0.5, 1, 7] * u.TeV
        np.testing.assert_allclose(model.spectral_model(energies), expected(energies))
        model.parameters["norm"].value = 2
        np.testing.assert_allclose(model.spectral_model(energies), 2 * expected(energies))
        stat, plain_stat = compiled_and_plain_stat(model)
        assert stat == pytest.approx(plain_stat, abs=1e-3)

    def test_table_and_map_can_be_combined(self, image_path, table_path):
        model = build(TemplateSource(name="s", spectrum=table_path, map=image_path))
        assert isinstance(model.spatial_model, TemplateSpatialModel)
        assert npred(model).sum() > 0

    def test_amplitude_is_fitted(self, image_path):
        dataset = map_dataset("map")
        model = build(TemplateSource(name="s", map=image_path, spectral=POWER_LAW))
        model.parameters["index"].frozen = True
        dataset.models = [model]
        dataset.counts.data = np.round(2 * dataset.npred_signal().data + dataset.background.data)
        datasets = Datasets([dataset])
        result = skyred.fit(datasets)
        assert result.success
        # twice the amplitude of the model; the counts are rounded
        assert datasets.parameters["amplitude"].value == pytest.approx(8e-11, rel=0.1)

    def test_map_without_overlap_is_rejected(self, tmp_path):
        path = write_map(tmp_path / "far.fits", centre=(100, 22))
        component = TemplateSource(name="s", map=path, spectral=POWER_LAW)
        assert problems_of(component) == []
        with pytest.raises(ModelError, match=r"s: .*far\.fits does not overlap with map"):
            component.build(Datasets([map_dataset("map")]))

    def test_map_larger_than_the_dataset_is_accepted(self, tmp_path):
        geom = WcsGeom.create(skydir=(90, 20), width=40, binsz=1)
        path = tmp_path / "large.fits"
        Map.from_geom(geom, data=np.ones(geom.data_shape)).write(path)
        source = TemplateSource(name="s", map=str(path), spectral=POWER_LAW)
        model = build(source, map_dataset("map"))
        assert model.spatial_model.map.geom.data_shape == geom.data_shape

    @pytest.mark.parametrize(
        ("map_options", "message"),
        [
            ({"unit": "TeV"}, "expected cm-2 s-1 TeV-1, or cm-2 s-1 TeV-1 sr-1 with a map"),
            ({"scale": 0.0}, "contains only zeros"),
            ({"scale": np.nan}, "values that are not finite"),
            ({"WCSSHAPE": "__import__('os').abort()"}, "gammapy would execute as code"),
            (
                {"axes": [MapAxis.from_energy_bounds("1 TeV", "9 TeV", nbin=2)]},
                "has the axes energy;",
            ),
        ],
        ids=["unit", "zeros", "nan", "code", "axis"],
    )
    def test_invalid_maps_are_reported(self, tmp_path, map_options, message):
        path = write_map(tmp_path / "wrong.fits", **map_options)
        component = TemplateSource(
            name="s", map=path, spectral=POWER_LAW, normalize="unit" not in map_options
        )
        (problem,) = problems_of(component)
        assert message in str(problem)
        with pytest.raises(ModelError) as excinfo:
            component.build(Datasets())
        assert str(excinfo.value) in str(problem)

    def test_headers_of_maps_in_gammapy_yaml_are_not_executed(self, tmp_path):
        path = write_map(tmp_path / "wrong.fits", WCSSHAPE="__import__('os').abort()")
        spatial = {"type": "template", "filename": path}
        (problem,) = problems_of(Source(name="s", spectral=POWER_LAW, spatial=spatial))
        assert "would execute as code" in str(problem)
        model_dict = {"name": "s", "type": "SkyModel", "spatial": spatial, "spectral": POWER_LAW}
        (problem,) = problems_of(GammapyModels(components=[model_dict]))
        assert "would execute as code" in str(problem)
        model_path = tmp_path / "models.yaml"
        model_path.write_text(json.dumps({"components": [model_dict]}))
        with pytest.raises(ModelError, match="would execute as code"):
            ModelFile(path=str(model_path)).build(Datasets())

    def test_header_written_by_gammapy_is_read(self, tmp_path):
        path = write_map(tmp_path / "fine.fits", WCSSHAPE="(20, 20)")
        model = build(TemplateSource(name="s", map=path, spectral=POWER_LAW))
        assert model.spatial_model.map.geom.data_shape == (20, 20)

    def test_invalid_file_is_reported(self, tmp_path):
        path = tmp_path / "odd.fits"
        path.write_text("no FITS")
        component = TemplateSource(name="s", map=str(path), spectral=POWER_LAW)
        (problem,) = problems_of(component)
        assert "odd.fits cannot be read as FITS" in str(problem)

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"energy": [1, 2] * u.TeV}, "has no column dnde; available: energy"),
            ({"energy": [1, 2], "dnde": [1, 1]}, "energy has no unit"),
            ({"energy": [1, 2] * u.TeV, "dnde": [1, 1] / u.TeV}, "dnde is in 1 / TeV"),
            (
                {"energy": [2, 1] * u.TeV, "dnde": [1, 1] / u.cm**2 / u.s / u.TeV},
                "expected two or more energies that are positive and increase",
            ),
            ({"energy": [1, 2] * u.TeV, "dnde": [1, -1] / u.cm**2 / u.s / u.TeV}, "negative"),
        ],
        ids=["column", "no unit", "unit", "order", "negative"],
    )
    def test_invalid_tables_are_reported(self, tmp_path, columns, message):
        path = tmp_path / "s.ecsv"
        Table(columns).write(path)
        (problem,) = problems_of(TemplateSource(name="s", spectrum=str(path)))
        assert message in str(problem)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "has neither map nor spectrum"),
            ({"map": "a.fits", "spatial": POINT}, "cannot be combined with map"),
            ({"map": "a.fits", "spectral": {"index": 2}}, "missing key 'type'"),
        ],
    )
    def test_invalid_options_are_rejected(self, options, message):
        with pytest.raises(FieldError, match=message):
            TemplateSource(name="s", **options)

    def test_spectral_model_instead_of_a_norm_model_is_reported(self, table_path):
        (problem,) = problems_of(TemplateSource(name="s", spectrum=table_path, spectral=POWER_LAW))
        assert "'pl' is not a norm model" in str(problem)

    def test_missing_file_is_reported_before_data_are_read(self, tmp_path):
        model = f"{{kind: template, name: crab, map: {tmp_path}/no.fits, spectral: {{type: pl}}}}"
        overrides = ["data.hess.archive=sim:crab", f"model.0={model}"]
        with pytest.raises(
            ConfigError, match=r"model\[0\]\.map: no such file or folder: .*no\.fits"
        ):
            Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides)


class TestCountsTemplate:
    @pytest.fixture
    def counts_path(self, tmp_path) -> str:
        dataset = map_dataset("map")
        path = tmp_path / "counts.fits"
        dataset.background.write(path)
        return str(path)

    def test_agrees_with_gammapy(self, counts_path):
        component = CountsTemplate(name="extra", map=counts_path, dataset="map")
        model = build(component, map_dataset("map"))
        expected = TemplateNPredModel(Map.read(counts_path), name="plain")
        np.testing.assert_array_equal(npred(model), npred(expected))
        assert model.datasets_names == ["map"]
        stat, plain_stat = compiled_and_plain_stat(model)
        assert stat == pytest.approx(plain_stat, abs=1e-3)

    def test_other_energies_are_rejected(self, tmp_path):
        axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=5)
        path = write_map(tmp_path / "five.fits", axes=[axis])
        component = CountsTemplate(name="extra", map=path, dataset="map")
        with pytest.raises(ModelError, match="has the energy edges"):
            component.build(Datasets([map_dataset("map")]))

    def test_map_without_overlap_is_rejected(self, tmp_path):
        axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
        path = write_map(tmp_path / "far.fits", centre=(100, 22), axes=[axis])
        component = CountsTemplate(name="extra", map=path, dataset="map")
        with pytest.raises(ModelError, match="does not overlap with map"):
            component.build(Datasets([map_dataset("map")]))

    @pytest.mark.parametrize(
        ("map_options", "message"),
        [({}, "has no energy axis"), ({"unit": "TeV", "axes": True}, "is in TeV; expected counts")],
        ids=["image", "unit"],
    )
    def test_invalid_count_maps_are_reported(self, tmp_path, map_options, message):
        if "axes" in map_options:
            map_options = {
                **map_options,
                "axes": [MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)],
            }
        path = write_map(tmp_path / "wrong.fits", **map_options)
        (problem,) = problems_of(CountsTemplate(name="extra", map=path, dataset="map"))
        assert message in str(problem)

    def test_spectral_model_instead_of_a_norm_model_is_reported(self, counts_path):
        component = CountsTemplate(name="x", map=counts_path, dataset="map", spectral=POWER_LAW)
        (problem,) = problems_of(component)
        assert "'pl' is not a norm model" in str(problem)
