"""Names of functions and constants are unique, and shared functions are defined once."""

import keyword
from typing import Any

from hypothesis import given, settings, strategies as st

from skyred.scripting import Script

NAMES = st.from_regex(r"[A-Za-z0-9_][\w.+-]{0,8}", fullmatch=True).filter(str.isascii)
SCRIPT = '''"""Edges.
"""

from pathlib import Path

import numpy as np
from gammapy.maps import Map, WcsGeom

EDGES = [1, 10]


def main():
    """Return the edges."""
    return EDGES


if __name__ == "__main__":
    main()
'''


def execute_definitions(script: Script) -> dict[str, Any]:
    """Return the namespace of a script after it is imported, so that `main` is not called."""
    variables: dict[str, Any] = {"__name__": "exported"}
    exec(compile(script.text(["Doc."]), "exported.py", "exec"), variables)
    return variables


@settings(max_examples=30)
@given(st.lists(NAMES, max_size=5))
def test_function_names_are_unique(requested_names: list[str]) -> None:
    script = Script()
    script_names = [script.name(requested_name) for requested_name in [*requested_names, "main"]]
    script_names += [
        script.shared(f"{name}(x)", "Doc.", f"return {index}")
        for index, name in enumerate(script_names)
    ]
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in script_names)
    assert len({*script_names, "main", "build_models", "fit_models"}) == len(script_names) + 3


@settings(max_examples=30)
@given(st.lists(NAMES, max_size=5, unique=True))
def test_constant_names_are_unique(requested_names: list[str]) -> None:
    script = Script()
    script_names = [script.constant(name, str(index)) for index, name in enumerate(requested_names)]
    assert all(name.isidentifier() for name in script_names)
    assert len(set(script_names)) == len(script_names)


def test_equal_shared_functions_are_defined_once() -> None:
    script = Script()
    script_names = [script.shared("add(x)", "Add.", f"return x + {number}") for number in (1, 2, 1)]
    assert script_names == ["add", "add_2", "add"]
    variables = execute_definitions(script)
    assert [variables[name](0) for name in script_names] == [1, 2, 1]


def test_names_of_variables_are_unique_in_a_function() -> None:
    script = Script()
    names = [script.local(name) for name in ("energy", "energy", "class")]
    assert names == ["energy", "energy_2", "class_"]
    script.function("main()", "Start the analysis.")
    assert script.local("energy") == "energy"


def test_constants_and_imports_precede_the_functions() -> None:
    script = Script()
    script.use("gammapy.maps", "Map", "WcsGeom")
    script.use("pathlib", "Path")
    script.use("numpy as np")
    script.body.add(f"return {script.constant('edges', '[1, 10]')}")
    script.function("main()", "Return the edges.")
    assert script.text(["Edges."]) == SCRIPT
