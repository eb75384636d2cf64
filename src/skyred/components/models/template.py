"""The model `template`: a source with a map of its shape, or a table of its spectrum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.models.map_files import geometries_overlap, read_map
from skyred.components.models.scripted import ModelWriter
from skyred.components.models.spec import build_submodel, is_norm, submodel_problems
from skyred.errors import ModelError, Problem
from skyred.fields import Location, option
from skyred.interfaces import Chain, Model, component
from skyred.interfaces.links import LinkUse, find_link_uses, link_problems

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models, SpatialModel, SpectralModel

    from skyred.scripting import Script

DEFAULT_NORM = {"type": "pl-norm"}
COLUMNS = ("energy", "dnde")


@component
class TemplateSource(Model):
    """A source with a map as its shape, a table as its spectrum, or both."""

    kind = "template"
    name: str = option(type=str, doc="Name of the source.")
    map: Location | None = option(
        None,
        type=Location,
        doc="A FITS map of the shape on the sky, optionally with an axis of true energy.",
    )
    normalize: bool = option(
        True,
        doc="Whether the map is normalised to an integral of one; if not, its values are used as "
        "they are, in sr-1 or in units of flux per sr.",
    )
    spectrum: Location | None = option(
        None, type=Location, doc="A table with the columns energy and dnde, with units."
    )
    spectral: Mapping[str, Any] = option(
        DEFAULT_NORM,
        type=dict,
        doc="Type and parameters of the spectral model; a norm model, such as pl-norm, for a table "
        "or a map in units of flux.",
    )
    spatial: Mapping[str, Any] | None = option(
        None, type=dict, doc="Type and parameters of the spatial model, if there is no map."
    )
    datasets: tuple[str, ...] | None = option(
        None,
        type=str,
        many=True,
        doc="Names of the datasets to which the source applies; all by default.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that a file is set, that there is only one shape, and that submodels have a type.

        Yields
        ------
        Problem
            No file, two shapes, or a submodel without a type.
        """
        if self.map is None and self.spectrum is None:
            yield Problem((), "has neither map nor spectrum", "expected one of them, or both")
        if self.map is not None and self.spatial is not None:
            yield Problem(("spatial",), "cannot be combined with map", "remove one of them")
        for submodel in ("spectral", "spatial"):
            spec = getattr(self, submodel)
            if spec is not None and "type" not in spec:
                example = {"spectral": "pl-norm", "spatial": "point"}[submodel]
                yield Problem(
                    (submodel,), "missing key 'type'", f"expected a model type such as {example}"
                )

    def source_names(self) -> Iterable[str]:
        """Return the name of the source.

        Returns
        -------
        iterable of str
            The name.
        """
        return [self.name]

    def links(self) -> Iterable[LinkUse]:
        """Find the link labels.

        Yields
        ------
        LinkUse
            Each use of a link label.
        """
        for submodel in ("spectral", "spatial"):
            yield from find_link_uses(getattr(self, submodel), self.name, (submodel,))

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the links, and with files and submodels that gammapy cannot use.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            Each problem, with the path of the option.
        """
        yield from link_problems(self, pipeline)
        problems = [*submodel_problems("spectral", self.spectral)]
        problems += submodel_problems("spatial", self.spatial)
        if not problems and self.spectrum is not None and not is_norm(self.spectral):
            message = f"{self.spectral['type']!r} is not a norm model"
            expected = "expected one such as pl-norm: the spectrum is a table"
            problems.append(Problem(("spectral", "type"), message, expected))
        yield from problems
        for field, read in (("map", self._build_spatial), ("spectrum", self._read_spectrum)):
            try:
                read()
            except ModelError as error:
                yield Problem((field,), str(error))
                return
        if not problems and not any(True for _ in self.validate()):
            try:
                self._build_model()
            except ModelError as error:
                yield Problem((), str(error))

    def build(self, datasets: Datasets) -> Models:
        """Build the sky model.

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
            If a file cannot be used, or the map lies outside all datasets of the source.
        """
        from gammapy.modeling.models import Models

        model = self._build_model()
        if self.map is not None:
            _check_overlap(model, datasets, str(self.map))
        return Models([model])

    def write_script(self, script: Script) -> None:
        """Write the sky model, with the paths of its files.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        model = self._build_model()
        if self.map is not None:
            model.spatial_model.normalize = self.normalize
            model.spatial_model.filename = str(self.map)
        if self.spectrum is not None:
            model.spectral_model.model1.meta["filename"] = str(self.spectrum)
        ModelWriter(script, script.body).write_source(model)

    def _build_model(self) -> Any:
        """Build the sky model, and check its unit.

        Returns
        -------
        gammapy.modeling.models.SkyModel
            The model.

        Raises
        ------
        ModelError
            If a file cannot be used, or the product of spectrum and map is not a flux.
        """
        from gammapy.modeling.models import SkyModel

        spectral = build_submodel("spectral", self.spectral)
        table = self._read_spectrum()
        names = None if self.datasets is None else list(self.datasets)
        try:
            model = SkyModel(
                spectral_model=spectral if table is None else table * spectral,
                spatial_model=self._build_spatial(),
                name=self.name,
                datasets_names=names,
            )
            model._check_unit()
        except ModelError:  # a subclass of ValueError, raised for the map
            raise
        except (ValueError, u.UnitsError) as error:
            expected = "expected cm-2 s-1 TeV-1, or cm-2 s-1 TeV-1 sr-1 with a map or spatial model"
            raise ModelError(f"{self.name}: {error}; {expected}") from error
        return model

    def _build_spatial(self) -> SpatialModel | None:
        """Build the spatial model from the map, or from the option `spatial`.

        Returns
        -------
        gammapy.modeling.models.SpatialModel or None
            The spatial model; None if the source has neither a map nor the option `spatial`.

        Raises
        ------
        ModelError
            If the map cannot be used.
        """
        from gammapy.modeling.models import TemplateSpatialModel

        if self.map is None:
            return None if self.spatial is None else build_submodel("spatial", self.spatial)
        path = self.map.path().absolute()
        skymap = read_map(path)
        if not skymap.geom.is_image and skymap.geom.axes.names != ["energy_true"]:
            raise ModelError(
                f"{path} has the axes {', '.join(skymap.geom.axes.names)}; expected an image, or "
                "energy_true only"
            )
        spatial_model = TemplateSpatialModel(skymap, normalize=self.normalize, filename=str(path))
        # already normalised: gammapy would normalise again in each copy of the model
        spatial_model.normalize = False
        return spatial_model

    def _read_spectrum(self) -> SpectralModel | None:
        """Read the table of the spectrum; None if the option is not set."""
        return None if self.spectrum is None else read_spectrum(self.spectrum)


