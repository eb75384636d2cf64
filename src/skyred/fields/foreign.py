"""Fields for any Python object, without support for YAML, digests and the cache."""

from __future__ import annotations

from typing import Any, NoReturn

import attrs

from skyred.errors import ConfigError, Problem
from skyred.fields.spec import SPEC, FieldSpec


def foreign(*, doc: str) -> Any:
    """Declare a field that accepts any object and is compared by identity.

    Parameters
    ----------
    doc : str
        The description, one sentence.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class.
    """
    spec = FieldSpec(
        type_name="a Python object",
        doc=doc,
        parse=lambda value: value,
        key=_raise_unsupported,
        plain=_raise_unsupported,
    )
    return attrs.field(eq=id, metadata={SPEC: spec})


def _raise_unsupported(value: object) -> NoReturn:
    raise ConfigError(
        [
            Problem(
                (),
                f"the pipeline contains an object of type {type(value).__name__}, "
                "so the pipeline has no digest, and cannot be written as YAML or cached",
                "use the corresponding skyred component, or write one that wraps the object",
            )
        ]
    )
