"""Fields that hold a Python object as it is: it works, but it has no YAML, digest or cache."""

from __future__ import annotations

from typing import Any, NoReturn

import attrs

from skyred.errors import ConfigError, Problem
from skyred.fields.spec import SPEC, FieldSpec


def foreign(*, doc: str) -> Any:
    """Declare a field that takes any object and compares by identity."""
    spec = FieldSpec(
        type_name="a Python object", doc=doc, parse=lambda held: held, key=_refuse, plain=_refuse
    )
    return attrs.field(eq=id, metadata={SPEC: spec})


def _refuse(held: object) -> NoReturn:
    raise ConfigError(
        [
            Problem(
                (),
                f"the pipeline holds a {type(held).__name__} as it is, "
                "so it has no YAML, no digest and no cache",
                "use the skyred component instead, or write a small one that wraps it",
            )
        ]
    )
