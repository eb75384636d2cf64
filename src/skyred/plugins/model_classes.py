"""Model classes that plugins add to gammapy, imported and registered when they are used."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from skyred.errors import PluginError, Problem
from skyred.interfaces import Fields, walk
from skyred.interfaces.model_class import ModelClass
from skyred.interfaces.records import Owner
from skyred.io.model_types import iter_model_types
from skyred.plugins.model_faults import find_model_fault
from skyred.plugins.model_registration import add_to_registry, declared_tags
from skyred.plugins.same_distribution import is_same_distribution

BLOCK_HINT = "block one of them with SKYRED_BLOCK=NAME"


@attrs.frozen
class ModelEntry:
    """A declared model class and its owner.

    Parameters
    ----------
    declaration : ModelClass
        The declaration.
    owner : Owner
        The plugin that declares it.
    cls : type or None
        The class, if it was imported by the plugin.
    """

    declaration: ModelClass
    owner: Owner
    cls: Any = None

    @property
    def qualified_tag(self) -> str:
        """The distribution and the short tag, as in ``skyred-foo:dm-box``."""
        return f"{self.owner.distribution}:{self.declaration.tag[-1]}"

    @property
    def source(self) -> tuple[str, str]:
        """The distribution and the path of the class, which several plugins may declare."""
        return self.owner.distribution, self.declaration.path

    def load(self) -> Any:
        """Import the class, and check it.

        Returns
        -------
        type
            The class.

        Raises
        ------
        PluginError
            If the class cannot be imported, or is not a model that gammapy can build.
        """
        declaration = self.declaration
        source = f"the {declaration.submodel} model {declaration.tag[0]!r} of {self.owner}"
        cls = self.cls
        if cls is None:
            module, _, name = declaration.path.partition(":")
            try:
                cls = getattr(importlib.import_module(module), name)
            except (Exception, SystemExit) as error:  # a plugin may raise anything
                raise PluginError(
                    f"{source} cannot be imported from {declaration.path}: "
                    f"{type(error).__name__}: {error}"
                ) from error
        if fault := find_model_fault(cls) or self._declaration_fault(cls):
            raise PluginError(f"{source}: {fault}")
        return cls

    def _declaration_fault(self, cls: Any) -> str:
        if set(declared_tags(cls)) != set(self.declaration.tag):
            declared, tags = ", ".join(self.declaration.tag), ", ".join(declared_tags(cls))
            return f"is declared with the tag {declared}, but {cls.__name__}.tag is {tags}"
        if cls._type != self.declaration.submodel:
            return f"is declared as {self.declaration.submodel}, but is a {cls._type} model"
        return ""


@attrs.define
class ModelCatalog:
    """The model classes of all plugins."""

    _entries: list[ModelEntry] = attrs.field(factory=list)

    def add(self, declaration: Any, owner: Owner) -> str:
        """Add a model class.

        Parameters
        ----------
        declaration : type or ModelClass
            The class or its declaration.
        owner : Owner
            The plugin that provides it.

        Returns
        -------
        str
            The fault that prevents the use of the class; "" if it was added.
        """
        if isinstance(declaration, ModelClass):
            entry = ModelEntry(declaration, owner)
        elif fault := find_model_fault(declaration):
            return fault
        else:
            cls = declaration
            path, doc = f"{cls.__module__}:{cls.__qualname__}", inspect.getdoc(cls) or ""
            tags = declared_tags(cls)
            declared = ModelClass(path, tags, cls._type, doc.split("\n")[0])
            entry = ModelEntry(declared, owner, cls)
        submodel = entry.declaration.submodel
        for tag in entry.declaration.tag:
            if any(earlier.owner == owner for earlier in self.find(tag, submodel)):
                return f"skyred_models() returns two {submodel} models with the tag {tag!r}"
        self._entries.append(entry)
        return ""

    def drop(self, owner: Owner) -> None:
        """Remove all model classes of a plugin.

        Parameters
        ----------
        owner : Owner
            The plugin.
        """
        self._entries = [entry for entry in self._entries if entry.owner != owner]

    def find(self, tag: str, submodel: str = "") -> list[ModelEntry]:
        """Return the declared classes with a tag.

        Parameters
        ----------
        tag : str
            The tag, or the qualified tag with the distribution, as in ``skyred-foo:dm-box``.
        submodel : str
            The kind of model; "" for any.

        Returns
        -------
        list of ModelEntry
            The entries, one for each plugin that declares such a class.
        """
        distribution, _, short_tag = tag.rpartition(":")
        return [
            entry
            for entry in self._entries
            if submodel in ("", entry.declaration.submodel)
            and (
                tag in entry.declaration.tag
                or (
                    short_tag in entry.declaration.tag
                    and is_same_distribution(distribution, entry.owner)
                )
            )
        ]

    def name(self, entry: ModelEntry) -> str:
        """Return the type of a model in YAML.

        Parameters
        ----------
        entry : ModelEntry
            The model class.

        Returns
        -------
        str
            The short tag; with the distribution if several plugins have a model with this tag.
        """
        tag = entry.declaration.tag[-1]
        return entry.qualified_tag if self._is_ambiguous(entry) else tag

    def _is_ambiguous(self, entry: ModelEntry) -> bool:
        submodel = entry.declaration.submodel
        same_tags = (same for tag in entry.declaration.tag for same in self.find(tag, submodel))
        return any(same.source != entry.source for same in same_tags)

    def tags(self) -> set[str]:
        """Return the tags of all declared classes.

        Returns
        -------
        set of str
            The tags.
        """
        return {tag for entry in self._entries for tag in entry.declaration.tag}

    def register(self, tag: str, submodel: str = "") -> None:
        """Add the class with a tag to gammapy's registry, if a plugin declares it.

        Parameters
        ----------
        tag : str
            The tag, or the qualified tag with the distribution. If several plugins, or gammapy and
            a plugin, have a class with this tag, the qualified tag is needed, and written to files.
        submodel : str
            The kind of model; "" for any.

        Raises
        ------
        PluginError
            If the tag is not unique, or if the class cannot be used.
        """
        entries = self.find(tag, submodel)
        if len({entry.source for entry in entries}) > 1:
            owners = " and by ".join(sorted({str(entry.owner) for entry in entries}))
            names = sorted({entry.qualified_tag for entry in entries})
            hint = f"write {' or '.join(names)}, or " * (len(names) > 1)
            raise PluginError(f"the model {tag!r} is provided by {owners}; {hint}{BLOCK_HINT}")
        for entry in entries[:1]:
            self._add_to_registry(entry, tag)

    def _add_to_registry(self, entry: ModelEntry, tag: str) -> None:
        owners = {declared.owner for declared in self._entries}
        add_to_registry(
            entry.load(),
            entry.declaration.submodel,
            entry.owner,
            tag,
            self._is_ambiguous(entry),
            owners.__contains__,
        )

    def register_class(self, cls: Any) -> bool:
        """Add a class to gammapy's registry if a plugin declares it.

        Parameters
        ----------
        cls : type
            The class of a model.

        Returns
        -------
        bool
            Whether a plugin declares it.

        Raises
        ------
        PluginError
            If gammapy has a class with the same tag.
        """
        path = f"{cls.__module__}:{cls.__qualname__}"
        for entry in self._entries:
            if cls is entry.cls or (entry.cls is None and path == entry.declaration.path):
                self._add_to_registry(entry, "")
                return True
        return False

    def problems(self, root: Fields) -> Iterator[Problem]:
        """Register the classes that a pipeline uses, and yield the problems with them.

        Parameters
        ----------
        root : Fields
            The pipeline.

        Yields
        ------
        Problem
            Each class that cannot be used, with the path of its type.
        """
        if not self._entries:
            return
        for path, inner in walk(root):
            for type_path, submodel, tag in types_in(inner):
                try:
                    self.register(tag, submodel)
                except PluginError as error:
                    yield Problem((*path, *type_path), str(error))

    def owners(self, components: Iterable[Fields]) -> tuple[Owner, ...]:
        """Return the owners of the model classes that components use by their type.

        Parameters
        ----------
        components : iterable of Component
            The components.

        Returns
        -------
        tuple of Owner
            The owners, without duplicates.
        """
        if not self._entries:
            return ()
        types = (names for component in components for names in types_in(component))
        entries = (entry for _, submodel, tag in types for entry in self.find(tag, submodel))
        return tuple(dict.fromkeys(entry.owner for entry in entries))

    def __iter__(self) -> Iterator[ModelEntry]:
        yield from sorted(
            self._entries, key=lambda entry: (entry.declaration.submodel, entry.declaration.tag)
        )


def types_in(fields: Fields) -> Iterable[tuple[tuple[str | int, ...], str, str]]:
    """Return the types of the models in the options of a component.

    Parameters
    ----------
    fields : Fields
        The component.

    Returns
    -------
    iterable of tuple
        The path, the kind of model and the type of each model.
    """
    list_types = getattr(fields, "model_types", None)  # of the models in a file
    types: Iterable[tuple[tuple[str | int, ...], str, str]] = (
        iter_model_types(vars(fields)) if list_types is None else list_types()
    )
    return types
