"""Models from a configuration, against the same models created with gammapy."""

import operator

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets, MapDataset
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling.models import (
    CompoundSpectralModel,
    ConstantSpectralModel,
    DiskSpatialModel,
    ExpCutoffPowerLawSpectralModel,
    FoVBackgroundModel,
    GaussianPrior,
    GaussianSpatialModel,
    LogParabolaSpectralModel,
    Models,
    PointSpatialModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    UniformPrior,
)

import plain_gammapy
from component_checks import problems_of
from skyred import Orchestrator, Pipeline
from skyred.adapters.models import AdaptedModel
from skyred.components.gammapy import BackgroundModels, GammapyModels, ModelFile, Source
from skyred.errors import ConfigError, ModelError
from skyred.interfaces import Model
from skyred.run.build_models import build_models

POWER_LAW = {"type": "pl", "index": 2.7, "amplitude": "4e-11 cm-2 s-1 TeV-1", "reference": "1 TeV"}
POINT = {"type": "point", "lon_0": "83.63 deg", "lat_0": "22.01 deg", "frame": "icrs"}


def create_dataset(name: str, background: bool = True) -> MapDataset:
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3, name="energy_true")
    geom = WcsGeom.create(skydir=(83.63, 22.01), width=1, binsz=0.1, axes=[energy])
    dataset = MapDataset.create(geom, energy_axis_true=energy_true, name=name)
    if not background:
        dataset.background = None
    return dataset


def build(component: Model, *datasets: MapDataset) -> Models:
    return component.build(Datasets(list(datasets)))


def parameter_tuples(model) -> list[tuple]:
    return [
        (par.name, par.quantity.to_string(), float(par.min), float(par.max), par.frozen)
        for par in model.parameters
    ]


def assert_same(model, expected) -> None:
    assert type(model) is type(expected)
    assert model.name == expected.name
    for part in ("spectral_model", "spatial_model", "temporal_model"):
        assert type(getattr(model, part)) is type(getattr(expected, part)), part
    assert model.parameters.names == expected.parameters.names
    for parameter, expected_parameter in zip(model.parameters, expected.parameters, strict=True):
        assert parameter.quantity == expected_parameter.quantity, parameter.name
        assert parameter.unit == expected_parameter.unit, parameter.name
        assert parameter.frozen == expected_parameter.frozen, parameter.name
        np.testing.assert_array_equal(
            [parameter.min, parameter.max],
            [expected_parameter.min, expected_parameter.max],
            parameter.name,
        )


def power_law(index: float, amplitude: str, reference: str) -> PowerLawSpectralModel:
    return PowerLawSpectralModel(index=index, amplitude=amplitude, reference=reference)


SPECTRAL = {
    "power law": (POWER_LAW, power_law(2.7, "4e-11 cm-2 s-1 TeV-1", "1 TeV")),
    "defaults": ({"type": "PowerLawSpectralModel"}, PowerLawSpectralModel()),
    "other units": (
        {"type": "pl", "index": 2, "amplitude": "4e-7 m-2 s-1 TeV-1", "reference": "1000 GeV"},
        power_law(2, "4e-7 m-2 s-1 TeV-1", "1000 GeV"),
    ),
    "log parabola": (
        {"type": "lp", "alpha": 2.3, "beta": 0.4, "amplitude": "1e-11 TeV-1 s-1 cm-2"},
        LogParabolaSpectralModel(alpha=2.3, beta=0.4, amplitude="1e-11 TeV-1 s-1 cm-2"),
    ),
    "cutoff": (
        {"type": "ecpl", "index": 2, "lambda_": "0.1 TeV-1", "amplitude": "1e-11 TeV-1 s-1 cm-2"},
        ExpCutoffPowerLawSpectralModel(
            index=2, lambda_="0.1 TeV-1", amplitude="1e-11 TeV-1 s-1 cm-2"
        ),
    ),
}  # fmt: skip
SPATIAL = {
    "point": (POINT, PointSpatialModel(lon_0="83.63 deg", lat_0="22.01 deg", frame="icrs")),
    "Gaussian": (
        {"type": "gauss", "lon_0": "184.5 deg", "lat_0": "-5.8 deg", "sigma": "6 arcmin",
         "frame": "galactic"},
        GaussianSpatialModel(lon_0="184.5 deg", lat_0="-5.8 deg", sigma="6 arcmin",
                             frame="galactic"),
    ),
    "disk": (
        {"type": "disk", "lon_0": "1 deg", "lat_0": "2 deg", "r_0": "0.5 deg", "e": 0.3,
         "phi": "30 deg", "frame": "icrs"},
        DiskSpatialModel(lon_0="1 deg", lat_0="2 deg", r_0="0.5 deg", e=0.3, phi="30 deg",
                         frame="icrs"),
    ),
}  # fmt: skip


