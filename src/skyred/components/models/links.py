"""Links: parameters of several sources that are one; what the configuration says of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs
from astropy import units as u

from skyred.errors import Problem, nearest
from skyred.interfaces import Chain

SAID = ("value", "min", "max", "frozen", "prior")
Path = tuple[str | int, ...]


@attrs.frozen
class Use:
    """One use of a link label.

    Parameters
    ----------
    label, parameter : str
        The label, and the name of the parameter.
    owner : str
        Whose it is.
    entry : mapping
        All that is said of the parameter.
    path : tuple
        Where, below the model.
    times : int
        How many parameters it stands for.
    """

    label: str
    parameter: str
    owner: str
    entry: Mapping[str, Any]
    path: Path
    times: int = 1


def uses(held: Any, owner: str, path: Path = (), times: int = 1) -> Iterator[Use]:
    """Find the labels in a mapping, in either way of writing parameters."""
    if isinstance(held, Mapping):
        if isinstance(label := held.get("link"), str):
            name = str(held.get("name") or (path[-1] if path else ""))
            yield Use(label, name, owner, held, path, times)
        for name, inner in held.items():
            yield from uses(inner, owner, (*path, name), times)
    elif isinstance(held, (list, tuple)):
        for place, inner in enumerate(held):
            yield from uses(inner, owner, (*path, place), times)


def link_problems(model: Any, pipeline: Chain) -> Iterator[Problem]:
    """Name links of a model that link nothing, or things that cannot be one."""
    everything = [use for other in pipeline.model for use in _of(other)]
    for own in _of(model):
        same = [use for use in everything if use.label == own.label]
        if sum(use.times for use in same) < 2:
            yield _lonely(own, everything)
        elif same and same[0].entry is not own.entry:
            yield from _contradictions(own, same[0])


def _of(model: Any) -> Iterator[Use]:
    """Find the uses in any model; what is a part left unset by a mistake has none."""
    finder = getattr(model, "links", None)
    return iter(finder() if finder else ())


def _lonely(own: Use, everything: Iterable[Use]) -> Problem:
    others = sorted({use.label for use in everything} - {own.label})
    near = nearest(own.label, others)
    message = f"the link {own.label!r} is used once, so it links nothing"
    return Problem((*own.path, "link"), message, "use the same label on another parameter", near)


def _contradictions(own: Use, first: Use) -> Iterator[Problem]:
    if own.parameter != first.parameter:
        # gammapy hands parameters to its models by name
        message = f"links {own.parameter} with {first.parameter} of {first.owner}"
        expected = "expected parameters of one name"
        yield Problem((*own.path, "link"), message, expected)
        return
    for key in SAID:
        if key not in own.entry:
            continue
        if key not in first.entry:
            message = f"is not said of {first.owner}, where {own.label!r} is first used"
            yield Problem((*own.path, key), message, "say it there, or in both places")
        elif not _same(_written(own.entry, key), _written(first.entry, key)):
            message = f"is {own.entry[key]!s:.40}, and {first.entry[key]!s:.40} in {first.owner}"
            expected = f"they are one parameter, by the link {own.label!r}: say the same"
            yield Problem((*own.path, key), message, expected)


def _written(entry: Mapping[str, Any], key: str) -> Any:
    if key in ("value", "min", "max") and isinstance(entry[key], (int, float)):
        return f"{entry[key]!r} {entry.get('unit') or ''}".strip()
    return entry[key]


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(u.isclose(u.Quantity(one), u.Quantity(other), rtol=1e-9))
    except (TypeError, ValueError):  # texts, mappings, units that do not fit
        return bool(one == other)
