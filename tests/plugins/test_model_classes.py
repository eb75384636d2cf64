"""Model classes of plugins are registered when they are used; conflicts and faults are reported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from gammapy.modeling import Parameter
from gammapy.modeling.models import (
    SPATIAL_MODEL_REGISTRY,
    SPECTRAL_MODEL_REGISTRY,
    TEMPORAL_MODEL_REGISTRY,
    DiskSpatialModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
    SpectralModel,
)

from skyred import ModelClass, Pipeline, hookimpl
from skyred.components import gammapy as default_components
from skyred.components.fitters import minuit
from skyred.errors import ConfigError, ExportError, PluginError
from skyred.interfaces.records import Owner
from skyred.plugins import Plugins

CONFIG = """
data: {{small: {{datasets: {folder}}}}}
model:
  - {{kind: source, name: halo, spectral: {spectral}}}
  - {{kind: source, name: other, spectral: {{type: pl, index: 2 TeV}}}}
"""


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    """Restore gammapy's registries."""
    registries = SPECTRAL_MODEL_REGISTRY, SPATIAL_MODEL_REGISTRY, TEMPORAL_MODEL_REGISTRY
    saved_registries = [list(registry) for registry in registries]
    saved_tags = {cls: cls.tag for cls in (Box, WithGammapysTag)}
    yield
    for cls, tag in saved_tags.items():
        cls.tag = tag
    for registry, classes in zip(registries, saved_registries, strict=True):
        registry[:] = classes


class Box(SpectralModel):
    """A box."""

    tag = ("BoxSpectralModel", "dm-box")
    norm = Parameter("norm", "1e-11 cm-2 s-1 TeV-1")
    mass = Parameter("mass", "20 TeV", min=1)

    def __init__(self, channel: str = "tau", **parameters: Any) -> None:
        self.channel = channel
        super().__init__(**parameters)

    @staticmethod
    def evaluate(energy: Any, norm: Any, mass: Any) -> Any:
        """Evaluate the box."""
        return norm * (energy / mass).to_value("") ** -2


class Derived(PowerLawSpectralModel):
    """A power law that inherits no parameters."""

    tag = "derived"


class WithoutTag(SpectralModel):
    """A model with the tag of its base class."""

    norm = Parameter("norm", 1)

    @staticmethod
    def evaluate(energy: Any, norm: Any) -> Any:
        """Evaluate the model."""
        return norm * energy.value


class WrongArguments(SpectralModel):
    """A model that cannot be evaluated."""

    tag = "wrong-arguments"
    norm = Parameter("norm", 1)

    @staticmethod
    def evaluate(energy: Any, amplitude: Any) -> Any:
        """Evaluate the model."""
        return amplitude * energy.value


class WithGammapysTag(Box):
    """A model with a tag of gammapy."""

    tag = ("WithGammapysTag", "pl")
    norm, mass = Box.norm, Box.mass


def load(**declarations: Any) -> Plugins:
    """Return plugins with model classes, by the name of the plugin."""
    plugins = Plugins.load(points=[])
    for name, plugin in (("gammapy", default_components), ("minuit", minuit)):
        plugins.register(plugin, Owner("skyred", "1", name))
    for name, declared in declarations.items():
        plugin = SimpleNamespace(
            skyred_models=hookimpl(
                lambda declared=declared: declared() if callable(declared) else declared
            )
        )
        plugins.register(plugin, Owner(f"dist-{name}", "0.3", name))
    return plugins


def problems(plugins: Plugins, tmp_path: Path, spectral: str) -> list[Any]:
    with pytest.raises(ConfigError) as info:
        Pipeline.from_yaml(CONFIG.format(folder=tmp_path, spectral=spectral), plugins=plugins)
    return [problem for problem in info.value.problems if problem.path[:2] == ("model", 0)]


def test_type_of_a_plugin_is_used_like_those_of_gammapy(tmp_path: Path) -> None:
    plugins = load(dark=[Box])
    assert Box not in SPECTRAL_MODEL_REGISTRY
    mass = "{value: 5 TeV, max: 9}"
    spectral = f"{{type: dm-box, channel: bb, norm: 1e-14 cm-2 s-1 GeV-1, mass: {mass}}}"
    assert problems(plugins, tmp_path, spectral) == []
    assert Box in SPECTRAL_MODEL_REGISTRY

    pipeline = Pipeline.from_yaml(
        CONFIG.format(folder=tmp_path, spectral=spectral).replace("2 TeV", "2"), plugins=plugins
    )
    spectrum = pipeline.model[0].build([])[0].spectral_model
    assert isinstance(spectrum, Box)
    assert spectrum.channel == "bb"
    assert spectrum.mass.max == 9
    assert spectrum.norm.quantity.to_value("cm-2 s-1 TeV-1") == pytest.approx(1e-11)


def test_type_of_a_plugin_is_not_exported_as_a_model_of_gammapy(tmp_path: Path) -> None:
    config = CONFIG.format(folder=tmp_path, spectral="{type: dm-box}").replace("2 TeV", "2")
    pipeline = Pipeline.from_yaml(config, plugins=load(dark=[Box]))
    (tmp_path / "datasets.yaml").write_text("datasets: []\n", encoding="utf-8")
    with pytest.raises(ExportError, match="which plain gammapy does not have"):
        pipeline.to_script()