class TestSource:
    @pytest.mark.parametrize(("spec", "expected"), SPECTRAL.values(), ids=SPECTRAL)
    def test_spectral_model_agrees_with_gammapy(self, spec, expected):
        model = build(Source(name="crab", spectral=spec))["crab"]
        assert_same(model, SkyModel(spectral_model=expected, name="crab"))
        energies = [0.5, 1, 7] * u.TeV
        np.testing.assert_array_equal(model.spectral_model(energies), expected(energies))

    @pytest.mark.parametrize(("spec", "expected"), SPATIAL.values(), ids=SPATIAL)
    def test_spatial_model_agrees_with_gammapy(self, spec, expected):
        model = build(Source(name="crab", spectral=POWER_LAW, spatial=spec))["crab"]
        spectral = SPECTRAL["power law"][1]
        assert_same(model, SkyModel(spectral, spatial_model=expected, name="crab"))
        assert model.spatial_model.frame == expected.frame

    def test_list_of_parameters_as_written_by_gammapy_is_accepted(self):
        spectral = SPECTRAL["cutoff"][1].to_dict()["spectral"]
        model = build(Source(name="crab", spectral=spectral))["crab"]
        assert_same(model, SkyModel(SPECTRAL["cutoff"][1], name="crab"))

    def test_limits_and_frozen_are_set(self):
        spectral = {
            **POWER_LAW,
            "index": {"value": 2.7, "min": 1, "max": 5},
            "amplitude": {
                "value": 4e-11, "unit": "cm-2 s-1 TeV-1", "min": 0, "max": "1e-6 m-2 s-1 TeV-1",
                "frozen": True,
            },
        }  # fmt: skip
        parameters = build(Source(name="crab", spectral=spectral))["crab"].parameters
        assert (parameters["index"].min, parameters["index"].max) == (1, 5)
        assert parameters["amplitude"].frozen
        assert parameters["amplitude"].min == 0
        # limits in other units are converted: 1e-6 m-2 is 1e-10 cm-2
        assert parameters["amplitude"].max == pytest.approx(1e-10, rel=1e-12)
        assert parameters["reference"].frozen
        assert not parameters["index"].frozen

    @pytest.mark.parametrize(
        ("spec", "expected"),
        [
            ({"type": "GaussianPrior", "mu": 2.5, "sigma": 0.2}, GaussianPrior(mu=2.5, sigma=0.2)),
            ({"type": "UniformPrior", "min": 1, "max": 4}, UniformPrior(min=1, max=4)),
        ],
        ids=["Gaussian", "uniform"],
    )
    def test_prior_agrees_with_gammapy(self, spec, expected):
        spectral = {**POWER_LAW, "index": {"value": 2.7, "prior": spec}}
        index = build(Source(name="crab", spectral=spectral))["crab"].parameters["index"]
        assert type(index.prior) is type(expected)
        for value in (2.0, 2.5, 3.1):
            index.value = value
            assert index.prior(index) == expected(index)

    def test_links_without_a_partner_have_no_effect(self):
        spectral = {
            "type": "lp",
            "alpha": {"value": 2.2, "link": "shape"},
            "beta": {"value": 0.1, "link": "other"},
        }
        models = build_models([Source(name="a", spectral=spectral)], Datasets())
        assert len(models.parameters.unique_parameters) == len(models.parameters)

    def test_linked_parameters_of_two_sources_are_one_parameter(self):
        spectral = {**POWER_LAW, "index": {"value": 2.3, "link": "index"}}
        sources = [Source(name=name, spectral=spectral) for name in ("a", "b")]
        models = build_models(sources, Datasets())
        index = models["a"].spectral_model.index
        assert models["b"].spectral_model.index is index
        assert models["a"].spectral_model.amplitude is not models["b"].spectral_model.amplitude
        assert len(models.parameters.unique_parameters) == len(models.parameters) - 1
        index.value = 3
        assert models["b"].spectral_model(10 * u.TeV) == models["a"].spectral_model(10 * u.TeV)

    def test_links_are_kept_if_models_are_assigned_to_datasets(self):
        spectral = {**POWER_LAW, "index": {"value": 2.3, "link": "index"}}
        datasets = Datasets([create_dataset("x")])
        datasets.models = build_models(
            [Source(name=name, spectral=spectral, spatial=POINT) for name in ("a", "b")], datasets
        )
        models = datasets.models
        assert models["a"].spectral_model.index is models["b"].spectral_model.index

    def test_compound_spectrum_agrees_with_gammapy(self):
        spectral = {
            "type": "CompoundSpectralModel",
            "model1": POWER_LAW,
            "model2": {"type": "const", "const": "1e-12 cm-2 s-1 TeV-1"},
            "operator": "add",
        }
        model = build(Source(name="crab", spectral=spectral))["crab"]
        expected = CompoundSpectralModel(
            SPECTRAL["power law"][1],
            ConstantSpectralModel(const="1e-12 cm-2 s-1 TeV-1"),
            operator.add,
        )
        energies = [0.5, 1, 7] * u.TeV
        np.testing.assert_array_equal(model.spectral_model(energies), expected(energies))
        assert set(model.parameters.names) == set(expected.parameters.names)

    def test_temporal_model_is_built(self):
        temporal = {"type": "ExpDecayTemporalModel", "t0": "2 h", "t_ref": "53343.9 d"}
        model = build(Source(name="crab", spectral=POWER_LAW, temporal=temporal))["crab"]
        assert model.temporal_model.t0.quantity == 2 * u.h
        assert model.temporal_model.t_ref.frozen

    def test_datasets_of_a_source_are_set(self):
        model = build(Source(name="crab", spectral=POWER_LAW, datasets=["hess"]))["crab"]
        assert model.datasets_names == ["hess"]

    def test_each_build_returns_a_new_model(self):
        source = Source(name="crab", spectral=POWER_LAW)
        model = build(source)["crab"]
        model.parameters["index"].value = 9
        assert build(source)["crab"].parameters["index"].value == 2.7

    @pytest.mark.parametrize(
        ("change", "option_path", "message"),
        [
            ({"amplitude": "4e-11 cm-2 s-1"}, "spectral.amplitude", "expected a unit such as"),
            (
                {"amplitude": "4e-11 foo"},
                "spectral.amplitude",
                "is not a quantity; expected a number, with a unit such as 1 / (TeV s cm2)",
            ),
            (
                {"amplitude": {"value": "4e-11 cm-2 s-1 TeV-1", "min": "low"}},
                "spectral.amplitude",
                "'low' is not a quantity; expected a number, optionally with a unit such as",
            ),
            ({"index": "two"}, "spectral.index", "expected a number without a unit"),
            ({"index": "2 TeV"}, "spectral.index", "is in TeV"),
            ({"indx": 2}, "spectral.indx", "did you mean 'index'"),
            ({"type": "power"}, "spectral.type", "unknown spectral model 'power'"),
            ({"type": "gauss"}, "spectral.index", "available: amplitude, mean, sigma"),
            ({"type": "point"}, "spectral.type", "unknown spectral model 'point'"),
            ({"index": {"value": 2, "mn": 1}}, "spectral.index.mn", "did you mean 'min'"),
            ({"index": {"value": 2, "min": 3, "max": 1}}, "spectral.index.min", "above max"),
            ({"index": {"value": 2, "prior": {"type": "GausPrior"}}}, "spectral", "GausPrior"),
        ],
        ids=lambda case: str(case)[:40],
    )
    def test_error_is_reported_with_its_path(self, change, option_path, message):
        source = Source(name="crab", spectral={**POWER_LAW, **change})
        problems = problems_of(source)
        assert len(problems) == 1
        assert str(problems[0]).startswith(option_path)
        assert message in str(problems[0])

    def test_error_in_a_file_is_reported_with_line_and_column(self):
        yaml_text = """\
data: {x: {archive: 'sim:crab', geometry: {kind: map, center: [83 deg, 22 deg], width: 1 deg,
  energy: {min: 1 TeV, max: 10 TeV, bins: 2}, energy_true: {min: 1 TeV, max: 10 TeV, bins: 2}},
  make: [{kind: map}], stack: {kind: sum}}}
model:
  - kind: source
    name: crab
    spectral: {type: pl, amplitude: 4e-11 cm-2 s-1}
    spatial: {type: point, lon: 83 deg}
"""
        with pytest.raises(ConfigError) as excinfo:
            Pipeline.from_yaml(yaml_text)
        first, second = excinfo.value.lines
        assert first.startswith("<string>:7:")
        assert "model[0].spectral.amplitude" in first
        assert second.startswith("<string>:8:")
        assert "did you mean 'lon_0'" in second


