"""Registration of the model classes of plugins in gammapy, with unique tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skyred.errors import PluginError
from skyred.interfaces.records import Owner
from skyred.io.model_types import find_tags, registry_of
from skyred.plugins.one_file import file_of

OWNER = "__skyred_owner__"  # set on registered classes, for the files of their models
TAGS = "__skyred_tags__"  # the tags of a registered class before qualified ones were added


def add_to_registry(
    cls: Any,
    submodel: str,
    owner: Owner,
    tag: str,
    is_ambiguous: bool,
    is_loaded: Callable[[Owner], bool],
) -> None:
    """Add a class of a plugin to gammapy's registry.

    Parameters
    ----------
    cls : type
        The model class.
    submodel : {"spectral", "spatial", "temporal"}
        The kind of model.
    owner : Owner
        The plugin.
    tag : str
        The tag that is used, which may be qualified with the distribution; "" if only the class is
        used.
    is_ambiguous : bool
        Whether another plugin has a model with one of its tags, so that the class only has
        qualified tags.
    is_loaded : callable
        Returns whether a plugin is loaded; classes of other plugins are removed from the registry.

    Raises
    ------
    PluginError
        If another class in the registry has one of the tags, and `tag` is not qualified.
    """
    registry, declared = registry_of(submodel), declared_tags(cls)
    outdated = []
    for registered in list(registry):
        common = set(find_tags(getattr(registered, "tag", ()))) & set(declared)
        if registered is cls or not common:
            continue
        earlier_owner = vars(registered).get(OWNER)
        if _is_earlier_version(registered, cls) or (
            earlier_owner is not None and not is_loaded(earlier_owner)
        ):
            outdated.append(registered)
        elif tag not in declared:
            is_ambiguous = True
        else:
            raise PluginError(
                f"the {submodel} model {min(common)!r} of {owner} has the "
                f"same tag as {registered.__module__}.{registered.__qualname__}; write "
                f"{owner.distribution}:{declared[-1]}, rename it, or block the plugin with "
                f"SKYRED_BLOCK={owner.plugin}"
            )
    for registered in outdated:
        registry.remove(registered)
    _set_tags(cls, owner, tag, is_ambiguous)
    if cls not in registry:
        registry.append(cls)
    setattr(cls, OWNER, owner)


def _set_tags(cls: Any, owner: Owner, tag: str, is_ambiguous: bool) -> None:
    """Set the tags of a class; gammapy writes the first one to files."""
    declared = declared_tags(cls)
    qualified = [f"{owner.distribution}:{name}" for name in declared]
    uses_qualified = tag not in ("", *declared)
    has_qualified = uses_qualified or is_ambiguous or bool({*find_tags(cls.tag)} & {*qualified})
    tags = [*(() if is_ambiguous else declared), *(qualified if has_qualified else ())]
    tags += [tag] * (uses_qualified and tag not in tags)
    if tuple(tags) != find_tags(cls.tag):
        setattr(cls, TAGS, declared)
        cls.tag = tags


def declared_tags(cls: Any) -> tuple[str, ...]:
    """Return the tags of a class, without those that `add_to_registry` has set.

    Parameters
    ----------
    cls : type
        The model class.

    Returns
    -------
    tuple of str
        The tags.
    """
    return find_tags(vars(cls).get(TAGS, cls.tag))


def _is_earlier_version(registered: Any, cls: Any) -> bool:
    """Return whether a class is that of a module, or of a plugin file, before it was changed."""
    if registered.__qualname__ != cls.__qualname__:
        return False
    files = [file_of(registered), file_of(cls)]
    if None not in files:
        return files[0].path == files[1].path  # type: ignore[union-attr]
    return bool(registered.__module__ == cls.__module__)
