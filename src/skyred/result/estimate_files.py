"""Read the estimates of a run folder, except those that their plugins cannot read."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.adapters.estimators import AdaptedEstimator
from skyred.errors import SkyredWarning
from skyred.interfaces import Estimator, Product
from skyred.interfaces.records import Owner
from skyred.plugins import Catalog
from skyred.plugins.catalog import CORE
from skyred.plugins.model_values import foreign_classes
from skyred.result.estimator_classes import find_estimator, reported_distributions
from skyred.result.model_plugins import (
    describe_version,
    find_missing,
    find_other_parameters,
    has_foreign_models,
    load_hint,
    read_owners,
)
from skyred.result.product_files import FOLDER, has_files

if TYPE_CHECKING:
    from gammapy.modeling.models import Models


def read_estimates(
    folder: Path,
    kinds: Mapping[str, str],
    models: Models | None,
    catalog: Catalog,
    report: Mapping[str, Any],
) -> tuple[dict[str, Product], dict[str, str]]:
    """Read the products, each with the class of its estimator.

    A `SkyredWarning` is issued for each product that cannot be read.

    Parameters
    ----------
    folder : Path
        The run folder.
    kinds : mapping of str to str
        The kinds of the estimators by name of the product.
    models : Models or None
        The fitted models.
    catalog : Catalog
        The catalog of components.
    report : mapping
        The content of ``report.json``, with the plugins that the run used and their versions.

    Returns
    -------
    estimates : dict of str to Product
        The products by name, except those of estimators that are not installed or wrote no file.
    unread : dict of str to str
        By name, the reason why a product cannot be read, such as a missing plugin.

    Raises
    ------
    Exception
        If a product of skyred cannot be read, because its files are damaged.
    """
    estimates, unread = dict[str, Product](), dict[str, str]()
    for name, kind in kinds.items():
        if not has_files(folder / FOLDER, name):
            continue
        product, reason = _read_estimate(folder, name, kind, models, catalog, report)
        if product is None:
            unread[name] = reason
            warnings.warn(
                f"{folder}: the estimate {name} is not read: {reason}", SkyredWarning, stacklevel=4
            )
        else:
            estimates[name] = product
    return estimates, unread


def _read_estimate(
    folder: Path,
    name: str,
    kind: str,
    models: Models | None,
    catalog: Catalog,
    report: Mapping[str, Any],
) -> tuple[Product | None, str]:
    """Return a product, or the reason why it cannot be read."""
    references = _read_references(folder / FOLDER, name)
    owners = _read_model_owners(folder)
    reason = find_missing(references, catalog.models, owners, folder)
    if reason := reason or find_other_parameters(references):
        return None, f"its reference model: {reason}"
    estimator: type[Estimator] | None = AdaptedEstimator
    if kind != AdaptedEstimator.kind:
        estimator = find_estimator(kind, catalog, reported_distributions(report))
    if estimator is None:
        hint = f"; {load_hint(folder)}" if (folder / "plugins").is_dir() else ""
        return None, f"no plugin provides its estimator {kind!r}{hint}"
    owner = _owner_of(estimator, catalog)
    try:
        product = estimator.product.read(folder / FOLDER, name, models)
    except (Exception, SystemExit) as error:  # a plugin may raise anything
        if not _is_foreign(owner) and any(map(foreign_classes, models or ())):
            # without the model, with the reference fluxes in the file
            return _read_estimate(folder, name, kind, None, catalog, report)
        if not _is_foreign(owner) and not has_foreign_models(references):
            raise
        fault = f"raised {type(error).__name__}: {error}"
    else:
        if isinstance(product, Product):
            return product, ""
        fault = f"returned {type(product).__name__}, not a Product"
    versions = {
        str(entry.get("distribution", "")): str(entry.get("version", ""))
        for entry in report.get("plugins", [])
    }
    source = describe_version(owner, versions.get(owner.distribution, "")) if owner else "unknown"
    return None, f"{estimator.product.__name__}.read of {source} {fault}"


def _owner_of(estimator: type[Estimator], catalog: Catalog) -> Owner | None:
    return next((entry.owner for entry in catalog if entry.cls is estimator), None)


def _is_foreign(owner: Owner | None) -> bool:
    return owner is not None and owner.distribution != CORE


def _read_model_owners(folder: Path) -> Mapping[str, Any]:
    from gammapy.utils.scripts import read_yaml

    path = folder / "models.yaml"
    return read_owners(read_yaml(path)) if path.is_file() else {}


def _read_references(folder: Path, name: str) -> list[Any]:
    """Return the reference models of a product as plain data."""
    from gammapy.utils.scripts import read_yaml

    paths = [folder / f"{name}.yaml", *sorted(folder.glob(f"{name}.*.yaml"))]
    contents = [read_yaml(path) for path in paths if path.is_file()]
    return [data.get("components") for data in contents if isinstance(data, dict)]
