"""From what a configuration says of a model to the dictionary that gammapy reads.

Both ways of writing parameters are understood: ``index: 2.7`` and ``amplitude: 4e-11 cm-2 s-1
TeV-1`` (or a mapping with value, unit, min, max, frozen, prior, link), and gammapy's own list.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from astropy import units as u

from skyred.components.models.map_files import look_at_all
from skyred.components.models.priors import About, prior_to_gammapy
from skyred.errors import FieldError, ModelError, Problem, nearest
from skyred.fields import thaw

PARAMETER_KEYS = ("value", "unit", "min", "max", "error", "frozen", "prior", "link", "interp",
                  "scale_method", "scale_transform", "name")  # fmt: skip
# keys that gammapy's own dictionaries hold beside parameters
EXTRA_KEYS = {"type", "parameters", "frame", "filename", "unit", "energy", "values", "interp",
              "normalize", "param", "map", "model"}  # fmt: skip


def to_gammapy(part: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give gammapy's dictionary of a spectral, spatial or temporal model.

    Parameters
    ----------
    part : {"spectral", "spatial", "temporal"}
        Which registry its type is looked up in.
    given : mapping
        ``type`` and parameters in either way of writing.

    Raises
    ------
    PartError
        With the place and what is wrong.
    """
    data = thaw(given)
    cls = model_class(part, data)
    defaults = {parameter.name: parameter for parameter in cls.default_parameters}
    made = {"type": data.pop("type")}
    listed = {entry.get("name"): entry for entry in data.pop("parameters", [])}
    for name, value in data.items():
        if name in defaults and name not in listed:
            listed[name] = _spelled_out(value, name, defaults[name])
        elif isinstance(value, dict) and "type" in value:  # a part of a compound model
            made[name] = to_gammapy(part, value)
        else:
            made[name] = _extra(cls, name, value, defaults)
    for name, parameter in defaults.items():
        listed.setdefault(name, parameter.to_dict())
    made["parameters"] = [
        _complete(name, entry, defaults.get(name)) for name, entry in listed.items()
    ]
    if not made["parameters"]:
        del made["parameters"]
    return made


class PartError(Exception):
    """Something wrong inside a model's mapping."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


def model_class(part: str, data: Mapping[str, Any]) -> Any:
    """Look a model class up by its type: gammapy's tag or class name."""
    from gammapy.modeling import models

    registry = getattr(models, f"{part.upper()}_MODEL_REGISTRY")
    tags = sorted(tag for cls in registry for tag in _tags(cls))
    kind = data.get("type")
    if kind not in tags:
        near = nearest(str(kind), tags)
        short = [tag for tag in tags if tag == tag.lower()]
        raise PartError(
            Problem(
                ("type",) if "type" in data else (),
                f"there is no {part} model {kind!r}" if kind else "has no type",
                f"expected one of {', '.join(short)}",
                near,
            )
        )
    return registry.get_cls(kind)


def _tags(cls: Any) -> list[str]:
    return [cls.tag] if isinstance(cls.tag, str) else list(cls.tag)


def _spelled_out(value: Any, name: str, default: Any) -> dict[str, Any]:
    entry = dict(value) if isinstance(value, dict) else {"value": value}
    for key in entry:
        if key not in PARAMETER_KEYS:
            near = nearest(key, PARAMETER_KEYS)
            expected = f"expected some of {', '.join(PARAMETER_KEYS[:8])}"
            raise PartError(Problem((name, key), "there is no such key", expected, near))
    entry.setdefault("value", str(default.quantity))
    unit = u.Unit(entry.get("unit") or "")
    number = _quantity(entry["value"], unit, name)
    if not number.unit.is_equivalent(default.unit):
        raise PartError(
            Problem(
                (name,),
                f"{str(entry['value'])!r} is in {str(number.unit) or 'no unit'}",
                f"expected {f'a unit such as {default.unit}' if str(default.unit) else 'no unit'}",
            )
        )
    entry["value"], entry["unit"] = float(number.value), number.unit.to_string()
    for limit in ("min", "max", "error"):
        if limit in entry:
            entry[limit] = float(_quantity(entry[limit], number.unit, name).to_value(number.unit))
    if entry.get("min", float("-inf")) > entry.get("max", float("inf")):
        raise PartError(Problem((name, "min"), "is above the max", "swap them"))
    if not entry.get("min", float("-inf")) <= entry["value"] <= entry.get("max", float("inf")):
        raise PartError(
            Problem((name,), f"starts at {number}, outside min and max", "start inside")
        )
    return {"name": name, "frozen": default.frozen, **entry}


def _quantity(value: Any, unit: u.UnitBase, name: str) -> u.Quantity:
    try:
        number = u.Quantity(value)
    except (TypeError, ValueError):
        expected = "expected a number with its unit"
        raise PartError(Problem((name,), f"{value!r} is no quantity", expected)) from None
    if number.unit == u.dimensionless_unscaled and not isinstance(value, u.Quantity):
        return u.Quantity(number.value, unit)
    return number


def _complete(name: str, entry: Mapping[str, Any], default: Any) -> dict[str, Any]:
    entry = {"name": name, **entry}
    if given := entry.pop("prior", None):
        unit = u.Unit(entry.get("unit") or getattr(default, "unit", ""))
        prior = prior_to_gammapy(given, About(unit, float(entry["value"])))
        if isinstance(prior, Problem):
            raise PartError(prior.with_prefix(name, "prior"))
        entry["prior"] = prior
    return entry


def _extra(cls: Any, name: str, value: Any, defaults: Mapping[str, Any]) -> Any:
    accepted = EXTRA_KEYS | set(inspect.signature(cls.__init__).parameters)
    if name not in accepted:
        near = nearest(name, [*defaults, *accepted])
        raise PartError(
            Problem(
                (name,),
                f"{cls.__name__} has no parameter of this name",
                f"expected some of {', '.join(defaults)}",
                near,
            )
        )
    return value


def build_part(part: str, given: Mapping[str, Any]) -> Any:
    """Build a spectral, spatial or temporal model; raises what `to_gammapy` and gammapy raise."""
    data = to_gammapy(part, given)
    look_at_all(data)
    return model_class(part, data).from_dict({part: data})


def set_parameters(model: Any, given: Mapping[str, Any]) -> None:
    """Set parameters of a model that gammapy builds without them.

    Raises
    ------
    PartError
        With the place and what is wrong.
    """
    from gammapy.modeling import Parameter

    for name, entry in thaw(given).items():
        if name not in model.parameters.names:
            near = nearest(name, model.parameters.names)
            expected = f"expected some of {', '.join(model.parameters.names)}"
            raise PartError(Problem((name,), "there is no such parameter", expected, near))
        present = model.parameters[name]
        spelled = _complete(name, _spelled_out(entry, name, present), present)
        label = spelled.pop("link", None)
        made = Parameter(**spelled)
        made._link_label_io = label
        setattr(model, name, made)


def is_norm(spectral: Mapping[str, Any]) -> bool:
    """Tell whether a spectral model is one of a norm; gammapy tells them by their name too."""
    return "Norm" in model_class("spectral", spectral).__name__


def part_problems(part: str, given: Mapping[str, Any] | None) -> Iterator[Problem]:
    """Name what is wrong with a part of a model, as far as it goes without data."""
    if given is None:
        return
    try:
        build_part(part, given)
    except PartError as error:
        yield error.problem.with_prefix(part)
    except ModelError as error:
        yield Problem((part, "filename"), str(error))
    except (FieldError, ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        yield Problem((part,), f"gammapy cannot build it: {error}", "see gammapy's model gallery")
