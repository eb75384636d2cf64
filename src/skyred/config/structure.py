"""From plain data to a chain: everything that can be built is, and everything wrong is named.

Parts that are wrong are left unset, and what stands on them is built all the same, so that one
pass names all mistakes: those of single fields, of whole objects, and of the chain as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

import attrs

from skyred.config.document import Path
from skyred.errors import FieldError, Problem, nearest, path_text, warn_of_old_name
from skyred.fields import (
    REQUIRED,
    FieldSpec,
    FrozenMapping,
    checked_name,
    default_of,
    parse_field,
    specs,
    with_article,
)
from skyred.interfaces import Chain, Component, DataEntry, Fields
from skyred.plugins import Catalog

F = TypeVar("F", bound=Fields)


class InvalidNode:
    """Stands where something could not be built; still has what was written in it."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw if isinstance(raw, Mapping) else {}

    def source_names(self) -> list[str]:
        """Give its name, so that what refers to it is not blamed too."""
        name = self._raw.get("name")
        return [name] if isinstance(name, str) else []

    def knows_names(self) -> bool:
        """Tell that what it would have built is known, so that other mistakes are named too."""
        return True

    @property
    def label(self) -> str:
        """Its name; unlike any other if it has none."""
        return str(self._raw.get("name") or self._raw.get("kind") or id(self))


