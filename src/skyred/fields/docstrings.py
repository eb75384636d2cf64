"""Docstrings of classes with fields, with a `Parameters` section derived from the declarations."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from skyred.fields.spec import REQUIRED, FieldSpec, default_of, specs

_DESCRIPTION = "_description"  # attribute of the class
_SECTION = re.compile(r"^([A-Z][\w ]*)\n-+$", re.MULTILINE)
_PYTHON_TYPES = {
    "integer": "int",
    "location": "path",
    "name": "str",
    "string": "str",
    "text": "str",
    "true or false": "bool",
}
_TYPE_IN_WORDS = re.compile(rf"\b({'|'.join(_PYTHON_TYPES)})\b")


def document_fields(cls: type) -> None:
    """Add a `Parameters` section with the fields to the docstring of a class, if it has none.

    Parameters
    ----------
    cls : type
        The component or value class.
    """
    description = inspect.cleandoc(cls.__doc__ or "")
    section = _SECTION.search(description)
    fields = [_format_field(cls, name, spec) for name, spec in specs(cls).items()]
    if description and fields and not (section and section[1] == "Parameters"):
        end = section.start() if section else len(description)
        parameters = "\n".join(["Parameters", "----------", *fields])
        parts = [description[:end].rstrip(), parameters, description[end:]]
        cls.__doc__ = "\n\n".join(filter(None, parts)) + "\n"
        setattr(cls, _DESCRIPTION, description)


def describe_class(cls: type) -> str:
    """Return the docstring of a class as in the source, without an added `Parameters` section.

    Parameters
    ----------
    cls : type
        The class.

    Returns
    -------
    str
        The docstring without indentation; "" if there is none.
    """
    return vars(cls).get(_DESCRIPTION) or inspect.cleandoc(cls.__doc__ or "")


def _format_field(cls: type, name: str, spec: FieldSpec) -> str:
    return f"{name} : {', '.join(_describe(spec, default_of(cls, name)))}\n    {spec.doc}"


def _describe(spec: FieldSpec, default: object) -> Iterator[str]:
    yield _format_type(spec)
    yaml_default = None if default is None or default is REQUIRED else spec.plain(default)
    has_default = yaml_default not in (None, [], {})
    if spec.unit and not has_default:
        yield f"in a unit such as {spec.unit}"
    if has_default:
        yield f"default: {yaml_default!r}"
    elif default is not REQUIRED:
        yield "optional"


def _format_type(spec: FieldSpec) -> str:
    if spec.of is not None:
        containers = {"one": "", "many": "list of ", "map": "mapping of str to "}
        return containers[spec.shape] + spec.of.__name__
    type_name = re.sub(r"^a list of values, each (an? )?", "list of ", spec.type_name)
    type_name = re.sub(r"^an? ", "", type_name)
    if match := re.fullmatch(r"(.*)one of (.+)", type_name):
        return f"{match[1]}{{{', '.join(map(repr, match[2].split(', ')))}}}"
    return _TYPE_IN_WORDS.sub(lambda match: _PYTHON_TYPES[match[0]], type_name)
