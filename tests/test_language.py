"""Variables and tests have clear names, and public names have numpydoc docstrings."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import skyred
import skyred.testing

SOURCE = Path(skyred.__file__).parent
ROOT = Path(__file__).parents[1]
# vague words: a variable is named after the thing that it holds. Reviews found these words in names
# that did not describe the content; add a word if a review finds another one
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
ALLOWED_IN_TESTS = {"tests/helpers/html_parser.py": {"text"}}
# a test is named after what it expects: test_SUBJECT_EXPECTATION. Reviews found these words in
# unclear names; the list differs from that for variables, because words such as "given" and "which"
# can be clear in a test name
UNCLEAR_PREFIXES = ("a", "an", "it", "its", "the", "what")
UNCLEAR_WORDS = frozenset(
    " ".join(
        (
            "alike anew beside beyond blame blamed bowl found gammapys kink laws ledger lost made",
            "nobody nowhere obey obeys place places said says somebody spoilt stands taken teaches",
            "tells told what whatever whole whose",
        )
    ).split()
)
MAX_LENGTH = 80
# extended summaries, examples and "see also" are not required
IGNORED_CODES = {"ES01", "EX01", "SA01"}


def list_source_files() -> list[str]:
    return sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))


def list_test_files() -> list[str]:
    paths = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("plugins/*/tests/**/*.py")]
    return sorted(path.relative_to(ROOT).as_posix() for path in paths)


def ast_nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", list_source_files())
def test_source_has_no_vague_names(path: str) -> None:
    assert vague_names(SOURCE / path) == set()


@pytest.mark.parametrize("path", list_test_files())
def test_tests_have_no_vague_names(path: str) -> None:
    assert vague_names(ROOT / path) == ALLOWED_IN_TESTS.get(path, set())


def vague_names(path: Path) -> set[str]:
    return {name for node in ast_nodes(path) if (name := assigned_name(node)) in VAGUE}


def assigned_name(node: ast.AST) -> str:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    return node.arg if isinstance(node, ast.arg) else ""


@pytest.mark.parametrize("path", list_test_files())
def test_names_of_tests_are_clear(path: str) -> None:
    functions = [node.name for node in ast_nodes(ROOT / path) if isinstance(node, ast.FunctionDef)]
    assert [name for name in functions if name.startswith("test_") and is_unclear(name)] == []


def is_unclear(test_name: str) -> bool:
    _, *words = test_name.split("_")
    return (
        words[0] in UNCLEAR_PREFIXES
        or not UNCLEAR_WORDS.isdisjoint(words)
        or len(test_name) > MAX_LENGTH
    )


@pytest.mark.parametrize(
    "test_name",
    ["test_a_file_is_read", "test_file_is_found", "test_" + "file_" * 16 + "is_read"],
    ids=["article", "vague word", "too long"],
)
def test_unclear_test_names_are_detected(test_name: str) -> None:
    assert is_unclear(test_name)
    assert not is_unclear("test_file_is_read")


def public_names() -> Iterator[str]:
    """Yield the names of public classes and functions, and of their members, once."""
    yielded = set()
    for module in (skyred, skyred.testing):
        for name in module.__all__:
            public_object = getattr(module, name)
            if not (inspect.isclass(public_object) or inspect.isroutine(public_object)):
                continue
            yield f"{module.__name__}.{name}"
            for member, owner in public_members(public_object):
                if (owner, member) not in yielded:
                    yielded.add((owner, member))
                    yield f"{module.__name__}.{name}.{member}"


def public_members(public_object: object) -> Iterator[tuple[str, type]]:
    for owner in inspect.getmro(public_object) if inspect.isclass(public_object) else ():
        if not owner.__module__.startswith("skyred"):
            continue
        for member, value in vars(owner).items():
            descriptors = (staticmethod, classmethod, property)
            if not member.startswith("_") and (
                inspect.isroutine(value) or isinstance(value, descriptors)
            ):
                yield member, owner


def test_docstrings_of_public_names_are_numpydoc() -> None:
    validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is not installed").validate
    faults = [
        f"{name}: {code} {message}"
        for name in public_names()
        for code, message in validate(name)["errors"]
        if code not in IGNORED_CODES
    ]
    assert faults == []