@attrs.define
class Structurer:
    """Builds objects from plain data, and collects what is wrong with it.

    Parameters
    ----------
    catalog : Catalog
        Where kinds are looked up.
    problems : list of Problem
        What was wrong so far.
    """

    catalog: Catalog
    problems: list[Problem] = attrs.field(factory=list)

    def build(self, cls: type[F], raw: Any, path: Path = ()) -> F | InvalidNode:
        """Build a value class, a component of a role, or what could be read of it."""
        if not isinstance(raw, Mapping):
            self._say(path, FieldError(f"is {raw!r:.60}", f"expected a mapping: {_words(cls)}"))
            return InvalidNode(raw)
        if issubclass(cls, Component):
            chosen = self._choose(cls, raw, path)
            if chosen is None:
                return InvalidNode(raw)
            cls, raw = chosen, {name: held for name, held in raw.items() if name != "kind"}
        try:
            cls = cls.variant(raw)  # type: ignore[assignment]
        except FieldError as error:
            self._say(path, error)
            return InvalidNode(raw)
        before = len(self.problems)
        written = self._written(cls, raw, path)
        held = self._nested_fields(cls, written, raw, path)
        sound = len(self.problems) == before
        if sound:
            leaves = {name: raw[key] for name, key in written.items() if name not in held}
            with suppress(FieldError):  # what is below names it, and whatever else is wrong
                return cls(**held, **leaves)
        sound &= self._parse_leaves(held, cls, written, raw, path)
        made = _unchecked(cls, held, unset=set(written) - set(held))
        self._validate(made, path, sound)
        return made

    def _parse_leaves(
        self,
        held: dict[str, Any],
        cls: type[F],
        written: Mapping[str, str],
        raw: Mapping[str, Any],
        path: Path,
    ) -> bool:
        """Parse plain fields into `held`, and name each that is wrong; true if none is."""
        before, known = len(self.problems), specs(cls)
        for name, key in written.items():
            if known[name].shape == "leaf" or raw[key] is None:
                try:
                    held[name] = parse_field(known[name], raw[key])
                except FieldError as error:
                    self._say((*path, key), error)
        return len(self.problems) == before

    def _choose(self, role: type[Component], raw: Mapping[str, Any], path: Path) -> Any:
        kind = raw.get("kind")
        if kind is None:
            kinds = ", ".join(self.catalog.kinds(role.role))
            self._say(path, FieldError("has no kind", f"expected kind: one of {kinds}"))
            return None
        if not isinstance(kind, str):
            self._say((*path, "kind"), FieldError(f"is {kind!r:.60}", "expected a text"))
            return None
        try:
            return self.catalog.get(role.role, kind)
        except FieldError as error:
            self._say((*path, "kind"), error)
            return None

    def _written(self, cls: type[F], raw: Mapping[str, Any], path: Path) -> dict[str, str]:
        """Return the key of each field that is given, and name keys that are wrong or missing."""
        known = specs(cls)
        written: dict[str, str] = {}
        for key in raw:
            name = cls.old_names.get(key, key)
            if name not in known:
                self._unknown(key, list(known), path)
            elif name in written:
                error = FieldError(f"is the old name of {name!r}", "leave one of the two out")
                self._say((*path, key if name != key else written[name]), error)
            else:
                written[name] = key
                if name != key:
                    warn_of_old_name(path_text((*path, key)), repr(name))
        for name, spec in known.items():
            if name not in written and default_of(cls, name) is REQUIRED:
                self._say(
                    path, FieldError(f"lacks {name!r}", f"expected {spec.type_name}: {spec.doc}")
                )
        return written

    def _nested_fields(
        self, cls: type, written: Mapping[str, str], raw: Mapping[str, Any], path: Path
    ) -> dict[str, Any]:
        held: dict[str, Any] = {}
        for name, spec in specs(cls).items():
            key = written.get(name)
            if spec.shape != "leaf" and key is not None and raw[key] is not None:
                below = (*path, key)
                if self._has_shape(spec, raw[key], below):
                    held[name] = self._nested(spec, raw[key], below)
        return held

    def _has_shape(self, spec: FieldSpec, raw: Any, path: Path) -> bool:
        fits = {
            "one": True,
            "many": isinstance(raw, (list, Mapping)),
            "map": isinstance(raw, Mapping) and bool(raw),
        }[spec.shape]
        if not fits:
            self._say(path, FieldError(f"is {raw!r:.60}", f"expected {spec.type_name}"))
        return fits

    def _nested(self, spec: FieldSpec, raw: Any, path: Path) -> Any:
        assert spec.of is not None
        if spec.shape == "one":
            return self.build(spec.of, raw, path)
        if spec.shape == "many":
            if isinstance(raw, Mapping):  # a list of one may be written without its dash
                return (self.build(spec.of, raw, path),)
            return tuple(self.build(spec.of, item, (*path, i)) for i, item in enumerate(raw))
        for name in raw:
            try:
                checked_name(name)
            except FieldError as error:
                self._say((*path, name), error)
        return FrozenMapping({n: self.build(spec.of, item, (*path, n)) for n, item in raw.items()})

    def _unknown(self, name: str, known: list[str], path: Path) -> None:
        near = nearest(name, known)
        expected = f"expected one of {', '.join(known)}" if known else "expected no options here"
        error = FieldError("there is no such key", expected, near)
        self._say((*path, name), error)

    def _validate(self, made: Fields, path: Path, complete: bool) -> None:
        try:
            for problem in made.validate():  # what is found before it stumbles counts
                self.problems.append(problem.with_prefix(*path))
        except Exception:  # whatever validate() raises over parts that are not as it expects
            if complete:  # a mistake of the component; otherwise a part that is named already
                raise

    def _say(self, path: Path, error: FieldError) -> None:
        self.problems.append(error.problem.with_prefix(*path))


def _unchecked(cls: type[F], held: Mapping[str, Any], unset: set[str]) -> F:
    """Make an object without its constructor: what was wrong is not there at all."""
    made = cls.__new__(cls)
    for name in specs(cls):
        content = held.get(name, default_of(cls, name))
        if content is not REQUIRED and name not in unset:
            object.__setattr__(made, name, content)
    return made


def _words(cls: type[Fields]) -> str:
    if cls is DataEntry:
        return f"{with_article(cls)}, with an archive, or with datasets"
    if issubclass(cls, (Component, Chain)):
        return with_article(cls)
    return f"{with_article(cls)}, with {', '.join(specs(cls))}"
