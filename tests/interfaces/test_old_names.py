"""Old names of options, kinds and classes: they work with a warning, and are written anew."""

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
    """A selector that has a new kind, and an option that has a new name."""

    kind = "renamed"
    old_kinds = ("first-name",)
    old_names = {"limit": "largest"}

    largest: int = option(3, min=1, doc="How many observations, at most.")

    def select(self, table: Any) -> Any:
        return table[: self.largest]


@pytest.fixture
def plugins() -> Any:
    toys = toy_plugins()
    assert toys.catalog.add(Renamed, Owner("renamed", "1", "renamed")) == ""
    return toys


def yaml(select: str) -> str:
    config = toy_pipeline().to_yaml()
    assert "  toy:\n" in config
    return config.replace("  toy:\n", f"  toy:\n    select: {select}\n", 1)


def test_an_old_option_works_in_python_with_a_warning_that_names_the_new_one() -> None:
    with pytest.warns(OldNameWarning, match="'limit' of Renamed is now called 'largest'"):
        renamed = Renamed(limit=2)
    assert renamed == Renamed(largest=2)
    assert renamed.limit == renamed.largest == 2
    assert renamed.to_plain() == {"kind": "renamed", "largest": 2}
    assert renamed.evolve(largest=5).largest == 5


def test_an_old_option_and_an_old_kind_work_in_yaml_and_are_written_anew(plugins: Any) -> None:
    with pytest.warns(OldNameWarning) as warned:
        read = Pipeline.from_yaml(yaml("{kind: first-name, limit: 2}"), plugins=plugins)
    messages = sorted(str(line.message) for line in warned)
    assert len(messages) == 2
    assert messages[0].startswith("data.toy.select.limit is now called 'largest'")
    assert messages[1].startswith("the selector 'first-name' is now called 'renamed'")
    assert read == Pipeline.from_yaml(yaml("{kind: renamed, largest: 2}"), plugins=plugins)
    assert "first-name" not in read.to_yaml(complete=True)
    assert "limit" not in read.to_yaml(complete=True)


def test_invalid_value_of_an_old_option_is_reported_at_its_line(plugins: Any) -> None:
    config = yaml("{kind: renamed, limit: 0}")
    with pytest.warns(OldNameWarning), pytest.raises(ConfigError) as refused:
        Pipeline.from_yaml(config, plugins=plugins)
    (line,) = refused.value.lines
    number = next(
        i for i, config_line in enumerate(config.split("\n"), 1) if "limit" in config_line
    )
    column = config.split("\n")[number - 1].index("limit") + 1
    assert line.startswith(f"<text>:{number}:{column}: data.toy.select[0].limit: is 0") or (
        f"{number}:{column}" in line and "limit" in line
    )


@pytest.mark.parametrize(
    "select", ["{kind: renamed, limit: 1, largest: 2}", "{kind: renamed, largest: 2, limit: 1}"]
)
def test_both_names_of_an_option_at_once_are_refused(plugins: Any, select: str) -> None:
    with pytest.raises(ConfigError, match=r"limit: is the old name of 'largest'; leave one"):
        Pipeline.from_yaml(yaml(select), plugins=plugins)
    with pytest.raises(TypeError, match="both 'largest' and its old name 'limit'"):
        Renamed(largest=1, limit=2)


def test_an_old_kind_that_somebody_offers_is_a_clash() -> None:
    @component
    class Other(Selector):
        """It has the name that the other one had."""

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


def test_a_class_that_extends_a_renamed_one_has_no_old_kinds() -> None:
    @component
    class Extended(Renamed):
        """It has options by their old names too, but was never called otherwise."""

        kind = "extended"

    catalog = Catalog()
    for cls in (Renamed, Extended):
        assert catalog.add(cls, Owner("renamed", "1", "renamed")) == ""
    assert [entry.cls for entry in catalog.find("first-name")] == [Renamed]
    with pytest.warns(OldNameWarning):
        assert Extended(limit=2).largest == 2


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"old_kinds": "before"}, r"old_kinds is a string; expected a tuple: \('before',\)"),
        ({"old_names": {"largest": "other"}}, "old_names has current options as keys: largest"),
    ],
)
def test_old_names_that_cannot_be_are_refused(names: dict[str, Any], says: str) -> None:
    options = {"largest": option(3, doc="How many."), "other": option(3, doc="How many.")}
    body = {"__doc__": "Wrong.", "kind": "wrong", "select": lambda self, table: table}
    annotations = {"largest": int, "other": int}
    with pytest.raises(TypeError, match=says):
        component(
            type("Wrong", (Selector,), {"__annotations__": annotations, **options, **body, **names})
        )


def test_an_old_name_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(TypeError, match="old_names refers to unknown options: size"):

        @component
        class Wrong(Selector):
            """It names an option that it does not have."""

            kind = "wrong"
            old_names = {"limit": "size"}

            def select(self, table: Any) -> Any:
                return table


def test_an_old_public_name_gives_the_new_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(skyred._OLD_NAMES, "Chainlet", "Pipeline")
    with pytest.warns(OldNameWarning, match=r"skyred.Chainlet is now called skyred.Pipeline"):
        assert skyred.Chainlet is Pipeline


def test_a_reduction_of_datasets_is_reduced_data(tmp_path: Path) -> None:
    path = str(tmp_path / "datasets.yaml")
    with pytest.warns(OldNameWarning, match=r"ReducedData\(datasets=...\)"):
        entry = Reduction(datasets=path)
    assert entry == ReducedData(datasets=path)


@pytest.mark.parametrize("old", sorted(skyred._OLD_NAMES))
def test_old_public_name_is_the_current_object(old: str) -> None:
    with pytest.warns(OldNameWarning, match=f"skyred.{old} is now called"):
        assert getattr(skyred, old) is getattr(skyred, skyred._OLD_NAMES[old])