def read_spectrum(location: Location) -> SpectralModel:
    """Read a table with the columns energy and dnde as a spectrum.

    Parameters
    ----------
    location : Location
        The file.

    Returns
    -------
    gammapy.modeling.models.TemplateSpectralModel
        The spectrum.

    Raises
    ------
    ModelError
        If the file is not such a table, or its values are not a spectrum.
    """
    from astropy.table import Table
    from gammapy.modeling.models import TemplateSpectralModel

    path = location.path()
    try:
        table = Table.read(path)
    except Exception as error:  # astropy raises various errors for invalid files
        raise ModelError(f"{path} cannot be read as a table: {error}") from error
    if missing := [name for name in COLUMNS if name not in table.colnames]:
        column_names = ", ".join(table.colnames)
        raise ModelError(f"{path} has no column {', '.join(missing)}; available: {column_names}")
    columns = [u.Quantity(table[name]) for name in COLUMNS]
    for name, column, unit in zip(COLUMNS, columns, ("TeV", "cm-2 s-1 TeV-1"), strict=True):
        if not column.unit.is_equivalent(unit):
            unit_text = f"is in {column.unit}" if str(column.unit) else "has no unit"
            raise ModelError(f"{path}: {name} {unit_text}; expected a unit such as {unit}")
    energy, dnde = columns
    if len(energy) < 2 or not np.all(np.diff(energy.value) > 0) or energy.value[0] <= 0:
        raise ModelError(f"{path}: expected two or more energies that are positive and increase")
    if not np.all(np.isfinite(dnde.value) & (dnde.value >= 0)):
        raise ModelError(f"{path}: dnde has values that are negative or not finite")
    return TemplateSpectralModel(energy=energy, values=dnde, meta={"filename": str(path)})


def _check_overlap(model: Any, datasets: Datasets, file: str) -> None:
    """Raise an error if a map overlaps with no dataset, since it would predict no counts."""
    model_datasets = [
        dataset
        for dataset in datasets
        if dataset.name in (model.datasets_names or [dataset.name])
        and getattr(dataset, "counts", None) is not None
    ]
    geom = model.spatial_model.map.geom.to_image()
    if model_datasets and not any(
        geometries_overlap(geom, dataset.counts.geom.to_image()) for dataset in model_datasets
    ):
        names = ", ".join(dataset.name for dataset in model_datasets)
        raise ModelError(f"{model.name}: {file} does not overlap with {names}")
