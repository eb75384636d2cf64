"""Environment variables in strings: `option(expand=True)`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from skyred import FieldError, Location, Maker, Pipeline, component, option
from skyred.errors import ConfigError
from skyred.interfaces.records import Owner
from skyred.run.cache.keys import Recipe
from toys import ToyMaker, toy_pipeline, toy_plugins


@component
class Tagger(Maker):
    """A maker that adds a number from the environment to the counts."""

    kind = "toy-tagger"
    tag: str = option("${TOY_TAG}0", expand=True, doc="A tag.")
    others: tuple[str, ...] = option((), many=True, expand=True, doc="Other tags.")

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.counts.data += float(self.tag.expanded())  # type: ignore[attr-defined]
        return dataset


def test_text_is_written_as_it_is_and_expanded_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_TAG", "7")
    tagger = Tagger(tag="a-$TOY_TAG", others="$TOY_TAG")
    assert tagger.tag == "a-$TOY_TAG"
    assert tagger.tag.expanded() == "a-7"
    assert tagger.others[0].expanded() == "7"
    assert tagger.to_plain() == {
        "kind": "toy-tagger", "tag": "a-$TOY_TAG", "others": ["$TOY_TAG"],
    }  # fmt: skip
    digest = tagger.digest()
    monkeypatch.setenv("TOY_TAG", "8")
    assert tagger.digest() == digest
    monkeypatch.delenv("TOY_TAG")
    with pytest.raises(FieldError, match="variable TOY_TAG, which is not set"):
        tagger.tag.expanded()


def test_unset_variable_is_an_error_with_line_and_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOY_TAG", raising=False)
    plugins = toy_plugins()
    plugins.catalog.add(Tagger, Owner("toy-tags", "1", "tags"))
    maker = "kind: toy-tagger\n        tag: $TOY_TAG\n        others: [x, $TOY_OTHER]\n"
    config = toy_pipeline(2).to_yaml().replace("kind: toy-fill\n", maker)
    with pytest.raises(ConfigError) as exc_info:
        Pipeline.from_yaml(config, plugins=plugins)
    first, second = exc_info.value.lines
    number = config.split("\n").index("        tag: $TOY_TAG") + 1
    assert first.startswith(f"<string>:{number}:")
    assert "make[0].tag: the environment variable TOY_TAG is not set; set it (exp" in first
    assert "make[0].others[1]: the environment variable TOY_OTHER is not set" in second
    monkeypatch.setenv("TOY_TAG", "1")
    monkeypatch.setenv("TOY_OTHER", "1")
    pipeline = Pipeline.from_yaml(config, plugins=plugins)
    assert "tag: $TOY_TAG" in pipeline.to_yaml()


def test_names_are_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_TAG", "$TOY_OTHER")
    tag = Tagger(tag="$TOY_TAGé ${TOY_TAG}$ $$ $é").tag
    assert tag.unset_variables() == []
    assert tag.expanded() == "$TOY_OTHERé $TOY_OTHER$ $$ $é"


@pytest.mark.parametrize("invalid", ["${TOY-TAG}", "${TOY_É}", "${", "${}"])
def test_braces_without_a_valid_name_are_an_error(invalid: str) -> None:
    pipeline = toy_pipeline(2, make=[ToyMaker(), Tagger(tag=f"x{invalid}")])
    (problem,) = pipeline.problems()
    assert str(problem).startswith(f"data.toy.make[1].tag: {invalid!r} has no valid name of an env")


def test_value_is_a_part_of_the_cache_key(monkeypatch: pytest.MonkeyPatch) -> None:
    reduction = toy_pipeline(2, make=[ToyMaker(), Tagger()]).data["toy"]
    catalog, digests = toy_plugins().catalog, []
    for number in ("1", "2", "1"):
        monkeypatch.setenv("TOY_TAG", number)
        digests.append(Recipe.from_reduction(reduction, reduction.make, catalog).digest)
    assert digests[0] == digests[2] != digests[1]


@pytest.mark.parametrize("options", [{"type": int}, {"choices": ("a", "b")}, {"type": dict}])
def test_only_strings_without_choices_can_be_expanded(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="expand=True is only for options of type str"):
        option(None, expand=True, doc="An option.", **options)


def test_locations_are_always_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_TAG", "folder")
    assert Location("$TOY_TAG/x").path() == Path("folder/x")
    assert Location("~").expanded() == str(Path.home())
