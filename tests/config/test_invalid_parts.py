"""An invalid part of a configuration with selected datasets is reported as one problem."""

from __future__ import annotations

import pytest

from skyred import Pipeline
from skyred.errors import ConfigError
from skyred.plugins import Plugins

CONFIGURATION = """
data:
  hess: &entry
    archive: sim:crab
    geometry: {kind: map, center: [83.633 deg, 22.014 deg], width: 2 deg,
               energy: {min: 1 TeV, max: 10 TeV, bins: 4},
               energy_true: {min: 0.5 TeV, max: 20 TeV, bins: 10}}
    make: [{kind: map}]
    stack: {kind: sum}
  other: *entry
  third: *entry
model:
  - {kind: source, name: crab, spectral: {type: pl}}
fit: {kind: newton}
estimate:
  - {kind: flux-points, source: crab, energy_edges: [1 TeV, 2 TeV], datasets: hess}
"""


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return Plugins.load()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.hess.geometry={kind: mp}", r"data\.hess\.geometry\.kind: unknown geometry 'mp'"),
        ("data.hess.geometry=null", r"data\.hess\.geometry"),
        ("data.hess.stack={kind: smu}", r"data\.hess\.stack\.kind: unknown stacker 'smu'"),
        ("data.hess.make=[{kind: mpa}]", r"data\.hess\.make\[0\]\.kind: unknown maker 'mpa'"),
        ("data.other=3", r"data\.other: invalid value 3"),
        ("data.other.geometry={kind: mp}", r"data\.other\.geometry\.kind: unknown geometry"),
        ("model.0.kind=sourc", r"model\[0\]\.kind: unknown model 'sourc'; available: .*source"),
        ("data.hess.select=[{kind: con}]", r"select\[0\]\.kind: unknown selector 'con'"),
        ("model.0.spectral.type=plaw", r"model\[0\]\.spectral\.type: unknown spectral model"),
        ("fit={kind: newtn}", r"fit\.kind: unknown fitter 'newtn'"),
        ("estimate.0.kind=flux-pionts", r"estimate\[0\]\.kind: unknown estimator"),
        ("estimate.0.source=carb", r"estimate\[0\]\.source: unknown source 'carb'"),
        ("estimate.0.datasets=3", r"estimate\[0\]\.datasets"),
        ("estimate.0.datasets=[3]", r"estimate\[0\]\.datasets: invalid value 3; expected a string"),
        ("estimate.0.datasets=hes", r"no dataset is named 'hes'.*did you mean 'hess'"),
    ],
)
def test_invalid_part_is_the_only_problem(override: str, message: str, plugins: Plugins) -> None:
    Pipeline.from_yaml(CONFIGURATION, plugins=plugins)
    with pytest.raises(ConfigError, match=message) as exc_info:
        Pipeline.from_yaml(CONFIGURATION, plugins=plugins, overrides=[override])
    assert len(exc_info.value.problems) == 1, exc_info.value


def test_links_of_other_models_are_checked_next_to_an_unknown_model(plugins: Plugins) -> None:
    link = "model.1={kind: source, name: b, spectral: {type: pl, index: {value: 2, link: alone}}}"
    overrides = ["model.0.kind=sourc", link]
    configuration = CONFIGURATION.replace("fit:", "  - {kind: fov-background}\nfit:")
    with pytest.raises(ConfigError) as exc_info:
        Pipeline.from_yaml(configuration, plugins=plugins, overrides=overrides)
    messages = [problem.message for problem in exc_info.value.problems]
    assert "unknown model 'sourc'" in messages
    assert "the link 'alone' is used only once" in messages
