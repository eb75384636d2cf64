"""Links between parameters of several sources, and the consistency of their settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs
from astropy import units as u

from skyred.errors import Problem, nearest
from skyred.interfaces import Chain

SHARED_KEYS = ("value", "min", "max", "frozen", "prior")
Path = tuple[str | int, ...]


@attrs.frozen
class LinkUse:
    """One use of a link label.

    Parameters
    ----------
    label : str
        The label.
    parameter : str
        The name of the parameter.
    owner : str
        The name of the model of the parameter.
    entry : mapping
        All settings of the parameter.
    path : tuple of str or int
        The path of the parameter in the model.
    multiplicity : int
        The number of parameters that the use stands for.
    """

    label: str
    parameter: str
    owner: str
    entry: Mapping[str, Any]
    path: Path
    multiplicity: int = 1


def find_link_uses(
    spec: Any, owner: str, path: Path = (), multiplicity: int = 1
) -> Iterator[LinkUse]:
    """Find the link labels in a mapping, in either format of parameters.

    Parameters
    ----------
    spec : mapping, list or object
        The mapping of a model, or a part of it.
    owner : str
        The name of the model.
    path : tuple of str or int
        The path of the mapping in the model.
    multiplicity : int
        The number of parameters that each use stands for.

    Yields
    ------
    LinkUse
        Each use of a label.
    """
    if isinstance(spec, Mapping):
        if isinstance(label := spec.get("link"), str):
            name = str(spec.get("name") or (path[-1] if path else ""))
            yield LinkUse(label, name, owner, spec, path, multiplicity)
        for name, inner in spec.items():
            yield from find_link_uses(inner, owner, (*path, name), multiplicity)
    elif isinstance(spec, (list, tuple)):
        for index, inner in enumerate(spec):
            yield from find_link_uses(inner, owner, (*path, index), multiplicity)


def link_problems(model: Any, pipeline: Chain) -> Iterator[Problem]:
    """Yield problems with labels that are used only once, or have inconsistent settings.

    Parameters
    ----------
    model : Model
        The model.
    pipeline : Chain
        The whole pipeline, with the other models.

    Yields
    ------
    Problem
        Each problem with a link of the model.
    """
    all_uses = [use for component in pipeline.model for use in _get_uses(component)]
    for own in _get_uses(model):
        same_label = [use for use in all_uses if use.label == own.label]
        if sum(use.multiplicity for use in same_label) < 2:
            yield _single_use(own, all_uses)
        elif same_label and same_label[0].entry is not own.entry:
            yield from _setting_differences(own, same_label[0])


def _get_uses(model: Any) -> Iterator[LinkUse]:
    """Return the uses in a model, which may be None if its options are invalid."""
    finder = getattr(model, "links", None)
    return iter(finder() if finder else ())


def _single_use(own: LinkUse, all_uses: Iterable[LinkUse]) -> Problem:
    """Return the problem with a label that is used only once."""
    other_labels = sorted({use.label for use in all_uses} - {own.label})
    suggestion = nearest(own.label, other_labels)
    message = f"the link {own.label!r} is used only once"
    return Problem(
        (*own.path, "link"), message, "use the same label on another parameter", suggestion
    )


def _setting_differences(own: LinkUse, first: LinkUse) -> Iterator[Problem]:
    """Yield differences between the settings of two uses of a label.

    Parameters
    ----------
    own : LinkUse
        The later use.
    first : LinkUse
        The first use.

    Yields
    ------
    Problem
        Each difference.
    """
    if own.parameter != first.parameter:
        # gammapy passes parameters to its models by name
        message = f"links {own.parameter} with {first.parameter} of {first.owner}"
        expected = "expected parameters with the same name"
        yield Problem((*own.path, "link"), message, expected)
        return
    for key in SHARED_KEYS:
        if key not in own.entry:
            continue
        if key not in first.entry:
            message = f"is not set for {first.owner}, the first to use {own.label!r}"
            yield Problem((*own.path, key), message, "set it for both")
        elif not _is_equal(_with_unit(own.entry, key), _with_unit(first.entry, key)):
            message = f"is {own.entry[key]!s:.40}, but {first.entry[key]!s:.40} in {first.owner}"
            expected = f"expected equal settings of parameters with the link {own.label!r}"
            yield Problem((*own.path, key), message, expected)


def _with_unit(entry: Mapping[str, Any], key: str) -> Any:
    """Return a setting of a parameter, with the unit of numbers."""
    if key in ("value", "min", "max") and isinstance(entry[key], (int, float)):
        return f"{entry[key]!r} {entry.get('unit') or ''}".strip()
    return entry[key]


def _is_equal(first: Any, second: Any) -> bool:
    try:
        return bool(u.isclose(u.Quantity(first), u.Quantity(second), rtol=1e-9))
    except (TypeError, ValueError):  # strings, mappings, incompatible units
        return bool(first == second)
