"""Old names of options, kinds and classes work with a warning, and are replaced in YAML."""

from pathlib import Path
from typing import Any

import pytest

import skyred
from skyred import ConfigError, Pipeline, ReducedData, Reduction, Selector, component, option
from skyred.errors import OldNameWarning
from skyred.interfaces.records import Owner
from skyred.plugins import Catalog
from toys import toy_pipeline, toy_plugins

pytestmark = pytest.mark.filterwarnings("default::skyred.errors.OldNameWarning")


@component
class Renamed(Selector):
    """A selector with an old kind, and an old name of its option."""

    kind = "renamed"
    old_kinds = ("first-name",)
    old_names = {"limit": "largest"}

    largest: int = option(3, min=1, doc="Maximum number of observations.")

    def select(self, table: Any) -> Any:
        return table[: self.largest]


@pytest.fixture
def plugins() -> Any:
    plugins = toy_plugins()
    assert plugins.catalog.add(Renamed, Owner("renamed", "1", "renamed")) == ""
    return plugins


def yaml_with(select: str) -> str:
    """Return a pipeline in YAML with a selector."""
    config = toy_pipeline().to_yaml()
    assert "  toy:\n" in config
    return config.replace("  toy:\n", f"  toy:\n    select: {select}\n", 1)


def test_old_option_in_python_causes_a_warning_with_the_new_name() -> None:
    with pytest.warns(OldNameWarning, match="'limit' of Renamed is now called 'largest'"):
        renamed = Renamed(limit=2)
    assert renamed == Renamed(largest=2)
    assert renamed.limit == renamed.largest == 2
    assert renamed.to_plain() == {"kind": "renamed", "largest": 2}
    assert renamed.evolve(largest=5).largest == 5


def test_old_option_and_kind_in_yaml_are_replaced(plugins: Any) -> None:
    with pytest.warns(OldNameWarning) as warnings:
        pipeline = Pipeline.from_yaml(yaml_with("{kind: first-name, limit: 2}"), plugins=plugins)
    messages = sorted(str(line.message) for line in warnings)
    assert len(messages) == 2
    assert messages[0].startswith("data.toy.select.limit is now called 'largest'")
    assert messages[1].startswith("the selector 'first-name' is now called 'renamed'")
    assert pipeline == Pipeline.from_yaml(yaml_with("{kind: renamed, largest: 2}"), plugins=plugins)
    assert "first-name" not in pipeline.to_yaml(complete=True)
    assert "limit" not in pipeline.to_yaml(complete=True)


def test_invalid_value_of_an_old_option_is_reported_at_its_line(plugins: Any) -> None:
    config = yaml_with("{kind: renamed, limit: 0}")
    with pytest.warns(OldNameWarning), pytest.raises(ConfigError) as exc_info:
        Pipeline.from_yaml(config, plugins=plugins)
    (line,) = exc_info.value.lines
    number = next(
        index for index, content in enumerate(config.split("\n"), 1) if "limit" in content
    )
    column = config.split("\n")[number - 1].index("limit") + 1
    assert line.startswith(
        f"<string>:{number}:{column}: data.toy.select[0].limit: invalid value 0"
    ) or (f"{number}:{column}" in line and "limit" in line)


@pytest.mark.parametrize(
    "select", ["{kind: renamed, limit: 1, largest: 2}", "{kind: renamed, largest: 2, limit: 1}"]
)
def test_old_and_new_name_together_are_rejected(plugins: Any, select: str) -> None:
    with pytest.raises(
        ConfigError, match=r"limit: is the old name of 'largest', which is .* remove 'limit'"
    ):
        Pipeline.from_yaml(yaml_with(select), plugins=plugins)
    with pytest.raises(TypeError, match="both 'largest' and its old name 'limit'"):
        Renamed(largest=1, limit=2)


def test_old_kind_that_another_plugin_provides_is_a_conflict() -> None:
    @component
    class Other(Selector):
        """A selector whose kind is the old kind of `Renamed`."""

        kind = "first-name"

        def select(self, table: Any) -> Any:
            return table

    owner = Owner("other", "1", "other")
    for first, second in ((Renamed, Other), (Other, Renamed)):
        catalog = Catalog()
        assert catalog.add(first, owner) == ""
        assert "first-name" in catalog.add(second, owner)
        catalog.drop(owner)
        assert catalog.add(second, owner) == ""


def test_subclass_does_not_inherit_old_kinds() -> None:
    @component
    class Extended(Renamed):
        """A subclass of a selector with old names."""

        kind = "extended"

    catalog = Catalog()
    for cls in (Renamed, Extended):
        assert catalog.add(cls, Owner("renamed", "1", "renamed")) == ""
    assert [entry.cls for entry in catalog.find("first-name")] == [Renamed]
    with pytest.warns(OldNameWarning):
        assert Extended(limit=2).largest == 2


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"old_kinds": "before"}, r"old_kinds is a string; expected a tuple: \('before',\)"),
        ({"old_names": {"largest": "other"}}, "old_names has current options as keys: largest"),
    ],
)
def test_invalid_old_names_are_rejected(names: dict[str, Any], message: str) -> None:
    options = {"largest": option(3, doc="A number."), "other": option(3, doc="A number.")}
    body = {"__doc__": "Wrong.", "kind": "wrong", "select": lambda self, table: table}
    annotations = {"largest": int, "other": int}
    with pytest.raises(TypeError, match=message):
        component(
            type("Wrong", (Selector,), {"__annotations__": annotations, **options, **body, **names})
        )


def test_old_name_of_an_unknown_option_is_rejected() -> None:
    with pytest.raises(TypeError, match="old_names refers to unknown options: size"):

        @component
        class Wrong(Selector):
            """A selector with an old name of an option that does not exist."""

            kind = "wrong"
            old_names = {"limit": "size"}

            def select(self, table: Any) -> Any:
                return table


def test_old_public_name_returns_the_new_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(skyred._OLD_NAMES, "FormerName", "Pipeline")
    with pytest.warns(OldNameWarning, match=r"skyred.FormerName is now called skyred.Pipeline"):
        assert skyred.FormerName is Pipeline


def test_reduction_with_datasets_returns_reduced_data(tmp_path: Path) -> None:
    path = str(tmp_path / "datasets.yaml")
    with pytest.warns(OldNameWarning, match=r"ReducedData\(datasets=...\)"):
        entry = Reduction(datasets=path)
    assert entry == ReducedData(datasets=path)


@pytest.mark.parametrize("old_name", sorted(skyred._OLD_NAMES))
def test_old_public_name_is_the_current_object(old_name: str) -> None:
    with pytest.warns(OldNameWarning, match=f"skyred.{old_name} is now called"):
        assert getattr(skyred, old_name) is getattr(skyred, skyred._OLD_NAMES[old_name])


def test_nodes_of_energy_axis_are_bin_edges() -> None:
    axis = skyred.EnergyAxis(min="1 TeV", max="100 TeV", bins=2)
    with pytest.warns(OldNameWarning, match=r"EnergyAxis.nodes is now called EnergyAxis.bin_edges"):
        assert axis.nodes().to_value("TeV").tolist() == pytest.approx([1, 10, 100])
