"""Reading a configuration: text to chain, or all that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from skyred.config.document import Document, split_path
from skyred.config.structure import Structurer
from skyred.errors import ConfigError, Problem
from skyred.interfaces import Chain, Fields
from skyred.plugins import Catalog

C = TypeVar("C", bound=Chain)
F = TypeVar("F", bound=Fields)
# of a file: what is larger is no configuration, and would take minutes to parse
MAX_BYTES = 300_000


def read_document(source: str | Path, overrides: Iterable[str] = ()) -> Document:
    """Read a YAML file (a path) or text (with a line break), and apply ``path=value`` overrides."""
    document = Document.parse(*_text_and_name(source))
    for override in overrides:
        path, sign, text = override.partition("=")
        if not sign or not path:
            raise ConfigError([Problem((), f"{override!r} sets nothing", "expected path=value")])
        document.set(split_path(path), text)
    return document


def load(into: type[C], document: Document, catalog: Catalog) -> C:
    """Build a chain from a document, and check it.

    What can be built is checked whatever is wrong with the rest, so that one pass finds all
    mistakes.

    Raises
    ------
    ConfigError
        With all problems, in the order of the file, each with line and column.
    """
    structurer = Structurer(catalog, list(document.problems))
    made = structurer.build(into, document.data or {})
    if not isinstance(made, into):
        raise _config_error(structurer.problems, document)
    if problems := made.problems(structurer.problems):
        raise _config_error(problems, document)
    # frozen, and no field: it must count neither for equality nor for the digest
    object.__setattr__(made, "checked", True)
    return made


def load_component(role: type[F], document: Document, catalog: Catalog) -> F:
    """Build one component of a role from a document that holds nothing else.

    Raises
    ------
    ConfigError
        With all problems, each with line and column.
    """
    structurer = Structurer(catalog, list(document.problems))
    made = structurer.build(role, document.data)
    if structurer.problems:
        raise _config_error(structurer.problems, document)
    return made  # type: ignore[return-value]


def _config_error(problems: list[Problem], document: Document) -> ConfigError:
    ordered = sorted(dict.fromkeys(problems), key=lambda problem: document.place(problem))
    return ConfigError(ordered, [document.line(problem) for problem in ordered])


def _text_and_name(source: str | Path) -> tuple[str, str]:
    if isinstance(source, str) and ("\n" in source or source.lstrip().startswith("{")):
        return source, "<text>"
    path = Path(source)
    try:
        with path.open("rb") as stream:  # no more than that: it may be a device without end
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            found = f"{path}: holds more than {MAX_BYTES} bytes"
            raise ConfigError([Problem((), found, "expected a few pages")])
        return content.decode(), str(path)
    except OSError as error:
        raise ConfigError([Problem((), f"{path}: cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem((), f"{path}: is no text in UTF-8")]) from None
