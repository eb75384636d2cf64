"""Anchors, aliases and merge keys give the same data as ruamel.yaml, with positions in the file."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode

from skyred import Pipeline
from skyred.config import Document
from skyred.config.merge_keys import MergedMappings
from skyred.errors import ConfigError
from waiting import hang_guard

MERGES = {
    "one": "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3, z: 4}\n",
    "after its own keys": "a: &a {x: 1, y: 2}\nb: {y: 3, <<: *a}\n",
    "several": "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b], z: 3}\n",
    "repeated": "a: &a {x: 1, y: 1}\nb: &b {z: 2, x: 2}\nc: {<<: [*a, *b, *a, *a]}\n"
    "d: {<<: [*b, *a, *b]}\n",
    "nested": "a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, x: 3}\n",
    "not deep": "a: &a {x: {y: 1}}\nb: {<<: *a, x: {z: 2}}\n",
    "inline": "b: {<<: {x: 1}, y: 2}\n",
    "empty": "a: &a {}\nb: {<<: *a, y: 2}\nc: {<<: [], y: 1}\n",
    "quoted": 'a: {"<<": 1}\n',
    "aliases": "a: &a [1, {x: 2}]\nb: [*a, *a]\nc: &c 5\nd: *c\n",
}


@pytest.mark.parametrize("content", MERGES.values(), ids=MERGES)
def test_merges_agree_with_ruamel(content: str) -> None:
    document = Document.parse(content)
    assert document.problems == []
    expected = YAML(typ="safe", pure=True).load(content)
    assert document.data == expected
    assert [list(part) for part in document.data.values() if isinstance(part, dict)] == [
        list(part) for part in expected.values() if isinstance(part, dict)
    ]


NAMES = st.sampled_from("xyz")
MAPPINGS = st.dictionaries(NAMES, st.integers(0, 9), max_size=3)


@given(st.lists(st.tuples(MAPPINGS, st.lists(st.integers(0, 9), max_size=3)), max_size=5))
def test_random_merges_agree_with_ruamel(
    mappings: list[tuple[dict[str, int], list[int]]],
) -> None:
    lines = []
    for number, (mapping, sources) in enumerate(mappings):
        earlier = [f"*m{source % number}" for source in sources] if number else []
        items = [f"{name}: {value}" for name, value in mapping.items()]
        items += [f"<<: [{', '.join(earlier)}]"] if earlier else []
        lines.append(f"m{number}: &m{number} {{{', '.join(items)}}}")
    content = "\n".join(lines)
    data, expected = Document.parse(content).data, YAML(typ="safe", pure=True).load(content)
    assert data == expected
    assert [list(part) for part in (data or {}).values()] == [
        list(part) for part in (expected or {}).values()
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a: &a {x: 1}\nb:\n  <<: 5\n", "s.yaml:3:3: b.<<: the value cannot be merged"),
        ("a: &a [1]\nb: {<<: *a}\n", "s.yaml:2:5: b.<<: the value cannot be merged"),
        ("a: &a\n  <<: *a\n", "s.yaml:2:3: a.<<: the value cannot be merged"),
        ("a: {<<: [[{x: 1}]]}\n", "s.yaml:1:5: a.<<: the value cannot be merged"),
        ("a:\n  <<:\n", "s.yaml:2:3: a.<<: the value cannot be merged"),
        ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", "s.yaml:4:3: b.<<: the key '<<' is duplicated"),
    ],
)
def test_invalid_merges_are_reported(content: str, line: str) -> None:
    document = Document.parse(content, "s.yaml")
    (problem,) = document.problems
    assert document.format_problem(problem).startswith(line)


def test_nested_merges_are_read_in_linear_time() -> None:
    names = [f"n{number}" for number in range(100)]
    content = f"n0: &n0 {{{', '.join(f'k{number}: 1' for number in range(10))}}}\n" + "".join(
        f"{after}: &{after} {{<<: [{', '.join(['*' + before] * 9)}]}}\n"
        for before, after in pairwise(names)
    )
    with hang_guard():  # 9 ** 99 merges
        document = Document.parse(content)
    assert len(document.data["n99"]) == 10


def test_repeated_aliases_are_merged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    n_pairs = []
    all_pairs = MergedMappings._all_pairs

    def count_pairs(merged: MergedMappings, node: MappingNode) -> dict[str, Any]:
        pairs = all_pairs(merged, node)
        n_pairs.append(len(pairs))
        return pairs

    monkeypatch.setattr(MergedMappings, "_all_pairs", count_pairs)
    keys = ", ".join(f"k{number}: 1" for number in range(100))
    content = f"a: &a {{{keys}}}\nb: {{<<: [{', '.join(['*a'] * 1000)}]}}\n"
    assert len(Document.parse(content).data["b"]) == 100
    assert sum(n_pairs) <= 2 * 100  # once for the order and once for the values, not 1000 times


@pytest.mark.slow
def test_merge_bomb_is_rejected() -> None:
    keys = ", ".join(f"k{number}: 1" for number in range(200))
    content = f"a: &a {{{keys}}}\nb: [{', '.join(['{<<: *a}'] * 200)}]\n"
    with hang_guard(), pytest.raises(ConfigError, match="too many values; expected at most 20000"):
        Document.parse(content)


CONFIG = """
data:
  one: &one
    archive: $MERGED
    select: [{kind: observation-ids, ids: [1]}]
    geometry:
      kind: map
      center: [83.6 deg, 22 deg]
      width: 1 deg
      energy: &energy {min: 1 TeV, max: 10 TeV, bins: 4}
      energy_true: {<<: *energy, bins: BINS}
    make: [{kind: map}]
    stack: {kind: sum}
  two:
    <<: *one
    select: [{kind: observation-ids, ids: [2]}]