class TestBackgroundModels:
    def test_each_dataset_with_a_background_has_one_model(self):
        models = build(
            BackgroundModels(),
            create_dataset("a"),
            create_dataset("b", background=False),
            create_dataset("c"),
        )
        assert models.names == ["a-bkg", "c-bkg"]
        assert [model.datasets_names for model in models] == [["a"], ["c"]]
        assert_background(models["a-bkg"], FoVBackgroundModel(dataset_name="a"))

    def test_options_of_the_norm_model_are_applied(self):
        norm = {
            "type": "pl-norm",
            "tilt": {"value": 0, "frozen": False},
            "norm": {"value": 1, "min": 0},
        }
        model = build(BackgroundModels(spectral=norm), create_dataset("a"))["a-bkg"]
        expected = PowerLawNormSpectralModel()
        expected.tilt.frozen = False
        expected.norm.min = 0
        assert_background(model, FoVBackgroundModel(spectral_model=expected, dataset_name="a"))

    def test_unknown_norm_model_is_reported(self):
        problems = problems_of(BackgroundModels(spectral={"type": "pl-nrm"}))
        assert "did you mean 'pl-norm'" in str(problems[0])

    def test_spectral_model_instead_of_a_norm_model_is_reported(self):
        problems = problems_of(BackgroundModels(spectral={"type": "pl"}))
        assert "'pl' is not a norm model" in str(problems[0])


