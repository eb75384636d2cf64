"""The model `catalog`: sources of a published catalogue, as gammapy reads it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.models.catalog_exclusion import Exclusion, find_centers
from skyred.components.models.catalog_sources import (
    CATALOGS,
    MODEL_VARIANTS,
    build_source_models,
    find_row,
    model_name,
    read_catalog,
    read_test_statistic,
)
from skyred.components.models.scripted import ModelWriter
from skyred.errors import ModelError, Problem, SkyredWarning
from skyred.fields import Location, Position, option, position, quantity
from skyred.interfaces import Chain, Model, component
from skyred.interfaces.model import ModelContext

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
    exclude: tuple[str, ...] = option(
        (), type=str, many=True, doc="Names or aliases of sources in the cone that are not used."
    )
    exclude_within: u.Quantity | None = quantity(
        None,
        unit="deg",
        min="0 deg",
        doc="Sources in the cone up to this distance from exclude_center are not used, so that the "
        "target is not modelled twice.",
    )
    exclude_center: Position | None = position(
        None,
        doc="Position for exclude_within; by default the positions of all sources of the other "
        "models of the pipeline, except those of catalogues.",
    )
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
        yield from self._exclusion_problems()
        model_variants = MODEL_VARIANTS.get(self.catalog, ())
        if self.model is not None and self.model not in model_variants:
            message = f"invalid value {self.model!r}"
            if model_variants:
                yield Problem(("model",), message, f"expected one of {', '.join(model_variants)}")
            else:
                message += f": {self.catalog} has one model per source"
                yield Problem(("model",), message, "remove it")

    def _exclusion_problems(self) -> Iterable[Problem]:
        is_set = {"exclude": bool(self.exclude), "exclude_within": self.exclude_within is not None}
        for name, value in is_set.items():
            if self.center is None and value:
                message = "has no effect without a cone"
                yield Problem((name,), message, "set center and radius, or remove it")
        for name in sorted(set(self.exclude) & set(self.sources)):
            yield Problem(("exclude",), f"{name!r} is also in sources", "remove one of them")
        if self.exclude_center is not None and self.exclude_within is None:
            yield Problem(("exclude_center",), "has no effect", "set exclude_within, or remove it")

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
        others = [model for model in pipeline.model if model.kind != self.kind]
        if self.exclude_within is not None and self.exclude_center is None and not others:
            message = "there is no other model to exclude sources around"
            yield Problem(("exclude_within",), message, "set exclude_center, or add a source")

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

    def select(
        self, models: Sequence[Any], other_models: Sequence[Any], context: ModelContext
    ) -> Sequence[Any]:
        """Leave out the sources in the cone that are near sources of other models.

        Parameters
        ----------
        models : sequence of gammapy models
            The models of this component.
        other_models : sequence of gammapy models
            The models of the components of other kinds.
        context : ModelContext
            The function to report what is left out.

        Returns
        -------
        sequence of gammapy models
            The models to use.

        Raises
        ------
        ModelError
            If no other model has a position, and `exclude_center` is not set.
        """
        if self.center is not None and self.exclude:
            catalog = read_catalog(self.catalog, self.file)
            for name in self.exclude:
                position = catalog.positions[find_row(catalog, name)]
                distance = position.separation(self.center.skycoord).deg
                context.report(
                    f"{self.catalog}: {name} is left out, {distance:.3f} deg from the centre of "
                    "the cone (exclude)"
                )
        if self.exclude_within is None:
            return models
        exclusion = Exclusion(
            self.catalog,
            find_centers(self.exclude_center, other_models, self.catalog),
            self.exclude_within,
            tuple(model_name(name) for name in self.sources),
        )
        return exclusion.apply(models, context.report)

    def test_statistics(self) -> Mapping[str, float]:
        """Return the test statistic (TS) of the sources in the catalogue.

        Returns
        -------
        mapping of str to float
            The TS by name of the model: the column TS, or the square of the significance; empty
            for catalogues without either.
        """
        catalog = read_catalog(self.catalog, self.file)
        rows = {find_row(catalog, name): name for name in self.sources}
        rows = dict.fromkeys(self._rows_in_cone(catalog), "") | rows
        return {
            model_name(name or str(catalog[row].name)): ts
            for row, name in rows.items()
            if (ts := read_test_statistic(catalog, row)) is not None
        }

    def write_script(self, script: Script) -> None:
        """Write the models with the values of the catalogue.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        from gammapy.datasets import Datasets

        script.body.add(f"# models of the catalogue {self.catalog}")
        other_models = [
            model
            for component in script.models
            if component.kind != self.kind
            for model in component.build(Datasets())
        ]
        context = ModelContext(Datasets(), lambda note: script.body.add(f"# {note}"))
        for model in self.select(list(self.build(Datasets())), other_models, context):
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
        excluded_rows = {find_row(catalog, name) for name in self.exclude}
        rows = [int(row) for row in np.flatnonzero(separation <= self.radius)]
        return [row for row in rows if row not in excluded_rows]


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