"""


def test_entries_share_options(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("MERGED", str(tmp_path))
    pipeline = Pipeline.from_yaml(CONFIG.replace("BINS", "8"))
    first, second = pipeline.data["one"], pipeline.data["two"]
    assert second == first.evolve(select=second.select)
    assert (first.select[0].ids, second.select[0].ids) == ((1,), (2,))
    assert first.geometry.energy_true == first.geometry.energy.evolve(bins=8)
    assert Pipeline.from_yaml(pipeline.to_yaml()) == pipeline


def test_mistakes_are_reported_at_their_position_in_the_file(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("MERGED", str(tmp_path))
    config = CONFIG.replace("BINS", "8").replace("width: 1 deg", "width: 1 TeV")
    with pytest.raises(ConfigError) as raised:
        Pipeline.from_yaml(config)
    lines = str(raised.value).splitlines()
    assert [line.split(": ")[0] for line in lines[:2]] == ["<string>:9:7"] * 2
    assert [line.split(": ")[1] for line in lines[:2]] == [
        "data.one.geometry.width",
        "data.two.geometry.width",
    ]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("    <<: *one\n    select: [{kind: observation-ids, ids: [2]}]\n", "    <<: [*one, 3]\n",
         "<string>:15:5: data.two.<<"),
        ("    <<: *one\n", "    <<: [*one, 3]\n", "<string>:15:5: data.two.<<"),
        ("{kind: sum}", "{<<: 5}", "<string>:13:13: data.one.stack.<<"),
        ("{<<: *energy, bins: BINS}", "{<<: 5, bins: 8}",
         "<string>:11:21: data.one.geometry.energy_true.<<"),
        ("{kind: observation-ids, ids: [1]}", "{kind: time-window, <<: 5}",
         "<string>:5:34: data.one.select[0].<<"),
    ],
    ids=["entry", "entry with own keys", "component", "value", "options"],
)  # fmt: skip
def test_invalid_merge_is_the_only_problem(  # type: ignore[no-untyped-def]
    tmp_path, monkeypatch, old: str, new: str, line: str
) -> None:
    monkeypatch.setenv("MERGED", str(tmp_path))
    assert old in CONFIG
    config = CONFIG.replace(old, new, 1).replace("BINS", "8")
    if not line.startswith("<string>:15"):
        config = config.partition("  two:")[0]
    with pytest.raises(ConfigError) as raised:
        Pipeline.from_yaml(config)
    (problem_line,) = str(raised.value).splitlines()
    assert problem_line.startswith(f"{line}: the value cannot be merged")


@pytest.mark.parametrize(
    ("old", "new"),
    [("{kind: source}", "{<<: 5}"), ("{kind: source}", "{<<: 5, kind: source}"),
     ("model: [{kind: source}]", "<<: 5")],
    ids=["model", "source", "pipeline"],
)  # fmt: skip
def test_names_that_an_invalid_merge_may_set_are_not_unknown(  # type: ignore[no-untyped-def]
    tmp_path, old: str, new: str
) -> None:
    (tmp_path / "datasets.yaml").touch()
    config = f"""
data: {{hess: {{datasets: {tmp_path}/datasets.yaml}}}}
model: [{{kind: source}}]
estimate: [{{kind: flux-points, source: crab, energy_edges: [1 TeV, 10 TeV]}}]
"""
    with pytest.raises(ConfigError) as raised:
        Pipeline.from_yaml(config.replace(old, new))
    (problem_line,) = str(raised.value).splitlines()
    assert "<<: the value cannot be merged" in problem_line
