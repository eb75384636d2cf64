"""The catalog of component classes, by role and kind, with their owners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from skyred.errors import FieldError, nearest, warn_of_old_name
from skyred.interfaces import ROLES, Component
from skyred.interfaces.records import Owner
from skyred.plugins.model_classes import ModelCatalog
from skyred.plugins.one_file import file_of


@attrs.frozen
class CatalogEntry:
    """A component class and its owner.

    Parameters
    ----------
    cls : type
        The component class.
    owner : Owner
        The plugin that provides it.
    """

    cls: type[Component]
    owner: Owner


@attrs.define
class Catalog:
    """The component classes of all plugins, and their model classes.

    Parameters
    ----------
    models : ModelCatalog
        The model classes of gammapy that plugins add.
    """

    models: ModelCatalog = attrs.field(factory=ModelCatalog, kw_only=True)
    _entries: dict[tuple[str, str], CatalogEntry] = attrs.field(factory=dict)
    _old_entries: dict[tuple[str, str], CatalogEntry] = attrs.field(factory=dict)  # by old kind

    def add(self, cls: Any, owner: Owner) -> str:
        """Add a component class.

        Parameters
        ----------
        cls : type
            The component class.
        owner : Owner
            The plugin that provides it.

        Returns
        -------
        str
            The fault that prevents the use of the class; "" if it was added.
        """
        if fault := _find_fault(cls):
            return fault
        key = cls.role, cls.kind
        existing_entry = self._entries.get(key) or self._old_entries.get(key)
        if existing_entry is not None:
            return f"the {cls.role} {cls.kind!r} is already provided by {existing_entry.owner}"
        for kind in cls.old_kinds:
            key = cls.role, kind
            existing_entry = self._entries.get(key) or self._old_entries.get(key)
            if existing_entry is not None:
                return (
                    f"the {cls.role} {kind!r}, an old kind of {cls.kind!r}, is already provided by "
                    f"{existing_entry.owner}"
                )
        entry = self._entries[cls.role, cls.kind] = CatalogEntry(cls, owner)
        self._old_entries |= {(cls.role, kind): entry for kind in cls.old_kinds}
        return ""

    def drop(self, owner: Owner) -> None:
        """Remove all components and model classes of a plugin.

        Parameters
        ----------
        owner : Owner
            The plugin.
        """
        self.models.drop(owner)
        for entries in (self._entries, self._old_entries):
            for key in [key for key, entry in entries.items() if entry.owner == owner]:
                del entries[key]

    def get(self, role: str, kind: str) -> type[Component]:
        """Return a component class.

        Parameters
        ----------
        role, kind : str
            Role and kind of the component; old kinds work, with a warning.

        Returns
        -------
        type
            The class.

        Raises
        ------
        FieldError
            If there is no such kind; the message suggests the most similar one, if any is similar.
        """
        entry = self._entries.get((role, kind))
        if entry is None and (entry := self._old_entries.get((role, kind))) is not None:
            warn_of_old_name(f"the {role} {kind!r}", repr(entry.cls.kind))
        if entry is not None:
            return entry.cls
        kinds = self.kinds(role)
        suggestion = nearest(str(kind), kinds)
        other_roles = [entry_role for entry_role, name in self._entries if name == kind]
        hint = f" ({kind!r} is a kind of {other_roles[0]})" if other_roles else ""
        available = (
            f"available: {', '.join(kinds)}"
            if kinds
            else f"no plugin provides a component with the role {role!r}"
        )
        raise FieldError(f"unknown {role} {kind!r}{hint}", available, suggestion)

    def kinds(self, role: str) -> list[str]:
        """Return the kinds of a role.

        Parameters
        ----------
        role : str
            The role.

        Returns
        -------
        list of str
            The kinds, sorted.
        """
        return sorted(kind for entry_role, kind in self._entries if entry_role == role)

    def find(self, kind: str) -> list[CatalogEntry]:
        """Return the components of a kind in all roles.

        Parameters
        ----------
        kind : str
            The kind; an old kind is accepted if no component has it as its current kind.

        Returns
        -------
        list of CatalogEntry
            The components.
        """
        entries = [entry for (_, name), entry in self._entries.items() if name == kind]
        return entries or [entry for (_, name), entry in self._old_entries.items() if name == kind]

    def owner(self, component: Component) -> Owner | None:
        """Return the owner of a component.

        Parameters
        ----------
        component : Component
            The component.

        Returns
        -------
        Owner or None
            The owner; None if no plugin provides its class.
        """
        entry = self._entries.get((component.role, component.kind))
        if entry is not None and entry.cls is type(component):
            return entry.owner
        file = file_of(type(component))  # loaded for a configuration, not for this catalog
        return None if file is None else file.owner

    def owner_of(self, role: str, kind: str) -> Owner | None:
        """Return the owner of a kind.

        Parameters
        ----------
        role, kind : str
            Role and kind of the component.

        Returns
        -------
        Owner or None
            The owner; None if no plugin provides the kind.
        """
        entry = self._entries.get((role, kind))
        return None if entry is None else entry.owner

    def owners(self, components: Iterable[Component]) -> tuple[Owner, ...]:
        """Return the owners of components.

        Parameters
        ----------
        components : iterable of Component
            The components.

        Returns
        -------
        tuple of Owner
            The owners, without duplicates.
        """
        owners = (self.owner(component) for component in components)
        return tuple(dict.fromkeys(owner for owner in owners if owner is not None))

    def __iter__(self) -> Iterator[CatalogEntry]:
        roles = list(ROLES)
        yield from sorted(
            self._entries.values(), key=lambda entry: (roles.index(entry.cls.role), entry.cls.kind)
        )


def _find_fault(cls: Any) -> str:
    if not (isinstance(cls, type) and issubclass(cls, Component)):
        return f"{cls!r} is not a component class"
    if not cls.role:
        return f"{cls.__name__} is not a subclass of an interface such as skyred.Maker"
    if "__attrs_attrs__" not in cls.__dict__:
        return f"{cls.__name__} is not decorated: decorate it with @component"
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        return f"{cls.__name__} does not implement {', '.join(missing)}: write the method"
    return ""
