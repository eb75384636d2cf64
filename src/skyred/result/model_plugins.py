"""The plugins of the model classes in a run folder, and messages about those that are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from skyred.errors import PluginError
from skyred.io.model_types import find_tags, is_registered, iter_model_types, iter_submodels
from skyred.plugins import ModelCatalog
from skyred.plugins.model_classes import OWNER

if TYPE_CHECKING:
    from gammapy.modeling.models import Models


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


def find_missing(data: Any, catalog: ModelCatalog, owners: Mapping[str, Any]) -> str:
    """Register the model classes in a file, and return a message about the first missing one.

    Parameters
    ----------
    data : mapping or list
        The content of the file.
    catalog : ModelCatalog
        The model classes of the plugins.
    owners : mapping of str to mapping
        The distributions by type, as in ``models.yaml``.

    Returns
    -------
    str
        One sentence that contains the distribution that provides the class; "" if there is none.
    """
    for _, submodel, tag in iter_model_types(data):
        try:
            catalog.register(tag, submodel)
        except PluginError as error:
            return str(error)
        if not is_registered(submodel, tag):
            return f"the {submodel} model {tag!r} {_describe_owner(owners.get(tag))}"
    return ""


def _describe_owner(owner: Any) -> str:
    owner = owner if isinstance(owner, Mapping) else {}
    distribution, version = (str(owner.get(key, ""))[:80] for key in ("distribution", "version"))
    if distribution.endswith(".py"):
        return (
            f"is defined in the plugin file {distribution}; pass plugins=Plugins.load(files=[...]) "
            "with the files in plugins/"
        )
    if distribution:
        return f"needs {distribution} {version}, which is not installed, or blocked"
    module = str(owner.get("module", ""))[:80]
    origin = f"is defined in the module {module}, which" if module else "is unknown:"
    return f"{origin} no installed plugin declares"


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
