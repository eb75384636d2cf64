"""The plugins of the model classes in a run folder, and messages about those that are missing."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.errors import PluginError, SkyredWarning
from skyred.interfaces.records import Owner
from skyred.io.model_files import describe_other_parameters
from skyred.io.model_types import (
    find_registered,
    find_tags,
    is_registered,
    iter_model_types,
    iter_submodels,
)
from skyred.plugins import ModelCatalog
from skyred.plugins.model_registration import OWNER
from skyred.plugins.same_distribution import is_same_distribution

if TYPE_CHECKING:
    from gammapy.modeling.models import Models

    from skyred.plugins.model_classes import ModelEntry


def owners_of(models: Models) -> dict[str, dict[str, str]]:
    """Return the distributions of the model classes that are not gammapy's.

    Parameters
    ----------
    models : Models
        The models.

    Returns
    -------
    dict of str to dict of str to str
        By the type in ``models.yaml``: distribution and version of the plugin, or the module of a
        class that no plugin declares.
    """
    owners = {}
    for model in models:
        for submodel in iter_submodels(model):
            cls = type(submodel)
            if cls.__module__.split(".")[0] == "gammapy":
                continue
            owner = vars(cls).get(OWNER)
            owners[find_tags(cls.tag)[0]] = (
                {"module": cls.__module__}
                if owner is None
                else {"distribution": owner.distribution, "version": owner.version}
            )
    return owners


def find_missing(data: Any, catalog: ModelCatalog, owners: Mapping[str, Any], folder: Path) -> str:
    """Register the model classes in a file, and return a message about the first missing one.

    Parameters
    ----------
    data : mapping or list
        The content of the file.
    catalog : ModelCatalog
        The model classes of the plugins.
    owners : mapping of str to mapping
        The distributions by type, as in ``models.yaml``.
    folder : Path
        The run folder, which may contain one-file plugins.

    Returns
    -------
    str
        One sentence that contains the distribution that provides the class; "" if there is none.
    """
    for _, submodel, tag in iter_model_types(data):
        writer = _read_distribution(owners.get(tag))
        try:
            catalog.register(tag, submodel)
        except PluginError as error:
            return str(error) + f" (the folder was written with {writer})" * bool(writer)
        _warn_of_other_plugin(tag, writer, catalog.find(tag, submodel), folder)
        if not is_registered(submodel, tag):
            return f"the {submodel} model {tag!r} {_describe_owner(owners.get(tag), folder)}"
    return ""


def _read_distribution(owner: Any) -> str:
    return str(owner.get("distribution", ""))[:80] if isinstance(owner, Mapping) else ""


def _warn_of_other_plugin(
    tag: str, writer: str, entries: Iterable[ModelEntry], folder: Path
) -> None:
    """Warn if the class of a model is that of another plugin than the one in a run folder."""
    owners = [entry.owner for entry in entries]
    if writer and owners and not any(is_same_distribution(writer, owner) for owner in owners):
        warnings.warn(
            f"{folder}: the model {tag!r} was written with {writer}, and is read with {owners[0]}; "
            "its values may differ",
            SkyredWarning,
            stacklevel=5,
        )


def _describe_owner(owner: Any, folder: Path) -> str:
    owner = owner if isinstance(owner, Mapping) else {}
    distribution, version = (str(owner.get(key, ""))[:80] for key in ("distribution", "version"))
    if distribution.endswith(".py"):
        return f"is defined in the plugin file {distribution}; {load_hint(folder)}"
    if distribution:
        return f"needs {distribution} {version}, which is not installed, or blocked"
    module = str(owner.get("module", ""))[:80]
    origin = f"is defined in the module {module}, which" if module else "is unknown:"
    return f"{origin} no installed plugin declares"


def load_hint(folder: Path) -> str:
    """Return how to read a run folder with one-file plugins.

    Parameters
    ----------
    folder : Path
        The run folder.

    Returns
    -------
    str
        The hint; it mentions the copies of the plugins in the folder, if there are any.
    """
    hint = "pass plugins=Plugins.load(files=[...])"
    return f"{hint} with the files in plugins/" if (folder / "plugins").is_dir() else hint


def has_foreign_models(data: Any) -> bool:
    """Return whether plain data contain types of models that are not gammapy's.

    Parameters
    ----------
    data : mapping or list
        The content of a file of models, whose classes are registered.

    Returns
    -------
    bool
        Whether there is such a type.
    """
    return any(
        cls.__module__.split(".")[0] != "gammapy"
        for _, submodel, tag in iter_model_types(data)
        for cls in find_registered(submodel, tag)
    )


def find_other_parameters(data: Any) -> str:
    """Return a message about the first model whose class has other parameters now.

    Parameters
    ----------
    data : mapping or list
        The content of a file of models, whose classes are registered.

    Returns
    -------
    str
        The message; "" if all parameters agree, or are only known to the models themselves.
    """
    for path, submodel, tag in iter_model_types(data):
        model_data = data
        for key in path[:-1]:
            model_data = model_data[key]
        written_names = [entry["name"] for entry in model_data.get("parameters", ())]
        for cls in find_registered(submodel, tag):
            names = cls.default_parameters.names
            is_foreign = cls.__module__.split(".")[0] != "gammapy"
            if is_foreign and names and set(names) != set(written_names):
                return describe_other_parameters(f"{submodel} model {tag}", names, written_names)
    return ""


def describe_versions(data: Any) -> str:
    """Return the installed versions of the plugins of models, and those that wrote the models.

    Parameters
    ----------
    data : mapping
        The content of ``models.yaml``, whose classes are registered.

    Returns
    -------
    str
        In brackets, after a space; "" if no plugin is known.
    """
    owners, sources = read_owners(data), dict[str, None]()
    for _, submodel, tag in iter_model_types(data):
        for cls in find_registered(submodel, tag):
            owner = vars(cls).get(OWNER)
            if owner is not None:
                record = owners.get(tag)
                record = record if isinstance(record, Mapping) else {}
                source = f"model {tag} of {describe_version(owner, str(record.get('version', '')))}"
                sources[source] = None
    return f" ({', '.join(sources)})" if sources else ""


def describe_version(owner: Owner, written_version: str) -> str:
    """Return a plugin, and the version that wrote the folder if it is another one.

    Parameters
    ----------
    owner : Owner
        The installed plugin.
    written_version : str
        The version that wrote the folder; "" if it is unknown.

    Returns
    -------
    str
        For example "skyred-dark 0.4 (plugin 'dark'), written with version 0.3".
    """
    if written_version in ("", owner.version):
        return str(owner)
    return f"{owner}, written with version {written_version[:80]}"


def read_owners(data: Any) -> Mapping[str, Any]:
    """Return the distributions of model types in the content of ``models.yaml``.

    Parameters
    ----------
    data : object
        The content of the file.

    Returns
    -------
    mapping of str to object
        The distributions by type; empty if the file has none.
    """
    owners = data.get("plugins") if isinstance(data, Mapping) else None
    return owners if isinstance(owners, Mapping) else {}
