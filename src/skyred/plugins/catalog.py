"""The catalog of component classes, by role and kind, with their owners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from skyred.errors import FieldError, nearest
from skyred.interfaces import ROLES, Component
from skyred.interfaces.records import Owner
from skyred.interfaces.renamed import warn_of_renamed_kind
from skyred.plugins.model_classes import ModelCatalog
from skyred.plugins.one_file import file_of
from skyred.plugins.same_distribution import is_same_distribution

CORE = "skyred"  # the distribution of the default components


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

    @property
    def qualified_kind(self) -> str:
        """The distribution and the kind, as in ``skyred-foo:ring``."""
        return f"{self.owner.distribution}:{self.cls.kind}"


@attrs.define
class Catalog:
    """The component classes of all plugins, and their model classes.

    Parameters
    ----------
    unavailable_plugins : list of str
        A phrase for each faulty or blocked plugin, for errors about kinds that it may provide.
    models : ModelCatalog
        The model classes of gammapy that plugins add.
    """

    # by role and kind, current or old; several plugins may provide the same kind
    _entries: dict[tuple[str, str], list[CatalogEntry]] = attrs.field(factory=dict)
    unavailable_plugins: list[str] = attrs.field(factory=list)
    models: ModelCatalog = attrs.field(factory=ModelCatalog, kw_only=True)

    def add(self, cls: Any, owner: Owner) -> str:
        """Add a component class.

        If another distribution provides the same kind, both need their qualified names in YAML:
        the distribution and the kind, as in ``skyred-foo:ring``.

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
        for kind in (cls.kind, *cls.old_kinds):
            for entry in self._entries.get((cls.role, kind), ()):
                is_same_distribution = entry.owner.distribution == owner.distribution
                if is_same_distribution or entry.cls is cls:
                    old = f", an old kind of {cls.kind!r}," * (kind != cls.kind)
                    return f"the {cls.role} {kind!r}{old} is already provided by {entry.owner}"
        entry = CatalogEntry(cls, owner)
        for kind in dict.fromkeys((cls.kind, *cls.old_kinds)):
            entries = self._entries.setdefault((cls.role, kind), [])
            entries.append(entry)
            if len(entries) > 1:
                _write_qualified_kinds([entry for entry in entries if entry.cls.kind == kind])
        return ""

    def _is_ambiguous(self, entry: CatalogEntry) -> bool:
        return len(self._entries[entry.cls.role, entry.cls.kind]) > 1

    def name(self, entry: CatalogEntry) -> str:
        """Return the name of a component in YAML.

        Parameters
        ----------
        entry : CatalogEntry
            The component.

        Returns
        -------
        str
            The kind; with the distribution if several plugins provide this kind.
        """
        return entry.qualified_kind if self._is_ambiguous(entry) else entry.cls.kind

    def drop(self, owner: Owner) -> None:
        """Remove all components and model classes of a plugin.

        Parameters
        ----------
        owner : Owner
            The plugin.
        """
        self.models.drop(owner)
        for key, entries in list(self._entries.items()):
            remaining_entries = [entry for entry in entries if entry.owner != owner]
            if remaining_entries:
                self._entries[key] = remaining_entries
            else:
                del self._entries[key]

    def get(self, role: str, kind: str) -> type[Component]:
        """Return a component class.

        Parameters
        ----------
        role : str
            The role of the component.
        kind : str
            Its kind, or its qualified name with the distribution; old kinds work, with a warning.

        Returns
        -------
        type
            The class.

        Raises
        ------
        FieldError
            If there is no such kind, or several plugins provide it. The message suggests the most
            similar kind, or lists the qualified names, and names faulty plugins.
        """
        entries = self._find(role, kind)
        if len(entries) > 1:
            owners = " and ".join(str(entry.owner) for entry in entries)
            names = ", ".join(entry.qualified_kind for entry in entries)
            raise FieldError(
                f"the {role} {kind!r} is ambiguous: it is provided by {owners}",
                f"expected one of {names}",
            )
        if not entries:
            raise self._unknown_kind(role, kind)
        (entry,) = entries
        if (old_kind := kind.rpartition(":")[2]) != entry.cls.kind:
            warn_of_renamed_kind(entry.cls, old_kind)
        return entry.cls

    def default(self, role: str, kind: str) -> type[Component]:
        """Return the class that is used if a configuration does not set a component.

        Parameters
        ----------
        role, kind : str
            Role and kind of the component.

        Returns
        -------
        type
            The class of skyred, even if other plugins provide the same kind.

        Raises
        ------
        FieldError
            If skyred does not provide the kind, and there is no such kind or several.
        """
        for entry in self._entries.get((role, kind), ()):
            if entry.owner.distribution == CORE:
                return entry.cls
        return self.get(role, kind)

    def _find(self, role: str, kind: str) -> list[CatalogEntry]:
        distribution, _, short_kind = kind.rpartition(":")
        entries = self._entries.get((role, short_kind), [])
        if not distribution:
            return entries
        return [entry for entry in entries if is_same_distribution(distribution, entry.owner)]

    def _unknown_kind(self, role: str, kind: str) -> FieldError:
        kinds, short_kind = self.kinds(role), kind.rpartition(":")[2]
        namesakes = [self.name(entry) for entry in self._entries.get((role, short_kind), ())]
        other_roles = [entry_role for entry_role, name in self._entries if name == kind]
        hint = f" ({kind!r} is a kind of {other_roles[0]})" if other_roles else ""
        available = (
            f"available: {', '.join(kinds)}"
            if kinds
            else f"no plugin provides a component with the role {role!r}"
        )
        available += self.describe_unavailable_plugins()
        suggestion = namesakes[0] if namesakes else nearest(kind, kinds)
        return FieldError(f"unknown {role} {kind!r}{hint}", available, suggestion)

    def describe_unavailable_plugins(self) -> str:
        """Return a hint to plugins that may provide an unknown kind or type of model.

        Returns
        -------
        str
            The faulty and blocked plugins, to append to a message; "" if there are none.
        """
        plugins = "; or by ".join(self.unavailable_plugins)
        return f"; it may be provided by {plugins}" if plugins else ""

    def kinds(self, role: str) -> list[str]:
        """Return the names of the components of a role in YAML.

        Parameters
        ----------
        role : str
            The role.

        Returns
        -------
        list of str
            The kinds, sorted; with the distribution if several plugins provide the same kind.
        """
        return sorted(self.name(entry) for entry in self if entry.cls.role == role)

    def find(self, kind: str) -> list[CatalogEntry]:
        """Return the components of a kind in all roles.

        Parameters
        ----------
        kind : str
            The kind, or the qualified name with the distribution; an old kind is accepted if no
            component has it as its current kind.

        Returns
        -------
        list of CatalogEntry
            The components.
        """
        entries = [entry for role in ROLES for entry in self._find(role, kind)]
        short_kind = kind.rpartition(":")[2]
        return [entry for entry in entries if entry.cls.kind == short_kind] or entries

    def owner(self, component: Component | type[Component]) -> Owner | None:
        """Return the owner of a component.

        Parameters
        ----------
        component : Component or type
            The component, or its class.

        Returns
        -------
        Owner or None
            The owner; None if no plugin provides its class.
        """
        cls = component if isinstance(component, type) else type(component)
        for entry in self._entries.get((cls.role, cls.kind), ()):
            if entry.cls is cls:
                return entry.owner
        file = file_of(cls)  # loaded for a configuration, not for this catalog
        return None if file is None else file.owner

    def owner_of(self, role: str, kind: str) -> Owner | None:
        """Return the owner of a kind.

        Parameters
        ----------
        role : str
            The role of the component.
        kind : str
            Its kind, or its qualified name with the distribution.

        Returns
        -------
        Owner or None
            The owner, the first one if several plugins provide the kind; None if no plugin does.
        """
        entries = [entry for entry in self.find(kind) if entry.cls.role == role]
        return entries[0].owner if entries else None

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
        entries = (
            entry
            for (_, kind), entries in self._entries.items()
            for entry in entries
            if entry.cls.kind == kind
        )
        yield from sorted(
            entries,
            key=lambda entry: (
                roles.index(entry.cls.role),
                entry.cls.kind,
                entry.owner.distribution != CORE,
                entry.owner.distribution,
            ),
        )


def _write_qualified_kinds(entries: Iterable[CatalogEntry]) -> None:
    """Write components with their distributions in YAML, because their kind is ambiguous.

    This is stored in the classes, because components are also written without a catalog.
    """
    for entry in entries:
        entry.cls.yaml_kind = entry.qualified_kind


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
