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
from skyred.io.model_types import find_tags, iter_model_types, registry_of
from skyred.plugins.one_file import file_of

OWNER = "__skyred_owner__"  # set on registered classes, for the files of their models
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
        if set(find_tags(cls.tag)) != set(self.declaration.tag):
            declared, tags = ", ".join(self.declaration.tag), ", ".join(find_tags(cls.tag))
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
            declared = ModelClass(path, cls.tag, cls._type, doc.split("\n")[0])
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
            The tag.
        submodel : str
            The kind of model; "" for any.

        Returns
        -------
        list of ModelEntry
            The entries, one for each plugin that declares such a class.
        """
        return [
            entry
            for entry in self._entries
            if tag in entry.declaration.tag and submodel in ("", entry.declaration.submodel)
        ]

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
            The tag.
        submodel : str
            The kind of model; "" for any.

        Raises
        ------
        PluginError
            If several plugins, or gammapy and a plugin, have a class with this tag, or if the class
            cannot be used.
        """
        entries = self.find(tag, submodel)
        if len(owners := sorted({str(entry.owner) for entry in entries})) > 1:
            raise PluginError(
                f"the model {tag!r} is provided by {' and by '.join(owners)}; {BLOCK_HINT}"
            )
        for entry in entries:
            _add_to_registry(entry.load(), entry)

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
            If gammapy, or another plugin, has a class with the same tag.
        """
        path = f"{cls.__module__}:{cls.__qualname__}"
        for entry in self._entries:
            if cls is entry.cls or (entry.cls is None and path == entry.declaration.path):
                self.register(entry.declaration.tag[0], entry.declaration.submodel)
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


def _add_to_registry(cls: Any, entry: ModelEntry) -> None:
    registry = registry_of(entry.declaration.submodel)
    for registered in list(registry):
        common = set(find_tags(getattr(registered, "tag", ()))) & set(entry.declaration.tag)
        if registered is cls or not common:
            continue
        if not _is_earlier_version(registered, cls):
            raise PluginError(
                f"the {entry.declaration.submodel} model {min(common)!r} of {entry.owner} has the "
                f"same tag as {registered.__module__}.{registered.__qualname__}; rename it, or "
                f"block the plugin with SKYRED_BLOCK={entry.owner.plugin}"
            )
        registry.remove(registered)
    if cls not in registry:
        registry.append(cls)
    setattr(cls, OWNER, entry.owner)


def _is_earlier_version(registered: Any, cls: Any) -> bool:
    """Return whether a class is that of a module, or of a plugin file, before it was changed."""
    if registered.__qualname__ != cls.__qualname__:
        return False
    files = [file_of(registered), file_of(cls)]
    if None not in files:
        return files[0].path == files[1].path  # type: ignore[union-attr]
    return bool(registered.__module__ == cls.__module__)


def find_model_fault(cls: Any) -> str:
    """Return the reason why a class cannot be used as a model of gammapy.

    Parameters
    ----------
    cls : object
        The candidate.

    Returns
    -------
    str
        The reason; "" if there is none.
    """
    from gammapy.modeling.models import SpatialModel, SpectralModel, TemporalModel

    bases = (SpectralModel, SpatialModel, TemporalModel)
    if not (isinstance(cls, type) and issubclass(cls, bases)):
        return (
            f"{cls!r} is not a SpectralModel, SpatialModel or TemporalModel class of gammapy, nor "
            "a skyred.ModelClass"
        )
    if not find_tags(vars(cls).get("tag", ())):
        return f'{cls.__name__} has no tag of its own: add one, such as tag = ["{cls.__name__}"]'
    model_class: Any = cls  # gammapy has no types
    names = model_class.default_parameters.names
    if not names and any(len(getattr(base, "default_parameters", ())) for base in cls.__mro__[1:]):
        return (
            f"{cls.__name__} has no parameters: gammapy does not inherit those of a base class; "
            "repeat them in the class: index = Base.index"
        )
    return _find_evaluate_fault(cls, names)


def _find_evaluate_fault(cls: Any, names: list[str]) -> str:
    """Return a fault if `evaluate`, which gammapy calls by name, lacks a parameter."""
    if not callable(getattr(cls, "evaluate", None)):
        return f"{cls.__name__} has no method evaluate: add it, with its parameters as arguments"
    arguments = inspect.signature(cls.evaluate).parameters
    variable = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    if any(argument.kind in variable for argument in arguments.values()):
        return ""
    if missing := [name for name in names if name not in arguments]:
        return f"{cls.__name__}.evaluate has no argument {', '.join(missing)}, a parameter"
    return ""
