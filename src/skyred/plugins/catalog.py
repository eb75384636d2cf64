"""The catalog: from role and kind to the class of a component, and whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from skyred.errors import FieldError, nearest, warn_of_old_name
from skyred.interfaces import ROLES, Component
from skyred.interfaces.records import Owner
from skyred.plugins.one_file import file_of


@attrs.frozen
class CatalogEntry:
    """A component class and its owner."""

    cls: type[Component]
    owner: Owner


@attrs.define
class Catalog:
    """All components that the plugins offer."""

    _entries: dict[tuple[str, str], CatalogEntry] = attrs.field(factory=dict)
    _old: dict[tuple[str, str], CatalogEntry] = attrs.field(
        factory=dict
    )  # by the kind it had before

    def add(self, cls: Any, owner: Owner) -> str:
        """Take a class in; gives what is wrong with it, "" if nothing is."""
        if wrong := _unfit(cls):
            return wrong
        key = cls.role, cls.kind
        other = self._entries.get(key) or self._old.get(key)
        if other is not None:
            return f"the {cls.role} {cls.kind!r} is offered by {other.owner} already"
        for kind in cls.old_kinds:
            held = self._entries.get((cls.role, kind)) or self._old.get((cls.role, kind))
            if held is not None:
                return f"the {cls.role} {kind!r}, its old kind, is offered by {held.owner}"
        entry = self._entries[cls.role, cls.kind] = CatalogEntry(cls, owner)
        self._old.update(dict.fromkeys(((cls.role, kind) for kind in cls.old_kinds), entry))
        return ""

    def drop(self, owner: Owner) -> None:
        """Take out all that a plugin offered."""
        for held in (self._entries, self._old):
            for key in [key for key, entry in held.items() if entry.owner == owner]:
                del held[key]

    def get(self, role: str, kind: str) -> type[Component]:
        """Give the class; raises `FieldError` with the nearest kinds if there is none."""
        entry = self._entries.get((role, kind))
        if entry is None and (entry := self._old.get((role, kind))) is not None:
            warn_of_old_name(f"the {role} {kind!r}", repr(entry.cls.kind))
        if entry is not None:
            return entry.cls
        kinds = self.kinds(role)
        near = nearest(str(kind), kinds)
        elsewhere = [other for other, name in self._entries if name == kind]
        hint = f" ({kind!r} is a {elsewhere[0]})" if elsewhere else ""
        raise FieldError(
            f"there is no {role} {kind!r}{hint}",
            f"expected one of {', '.join(kinds) or 'none: no plugin offers any'}",
            near,
        )

    def kinds(self, role: str) -> list[str]:
        """Name the kinds of a role."""
        return sorted(kind for other, kind in self._entries if other == role)

    def find(self, kind: str) -> list[CatalogEntry]:
        """Return the entries of a kind in all roles, of a former kind if there are none."""
        present = [entry for (_, name), entry in self._entries.items() if name == kind]
        return present or [entry for (_, name), entry in self._old.items() if name == kind]

    def owner(self, component: Component) -> Owner | None:
        """Give whose a component is; None if no plugin offers its class."""
        entry = self._entries.get((component.role, component.kind))
        if entry is not None and entry.cls is type(component):
            return entry.owner
        file = file_of(type(component))  # loaded for a configuration, and not for this catalog
        return None if file is None else file.owner

    def owner_of(self, role: str, kind: str) -> Owner | None:
        """Give whose a kind is; None if no plugin offers it."""
        entry = self._entries.get((role, kind))
        return None if entry is None else entry.owner

    def owners(self, components: Iterable[Component]) -> tuple[Owner, ...]:
        """Name the owners of components, each once."""
        owners = (self.owner(component) for component in components)
        return tuple(dict.fromkeys(owner for owner in owners if owner is not None))

    def __iter__(self) -> Iterator[CatalogEntry]:
        roles = list(ROLES)
        yield from sorted(
            self._entries.values(), key=lambda entry: (roles.index(entry.cls.role), entry.cls.kind)
        )


def _unfit(cls: Any) -> str:
    if not (isinstance(cls, type) and issubclass(cls, Component)):
        return f"{cls!r} is no component class"
    if not cls.role:
        return f"{cls.__name__} is no subclass of an interface such as skyred.Maker"
    if "__attrs_attrs__" not in cls.__dict__:
        return f"{cls.__name__} lacks its decorator: put @component above the class"
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        return f"{cls.__name__} does not say how to {', '.join(missing)}: write the method"
    return ""
