"""The language of the code: names after their content, complete docstrings of public names."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import skyred
import skyred.testing
from skyred.interfaces import Fields

SOURCE = Path(skyred.__file__).parent
# they say nothing of what they hold: a variable is called after the thing
VAGUE = frozenset(
    " ".join(
        (
            "above apart asked barren below beside besides chosen each found given held here",
            "inside kept known level lost made most near one other outside place places put rest",
            "room said seen settle settled share shown sound spoilt taken text there told wanted",
            "what which whole whose why wrong written way",
        )
    ).split()
)
ALLOWED = {
    "components/models/catalog.py": {"which"},  # an option
    "inspection/records.py": {"level"},
    "interfaces/objective.py": {"places"},
}
IGNORED = {"ES01", "EX01", "SA01"}  # extended summary, examples and "see also" are not needed


def sources() -> list[str]:
    return sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", sources())
def test_no_variable_or_argument_has_a_vague_name(path: str) -> None:
    tree = ast.parse((SOURCE / path).read_text(encoding="utf-8"))
    vague = {name for node in ast.walk(tree) if (name := assigned_name(node)) in VAGUE}
    assert vague == ALLOWED.get(path, set())


def assigned_name(node: ast.AST) -> str:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    return node.arg if isinstance(node, ast.arg) else ""


def public_objects() -> Iterator[tuple[str, object]]:
    """Yield the dotted names of public classes and functions, and of their public members, once."""
    seen = set()
    for module in (skyred, skyred.testing):
        for name in module.__all__:
            public = getattr(module, name)
            if not (inspect.isclass(public) or inspect.isroutine(public)):
                continue
            yield f"{module.__name__}.{name}", public
            for member, owner in public_members(public):
                if (owner, member) not in seen:
                    seen.add((owner, member))
                    yield f"{module.__name__}.{name}.{member}", getattr(public, member)


def public_members(public: object) -> Iterator[tuple[str, type]]:
    for owner in inspect.getmro(public) if inspect.isclass(public) else ():
        if not owner.__module__.startswith("skyred"):
            continue
        for member, value in vars(owner).items():
            callables = (staticmethod, classmethod, property)
            if not member.startswith("_") and (
                inspect.isroutine(value) or isinstance(value, callables)
            ):
                yield member, owner


def test_docstrings_of_public_names_are_numpydoc() -> None:
    validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is not installed").validate
    faults = [
        f"{name}: {code} {message}"
        for name, public in public_objects()
        for code, message in validate(name)["errors"]
        if code not in IGNORED and not (code == "PR01" and has_options(public))
    ]
    assert faults == []


def has_options(public: object) -> bool:
    """Tell whether a class has options: each is documented where it is declared (`doc`)."""
    return inspect.isclass(public) and issubclass(public, Fields)
