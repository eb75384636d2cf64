"""Long statements are wrapped in the style of black, with the same syntax tree."""

import ast
import subprocess
import sys

import pytest
from hypothesis import given, strategies as st

from skyred.scripting.layout import WIDTH, lay_out

NAMES = st.from_regex(r"[a-z][a-z_]{2,14}", fullmatch=True).filter(lambda code: code.isidentifier())
STRINGS = st.text("abc ,([{)]} for if", max_size=12).map(lambda code: f'"{code}"')
# the prefixes of names, n_ and f_, avoid keywords of Python
ATOMS = st.one_of(NAMES.map(lambda name: f"n_{name}"), st.integers(0, 10**6).map(str), STRINGS)


def _calls_and_lists(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    keyword = st.tuples(NAMES, inner).map(lambda pair: f"n_{pair[0]}={pair[1]}")
    keywords = st.lists(keyword, max_size=6, unique_by=lambda code: code.split("=")[0])
    calls = st.tuples(NAMES, keywords).map(lambda pair: f"f_{pair[0]}({', '.join(pair[1])})")
    lists = st.lists(inner, max_size=8).map(lambda items: f"[{', '.join(items)}]")
    return calls | lists


STATEMENTS = st.tuples(NAMES, st.recursive(ATOMS, _calls_and_lists, max_leaves=12)).map(
    lambda pair: f"n_{pair[0]} = {pair[1]}"
)


@given(STATEMENTS)
def test_wrapped_statement_has_the_same_syntax_tree(code: str) -> None:
    assert ast.dump(ast.parse("\n".join(lay_out(code)))) == ast.dump(ast.parse(code))


@given(STATEMENTS)
def test_short_statement_is_not_changed(code: str) -> None:
    if len(code) <= WIDTH:
        assert lay_out(code) == [code]


def test_formatter_does_not_change_wrapped_statements() -> None:
    options = ", ".join(f"option_{number}={number}" for number in range(12))
    statements = [
        f"result = maker({options})",
        f'x = outer(first={{"key": inner({options})}}, second=[1, 2], text="a (b, c] for d in e")',
        f"x = [function_of_an_item(item, with_options=1) for item in something({options}) if item]",
        "items = [" + ", ".join(f'"number {number}"' for number in range(12)) + "]",
    ]
    code = "\n".join(line for statement in statements for line in lay_out(statement)) + "\n"
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "-"]
    process = subprocess.run(command, input=code, capture_output=True, text=True, check=True)
    assert process.stdout == code


@pytest.mark.parametrize("code", ["# " + "a long comment, with (brackets) " * 5, "x" * 100])
def test_statement_without_brackets_is_not_wrapped(code: str) -> None:
    assert lay_out(code, "    ") == ["    " + code]
