"""Parameters of model components have the settings of those of `source`."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gammapy.datasets import Datasets

import small_datasets as small
from halo_model import Halo
from skyred import (
    ModelParameter,
    Pipeline,
    ReducedData,
    build_parameters,
    component,
    parameter,
)
from skyred.components import engines, gammapy as default_components
from skyred.components.fitters import minuit
from skyred.components.gammapy import Source
from skyred.components.models.spec import build_submodel
from skyred.errors import ConfigError, FieldError
from skyred.interfaces.records import Owner
from skyred.plugins import Plugins
from skyred.run.build_models import build_models
from skyred.testing import check


def plugins() -> Plugins:
    plugins = Plugins.load(points=[])
    for name, plugin in (
        ("gammapy", default_components),
        ("minuit", minuit),
        ("engines", engines),
    ):
        plugins.register(plugin, Owner("skyred", "1", name))
    assert plugins.catalog.add(Halo, Owner("dist", "1", "halo")) == ""
    return plugins


def read(tmp_path: Path, *models: str) -> Pipeline:
    (tmp_path / "data.yaml").write_text("datasets: []\n", encoding="utf-8")
    listed_models = "\n".join(f"  - {model}" for model in models)
    source = f"data: {{small: {{datasets: {tmp_path}/data.yaml}}}}\nmodel:\n{listed_models}\n"
    return Pipeline.from_yaml(source, plugins=plugins())


def test_values_limits_units_and_priors_become_those_of_gammapy() -> None:
    halo = Halo(
        index={"value": 2.5, "prior": {"type": "gaussian", "mu": 2.4, "sigma": 0.2}},
        amplitude={"value": "1e-14 cm-2 s-1 GeV-1", "max": "1e-9 cm-2 s-1 TeV-1"},
        reference={"value": "2000 GeV", "frozen": False},
    )
    parameters = build_parameters(halo)
    index, amplitude, reference = (parameters[name] for name in ("index", "amplitude", "reference"))
    assert (index.value, index.min, index.max) == (2.5, 0, 5)
    assert float(index.prior.mu.value) == 2.4
    assert amplitude.quantity.to_value("cm-2 s-1 TeV-1") == pytest.approx(1e-11)
    assert (amplitude.min, amplitude.max) == pytest.approx((0, 1e-12))
    assert (reference.value, str(reference.unit), reference.frozen) == (2000, "GeV", False)
    assert np.isnan(reference.min)
    assert build_parameters(Halo())["reference"].frozen
    assert halo.reference.quantity.to_value("TeV") == 2


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("index", 6, "starts at 6.0, outside min and max"),
        ("index", "2 TeV", "'2 TeV' is in TeV"),
        ("index", {"valu": 3}, "valu: unknown key"),
        ("reference", 3, "'3' is in no unit; expected a unit such as TeV"),
        ("reference", "big", "'big' is not a quantity"),
        ("reference", {"value": "3 TeV", "min": "4 TeV"}, "outside min and max"),
        ("index", {"prior": {"type": "gauss"}}, "prior.type: unknown prior 'gauss'"),
    ],
)
def test_invalid_settings_are_errors(name: str, setting: Any, message: str) -> None:
    with pytest.raises(FieldError) as info:
        Halo(**{name: setting})
    assert message in str(info.value)


def test_all_errors_are_reported_at_once_with_their_paths(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as info:
        read(
            tmp_path,
            "{kind: test-halo, index: 2 TeV, reference: {value: 1 TeV, link: alone}}",
            "{kind: source, name: crab, spectral: {type: pl, index: 1 m}}",
        )
    paths = [problem.path for problem in info.value.problems]
    assert ("model", 0, "index") in paths
    assert ("model", 1, "spectral", "index") in paths


def test_link_that_is_used_once_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as info:
        read(tmp_path, "{kind: test-halo, index: {value: 2, link: alone}}")
    (problem,) = info.value.problems
    assert problem.path == ("model", 0, "index", "link")
    assert "used only once" in problem.message


def test_parameters_are_linked_to_those_of_source(tmp_path: Path) -> None:
    pipeline = read(
        tmp_path,
        "{kind: test-halo, index: {value: 2.2, link: shared}}",
        "{kind: source, name: crab, spectral: {type: pl, index: {value: 2.2, link: shared}}}",
    )
    models = build_models(pipeline.model, Datasets([small.spectrum_dataset()]))
    assert models["halo"].spectral_model.index is models["crab"].spectral_model.index


def test_yaml_pickles_and_digests_are_preserved(tmp_path: Path) -> None:
    halo = "{kind: test-halo, index: {value: 2.2, frozen: true}, reference: 2 TeV}"
    pipeline = read(tmp_path, halo)
    again = Pipeline.from_yaml(pipeline.to_yaml(), plugins=plugins())
    assert again == pipeline
    assert again.digest() == pipeline.digest()
    assert pickle.loads(pickle.dumps(pipeline.model[0])) == pipeline.model[0]
    assert pipeline.evolve(model=[Halo(reference="2000 GeV")]) == pipeline.evolve(
        model=[Halo(reference="2 TeV")]
    )
    assert Halo(index=2.2) != Halo(index=2.1)


def test_parameters_of_one_gammapy_model_are_selected() -> None:
    parameters = build_parameters(Halo(), "reference", "index")
    assert list(parameters) == ["reference", "index"]
    message = r"Halo has no parameter 'indx'; did you mean 'index'\?; it has index, amplitude, ref"
    with pytest.raises(ValueError, match=message):
        build_parameters(Halo(), "indx")


def test_parameter_is_named_after_its_field_by_default() -> None:
    copy = pickle.loads(pickle.dumps(Halo(index={"value": 2.2, "max": 4})))
    for halo in (Halo(), Halo(index=2.2), copy):
        assert halo.index.build().name == "index"
        assert halo.index.build("slope").name == "slope"
    assert Halo().reference.build().name == "reference"


def test_required_parameter_needs_a_value() -> None:
    @component
    class Required(Halo):
        """A component with a required parameter."""

        kind = "test-required"
        mass: ModelParameter = parameter(unit="TeV", min=0, doc="The mass.")

    assert Required(mass="3 GeV").mass.quantity.to_value("GeV") == 3
    with pytest.raises(FieldError, match="has no value"):
        Required(mass={"min": "1 TeV"})


def test_conformance_checks_accept_the_component() -> None:
    check(Halo())


def test_limits_of_a_class_are_converted_to_the_unit_of_the_value() -> None:
    spectral = {"type": "ecpl", "lambda_": "0.1 TeV-1"}
    assert build_submodel("spectral", spectral).lambda_.value == 0.1
    position = build_submodel("spatial", {"type": "point", "lon_0": "1 rad", "lat_0": "0.5 rad"})
    assert position.lat_0.max == pytest.approx(np.pi / 2)
    assert position.lat_0.min == pytest.approx(-np.pi / 2)


def test_fit_of_a_component_with_parameters_agrees_with_that_of_source(tmp_path: Path) -> None:
    Datasets([small.spectrum_dataset()]).write(tmp_path / "datasets.yaml")
    spectral = {
        "type": "pl",
        "index": {"value": 2.0, "min": 0, "max": 5},
        "amplitude": {"value": "1e-11 cm-2 s-1 TeV-1", "min": 0},
        "reference": "1 TeV",
    }
    results = [
        Pipeline(
            data={"small": ReducedData(datasets=str(tmp_path / "datasets.yaml"))},
            model=[model],
            fit=minuit.Newton(),
        ).run(plugins=plugins())
        for model in (Halo(), Source(name="halo", spectral=spectral))
    ]
    np.testing.assert_array_equal(*(result.fit.values for result in results if result.fit))
