"""The model `catalog`: sources of a published catalogue, as gammapy reads it."""

from __future__ import annotations

import difflib
import inspect
import re
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.models.scripted import ModelWriter
from skyred.errors import ModelError, Problem, SkyredWarning
from skyred.fields import Location, Position, option, position, quantity
from skyred.interfaces import Chain, Model, component

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.catalog import SourceCatalog, SourceCatalogObject
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models, SkyModel

    from skyred.scripting import Script

CATALOGS = ("gamma-cat", "hgps", "2hwc", "3hwc", "1LHAASO", "3fgl", "4fgl", "2fhl", "3fhl", "2PC",
            "3PC")  # fmt: skip
# what gammapy calls the models of a source where a catalogue gives more than one
WHICH = {"hgps": ("best", "pl", "ecpl"), "2hwc": ("point", "extended"), "1LHAASO": ("KM2A", "WCDA")}
FREEZE = ("nothing", "spatial", "all-but-norm", "all")
NORMS = ("amplitude", "norm")


@component
class CatalogSources(Model):
    """Sources of a published catalogue: by name, or all within a cone."""

    kind = "catalog"
    catalog: str = option(choices=CATALOGS, doc="Which catalogue.")
    file: Location | None = option(
        None, type=Location, doc="Its file; that of gammapy's data below $GAMMAPY_DATA by default."
    )
    sources: tuple[str, ...] = option(
        (), type=str, many=True, doc="Names of sources, by any name that the catalogue knows."
    )
    center: Position | None = position(None, doc="Centre of a cone whose sources are all taken.")
    radius: u.Quantity | None = quantity(None, unit="deg", min="0 deg", doc="Radius of the cone.")
    which: str | None = option(
        None,
        doc="Which of several models of a source: best, pl or ecpl of hgps, point or extended of "
        "2hwc, KM2A or WCDA of 1LHAASO; the first of them by default.",
    )
    freeze: str = option(
        "nothing",
        choices=FREEZE,
        doc="Which parameters are held that the catalogue lets free.",
    )
    datasets: tuple[str, ...] | None = option(
        None, type=str, many=True, doc="Names of the datasets they are for; all if left out."
    )

    def validate(self) -> Iterable[Problem]:
        """Sources are chosen, a cone is whole, and `which` is of the catalogue."""
        if not self.sources and self.center is None:
            yield Problem((), "chooses no sources", "expected sources: [...], or center and radius")
        if (self.center is None) != (self.radius is None):
            lacking = "center" if self.center is None else "radius"
            yield Problem((), f"lacks {lacking!r}", "expected center and radius, or neither")
        known = WHICH.get(self.catalog, ())
        if self.which is not None and self.which not in known:
            expected = f"expected one of {', '.join(known)}" if known else "leave it out"
            message = f"is {self.which!r}, which {self.catalog} has not"
            yield Problem(("which",), message, expected)

    def source_names(self) -> Iterable[str]:
        """Name the sources that are chosen by name."""
        return [model_name(name) for name in self.sources]

    def knows_names(self) -> bool:
        """A cone, and sources of several components, tell their names only when they are built."""
        return self.center is None and self.catalog != "hgps"

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield a problem if the catalogue cannot be read, or lacks the sources."""
        if any(True for _ in self.validate()):
            return  # the catalogue would be blamed for it
        field = "catalog" if self.file is None else "file"
        try:
            catalog = self._read()
            field = "sources" if self.sources else "catalog"
            with warnings.catch_warnings():  # they are issued when the models are built
                warnings.simplefilter("ignore", SkyredWarning)
                self._models(catalog)
        except ModelError as error:
            yield Problem((field,), str(error))

    def build(self, datasets: Datasets) -> Models:
        """Build the models, with the values and errors of the catalogue.

        Raises
        ------
        ModelError
            If the catalogue is not there or cannot be read, or has not a source that is named.
        """
        from gammapy.modeling.models import Models

        models = self._models(self._read())
        for model in models:
            model.datasets_names = None if self.datasets is None else list(self.datasets)
            freeze(model, self.freeze)
        return Models(models)

    def write_script(self, script: Script) -> None:
        """Write the models with the numbers that the catalogue has."""
        from gammapy.datasets import Datasets

        script.body.add(f"# as the catalogue {self.catalog} has them")
        for model in self.build(Datasets()):
            ModelWriter(script, script.body).source(model)

    def _models(self, catalog: SourceCatalog) -> list[SkyModel]:
        taken: dict[int, str] = {}
        models: list[SkyModel] = []
        for name in self.sources:
            row = self._row(catalog, name)
            if row in taken:
                raise ModelError(f"{taken[row]!r} and {name!r} are one source: name it once")
            taken[row] = name
            models += self._made(catalog[row], model_name(name))
        for row in self._inside(catalog):
            if row in taken:
                continue
            try:
                models += self._made(catalog[row], model_name(str(catalog[row].name)))
            except ModelError as error:
                warnings.warn(f"{self.catalog}: {error}: it is left out", SkyredWarning, 2)
        if not models:
            raise ModelError(f"{self.catalog} has no source within {self.radius} of {self.center}")
        return models

    def _read(self) -> SourceCatalog:
        from gammapy.catalog import CATALOG_REGISTRY
        from gammapy.utils.scripts import make_path

        cls = CATALOG_REGISTRY.get_cls(self.catalog)
        default = Location(inspect.signature(cls).parameters["filename"].default)
        if self.file is None and (missing := default.unset()):
            raise ModelError(
                f"the catalogue {self.catalog} is looked for at {default}, and {missing[0]} is not "
                "set: set it to the folder of gammapy's data, or give the catalogue's file"
            )
        path = make_path(default if self.file is None else self.file.path())
        if not path.is_file():
            raise ModelError(
                f"the catalogue {self.catalog} is not there: there is no file {path}; it is part "
                "of gammapy's data (gammapy download datasets), or give its own file"
            )
        try:
            catalog = cls(path)
        except Exception as error:  # gammapy and astropy raise whatever the file leads them to
            raise ModelError(f"{path} cannot be read as {self.catalog}: {error}") from error
        _unmask(catalog.table)
        return catalog

    def _row(self, catalog: SourceCatalog, name: str) -> int:
        known = catalog._name_to_index_cache
        if name not in known:
            near = difflib.get_close_matches(name, known, 3, cutoff=0.4)
            hint = f"; the nearest are {', '.join(near)}" if near else ""
            raise ModelError(f"{self.catalog} has no source {name!r}{hint}")
        return int(known[name])

    def _inside(self, catalog: SourceCatalog) -> list[int]:
        if self.center is None or self.radius is None:
            return []
        away = catalog.positions.separation(self.center.skycoord)
        return [int(row) for row in np.flatnonzero(away <= self.radius)]

    def _made(self, source: SourceCatalogObject, name: str) -> list[SkyModel]:
        """Make the models of a source: one, or one a component."""
        which = self.which or (WHICH[self.catalog][0] if self.catalog in WHICH else None)
        options = {} if which is None else {"which": which}
        several = getattr(source, "components_models", None)
        try:
            # gammapy would make a map of several components, which no longer fits
            found = list(several(**options)) if several else [source.sky_model(**options)]
        except Exception as error:  # gammapy raises whatever an entry leads it to
            raise ModelError(
                f"{source.name} has no model that gammapy can make: {error}"
            ) from error
        if found[0] is None:
            raise ModelError(f"{source.name} has no spectrum{f' of {which}' if which else ''}")
        names = [name if len(found) == 1 else f"{name}-{model_name(each.name)}" for each in found]
        return [_checked(each.copy(name=one)) for each, one in zip(found, names, strict=True)]


def model_name(name: str) -> str:
    """Give a source's name as a model's: what files cannot be called by becomes a dash."""
    return re.sub(r"[^\w.+-]+", "-", name.strip())


def _unmask(table: Table) -> None:
    """Give masked numbers back as NaN: of a masked index, gammapy makes one of 0."""
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind == "f" and hasattr(column, "mask") and np.any(column.mask):
            table[name] = column.filled(np.nan)


def _checked(model: SkyModel) -> SkyModel:
    unknown = [each.name for each in model.parameters if not np.isfinite(each.value)]
    if unknown:
        raise ModelError(f"{model.name} has no {', '.join(unknown)} in the catalogue")
    return model


def freeze(model: Any, what: str) -> None:
    """Hold parameters of a source."""
    for parameter in model.parameters if what in ("all", "all-but-norm") else ():
        parameter.frozen |= what == "all" or parameter.name not in NORMS
    if what == "spatial" and model.spatial_model is not None:
        model.spatial_model.freeze()
