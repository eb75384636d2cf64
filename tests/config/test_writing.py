"""Any plain data are unchanged after writing to YAML and reading back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from skyred.config import Document, dump

# characters with a meaning in YAML, at the start of strings
STRINGS = st.text(st.sampled_from("?:-#&*!|>%@`'\"{}[],~ .=<0e1_ay\n\t\\é"), max_size=5) | st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=5
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=300)
@given(st.dictionaries(STRINGS, PLAIN, max_size=4))
def test_plain_data_are_read_back_unchanged(data: dict[str, Any]) -> None:
    loaded = Document.parse(dump(data))
    assert loaded.problems == []
    assert loaded.data == data
    assert repr(loaded.data) == repr(data), "1 is not True, and 1.0 is not 1"


@pytest.mark.parametrize(
    "string",
    ["?0", "? x", "\x85", "a\u2028b", "\x00", "yes", "1e3", "2004-12-06", "~", "a: b", "# no"],
)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda string: {"a": string},
        lambda string: {"a": [string, string]},
        lambda string: {string: {string: 1}},
    ],
)
def test_string_that_looks_like_yaml_syntax_stays_a_string(string: str, wrap: Any) -> None:
    assert Document.parse(dump(wrap(string))).data == wrap(string)


@pytest.mark.parametrize("word", ["y", "N", "yes", "No", "on", "OFF", "true", "null"])
def test_words_of_other_versions_of_yaml_are_quoted(word: str) -> None:
    # in YAML 1.1 they are booleans
    assert dump({"kind": word, word: [word]}) == f"kind: '{word}'\n'{word}': ['{word}']\n"
