"""Links between parameters of models, and checks of their settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from astropy import units as u

from skyred.errors import Problem, nearest
from skyred.fields import find_parameters
from skyred.interfaces.model import Model

if TYPE_CHECKING:
    from skyred.interfaces.chain import Chain

SHARED_KEYS = ("value", "min", "max", "frozen", "prior")
OptionPath = tuple[str | int, ...]


@attrs.frozen
class LinkUse:
    """One use of a link label.

    Parameters
    ----------
    label : str
        The label.
    parameter : str
        The name of the parameter.
    source : str
        The model or file of the parameter, for messages.
    settings : mapping
        All settings of the parameter.
    path : tuple of str or int
        The path of the parameter in the model.
    multiplicity : int
        The number of parameters that the use stands for.
    """

    label: str
    parameter: str
    source: str
    settings: Mapping[str, Any]
    path: OptionPath
    multiplicity: int = 1


def find_link_uses(
    spec: Any, source: str, path: OptionPath = (), multiplicity: int = 1
) -> Iterator[LinkUse]:
    """Find the link labels in a mapping, in either format of parameters.

    The formats are described in `skyred.components.models.spec`.

    Parameters
    ----------
    spec : mapping, list or object
        The mapping of a model, or a part of it.
    source : str
        The model or file of the mapping, for messages.
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
            yield LinkUse(label, name, source, spec, path, multiplicity)
        for name, element in spec.items():
            yield from find_link_uses(element, source, (*path, name), multiplicity)
    elif isinstance(spec, (list, tuple)):
        for index, element in enumerate(spec):
            yield from find_link_uses(element, source, (*path, index), multiplicity)


def link_problems(model: Any, pipeline: Chain) -> Iterator[Problem]:
    """Yield problems with link labels that are used only once, or with inconsistent settings.

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
    for use in _get_uses(model):
        uses_of_label = [other_use for other_use in all_uses if other_use.label == use.label]
        if sum(use_of_label.multiplicity for use_of_label in uses_of_label) < 2:
            yield _single_use_problem(use, all_uses)
        elif uses_of_label and uses_of_label[0].settings is not use.settings:
            yield from _setting_problems(use, uses_of_label[0])


def _get_uses(model: Any) -> Iterator[LinkUse]:
    """Yield the uses in a model; none for a placeholder of a model that could not be built."""
    if not isinstance(model, Model):
        return
    if find_links := getattr(model, "links", None):
        yield from find_links()
    source = next(iter(model.source_names()), model.kind)
    for name, parameter in find_parameters(model).items():
        yield from find_link_uses(parameter.setting, source, (name,))


def _single_use_problem(use: LinkUse, all_uses: Iterable[LinkUse]) -> Problem:
    """Return the problem with a label that is used only once."""
    other_labels = sorted({other_use.label for other_use in all_uses} - {use.label})
    suggestion = nearest(use.label, other_labels)
    message = f"the link {use.label!r} is used only once"
    return Problem(
        (*use.path, "link"), message, "use the same label for another parameter", suggestion
    )


def _setting_problems(use: LinkUse, first_use: LinkUse) -> Iterator[Problem]:
    """Yield problems with different settings in two uses of a label.

    Parameters
    ----------
    use : LinkUse
        The later use.
    first_use : LinkUse
        The first use.

    Yields
    ------
    Problem
        Each setting of the later use that the first use does not have, or that is different there.
        If the names of the parameters differ, this is the only problem.
    """
    if use.parameter != first_use.parameter:
        # gammapy passes parameters to its models by name
        message = f"links {use.parameter} with {first_use.parameter} of {first_use.source}"
        expected = "expected parameters with the same name"
        yield Problem((*use.path, "link"), message, expected)
        return
    for key in SHARED_KEYS:
        if key not in use.settings:
            continue
        if key not in first_use.settings:
            message = f"is not set for {first_use.source}, the first to use {use.label!r}"
            yield Problem((*use.path, key), message, "set it for both parameters")
        elif not _is_equal(_with_unit(use.settings, key), _with_unit(first_use.settings, key)):
            first_setting = f"{first_use.settings[key]!s:.40} in {first_use.source}"
            message = f"{use.settings[key]!s:.40} differs from {first_setting}"
            expected = f"expected equal settings of parameters with the link {use.label!r}"
            yield Problem((*use.path, key), message, expected)


def _with_unit(settings: Mapping[str, Any], key: str) -> Any:
    """Return a setting of a parameter; numbers with the unit of the parameter, as a string."""
    if key in ("value", "min", "max") and isinstance(settings[key], (int, float)):
        return f"{settings[key]!r} {settings.get('unit') or ''}".strip()
    return settings[key]


def _is_equal(first: Any, second: Any) -> bool:
    """Return whether two settings are equal, after converting their units."""
    try:
        return bool(u.isclose(u.Quantity(first), u.Quantity(second), rtol=1e-9))
    except (TypeError, ValueError):  # strings, mappings, incompatible units
        return bool(first == second)
