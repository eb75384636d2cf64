"""Packages that a component declares with `requires` are checked, but not imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from distributions import install_distribution
from skyred import Maker, Orchestrator, Pipeline, component
from skyred.cli.describe import describe
from skyred.components.engines import Serial
from skyred.errors import ConfigError
from skyred.interfaces.records import Owner
from skyred.plugins import CatalogEntry, Plugins
from toys import ToyMaker, toy_pipeline, toy_plugins


@component(requires=("no-such-package>=2", "numpy>=1", "numpy<1; sys_platform == 'amiga'"))
class Denoise(Maker):
    """A maker that needs a package."""

    kind = "toy-denoise"

    def check(self, pipeline: Any) -> Iterator[Any]:
        import no_such_package

        yield no_such_package

    def make(self, dataset: Any, observation: Any) -> Any:
        return dataset


OWNER = Owner("toy-denoise", "1", "denoise")


@pytest.fixture
def plugins() -> Plugins:
    plugins = toy_plugins()
    assert plugins.catalog.add(Denoise, OWNER) == ""
    return plugins


def test_missing_package_is_one_error_with_the_command_that_installs_it(plugins: Plugins) -> None:
    config = toy_pipeline(2).to_yaml().replace("kind: toy-fill", "kind: toy-denoise")
    with pytest.raises(ConfigError) as exc_info:
        Pipeline.from_yaml(config, plugins=plugins)
    (line,) = exc_info.value.lines
    assert "data.toy.make" in line
    assert f"the maker 'toy-denoise' of {__name__} needs the package no-such-package>=2" in line
    assert "install it: python -m pip install 'no-such-package>=2'" in line
    with pytest.raises(ConfigError, match="no-such-package"):
        Orchestrator(toy_pipeline(2, make=[Denoise()]), plugins=plugins)


def test_wrong_version_is_an_error_with_both_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_distribution(tmp_path, "no-such-package", "raise ImportError", version="1.5")
    monkeypatch.syspath_prepend(str(tmp_path))
    (problem, *_) = toy_pipeline(2, make=[Denoise()]).problems()
    assert "needs no-such-package>=2, but no-such-package 1.5 is installed" in problem.message


def test_installed_package_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_distribution(tmp_path, "lazy-package", "raise SystemExit", version="2.5rc1")
    (tmp_path / "only_a_module.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(str(tmp_path))
    cls = component(requires=("lazy-package>=2", "only-a-module"))(
        type("Lazy", (ToyMaker,), {"__doc__": "A maker.", "kind": "toy-lazy"})
    )
    assert toy_pipeline(2, make=[cls()]).problems() == []
    assert not {"lazy_package", "only_a_module"} & set(sys.modules)


def test_missing_package_of_an_engine_is_an_error(plugins: Plugins) -> None:
    body = {"__doc__": "An engine.", "kind": "toy-engine"}
    cls = component(requires=("no-such-package",))(type("Remote", (Serial,), body))
    with pytest.raises(ConfigError, match=r"engine: the engine .* pip install no-such"):
        Orchestrator(toy_pipeline(2), plugins=plugins, engine=cls())


def test_plugin_of_the_component_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
from skyred import component, hookimpl
from toys import ToyMaker

@component(requires=("no-such-package",))
class Needy(ToyMaker):
    '''A maker.'''
    kind = "toy-needy"

@hookimpl
def skyred_components():
    return [Needy]
"""
    install_distribution(tmp_path, "toy-needy-plugin", code, version="3.1")
    monkeypatch.syspath_prepend(str(tmp_path))
    import toy_needy_plugin  # type: ignore[import-not-found]

    (problem,) = toy_pipeline(2, make=[toy_needy_plugin.Needy()]).problems()
    assert problem.message.startswith("the maker 'toy-needy' of toy-needy-plugin 3.1 needs the")


def test_required_packages_are_shown() -> None:
    description = describe(CatalogEntry(Denoise, OWNER))
    assert "Required packages: no-such-package>=2, numpy>=1" in description
    message = "no-such-package>=2: not installed; install it: python -m pip install 'no-such-packa"
    assert message in description
    assert "numpy>=1: " not in description


def test_requirements_are_inherited() -> None:
    body = {"__doc__": "A maker.", "kind": "toy-denoise-2"}
    cls = component(requires=("scipy",))(type("Denoise2", (Denoise,), body))
    assert cls.requires == (*Denoise.requires, "scipy")
    assert ToyMaker.requires == ()


@pytest.mark.parametrize(
    ("requires", "message"),
    [("torch", r"requires is a string; expected a tuple: \('torch',\)"),
     (("torch >> 2",), "requires 'torch >> 2', which is invalid"),
     ((5,), "requires 5, which is invalid")],
)  # fmt: skip
def test_invalid_requirements_are_rejected(requires: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        component(requires=requires)(
            type("Wrong", (ToyMaker,), {"__doc__": "A maker.", "kind": "wrong"})
        )
