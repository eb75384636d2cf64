"""Published catalogues, as gammapy reads them, and the models of their sources."""

from __future__ import annotations

import difflib
import inspect
import re
from typing import TYPE_CHECKING

import numpy as np

from skyred.errors import ModelError
from skyred.fields import Location

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.catalog import SourceCatalog, SourceCatalogObject
    from gammapy.modeling.models import SkyModel

CATALOGS = ("gamma-cat", "hgps", "2hwc", "3hwc", "1LHAASO", "3fgl", "4fgl", "2fhl", "3fhl", "2PC",
            "3PC")  # fmt: skip
# gammapy's names for the alternative models of a source, in catalogues with several per source
MODEL_VARIANTS = {
    "hgps": ("best", "pl", "ecpl"),
    "2hwc": ("point", "extended"),
    "1LHAASO": ("KM2A", "WCDA"),
}

# columns with the TS or its square root, and the power that converts them to the TS
TS_COLUMNS = (("TS", 1), ("ts", 1), ("Sqrt_TS", 2), ("Signif_Avg", 2), ("significance", 2))


def read_catalog(name: str, file: Location | None) -> SourceCatalog:
    """Read a catalogue, with missing values as NaN.

    Parameters
    ----------
    name : str
        The name of the catalogue.
    file : Location or None
        The file of the catalogue; None for the one in gammapy's data.

    Returns
    -------
    gammapy.catalog.SourceCatalog
        The catalogue.

    Raises
    ------
    ModelError
        If the catalogue is missing or cannot be read.
    """
    from gammapy.catalog import CATALOG_REGISTRY
    from gammapy.utils.scripts import make_path

    cls = CATALOG_REGISTRY.get_cls(name)
    default = Location(inspect.signature(cls).parameters["filename"].default)
    if file is None and (missing := default.unset_variables()):
        raise ModelError(
            f"the catalogue {name} is expected at {default}, but {missing[0]} is not set; set it "
            "to the folder of gammapy's data, or set the option file"
        )
    path = make_path(default if file is None else file.path())
    if not path.is_file():
        raise ModelError(
            f"no such file: {path}; the catalogue {name} is part of gammapy's data: download it "
            "(gammapy download datasets), or set the option file"
        )
    try:
        catalog = cls(path)
    except Exception as error:  # gammapy and astropy raise various errors for invalid files
        raise ModelError(f"{path} cannot be read as {name}: {error}") from error
    _unmask(catalog.table)
    return catalog


def _unmask(table: Table) -> None:
    """Replace masked numbers by NaN; otherwise gammapy would create models with an index of 0."""
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind == "f" and hasattr(column, "mask") and np.any(column.mask):
            table[name] = column.filled(np.nan)


def find_row(catalog: SourceCatalog, name: str) -> int:
    """Find the row of a source in a catalogue.

    Parameters
    ----------
    catalog : gammapy.catalog.SourceCatalog
        The catalogue.
    name : str
        The name of the source.

    Returns
    -------
    int
        The index of the row.

    Raises
    ------
    ModelError
        If the catalogue does not contain the source.
    """
    rows_by_name = catalog._name_to_index_cache
    if name not in rows_by_name:
        suggestions = difflib.get_close_matches(name, rows_by_name, 3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(map(repr, suggestions))}?" if suggestions else ""
        raise ModelError(f"{catalog.tag} has no source {name!r}{hint}")
    return int(rows_by_name[name])


def read_test_statistic(catalog: SourceCatalog, row: int) -> float | None:
    """Return the test statistic (TS) of a source in a catalogue.

    Parameters
    ----------
    catalog : gammapy.catalog.SourceCatalog
        The catalogue.
    row : int
        The index of the row.

    Returns
    -------
    float or None
        The TS, or the square of the significance; None if the catalogue has neither.
    """
    for column, power in TS_COLUMNS:
        if column in catalog.table.colnames:
            ts = float(catalog.table[column][row]) ** power
            return ts if np.isfinite(ts) else None
    return None


def build_source_models(
    source: SourceCatalogObject, name: str, variant: str | None
) -> list[SkyModel]:
    """Build the models of a source: one model, or one per component.

    Parameters
    ----------
    source : gammapy.catalog.SourceCatalogObject
        The source.
    name : str
        The name of the model, and the first part of the names of components.
    variant : str or None
        The model variant, in catalogues with several models per source.

    Returns
    -------
    list of gammapy.modeling.models.SkyModel
        The models.

    Raises
    ------
    ModelError
        If gammapy cannot create a model, or a parameter has no value in the catalogue.
    """
    models = _create_models(source, {} if variant is None else {"which": variant})
    if models[0] is None:
        if variant is None:
            raise ModelError(f"{source.name} has no spectrum")
        raise ModelError(
            f"{source.name} has no {variant} spectrum; set the option model to another variant"
        )
    names = [name] if len(models) == 1 else [f"{name}-{model_name(model.name)}" for model in models]
    return [
        _check_finite(model.copy(name=new_name))
        for model, new_name in zip(models, names, strict=True)
    ]


def _create_models(source: SourceCatalogObject, options: dict[str, str]) -> list[SkyModel]:
    """Create the model of a source with gammapy, or those of its components."""
    component_models = getattr(source, "components_models", None)
    try:
        if component_models:
            # gammapy would create one map of all components, which cannot be fitted
            return list(component_models(**options))
        return [source.sky_model(**options)]
    except Exception as error:  # gammapy raises various errors for invalid entries
        raise ModelError(f"{source.name} cannot be converted to a model: {error}") from error


def model_name(name: str) -> str:
    """Convert the name of a source to the name of a model, with dashes for special characters.

    Parameters
    ----------
    name : str
        The name in the catalogue.

    Returns
    -------
    str
        The name, which can be part of a file name.
    """
    return re.sub(r"[^\w.+-]+", "-", name.strip())


def _check_finite(model: SkyModel) -> SkyModel:
    """Return the model; raise an error if a parameter has no value in the catalogue."""
    missing = [parameter.name for parameter in model.parameters if not np.isfinite(parameter.value)]
    if missing:
        raise ModelError(f"{model.name} has no value for {', '.join(missing)} in the catalogue")
    return model