def assert_background(model, expected) -> None:
    assert type(model.spectral_model) is type(expected.spectral_model)
    assert model.name == expected.name
    for pair in zip(model.parameters, expected.parameters, strict=True):
        state, expected_state = ((par.name, par.quantity, par.frozen) for par in pair)
        assert state == expected_state
        np.testing.assert_array_equal(*[[par.min, par.max] for par in pair])


@pytest.fixture
def model_file(tmp_path) -> tuple[Models, str]:
    spectral = SPECTRAL["power law"][1].copy()
    models = Models(
        [SkyModel(spectral, PointSpatialModel(lon_0="83 deg", lat_0="22 deg"), name="crab")]
    )
    models.covariance = np.diag([0.01, 1e-24, 0, 1e-6, 1e-6])
    models.write(tmp_path / "models.yaml")
    return models, str(tmp_path / "models.yaml")


class TestModelFile:
    def test_models_and_covariance_are_read(self, model_file):
        models, path = model_file
        loaded = build(ModelFile(path=path))
        assert_same(loaded["crab"], models["crab"])
        np.testing.assert_array_equal(loaded.covariance.data, models.covariance.data)

    def test_source_names_are_read_from_the_file(self, model_file):
        assert list(ModelFile(path=model_file[1]).source_names()) == ["crab"]

    def test_missing_file_is_reported_before_data_are_read(self, tmp_path):
        overrides = [
            "data.hess.archive=sim:crab",
            f"model.0={{kind: file, path: {tmp_path}/no.yaml}}",
        ]
        with pytest.raises(ConfigError, match=r"model\[0\]\.path.*no\.yaml"):
            Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides)

    @pytest.mark.parametrize(
        "yaml_text", ["components: [{name: x, type: Skymodel}]", "just text", "a: b", "a: [b"]
    )
    def test_file_without_models_is_reported(self, tmp_path, yaml_text):
        path = tmp_path / "odd.yaml"
        path.write_text(yaml_text)
        with pytest.raises(ModelError, match=r"odd\.yaml cannot be read as gammapy models"):
            build(ModelFile(path=str(path)))


