"""Settings of a model that its method `from_dict` ignores.

A class of a plugin may have its own `from_dict`, which may not use everything in the dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from skyred.errors import Problem
from skyred.io.model_differences import find_different_attribute, is_equal
from skyred.io.model_types import is_compound

Path = tuple[str | int, ...]


class RecordedDict(dict[str, Any]):
    """A dictionary that records the keys whose values are read."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        self.read_keys: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read_keys.add(key)
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:  # without this method, dict(self) does not read the items
        return super().__iter__()

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or the default."""
        self.read_keys.add(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a value and return it."""
        self.read_keys.add(key)
        return super().pop(key, *default)

    def items(self) -> Any:
        """Return the items, all of which are read."""
        self.read_keys.update(self)
        return super().items()

    def values(self) -> Any:
        """Return the values, all of which are read."""
        self.read_keys.update(self)
        return super().values()

    def copy(self) -> dict[str, Any]:
        """Return a plain dictionary; all values are read."""
        return dict(self.items())

    def __or__(self, data: Any) -> Any:
        return self.copy() | data


def ignored_settings(
    model: Any,
    spec: Mapping[str, Any],
    data: Mapping[str, Any],
    build: Callable[[type, dict[str, Any]], Any],
) -> Iterator[Problem]:
    """Yield a problem for each setting in a configuration that a model does not have.

    Models of gammapy are not checked, except for the parts of a compound model.

    Parameters
    ----------
    model : gammapy.modeling.models.ModelBase
        The model.
    spec : mapping
        Its ``type`` and settings in the configuration.
    data : mapping
        The same in gammapy's format.
    build : callable
        ``build(cls, data)`` creates the model again.

    Yields
    ------
    Problem
        A setting, with its path in `spec`.
    """
    if is_compound(model):
        for name in ("model1", "model2"):
            if isinstance(spec.get(name), Mapping):
                part = getattr(model, name)
                for problem in ignored_settings(part, spec[name], data[name], _build_part):
                    yield problem.with_prefix(name)
    elif type(model).__module__.split(".")[0] != "gammapy":
        yield from _ignored_parameters(model, spec, data)
        yield from _ignored_keys(model, data, build)


def _build_part(cls: Any, data: dict[str, Any]) -> Any:
    return cls.from_dict({"spectral": data})  # as gammapy does


def _ignored_parameters(
    model: Any, spec: Mapping[str, Any], data: Mapping[str, Any]
) -> Iterator[Problem]:
    from gammapy.modeling import Parameters

    defaults = {parameter.name: parameter.to_dict() for parameter in model.default_parameters}
    entries = {entry["name"]: entry for entry in data.get("parameters", [])}
    paths: dict[str, Path] = {name: (name,) for name in entries.keys() & spec.keys()}
    paths |= {
        entry.get("name"): ("parameters", index)
        for index, entry in enumerate(spec.get("parameters", []))
    }
    for name, path in paths.items():
        expected = Parameters.from_dict([{**defaults.get(name, {}), **entries[name]}])[0]
        parameter = getattr(model, name, None)
        key = "value" if parameter is None else find_different_attribute(expected, parameter)
        if key:
            setting = spec[name] if name in spec else spec["parameters"][path[-1]]
            is_explicit = isinstance(setting, Mapping) and key in setting
            yield _problem(model, (*path, key) if is_explicit else path, f"{key!r} of {name!r}")


def _ignored_keys(
    model: Any, data: Mapping[str, Any], build: Callable[[type, dict[str, Any]], Any]
) -> Iterator[Problem]:
    attributes = vars(model)
    keys = [
        key
        for key in data.keys() - {"type", "parameters"}
        if key not in attributes or not is_equal(data[key], attributes[key])
    ]
    if not keys:
        return
    recorded = RecordedDict(data)
    try:
        build(type(model), recorded)
    except Exception:  # the class may not accept this dictionary
        return
    for key in sorted(keys):
        if key not in recorded.read_keys:
            yield _problem(model, (key,), repr(key))


def _problem(model: Any, path: Path, setting: str) -> Problem:
    message = f"{type(model).__name__}.from_dict ignores {setting}"
    return Problem(path, message, "correct the method from_dict of the model, or leave this out")
