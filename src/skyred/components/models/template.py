"""The model `template`: a source whose shape or spectrum a file describes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.models.links import Use, link_problems, uses
from skyred.components.models.map_files import overlap, read_map
from skyred.components.models.scripted import ModelWriter
from skyred.components.models.spec import build_part, is_norm, part_problems
from skyred.errors import ModelError, Problem
from skyred.fields import Location, option
from skyred.interfaces import Chain, Model, component

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models, SpatialModel, SpectralModel

    from skyred.scripting import Script

NORM = {"type": "pl-norm"}
COLUMNS = ("energy", "dnde")


@component
class TemplateSource(Model):
    """A source whose shape is a map in a file, or whose spectrum is a table, or both."""

    kind = "template"
    name: str = option(type=str, doc="Name of the source.")
    map: Location | None = option(
        None,
        type=Location,
        doc="A FITS map of the sky: its shape, in true energy too if it has it.",
    )
    normalize: bool = option(
        True, doc="Whether the map is scaled to an integral of one; if not, it has a unit per sr."
    )
    spectrum: Location | None = option(
        None, type=Location, doc="A table with columns energy and dnde, and units."
    )
    spectral: Mapping[str, Any] = option(
        NORM,
        type=dict,
        doc="Type and parameters of the spectral model; a norm, such as pl-norm, of a table or of "
        "a map that is in units of flux.",
    )
    spatial: Mapping[str, Any] | None = option(
        None, type=dict, doc="Type and parameters of the spatial model, if there is no map."
    )
    datasets: tuple[str, ...] | None = option(
        None, type=str, many=True, doc="Names of the datasets it is for; all if left out."
    )

    def validate(self) -> Iterable[Problem]:
        """There is a file, one shape, and a type of each part."""
        if self.map is None and self.spectrum is None:
            yield Problem((), "has neither map nor spectrum", "expected one of them, or both")
        if self.map is not None and self.spatial is not None:
            yield Problem(("spatial",), "is given beside map", "expected one of them")
        for part in ("spectral", "spatial"):
            given = getattr(self, part)
            if given is not None and "type" not in given:
                yield Problem((part,), "has no type", "expected type: ..., such as pl-norm")

    def source_names(self) -> Iterable[str]:
        """Name the source."""
        return [self.name]

    def links(self) -> Iterable[Use]:
        """Find the link labels."""
        for part in ("spectral", "spatial"):
            yield from uses(getattr(self, part), self.name, (part,))

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems of links, and of files and parts that gammapy cannot use."""
        yield from link_problems(self, pipeline)
        problems = [*part_problems("spectral", self.spectral)]
        problems += part_problems("spatial", self.spatial)
        if not problems and self.spectrum is not None and not is_norm(self.spectral):
            found = f"{self.spectral['type']!r} is no norm model"
            expected = "expected one such as pl-norm: the spectrum is a table"
            problems.append(Problem(("spectral", "type"), found, expected))
        yield from problems
        for field, build in (("map", self._shape), ("spectrum", self._table)):
            try:
                build()
            except ModelError as error:
                yield Problem((field,), str(error))
                return
        if not problems and not any(True for _ in self.validate()):
            try:
                self._model()
            except ModelError as error:
                yield Problem((), str(error))

    def build(self, datasets: Datasets) -> Models:
        """Build the sky model.

        Raises
        ------
        ModelError
            If a file cannot be used, or the map lies outside all datasets that it is for.
        """
        from gammapy.modeling.models import Models

        model = self._model()
        if self.map is not None:
            _refuse_elsewhere(model, datasets, str(self.map))
        return Models([model])

    def write_script(self, script: Script) -> None:
        """Write the sky model, its files by the paths that they have."""
        model = self._model()
        if self.map is not None:
            model.spatial_model.normalize = self.normalize
            model.spatial_model.filename = str(self.map)
        if self.spectrum is not None:
            model.spectral_model.model1.meta["filename"] = str(self.spectrum)
        ModelWriter(script, script.body).source(model)

    def _model(self) -> Any:
        from gammapy.modeling.models import SkyModel

        spectral = build_part("spectral", self.spectral)
        table = self._table()
        names = None if self.datasets is None else list(self.datasets)
        try:
            model = SkyModel(
                spectral_model=spectral if table is None else table * spectral,
                spatial_model=self._shape(),
                name=self.name,
                datasets_names=names,
            )
            model._check_unit()
        except ModelError:  # a ValueError too, and about the map alone
            raise
        except (ValueError, u.UnitsError) as error:
            # of a map, the unit is per solid angle
            expected = "spectrum and map together must be a flux, in cm-2 s-1 TeV-1 (sr-1)"
            raise ModelError(f"{self.name}: {error}; {expected}") from error
        return model

    def _shape(self) -> SpatialModel | None:
        from gammapy.modeling.models import TemplateSpatialModel

        if self.map is None:
            return None if self.spatial is None else build_part("spatial", self.spatial)
        path = self.map.path().absolute()
        found = read_map(path)
        if not found.geom.is_image and found.geom.axes.names != ["energy_true"]:
            raise ModelError(
                f"{path} has the axes {', '.join(found.geom.axes.names)}; expected an image, or "
                "energy_true alone"
            )
        shape = TemplateSpatialModel(found, normalize=self.normalize, filename=str(path))
        # done once: gammapy divides by the pixels' solid angles again in each copy of the model
        shape.normalize = False
        return shape

    def _table(self) -> SpectralModel | None:
        return None if self.spectrum is None else read_spectrum(self.spectrum)


def read_spectrum(location: Location) -> SpectralModel:
    """Read a table of energy and dnde.

    Raises
    ------
    ModelError
        If it is no such table, or its numbers are no spectrum.
    """
    from astropy.table import Table
    from gammapy.modeling.models import TemplateSpectralModel

    path = location.path()
    try:
        table = Table.read(path)
    except Exception as error:  # astropy raises whatever the file leads it to
        raise ModelError(f"{path} cannot be read as a table: {error}") from error
    if lost := [name for name in COLUMNS if name not in table.colnames]:
        known = ", ".join(table.colnames)
        raise ModelError(f"{path} lacks the column {', '.join(lost)}; it has {known}")
    columns = [u.Quantity(table[name]) for name in COLUMNS]
    for name, column, unit in zip(COLUMNS, columns, ("TeV", "cm-2 s-1 TeV-1"), strict=True):
        if not column.unit.is_equivalent(unit):
            found = str(column.unit) or "no unit"
            raise ModelError(f"{path}: {name} is in {found}; expected a unit such as {unit}")
    energy, dnde = columns
    if len(energy) < 2 or not np.all(np.diff(energy.value) > 0) or energy.value[0] <= 0:
        raise ModelError(f"{path}: energy does not rise; expected two or more rising energies")
    if not np.all(np.isfinite(dnde.value) & (dnde.value >= 0)):
        raise ModelError(f"{path}: dnde has values that are negative or not finite")
    return TemplateSpectralModel(energy=energy, values=dnde, meta={"filename": str(path)})


def _refuse_elsewhere(model: Any, datasets: Datasets, file: str) -> None:
    """Refuse a map that does not overlap any dataset: it would predict nothing, without a word."""
    wanted = [each for each in datasets if each.name in (model.datasets_names or [each.name])]
    maps = [each for each in wanted if getattr(each, "counts", None) is not None]
    template = model.spatial_model.map.geom.to_image()
    if maps and not any(overlap(template, each.counts.geom.to_image()) for each in maps):
        names = ", ".join(each.name for each in maps)
        raise ModelError(f"{model.name}: {file} does not overlap {names}")
