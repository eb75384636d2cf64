"""Build objects from plain data, and report all unknown, missing and invalid keys.

Invalid fields are left unset, and the objects that contain them are built anyway, so that one
pass finds all problems: those of single fields, of objects, and of the pipeline.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import attrs

from skyred.config.document import Path
from skyred.errors import FieldError, Problem, format_value, nearest, path_text
from skyred.fields import (
    REQUIRED,
    FieldSpec,
    FrozenMapping,
    check_name,
    default_of,
    parse_field,
    specs,
    with_article,
)
from skyred.interfaces import Component, DataEntry, Fields
from skyred.interfaces.hidden_secrets import hidden_secrets
from skyred.interfaces.renamed import warn_of_renamed_option
from skyred.plugins import Catalog
from skyred.plugins.component_errors import errors_of

F = TypeVar("F", bound=Fields)


class InvalidNode:
    """Placeholder for an object that could not be built, with its plain data.

    Parameters
    ----------
    raw : object
        The plain data.
    is_complete : bool
        Whether all its keys could be read.
    """

    def __init__(self, raw: Any, *, is_complete: bool = True) -> None:
        self._raw = raw if isinstance(raw, Mapping) else {}
        self._is_complete = is_complete

    def source_names(self) -> list[str]:
        """Return the name of the object, so that references to it are not reported as problems.

        Returns
        -------
        list of str
            The name, if it has one.
        """
        name = self._raw.get("name")
        return [name] if isinstance(name, str) else []

    name_pattern = DataEntry.name_pattern  # the names are unknown

    def knows_names(self) -> bool:
        """Return whether all names of the object are known, so that unknown names are reported.

        Returns
        -------
        bool
            False if it has no name, and some of its keys could not be read.
        """
        return self._is_complete or "name" in self._raw

    @property
    def label(self) -> str:
        """Name or kind of the object; a unique identifier if it has neither."""
        return str(self._raw.get("name") or self._raw.get("kind") or id(self))


@attrs.define
class Structurer:
    """Builds objects from plain data, and collects the problems.

    Parameters
    ----------
    catalog : Catalog
        The catalog of components.
    problems : list of Problem
        The problems that were found so far.
    unreadable : collection of Path
        The paths of values that could not be read. They already have problems and are not checked.
    """

    catalog: Catalog
    problems: list[Problem] = attrs.field(factory=list)
    unreadable: Collection[Path] = ()

    def build(self, cls: type[F], raw: Any, path: Path = ()) -> F | InvalidNode:
        """Build an object from plain data.

        Parameters
        ----------
        cls : type
            The value class, or the interface of a component.
        raw : object
            The plain data.
        path : tuple of (str or int)
            The path of the data in the document.

        Returns
        -------
        Fields or InvalidNode
            The object; if there are problems, an object without the invalid fields, or a
            placeholder.
        """
        if not isinstance(raw, Mapping):
            self._add_value_problem(
                path,
                FieldError(
                    f"invalid value {format_value(raw)}", f"expected {_describe_class(cls)}"
                ),
            )
            return self._invalid_node(raw, path)
        if issubclass(cls, Component):
            component_class = self._find_component_class(cls, raw, path)
            if component_class is None:
                return self._invalid_node(raw, path)
            cls, raw = (
                component_class,
                {name: option for name, option in raw.items() if name != "kind"},
            )
            with errors_of(component_class, self.catalog):
                return self._build_fields(cls, raw, path)
        return self._build_fields(cls, raw, path)

    def _build_fields(self, cls: type[F], raw: Mapping[str, Any], path: Path) -> F | InvalidNode:
        try:
            cls = cls.variant(raw)  # type: ignore[assignment]
        except FieldError as error:
            self._add_missing_key(path, error)
            return self._invalid_node(raw, path)
        n_problems = len(self.problems)
        keys = self._keys_of_fields(cls, raw, path)
        values = self._nested_fields(cls, keys, raw, path)
        is_valid = len(self.problems) == n_problems and not self._has_unreadable(path)
        if is_valid:
            leaves = {name: raw[key] for name, key in keys.items() if name not in values}
            with suppress(FieldError):  # reported below, with all other problems
                return cls(**values, **leaves)
        is_valid &= self._parse_leaves(values, cls, keys, raw, path)
        instance = _create_unchecked(cls, values, unset=set(keys) - set(values))
        self._validate(instance, path, is_valid)
        return instance

    def _invalid_node(self, raw: Any, path: Path) -> InvalidNode:
        return InvalidNode(raw, is_complete=path not in self.unreadable)

    def _parse_leaves(
        self,
        values: dict[str, Any],
        cls: type[F],
        keys: Mapping[str, str],
        raw: Mapping[str, Any],
        path: Path,
    ) -> bool:
        """Parse plain fields into `values`, and return whether all of them are valid."""
        is_valid, field_specs = True, specs(cls)
        for name, key in keys.items():
            if field_specs[name].shape == "leaf" or raw[key] is None:
                try:
                    values[name] = parse_field(field_specs[name], raw[key])
                except FieldError as error:
                    self._add_value_problem((*path, key), error)
                    is_valid = False
        return is_valid

    def _find_component_class(
        self, role: type[Component], raw: Mapping[str, Any], path: Path
    ) -> Any:
        kind = raw.get("kind")
        if kind is None:
            kinds = ", ".join(self.catalog.kinds(role.role))
            self._add_missing_key(
                path, FieldError("missing key 'kind'", f"expected one of {kinds}")
            )
            return None
        if not isinstance(kind, str):
            self._add_value_problem(
                (*path, "kind"),
                FieldError(f"invalid value {format_value(kind)}", "expected a string"),
            )
            return None
        try:
            return self.catalog.get(role.role, kind)
        except FieldError as error:
            self._add_value_problem((*path, "kind"), error)
            return None

    def _keys_of_fields(self, cls: type[F], raw: Mapping[str, Any], path: Path) -> dict[str, str]:
        """Return the keys of the fields that are set, and report unknown and missing keys."""
        field_specs = specs(cls)
        keys: dict[str, str] = {}
        for key in raw:
            name = cls.old_names.get(key, key)
            if name not in field_specs:
                self._add_unknown_key(key, list(field_specs), path)
            elif name in keys:
                old_key = key if name != key else keys[name]
                error = FieldError(
                    f"is the old name of {name!r}, which is also set", f"remove {old_key!r}"
                )
                self._add_problem((*path, old_key), error)
            else:
                keys[name] = key
                if name != key:
                    warn_of_renamed_option(cls, path_text((*path, key)), name)
        for name, spec in field_specs.items():
            if name not in keys and default_of(cls, name) is REQUIRED:
                self._add_missing_key(
                    path,
                    FieldError(
                        f"missing key {name!r}",
                        f"expected {spec.type_name}: {_as_phrase(spec.doc)}",
                    ),
                )
        return keys

    def _nested_fields(
        self, cls: type, keys: Mapping[str, str], raw: Mapping[str, Any], path: Path
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, spec in specs(cls).items():
            key = keys.get(name)
            if spec.shape != "leaf" and key is not None and raw[key] is not None:
                field_path = (*path, key)
                if self._has_shape(spec, raw[key], field_path):
                    values[name] = self._nested(spec, raw[key], field_path)
        return values

    def _has_shape(self, spec: FieldSpec, raw: Any, path: Path) -> bool:
        is_valid = {
            "one": True,
            "many": isinstance(raw, (list, Mapping)),
            "map": isinstance(raw, Mapping) and bool(raw),
        }[spec.shape]
        if not is_valid:
            self._add_value_problem(
                path, FieldError(f"invalid value {format_value(raw)}", f"expected {spec.type_name}")
            )
        return is_valid

    def _nested(self, spec: FieldSpec, raw: Any, path: Path) -> Any:
        assert spec.of is not None
        if spec.shape == "one":
            return self.build(spec.of, raw, path)
        if spec.shape == "many":
            if isinstance(raw, Mapping):  # a list with one item may be written without a dash
                return (self.build(spec.of, raw, path),)
            return tuple(self.build(spec.of, item, (*path, i)) for i, item in enumerate(raw))
        for name in raw:
            try:
                check_name(name)
            except FieldError as error:
                self._add_problem((*path, name), error)
        return FrozenMapping({n: self.build(spec.of, item, (*path, n)) for n, item in raw.items()})

    def _add_unknown_key(self, name: str, valid_keys: list[str], path: Path) -> None:
        suggestion = nearest(name, valid_keys)
        expected = f"available: {', '.join(valid_keys)}" if valid_keys else "expected no options"
        error = FieldError("unknown key", expected, suggestion)
        self._add_problem((*path, name), error)

    def _validate(self, instance: Fields, path: Path, is_valid: bool) -> None:
        if path in self.unreadable:  # some of its options are unknown
            return
        try:
            with hidden_secrets(instance):
                for problem in instance.validate():  # keep problems found before an exception
                    self.problems.append(problem.with_prefix(*path))
        except (Exception, SystemExit):  # validate() may raise anything if fields are invalid
            if is_valid:  # a bug of the component; otherwise caused by a reported problem
                raise

    def _add_problem(self, path: Path, error: FieldError) -> None:
        self.problems.append(error.problem.with_prefix(*path))

    def _add_missing_key(self, path: Path, error: FieldError) -> None:
        """Add a problem with a missing key, unless the keys of the mapping could not be read."""
        if path not in self.unreadable:
            self._add_problem(path, error)

    def _add_value_problem(self, path: Path, error: FieldError) -> None:
        """Add a problem with a value, unless the value or a part of it could not be read."""
        if not self._has_unreadable(path):
            self._add_problem(path, error)

    def _has_unreadable(self, path: Path) -> bool:
        return any(unreadable[: len(path)] == path for unreadable in self.unreadable)


def _create_unchecked(cls: type[F], values: Mapping[str, Any], unset: set[str]) -> F:
    """Create an object without its constructor, and without attributes for invalid fields."""
    instance = cls.__new__(cls)
    for name in specs(cls):
        field_value = values.get(name, default_of(cls, name))
        if field_value is not REQUIRED and name not in unset:
            object.__setattr__(instance, name, field_value)
    return instance


def _describe_class(cls: type[Fields]) -> str:
    if cls is DataEntry:
        return f"{with_article(cls)}, as a mapping with archive or datasets"
    if issubclass(cls, Component):
        return f"{with_article(cls)}, as a mapping {{kind: KIND, ...}}"
    return f"{with_article(cls)}, as a mapping with {', '.join(specs(cls))}"


def _as_phrase(doc: str) -> str:
    """Convert a sentence to a phrase that can follow a colon."""
    first = doc[:1].lower() if doc[1:2].islower() or doc[1:2] == " " else doc[:1]
    return first + doc[1:].rstrip(".")