def test_errors_in_parameters_are_reported_with_the_other_errors(tmp_path: Path) -> None:
    found_problems = problems(load(dark=[Box]), tmp_path, "{type: dm-box, mas: 3 TeV}")
    assert [str(problem.path[-1]) for problem in found_problems] == ["mas"]
    assert found_problems[0].suggestion == "mass"
    spectral = "{type: dm-box, mass: {value: 0 TeV, min: 1}}"
    (problem,) = problems(load(dark=[Box]), tmp_path, spectral)
    assert "outside min and max" in problem.message


def test_unknown_type_is_compared_with_the_types_of_plugins(tmp_path: Path) -> None:
    plugins = load(dark=[Box])
    plugins.catalog.unavailable_plugins.append("blocky 1.0, which is blocked by SKYRED_BLOCK")
    (problem,) = problems(plugins, tmp_path, "{type: dm-bx}")
    assert problem.path == ("model", 0, "spectral", "type")
    assert problem.message == "unknown spectral model 'dm-bx'"
    reason = "it may be provided by blocky 1.0, which is blocked by SKYRED_BLOCK"
    assert problem.expected.endswith(f", dm-box; {reason}")
    assert problem.suggestion == "dm-box"
    (problem,) = problems(plugins, tmp_path, "{type: pll}")
    assert problem.suggestion == "pl"
    pipeline = Pipeline.from_yaml(
        CONFIG.format(folder=tmp_path, spectral="{type: pl}").replace("2 TeV", "2"),
        plugins=plugins,
    )
    source = pipeline.model[0].evolve(spectral={"type": "dm-bx"})
    changed_pipeline = pipeline.evolve(model=[source])
    for run in (changed_pipeline.check, changed_pipeline.run):
        with pytest.raises(ConfigError, match="did you mean 'dm-box'"):
            run(plugins=plugins)


def test_type_of_two_plugins_is_an_error_only_where_it_is_used(tmp_path: Path) -> None:
    plugins = load(first=[Box], second=[Box])
    assert plugins.faults() == []
    (problem,) = problems(plugins, tmp_path, "{type: dm-box}")
    assert problem.path == ("model", 0, "spectral", "type")
    assert "dist-first 0.3" in problem.message
    assert "dist-second 0.3" in problem.message
    assert "write dist-first:dm-box or dist-second:dm-box" in problem.message
    assert problems(plugins, tmp_path, "{type: pl}") == []


def create_steep_box() -> type[SpectralModel]:
    """Return another class with the tags of `Box`."""
    return type("SteepBox", (Box,), {"tag": Box.tag, "norm": Box.norm, "mass": Box.mass})


def test_qualified_types_of_two_plugins_are_used_and_written_together(tmp_path: Path) -> None:
    steep_box = create_steep_box()
    plugins = load(first=[Box], second=[steep_box])
    spectrum = "{{type: {}, mass: 8 TeV}}"
    for tag, cls in (("dist-first:dm-box", Box), ("Dist_Second:dm-box", steep_box)):
        assert problems(plugins, tmp_path, spectrum.format(tag)) == []
        assert SPECTRAL_MODEL_REGISTRY.get_cls(tag) is cls
    models = Models([SkyModel(Box(), name="a"), SkyModel(steep_box(), name="b")])
    data = models.to_dict()
    types = [entry["spectral"]["type"] for entry in data["components"]]
    assert types == ["dist-first:BoxSpectralModel", "dist-second:BoxSpectralModel"]
    SPECTRAL_MODEL_REGISTRY[:] = [PowerLawSpectralModel]
    for tag in types:
        load(first=[Box], second=[steep_box]).catalog.models.register(tag)
    assert [type(model.spectral_model) for model in Models.from_dict(data)] == [Box, steep_box]


def test_short_type_is_used_again_without_the_other_plugin() -> None:
    both = load(first=[Box], second=[create_steep_box()]).catalog.models
    both.register("dist-first:dm-box")
    assert {both.name(entry) for entry in both} == {"dist-first:dm-box", "dist-second:dm-box"}
    plugins = load(first=[Box])
    assert plugins.faults() == []
    plugins.catalog.models.register("dm-box")
    assert SPECTRAL_MODEL_REGISTRY.get_cls("dm-box") is Box
    assert SkyModel(Box(), name="a").to_dict()["spectral"]["type"] == "BoxSpectralModel"


def test_qualified_type_is_used_for_a_type_of_gammapy(tmp_path: Path) -> None:
    plugins = load(dark=[WithGammapysTag])
    assert problems(plugins, tmp_path, "{type: 'dist-dark:pl', mass: 3 TeV}") == []
    assert SPECTRAL_MODEL_REGISTRY.get_cls("dist-dark:pl") is WithGammapysTag
    assert SPECTRAL_MODEL_REGISTRY.get_cls("pl") is PowerLawSpectralModel
    assert plugins.catalog.models.register_class(WithGammapysTag)  # as before a fit
    model = SkyModel(WithGammapysTag(), name="a")
    assert model.to_dict()["spectral"]["type"] == "dist-dark:WithGammapysTag"


