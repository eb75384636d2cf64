"""Read pipelines and components from YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from skyred.config.document import Document, split_path
from skyred.config.structure import Structurer
from skyred.errors import ConfigError, Problem
from skyred.interfaces import Chain, Fields
from skyred.interfaces.hidden_secrets import hide_in_problems
from skyred.plugins import Catalog
from skyred.plugins.component_errors import errors_of
from skyred.plugins.unknown_models import add_plugin_types

C = TypeVar("C", bound=Chain)
F = TypeVar("F", bound=Fields)
MAX_BYTES = 300_000  # larger files would take minutes to parse


def read_document(source: str | Path, overrides: Iterable[str] = ()) -> Document:
    """Read a YAML document and apply overrides.

    Parameters
    ----------
    source : str or Path
        The path of a file, or a YAML string (with a line break, or starting with ``{``).
    overrides : iterable of str
        Values that are added to the document or replace its values, each as ``path=value``.

    Returns
    -------
    Document
        The document.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not valid YAML, or an override is invalid.
    """
    document = Document.parse(*read_content_and_name(source))
    for override in overrides:
        path, separator, value = override.partition("=")
        if not separator or not path:
            name = re.split(r"[:\s]", override)[0]  # the remaining text may be a secret
            raise ConfigError([Problem((), f"{name!r} is not an override", "expected path=value")])
        document.set(split_path(path), value)
    return document


def load(pipeline_class: type[C], document: Document, catalog: Catalog) -> C:
    """Build a pipeline from a document, and check it.

    Valid parts are checked even if other parts are invalid, so that one pass finds all problems.

    Parameters
    ----------
    pipeline_class : type
        The class of the pipeline.
    document : Document
        The document.
    catalog : Catalog
        The catalog of components.

    Returns
    -------
    Chain
        The pipeline, an instance of `pipeline_class`.

    Raises
    ------
    ConfigError
        If there are problems. The error contains all of them in the order of the file, with line
        and column.
    """
    structurer = Structurer(catalog, list(document.problems), document.unreadable)
    pipeline = structurer.build(pipeline_class, document.data or {})
    if not isinstance(pipeline, pipeline_class) or () in document.unreadable:
        raise config_error(structurer.problems, document)
    model_problems = catalog.models.problems(pipeline)
    if problems := pipeline.problems(
        [*structurer.problems, *model_problems], partial(errors_of, catalog=catalog)
    ):
        raise config_error(add_plugin_types(problems, pipeline, catalog), document)
    # the class is frozen; `checked` is not a field, so that equality and digest ignore it
    object.__setattr__(pipeline, "checked", True)
    return pipeline


def load_component(role: type[F], document: Document, catalog: Catalog) -> F:
    """Build a component from a document that contains nothing else.

    Parameters
    ----------
    role : type
        The interface of the component.
    document : Document
        The document.
    catalog : Catalog
        The catalog of components.

    Returns
    -------
    Component
        The component.

    Raises
    ------
    ConfigError
        If there are problems. The error contains all of them, with line and column.
    """
    structurer = Structurer(catalog, list(document.problems), document.unreadable)
    component = structurer.build(role, document.data)
    if structurer.problems:
        roots = (component,) if isinstance(component, Fields) else ()
        raise config_error(hide_in_problems(structurer.problems, *roots), document)
    return component  # type: ignore[return-value]


def config_error(problems: Iterable[Problem], document: Document) -> ConfigError:
    """Return an error with the problems of a document, in the order of the file.

    Parameters
    ----------
    problems : iterable of Problem
        The problems.
    document : Document
        The document.

    Returns
    -------
    ConfigError
        The error, with file, line and column of each problem.
    """
    sorted_problems = sorted(dict.fromkeys(problems), key=document.position)
    lines = [document.format_problem(problem) for problem in sorted_problems]
    return ConfigError(sorted_problems, lines)


def read_content_and_name(source: str | Path) -> tuple[str, str]:
    """Read the content of a YAML file.

    Parameters
    ----------
    source : str or Path
        The path of a file, or a YAML string (with a line break, or starting with ``{``).

    Returns
    -------
    content : str
        The content.
    name : str
        The name of the file, for messages.

    Raises
    ------
    ConfigError
        If the file cannot be read.
    """
    if isinstance(source, str) and ("\n" in source or source.lstrip().startswith("{")):
        return source, "<string>"
    path = Path(source)
    if path.exists() and not (path.is_file() or path.is_dir()):
        message = f"{path}: is a pipe or a device"
        raise ConfigError([Problem((), message, "expected a regular file")])
    try:
        with path.open("rb") as stream:  # read only up to the limit, however large the file is
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            message = f"{path}: is too large"
            raise ConfigError([Problem((), message, f"expected at most {MAX_BYTES} bytes")])
        return content.decode(), str(path)
    except OSError as error:
        raise ConfigError([Problem((), f"{path}: cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        message = f"{path}: is not valid UTF-8"
        raise ConfigError([Problem((), message, "expected a text file in UTF-8")]) from None