class TestGammapyModels:
    def test_models_are_built_unchanged(self, model_file):
        models, _ = model_file
        built = build(GammapyModels(components=models.to_dict(full_output=True)["components"]))
        assert_same(built["crab"], models["crab"])

    def test_invalid_component_is_reported_with_its_index(self):
        component = GammapyModels(
            components=[{"type": "SkyModel", "name": "x", "spectral": {"type": "nope"}}]
        )
        problem = next(iter(problems_of(component)))
        assert problem.path == ("components", 0)
        assert "nope" in str(problem)


class TestAdaptedModel:
    def test_models_are_built_as_copies(self, model_file):
        models, _ = model_file
        component = Model.adapt(models)
        assert isinstance(component, AdaptedModel)
        built = build(component)
        assert_same(built["crab"], models["crab"])
        built["crab"].parameters["index"].value = 9
        assert models["crab"].parameters["index"].value == 2.7

    def test_single_model_is_accepted(self, model_file):
        model = model_file[0]["crab"]
        component = Model.adapt(model)
        assert list(component.source_names()) == ["crab"]
        assert_same(build(component)["crab"], model)

    def test_copies_keep_links_and_covariance(self):
        first, second = (SkyModel(PowerLawSpectralModel(), name=name) for name in "ab")
        second.spectral_model.index = first.spectral_model.index
        models = Models([first, second])
        models.parameters["amplitude"].error = 1e-13
        built = build(Model.adapt(models))
        assert built["a"].spectral_model.index is built["b"].spectral_model.index
        np.testing.assert_array_equal(built.covariance.data, models.covariance.data)
        assert built["a"].parameters["amplitude"].error == 1e-13

    def test_objects_other_than_models_are_not_adapted(self):
        assert Model.adapt("crab") is None
        assert Model.adapt(SkyModel) is None


class TestSeveralModels:
    def test_datasets_with_a_background_model_have_no_second_one(self):
        datasets = Datasets([create_dataset("a"), create_dataset("b")])
        other_background = FoVBackgroundModel(dataset_name="a")
        messages: list[str] = []
        models = build_models(
            [Model.adapt(other_background), BackgroundModels()], datasets, report=messages.append
        )
        assert models.names == ["a-bkg", "b-bkg"]
        assert messages == ["a: has a background model, so that none is added"]

    def test_duplicate_names_are_rejected(self):
        sources = [Source(name="crab", spectral=POWER_LAW)] * 2
        with pytest.raises(ModelError, match="two models are named 'crab'"):
            build_models(sources, Datasets())

    def test_order_of_the_components_is_kept(self):
        components = [BackgroundModels(), Source(name="z", spectral=POWER_LAW),
                      Source(name="a", spectral=POWER_LAW)]  # fmt: skip
        models = build_models(components, Datasets([create_dataset("x")]))
        assert models.names == ["x-bkg", "z", "a"]

    def test_unknown_source_is_reported_before_data_are_read(self):
        overrides = ["estimate.0.source=carb", "data.hess.archive=sim:crab"]
        with pytest.raises(ConfigError, match=r"unknown source 'carb'.*did you mean 'crab'"):
            Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides)

    def test_estimators_can_use_adapted_models(self):
        pipeline = Pipeline.from_yaml(
            plain_gammapy.EXAMPLE, overrides=["data.hess.archive=sim:crab"]
        )
        pipeline = pipeline.evolve(model=[plain_gammapy.models("hess")])
        assert Orchestrator(pipeline).pipeline is pipeline