def test_class_of_a_plugin_that_is_no_longer_loaded_is_replaced() -> None:
    load(first=[Box]).catalog.models.register("dm-box")
    steep_box = create_steep_box()
    load(second=[steep_box]).catalog.models.register("dm-box")
    assert SPECTRAL_MODEL_REGISTRY.get_cls("dm-box") is steep_box
    assert Box not in SPECTRAL_MODEL_REGISTRY


def test_tag_with_a_colon_is_used() -> None:
    with_colon = type("Colon", (Box,), {"tag": "my:box", "norm": Box.norm, "mass": Box.mass})
    load(dark=[with_colon]).catalog.models.register("my:box")
    assert SPECTRAL_MODEL_REGISTRY.get_cls("my:box") is with_colon


def test_class_that_two_plugins_of_a_distribution_declare_is_no_conflict() -> None:
    models = load(first=[Box]).catalog.models
    assert models.add(Box, Owner("dist-first", "0.3", "again")) == ""
    models.register("dm-box")
    assert SPECTRAL_MODEL_REGISTRY.get_cls("dm-box") is Box


def test_type_of_gammapy_and_a_plugin_is_an_error_where_it_is_used(tmp_path: Path) -> None:
    plugins = load(dark=[WithGammapysTag])
    (problem,) = problems(plugins, tmp_path, "{type: pl}")
    assert "'pl' of dist-dark 0.3" in problem.message
    assert "PowerLawSpectralModel" in problem.message
    assert problems(plugins, tmp_path, "{type: lp}") == []


@pytest.mark.parametrize(
    ("declared", "fault"),
    [
        (5, "skyred_models() failed: TypeError"),
        (lambda: 1 / 0, "skyred_models() failed: ZeroDivisionError"),
        (lambda: sys.exit(3), "skyred_models() failed: SystemExit: 3"),
        ([5], "5 is not a SpectralModel, SpatialModel or TemporalModel class"),
        ([Box()], "is not a SpectralModel, SpatialModel or TemporalModel class"),
        ([Box, Box], "skyred_models() returns two spectral models with the tag"),
        ([Derived], "Derived has no parameters: gammapy does not inherit those of a base class"),
        ([WithoutTag], "WithoutTag has no tag of its own"),
        ([WrongArguments], "WrongArguments.evaluate has no argument norm, a parameter"),
        (lambda: [ModelClass("no path", "tag")], "invalid path 'no path'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_faulty_hook_makes_only_its_plugin_faulty(declared: Any, fault: str) -> None:
    plugins = load(faulty=declared, dark=[Box])
    (message,) = plugins.faults()
    assert "dist-faulty 0.3" in message
    assert fault in message
    assert [entry.owner.plugin for entry in plugins.catalog.models] == ["dark"]


@pytest.mark.parametrize(
    ("path", "tag", "submodel", "message"),
    [
        ("missing_module:Box", "dm-box", "spectral", "cannot be imported from missing_module:Box"),
        ("declared_models:Missing", "dm-box", "spectral", "has no attribute 'Missing'"),
        ("declared_models:Box", "dm-box", "spectral", "but Box.tag is BoxSpectralModel, dm-box"),
        ("declared_models:Disk", ("a", "b"), "spectral", "is a spatial model"),
    ],
)
def test_faulty_declaration_is_reported_where_it_is_used(
    path: str,
    tag: Any,
    submodel: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = ModuleType("declared_models")
    disk = type("Disk", (DiskSpatialModel,), {"tag": ["a", "b"], "r_0": DiskSpatialModel.r_0,
                "evaluate": staticmethod(lambda lon, lat, **kwargs: lon)})  # fmt: skip
    vars(module).update(Box=Box, Disk=disk)
    monkeypatch.setitem(sys.modules, "declared_models", module)
    plugins = load(dark=[ModelClass(path, tag, submodel)])
    assert plugins.faults() == []
    name = tag if isinstance(tag, str) else tag[0]
    (problem,) = problems(plugins, tmp_path, f"{{type: {name}}}")
    assert message in problem.message
    assert "dist-dark 0.3" in problem.message


def test_class_of_a_changed_module_replaces_the_registered_one() -> None:
    first, second = (
        type("Changed", (Box,), {"tag": "changed", "norm": Box.norm, "mass": Box.mass})
        for _ in range(2)
    )
    load(dark=[first]).catalog.models.register("changed")
    load(dark=[second]).catalog.models.register("changed")
    assert second in SPECTRAL_MODEL_REGISTRY
    assert first not in SPECTRAL_MODEL_REGISTRY


def test_class_of_another_module_with_the_same_tag_is_an_error() -> None:
    other_class = type("Other", (Box,), {"tag": "dm-box", "norm": Box.norm, "mass": Box.mass})
    SPECTRAL_MODEL_REGISTRY.append(other_class)
    with pytest.raises(PluginError, match="has the same tag as"):
        load(dark=[Box]).catalog.models.register("dm-box")
