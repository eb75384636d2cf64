"""The plugins of models in a run folder are compared with those that are loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gammapy.modeling import Parameter
from gammapy.modeling.models import SPECTRAL_MODEL_REGISTRY, SpectralModel

from skyred import hookimpl
from skyred.errors import SkyredWarning
from skyred.interfaces.records import Owner
from skyred.plugins import Plugins
from skyred.result.model_plugins import find_missing

DATA = {"components": [{"spectral": {"type": "Flat", "parameters": []}}]}


class Flat(SpectralModel):
    """A constant flux."""

    tag = "Flat"
    norm = Parameter("norm", "1e-11 cm-2 s-1 TeV-1")

    @staticmethod
    def evaluate(energy: Any, norm: Any) -> Any:
        """Evaluate the flux."""
        return norm * (energy / energy).to_value("")


@pytest.fixture
def plugins() -> Iterator[Plugins]:
    registered = list(SPECTRAL_MODEL_REGISTRY)
    plugins = Plugins.load(points=[])
    plugin = SimpleNamespace(skyred_models=hookimpl(lambda: [Flat]))
    plugins.register(plugin, Owner("skyred-flat", "2.0", "flat"))
    yield plugins
    SPECTRAL_MODEL_REGISTRY[:] = registered


def find_missing_of(plugins: Plugins, distribution: str) -> str:
    owners = {"Flat": {"distribution": distribution, "version": "1.0"}}
    return find_missing(DATA, plugins.catalog.models, owners, Path("run"))


def test_model_of_another_distribution_is_read_with_a_warning(plugins: Plugins) -> None:
    with pytest.warns(SkyredWarning, match=r"'Flat' was written with flat.py, and is read"):
        assert find_missing_of(plugins, "flat.py") == ""


def test_model_of_the_same_distribution_is_read_without_warnings(plugins: Plugins) -> None:
    assert find_missing_of(plugins, "Skyred_Flat") == ""


def test_folder_names_its_plugin_if_several_have_the_type(plugins: Plugins) -> None:
    other_class = type("Other", (Flat,), {"tag": "Flat", "norm": Flat.norm})
    plugin = SimpleNamespace(skyred_models=hookimpl(lambda: [other_class]))
    plugins.register(plugin, Owner("skyred-other", "1.0", "other"))
    assert "(the folder was written with skyred-flat)" in find_missing_of(plugins, "skyred-flat")
