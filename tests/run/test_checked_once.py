"""Components are checked once per run, in pipelines from YAML and from Python."""

from __future__ import annotations

import copy
import pickle
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from skyred import Orchestrator, Pipeline, Problem, component, hookimpl, option
from skyred.cli import main
from skyred.errors import ConfigError
from skyred.fields import nested_object
from skyred.interfaces import Fields, value
from skyred.plugins import Plugins
from toys import ToyEstimator, toy_pipeline, toy_plugins

CALLS: list[str] = []


@value
class NestedValue(Fields):
    """A nested value with a check."""

    number: int = option(1, doc="A number.")

    def check(self, pipeline: Any) -> Iterable[Problem]:
        CALLS.append("nested")
        return ()


@component
class CountingEstimator(ToyEstimator):
    """An estimator that counts its checks."""

    kind = "toy-counted"
    nested: NestedValue = nested_object(NestedValue, NestedValue(), doc="A value.")
    invalid: bool = option(False, doc="Whether its check reports a problem.")

    def check(self, pipeline: Any) -> Iterator[Problem]:
        CALLS.append("estimator")
        if self.invalid:
            yield Problem(("invalid",), "is true", "expected false")


@pytest.fixture
def plugins() -> Plugins:
    CALLS.clear()
    module = types.ModuleType("counted")
    module.skyred_components = hookimpl(specname="skyred_components")(lambda: [CountingEstimator])  # type: ignore[attr-defined]
    return toy_plugins(("counted", module))


@pytest.fixture
def pipeline_from_yaml(plugins: Plugins) -> Pipeline:
    return Pipeline.from_yaml(
        toy_pipeline(estimate=[CountingEstimator()]).to_yaml(), plugins=plugins
    )


def test_pipeline_from_yaml_is_checked_when_it_is_read(
    pipeline_from_yaml: Pipeline, plugins: Plugins
) -> None:
    assert CALLS == ["estimator", "nested"]
    pipeline_from_yaml.run(plugins=plugins)
    Orchestrator(pipeline_from_yaml, plugins=plugins).select()
    assert CALLS == ["estimator", "nested"]


def test_pipeline_from_python_is_checked_when_it_runs(plugins: Plugins) -> None:
    pipeline = toy_pipeline(estimate=[CountingEstimator()])
    assert CALLS == []
    pipeline.run(plugins=plugins)
    assert CALLS == ["estimator", "nested"]
    # checked again, since gammapy objects in the pipeline may have changed
    pipeline.run(plugins=plugins)
    assert CALLS == ["estimator", "nested"] * 2


@pytest.mark.parametrize(
    "copy_pipeline",
    [
        lambda pipeline: pipeline.evolve(fit=None),
        copy.copy,
        copy.deepcopy,
        lambda pipeline: pickle.loads(pickle.dumps(pipeline)),
    ],
    ids=["evolve", "copy", "deepcopy", "pickle"],
)
def test_copy_of_a_checked_pipeline_is_checked_again(
    pipeline_from_yaml: Pipeline, plugins: Plugins, copy_pipeline: Any
) -> None:
    pipeline_copy = copy_pipeline(pipeline_from_yaml)
    assert pipeline_copy == pipeline_from_yaml
    assert pipeline_copy.digest() == pipeline_from_yaml.digest()
    assert (pipeline_from_yaml.checked, pipeline_copy.checked) == (True, False)
    CALLS.clear()
    pipeline_copy.run(plugins=plugins)
    assert CALLS == ["estimator", "nested"]


def test_changed_copy_of_a_checked_pipeline_is_checked(
    pipeline_from_yaml: Pipeline, plugins: Plugins
) -> None:
    pipeline = pipeline_from_yaml.evolve(estimate=[CountingEstimator(invalid=True)])
    with pytest.raises(ConfigError, match=r"estimate\[0\].invalid: is true; expected false"):
        pipeline.run(plugins=plugins)


PLUGIN = """
from pathlib import Path

from skyred import Selector, component, hookimpl


@component
class LoggingSelector(Selector):
    kind = "logging"

    def check(self, pipeline):
        with Path({log!r}).open("a") as log:
            log.write("checked ")
        return ()

    def select(self, table):
        return table


@hookimpl
def skyred_components():
    return [LoggingSelector]
"""


def test_run_command_checks_components_once(tmp_path: Path, crab_yaml: str) -> None:
    log, path, plugin = tmp_path / "log", tmp_path / "crab.yaml", tmp_path / "counted.py"
    plugin.write_text(PLUGIN.format(log=str(log)))
    config = crab_yaml.replace("$GAMMAPY_DATA/hess-dl3-dr1", "sim:crab")
    path.write_text(config.replace("kind: cone", "kind: logging}\n      - {kind: cone"))
    args = ["run", path, "--plugin", plugin, "--until", "select", "-o", tmp_path / "out"]
    result = CliRunner().invoke(main, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert log.read_text() == "checked "
