"""The model `catalog`: sources of a published catalogue, as gammapy reads it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.models.catalog_sources import (
    CATALOGS,
    MODEL_VARIANTS,
    build_source_models,
    find_row,
    model_name,
    read_catalog,
)
from skyred.components.models.scripted import ModelWriter
from skyred.errors import ModelError, Problem, SkyredWarning
from skyred.fields import Location, Position, option, position, quantity
from skyred.interfaces import Chain, Model, component

if TYPE_CHECKING:
    from gammapy.catalog import SourceCatalog
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models, SkyModel

    from skyred.scripting import Script

FREEZE_CHOICES = ("nothing", "spatial", "all-but-norm", "all")
NORM_PARAMETERS = ("amplitude", "norm")


@component
class CatalogSources(Model):
    """Sources of a published catalogue: by name, or all within a cone."""

    kind = "catalog"
    old_names = MappingProxyType({"which": "model"})  # "which" as in gammapy
    catalog: str = option(choices=CATALOGS, doc="Name of the catalogue.")
    file: Location | None = option(
        None, type=Location, doc="File of the catalogue; by default the one in $GAMMAPY_DATA."
    )
    sources: tuple[str, ...] = option(
        (), type=str, many=True, doc="Names of sources, as in the catalogue; aliases are accepted."
    )
    center: Position | None = position(None, doc="Centre of a cone; all sources in it are used.")
    radius: u.Quantity | None = quantity(None, unit="deg", min="0 deg", doc="Radius of the cone.")
    model: str | None = option(
        None,
        doc="Model that is used for sources with several models: best, pl or ecpl for hgps, point "
        "or extended for 2hwc, KM2A or WCDA for 1LHAASO; by default the first of them.",
    )
    freeze: str = option(
        "nothing",
        choices=FREEZE_CHOICES,
        doc="Parameters to freeze in addition to those frozen in the catalogue.",
    )
    datasets: tuple[str, ...] | None = option(
        None,
        type=str,
        many=True,
        doc="Names of the datasets to which the sources apply; all by default.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check the selection of sources, the cone, and the model variant.

        Yields
        ------
        Problem
            A missing selection, an incomplete cone, or an unknown model variant.
        """
        if not self.sources and self.center is None:
            yield Problem((), "selects no sources", "expected sources: [...], or center and radius")
        if (self.center is None) != (self.radius is None):
            missing = "center" if self.center is None else "radius"
            yield Problem((), f"missing key {missing!r}", "expected center and radius, or neither")
        model_variants = MODEL_VARIANTS.get(self.catalog, ())
        if self.model is not None and self.model not in model_variants:
            message = f"invalid value {self.model!r}"
            if model_variants:
                yield Problem(("model",), message, f"expected one of {', '.join(model_variants)}")
            else:
                message += f": {self.catalog} has one model per source"
                yield Problem(("model",), message, "remove it")

    def source_names(self) -> Iterable[str]:
        """Return the names of the models of the sources that are selected by name.

        Returns
        -------
        iterable of str
            The names of the models: those of the sources, with dashes for special characters.
        """
        return [model_name(name) for name in self.sources]

    def knows_names(self) -> bool:
        """Return whether the names of all sources are known before the models are built.

        Returns
        -------
        bool
            False for a cone, and for hgps, whose sources may have several components.
        """
        return self.center is None and self.catalog != "hgps"

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield a problem if the catalogue cannot be read, or a source is missing from it.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            A catalogue that cannot be read, or a source that it does not contain.
        """
        if any(True for _ in self.validate()):
            return  # invalid options would be reported as errors of the catalogue
        field = "catalog" if self.file is None else "file"
        try:
            catalog = read_catalog(self.catalog, self.file)
            field = "sources" if self.sources else "catalog"
            with warnings.catch_warnings():  # `build` issues these warnings
                warnings.simplefilter("ignore", SkyredWarning)
                self._build_models(catalog)
        except ModelError as error:
            yield Problem((field,), str(error))

    def build(self, datasets: Datasets) -> Models:
        """Build the models, with the values and errors of the catalogue.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets to build models for.

        Returns
        -------
        gammapy.modeling.models.Models
            New models.

        Raises
        ------
        ModelError
            If the catalogue is missing or cannot be read, if a source is missing, is listed twice
            or cannot be converted to a model, or if no source is in the cone.
        """
        from gammapy.modeling.models import Models

        models = self._build_models(read_catalog(self.catalog, self.file))
        for model in models:
            model.datasets_names = None if self.datasets is None else list(self.datasets)
            freeze_parameters(model, self.freeze)
        return Models(models)

    def write_script(self, script: Script) -> None:
        """Write the models with the values of the catalogue.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        from gammapy.datasets import Datasets

        script.body.add(f"# models of the catalogue {self.catalog}")
        for model in self.build(Datasets()):
            ModelWriter(script, script.body).write_source(model)

    def _build_models(self, catalog: SourceCatalog) -> list[SkyModel]:
        """Build the models of the selected sources.

        Parameters
        ----------
        catalog : gammapy.catalog.SourceCatalog
            The catalogue.

        Returns
        -------
        list of gammapy.modeling.models.SkyModel
            The models: first the sources that are selected by name, then those in the cone.

        Raises
        ------
        ModelError
            If a source is missing, is listed twice or cannot be converted to a model, or if no
            source is in the cone.
        """
        variant = self.model or MODEL_VARIANTS.get(self.catalog, (None,))[0]
        names_by_row: dict[int, str] = {}
        models: list[SkyModel] = []
        for name in self.sources:
            row = find_row(catalog, name)
            if row in names_by_row:
                raise ModelError(
                    f"{names_by_row[row]!r} and {name!r} are the same source: list only one of them"
                )
            names_by_row[row] = name
            models += build_source_models(catalog[row], model_name(name), variant)
        for row in self._rows_in_cone(catalog):
            if row in names_by_row:
                continue
            try:
                source = catalog[row]
                models += build_source_models(source, model_name(str(source.name)), variant)
            except ModelError as error:
                warnings.warn(f"{self.catalog}: source skipped: {error}", SkyredWarning, 2)
        if not models:
            raise ModelError(
                f"{self.catalog} has no usable source within {self.radius} of {self.center}"
            )
        return models

    def _rows_in_cone(self, catalog: SourceCatalog) -> list[int]:
        """Return the rows of the sources within the cone."""
        if self.center is None or self.radius is None:
            return []
        separation = catalog.positions.separation(self.center.skycoord)
        return [int(row) for row in np.flatnonzero(separation <= self.radius)]


def freeze_parameters(model: Any, scope: str) -> None:
    """Freeze parameters of a source.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The model, which is changed in place.
    scope : {"nothing", "spatial", "all-but-norm", "all"}
        The parameters to freeze.
    """
    for parameter in model.parameters if scope in ("all", "all-but-norm") else ():
        parameter.frozen |= scope == "all" or parameter.name not in NORM_PARAMETERS
    if scope == "spatial" and model.spatial_model is not None:
        model.spatial_model.freeze()
