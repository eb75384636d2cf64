"""Sources of catalogues, against gammapy's models, with small catalogue files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from gammapy.catalog import CATALOG_REGISTRY, SourceCatalog2HWC, SourceCatalog3FHL
from gammapy.datasets import Datasets

import plain_gammapy
from component_checks import problems_of
from skyred import Pipeline
from skyred.components.gammapy import CatalogSources, Source
from skyred.components.models.catalog_sources import CATALOGS
from skyred.errors import ConfigError, FieldError, ModelError, SkyredWarning
from skyred.run.build_models import build_models
from skyred.scripting import Script
from skyred.testing import Sample, check
from small_datasets import map_dataset

FLUX = "cm-2 s-1 GeV-1"
STRING_COLUMNS = {"ASSOC1": ["Crab Nebula", "IC 443", "NVSS J0000"], "ASSOC2": ["", "", ""],
         "ASSOC_TEV": ["Crab", "IC 443", ""], "ASSOC_GAM": ["3FGL J0534.5+2201i", "", ""],
         "CLASS": ["PWN", "snr", "bcu"]}  # fmt: skip


@pytest.fixture
def fhl_path(tmp_path) -> Path:
    """Write three sources in the format of 3FHL (the Crab of Ajello et al. 2017, table 7)."""
    table = Table(
        {
            "Source_Name": ["3FHL J0534.5+2201", "3FHL J0617.2+2234e", "3FHL J0001.2-0748"],
            "RAJ2000": [83.6346, 94.31, 0.3151] * u.deg,
            "DEJ2000": [22.0191, 22.58, -7.8075] * u.deg,
            "GLON": [184.556, 189.05, 89.0355] * u.deg,
            "GLAT": [-5.7798, 3.033, -67.3045] * u.deg,
            "Conf_95_SemiMajor": [0.0047, 0.03, 0.0424] * u.deg,
            "Conf_95_SemiMinor": [0.0047, 0.03, 0.0424] * u.deg,
            "Conf_95_PosAng": [0, 0, 0] * u.deg,
            "Pivot_Energy": [55.29, 37.63, 23.23] * u.GeV,
            "Flux_Density": u.Quantity([1.3e-11, 8e-12, 8.5e-13], FLUX),
            "Unc_Flux_Density": u.Quantity([3e-13, 6e-13, 3e-13], FLUX),
            "SpectrumType": ["PowerLaw", "LogParabola", "PowerLaw"],
            "PowerLaw_Index": [2.22, 3.0, np.nan],
            "Unc_PowerLaw_Index": [0.0249, 0.1, 0.5],
            "Spectral_Index": [2.22, 2.97, 1.86],
            "Unc_Spectral_Index": [0.02, 0.09, 0.5],
            "beta": [0, 0.1, 0],
            "Unc_beta": [0, 0.07, 0],
            "Extended_Source_Name": ["", "IC 443", ""],
            **STRING_COLUMNS,
        }
    )
    extended = Table(
        {
            "Source_Name": ["IC 443"],
            "Spatial_Function": ["RadialDisk"],
            "Model_SemiMajor": [0.27] * u.deg,
            "Model_SemiMinor": [0.27] * u.deg,
            "Model_PosAng": [0.0] * u.deg,
            "Spatial_Filename": [""],
        }
    )
    empty = Table({"x": [0]})
    names = ("LAT_Point_Source_Catalog", "ExtendedSources", "ROIs", "EnergyBounds")
    path = tmp_path / "3fhl.fits"
    hdus = [fits.table_to_hdu(part) for part in (table, extended, empty, empty)]
    for name, hdu in zip(names, hdus, strict=True):
        hdu.name = name
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path


@pytest.fixture
def hwc_path(tmp_path) -> Path:
    """Write the Crab in the format of 2HWC (Abeysekara et al. 2017, table 3)."""
    table = Table(
        {
            "source_name": ["2HWC J0534+220", "2HWC J0631+169"],
            "ra": [83.63, 97.998] * u.deg,
            "dec": [22.02, 16.997] * u.deg,
            "glon": [184.55, 195.614] * u.deg,
            "glat": [-5.78, 3.507] * u.deg,
            "pos_err": [0.06, 0.11] * u.deg,
            "spec0_dnde": u.Quantity([1.85e-13, 6.7e-15], "cm-2 s-1 TeV-1"),
            "spec0_dnde_err": u.Quantity([2.4e-15, 1.5e-15], "cm-2 s-1 TeV-1"),
            "spec0_index": [-2.58, -2.57],
            "spec0_index_err": [0.01, 0.15],
            "spec0_radius": [0, 0] * u.deg,
            "spec1_dnde": u.Quantity([np.nan, 4.87e-14], "cm-2 s-1 TeV-1"),
            "spec1_dnde_err": u.Quantity([np.nan, 6.85e-15], "cm-2 s-1 TeV-1"),
            "spec1_index": [np.nan, -2.23],
            "spec1_index_err": [np.nan, 0.08],
            "spec1_radius": [np.nan, 2.0] * u.deg,
        }
    )
    path = tmp_path / "2HWC.ecsv"
    table.write(path, format="ascii.ecsv")
    return path


def build(**options: object):
    component = CatalogSources(**options)
    assert problems_of(component) == []
    return component.build(Datasets())


def assert_same(model, expected) -> None:
    assert type(model.spatial_model) is type(expected.spatial_model)
    assert type(model.spectral_model) is type(expected.spectral_model)
    for pair in zip(model.parameters, expected.parameters, strict=True):
        state, expected_state = ((par.name, par.quantity, par.error) for par in pair)
        assert state == expected_state


@pytest.mark.parametrize("name", ["3FHL J0534.5+2201", "Crab", "3FHL J0617.2+2234e", "IC 443"])
def test_models_agree_with_gammapy(fhl_path, name):
    (model,) = build(catalog="3fhl", file=str(fhl_path), sources=[name])
    assert_same(model, SourceCatalog3FHL(fhl_path)[name].sky_model())
    assert " " not in model.name


def test_model_of_the_crab_has_the_published_values(hwc_path):
    (model,) = build(catalog="2hwc", file=str(hwc_path), sources=["2HWC J0534+220"])
    assert model.name == "2HWC-J0534+220"
    assert model.spectral_model.index.value == 2.58
    assert model.spectral_model(7 * u.TeV).to_value("cm-2 s-1 TeV-1") == pytest.approx(1.85e-13)
    assert model.spatial_model.position.icrs.ra.deg == pytest.approx(83.63, abs=0.01)


def test_requested_model_is_built(hwc_path):
    options = {"catalog": "2hwc", "file": str(hwc_path), "sources": ["2HWC J0631+169"]}
    catalog = SourceCatalog2HWC(hwc_path)
    for variant in ("point", "extended"):
        (model,) = build(**options, model=variant)
        assert_same(model, catalog["2HWC J0631+169"].sky_model(variant))
    assert_same(build(**options)[0], catalog["2HWC J0631+169"].sky_model("point"))


def test_cone_selects_the_sources_inside(fhl_path):
    models = build(
        catalog="3fhl", file=str(fhl_path), center=["83.6 deg", "22 deg"], radius="15 deg"
    )
    assert models.names == ["3FHL-J0534.5+2201", "3FHL-J0617.2+2234e"]
    assert len(build(catalog="3fhl", file=str(fhl_path), center=["83.6 deg", "22 deg"],
                     radius="1 deg")) == 1  # fmt: skip


def test_cone_together_with_names_adds_each_source_once(fhl_path):
    models = build(
        catalog="3fhl", file=str(fhl_path), sources=["Crab"], center=["83.6 deg", "22 deg"],
        radius="15 deg",
    )  # fmt: skip
    assert models.names == ["Crab", "3FHL-J0617.2+2234e"]


def test_source_without_a_model_in_a_cone_is_omitted_with_a_warning(fhl_path):
    component = CatalogSources(
        catalog="3fhl", file=str(fhl_path), center=["83.6 deg", "22 deg"], radius="180 deg"
    )
    assert problems_of(component) == []
    with pytest.warns(
        SkyredWarning, match=r"3FHL-J0001\.2-0748 has no value for index in the catalogue"
    ):
        assert len(component.build(Datasets())) == 2


@pytest.mark.parametrize(
    ("freeze", "free"),
    [
        ("nothing", ["index", "amplitude", "lon_0", "lat_0"]),
        ("spatial", ["index", "amplitude"]),
        ("all-but-norm", ["amplitude"]),
        ("all", []),
    ],
)
def test_frozen_parts_have_no_free_parameters(fhl_path, freeze, free):
    (model,) = build(catalog="3fhl", file=str(fhl_path), sources=["Crab"], freeze=freeze)
    assert [parameter.name for parameter in model.parameters if not parameter.frozen] == free


def test_datasets_of_a_source_are_set(fhl_path):
    (model,) = build(catalog="3fhl", file=str(fhl_path), sources=["Crab"], datasets=["hess"])
    assert model.datasets_names == ["hess"]


def test_missing_catalogue_is_reported_with_the_download_command(tmp_path, monkeypatch):
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path))
    for catalog in CATALOGS:
        (problem,) = problems_of(CatalogSources(catalog=catalog, sources=["x"]))
        assert f"no such file: {tmp_path}/catalogs/" in str(problem)
        assert "gammapy download datasets" in str(problem)
    monkeypatch.delenv("GAMMAPY_DATA")
    (problem,) = problems_of(CatalogSources(catalog="3fhl", sources=["x"]))
    assert "GAMMAPY_DATA is not set" in str(problem)


def test_every_catalogue_of_gammapy_is_available():
    assert sorted(CATALOGS) == sorted(cls.tag for cls in CATALOG_REGISTRY)


def test_unknown_source_is_reported_with_suggestions(fhl_path):
    component = CatalogSources(catalog="3fhl", file=str(fhl_path), sources=["Crab nebul"])
    (problem,) = problems_of(component)
    assert "has no source 'Crab nebul'; did you mean 'Crab Nebula'" in str(problem)


def test_source_without_the_requested_model_is_reported(hwc_path):
    component = CatalogSources(
        catalog="2hwc", file=str(hwc_path), sources=["2HWC J0534+220"], model="extended"
    )
    (problem,) = problems_of(component)
    assert "2HWC J0534+220 cannot be converted to a model" in str(problem)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sources": ["Crab", "Crab Nebula"]}, "'Crab' and 'Crab Nebula' are the same source"),
        ({"sources": ["3FHL J0001.2-0748"]}, "has no value for index in the catalogue"),
        ({"center": ["200 deg", "60 deg"], "radius": "1 deg"}, "no usable source within"),
    ],
    ids=["two names", "no index", "empty cone"],
)
def test_invalid_selections_are_rejected(fhl_path, options, message):
    component = CatalogSources(catalog="3fhl", file=str(fhl_path), **options)
    with pytest.raises(ModelError, match=message):
        component.build(Datasets())


def test_invalid_file_is_reported(tmp_path):
    path = tmp_path / "x.fits"
    path.write_text("no FITS")
    (problem,) = problems_of(CatalogSources(catalog="3fhl", file=str(path), sources=["Crab"]))
    assert "x.fits cannot be read as 3fhl" in str(problem)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"catalog": "3fhl"}, "selects no sources"),
        ({"catalog": "3fhl", "center": ["1 deg", "2 deg"]}, "missing key 'radius'"),
        ({"catalog": "4fhl", "sources": ["x"]}, "did you mean '[34]f[gh]l'"),
        (
            {"catalog": "3fhl", "sources": ["x"], "model": "point"},
            "3fhl has one model per source",
        ),
        ({"catalog": "2hwc", "sources": ["x"], "model": "pl"}, "expected one of point, extended"),
    ],
    ids=["no selection", "no radius", "catalogue", "catalogue without variants", "variant"],
)
def test_invalid_options_are_rejected(options, message):
    with pytest.raises(FieldError, match=message):
        CatalogSources(**options)


def test_estimators_can_use_the_sources_by_name(fhl_path):
    model = f"model.0={{kind: catalog, catalog: 3fhl, file: {fhl_path}, sources: [Crab]}}"
    overrides = ["data.hess.archive=sim:crab", model]
    with pytest.raises(ConfigError, match=r"unknown source 'crab'; available: Crab"):
        Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides)
    Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=[*overrides, "estimate.0.source=Crab"])


def test_names_of_sources_in_a_cone_are_not_checked_before_data_are_read(fhl_path):
    cone = "center: [83.6 deg, 22 deg], radius: 1 deg"
    model = f"model.0={{kind: catalog, catalog: 3fhl, file: {fhl_path}, {cone}}}"
    overrides = ["data.hess.archive=sim:crab", model, "estimate.0.source=3FHL-J0534.5+2201"]
    pipeline = Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides)
    assert pipeline.estimate[0].source == "3FHL-J0534.5+2201"


def test_component_passes_the_conformance_checks(fhl_path):
    sample = Sample(datasets=Datasets([map_dataset()]))
    check(CatalogSources(catalog="3fhl", file=str(fhl_path), sources=["Crab"]), sample=sample)


CONE = {"center": ["83.6 deg", "22 deg"], "radius": "15 deg"}
CRAB = {"kind": "source", "name": "crab", "spectral": {"type": "pl"},
        "spatial": {"type": "point", "lon_0": "83.63 deg", "lat_0": "22.01 deg"}}  # fmt: skip


def select(fhl_path, *others, **options):
    notes: list[str] = []
    component = CatalogSources(catalog="3fhl", file=str(fhl_path), **CONE, **options)
    models = build_models([component, *others], Datasets(), report=notes.append)
    return models.names, notes


def test_sources_near_sources_of_other_models_are_left_out_and_reported(fhl_path):
    crab = Source(**{name: value for name, value in CRAB.items() if name != "kind"})
    names, notes = select(fhl_path, crab, exclude_within="0.1 deg")
    assert names == ["3FHL-J0617.2+2234e", "crab"]
    catalog = SourceCatalog3FHL(fhl_path)
    distance = catalog["Crab"].position.separation(crab.build(Datasets())[0].position)
    (note,) = notes
    assert f"3FHL-J0534.5+2201 is left out, {distance.deg:.3f} deg from crab" in note
    names, notes = select(fhl_path, crab, exclude_within="0.001 deg")
    assert names == ["3FHL-J0534.5+2201", "3FHL-J0617.2+2234e", "crab"]
    assert notes == []


def test_sources_near_a_position_are_left_out(fhl_path):
    center = ["94.31 deg", "22.58 deg"]
    names, _ = select(fhl_path, exclude_within="1 deg", exclude_center=center)
    assert names == ["3FHL-J0534.5+2201"]


def test_excluded_names_are_left_out_and_reported_with_their_distance(fhl_path):
    names, (note,) = select(fhl_path, exclude=["Crab Nebula"])
    assert names == ["3FHL-J0617.2+2234e"]
    assert note.startswith("3fhl: Crab Nebula is left out, 0.0")


def test_sources_selected_by_name_are_used_at_any_distance(fhl_path):
    names, _ = select(fhl_path, sources=["Crab"], exclude_within="180 deg",
                      exclude_center=CONE["center"])  # fmt: skip
    assert names == ["Crab"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sources": ["Crab"], "exclude_within": "1 deg"}, "has no effect without a cone"),
        ({"sources": ["Crab"], "exclude": ["IC 443"]}, "has no effect without a cone"),
        (CONE | {"sources": ["Crab"], "exclude": ["Crab"]}, "'Crab' is also in sources"),
        (CONE | {"exclude_center": CONE["center"]}, "has no effect"),
    ],
)
def test_invalid_exclusions_are_rejected(options, message):
    with pytest.raises(FieldError, match=message):
        CatalogSources(catalog="3fhl", **options)


def test_exclusion_around_sources_needs_a_source_with_a_position(fhl_path):
    options = {"catalog": "3fhl", "file": str(fhl_path), **CONE, "exclude_within": "1 deg"}
    (problem,) = problems_of(CatalogSources(**options))
    assert "set exclude_center, or add a source" in str(problem)
    with pytest.raises(ModelError, match="no other model of the pipeline has one"):
        select(fhl_path, Source(name="x", spectral={"type": "pl"}), exclude_within="1 deg")


def test_unknown_name_in_exclude_is_reported(fhl_path):
    component = CatalogSources(catalog="3fhl", file=str(fhl_path), **CONE, exclude=["Crap"])
    assert "3fhl has no source 'Crap'" in str(problems_of(component)[0])


def test_exported_script_has_the_models_that_are_not_excluded(fhl_path):
    component = CatalogSources(
        catalog="3fhl", file=str(fhl_path), **CONE, exclude_within="1 deg",
        exclude_center=CONE["center"],
    )  # fmt: skip
    script = Script()
    component.write_script(script)
    code = script.text([])
    script.function("build_models(datasets)", "Return the models.")
    code = script.text([])
    assert 'name="3FHL-J0617.2+2234e"' in code
    assert 'name="3FHL-J0534.5+2201"' not in code
    assert "# 3fhl: 3FHL-J0534.5+2201 is left out" in code
