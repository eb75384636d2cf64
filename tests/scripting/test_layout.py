"""Statements are broken as black would break them, and mean what they meant."""

import ast
import subprocess
import sys

import pytest
from hypothesis import given, strategies as st

from skyred.scripting.layout import WIDTH, lay_out

NAMES = st.from_regex(r"[a-z][a-z_]{2,14}", fullmatch=True).filter(lambda code: code.isidentifier())
TEXTS = st.text("abc ,([{)]} for if", max_size=12).map(lambda code: f'"{code}"')
ATOMS = st.one_of(NAMES.map(lambda name: f"n_{name}"), st.integers(0, 10**6).map(str), TEXTS)


def _calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    options = st.tuples(NAMES, inner).map(lambda pair: f"n_{pair[0]}={pair[1]}")
    unique = st.lists(options, max_size=6, unique_by=lambda code: code.split("=")[0])
    calls = st.tuples(NAMES, unique).map(lambda it: f"f_{it[0]}({', '.join(it[1])})")
    lists = st.lists(inner, max_size=8).map(lambda items: f"[{', '.join(items)}]")
    return calls | lists


STATEMENTS = st.tuples(NAMES, st.recursive(ATOMS, _calls, max_leaves=12)).map(
    lambda pair: f"n_{pair[0]} = {pair[1]}"
)


@given(STATEMENTS)
def test_a_statement_that_is_laid_out_means_what_it_meant(code: str) -> None:
    assert ast.dump(ast.parse("\n".join(lay_out(code)))) == ast.dump(ast.parse(code))


@given(STATEMENTS)
def test_a_statement_that_fits_is_left_as_it_is(code: str) -> None:
    if len(code) <= WIDTH:
        assert lay_out(code) == [code]


def test_a_formatter_leaves_statements_that_were_laid_out() -> None:
    long = ", ".join(f"option_{number}={number}" for number in range(12))
    statements = [
        f"made = maker({long})",
        f'made = outer(first={{"key": inner({long})}}, second=[1, 2], text="a (b, c] for d in e")',
        f"made = [function_of_an_item(item, with_options=1) for item in something({long}) if item]",
        "items = [" + ", ".join(f'"number {number}"' for number in range(12)) + "]",
    ]
    code = "\n".join(line for statement in statements for line in lay_out(statement)) + "\n"
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "-"]
    formatted = subprocess.run(command, input=code, capture_output=True, text=True, check=True)
    assert formatted.stdout == code


@pytest.mark.parametrize("code", ["# " + "a long comment, with (brackets) " * 5, "x" * 100])
def test_what_has_no_brackets_to_break_stays_on_its_line(code: str) -> None:
    assert lay_out(code, "    ") == ["    " + code]
