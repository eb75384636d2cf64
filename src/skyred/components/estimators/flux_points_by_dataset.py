"""Estimator `flux-points-by-dataset`: the spectrum of a source in energy bins, for each dataset."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.checks import edge_problems, source_problems
from skyred.components.estimators.flux_options import shared_settings
from skyred.components.estimators.flux_points import (
    FluxPoints,
    FluxPointsProduct,
    flux_arguments,
    warn_about_moved_edges,
)
from skyred.errors import ModelError, Problem, SkyredWarning
from skyred.interfaces import SERIAL_TASKS, Chain, Chart, Product, Tasks, component
from skyred.io.fits_encoding import format_card
from skyred.products.fits_text import decode_text, encode_text
from skyred.products.flux_io import write_points_table
from skyred.products.flux_tables import column_description
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Dataset, Datasets
    from gammapy.estimators import FluxPoints as GammapyFluxPoints
    from gammapy.maps import MapAxis
    from gammapy.modeling.models import Models, SkyModel
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script


@attrs.define(eq=False)
class FluxPointsByDatasetProduct(Product):
    """Flux points of a source in several datasets, with its fitted model.

    Parameters
    ----------
    fluxes : dict of str to gammapy.estimators.FluxPoints
        The flux points by name of the dataset.
    model : SkyModel or None
        The fitted model of the source, with its covariance.
    """

    fluxes: dict[str, GammapyFluxPoints]
    model: SkyModel | None = None

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME-1.fits``, ... (gadf-sed, one per dataset) and ``NAME.ecsv`` (all of them).

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.

        Returns
        -------
        list of pathlib.Path
            The files written.
        """
        source = "" if self.model is None else str(self.model.name)
        files = [folder / f"{self.name}.ecsv"]
        self.table().write(files[0], format="ascii.ecsv", overwrite=True)
        for number, (dataset_name, flux) in enumerate(self.fluxes.items(), 1):
            cards = [
                format_card("SOURCE", encode_text(source), "name of the source's model"),
                format_card("DATASET", encode_text(dataset_name), "name of the dataset"),
                format_card("NDATASET", len(self.fluxes), "number of datasets with flux points"),
            ]
            files.append(folder / f"{self.name}-{number}.fits")
            write_points_table(flux, files[-1], cards, "likelihood", "gadf-sed")
        return files

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read the files ``NAME-1.fits``, ..., with the model of the source.

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.
        name : str
            Name of the product, without suffix.
        models : gammapy.modeling.models.Models or None
            Fitted models of the run.

        Returns
        -------
        FluxPointsByDatasetProduct
            The flux points.
        """
        from astropy.io import fits

        n_datasets = fits.getheader(folder / f"{name}-1.fits", 1)["NDATASET"]
        fluxes, model = {}, None
        for number in range(1, n_datasets + 1):
            header = fits.getheader(folder / f"{name}-{number}.fits", 1)
            product = FluxPointsProduct.read(folder, f"{name}-{number}", models)
            fluxes[decode_text(header["DATASET"])], model = product.flux, product.model
        return cls(name, fluxes, model)

    def table(self) -> Table:
        """Return the columns of `FluxPointsProduct.table`, after the name of the dataset.

        Returns
        -------
        astropy.table.Table
            One row per dataset and energy bin.
        """
        from astropy.table import vstack

        tables: list[Table] = []
        for dataset_name, flux in self.fluxes.items():
            table = FluxPointsProduct(self.name, flux, self.model).table()
            for name in ("counts", "npred", "npred_excess"):
                if name in table.colnames:
                    table[name] = np.reshape(table[name], len(table))
            table.add_column([dataset_name] * len(table), name="dataset", index=0)
            if tables:
                _convert_units(table, tables[0])
            tables.append(table)
        stacked = vstack(tables, metadata_conflicts="silent")
        for column in stacked.itercols():
            column.description = column.description or column_description(column.name)
        stacked["dataset"].description = "name of the dataset"
        return stacked

    def charts(self) -> Sequence[Chart]:
        """Return the interactive figure of the flux points.

        Returns
        -------
        sequence of Chart
            One figure with the points of all datasets.
        """
        from skyred.products.charts.spectrum import spectrum_chart

        spectral = None if self.model is None else self.model.spectral_model
        title = self.name if self.model is None else str(self.model.name)
        return [spectrum_chart(self.fluxes, spectral, title)]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the spectral energy distribution: butterfly, model and flux points by dataset.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        from skyred.products.plotting.flux_points import draw_flux_points_by_dataset

        spectral = None if self.model is None else self.model.spectral_model
        title = self.name if self.model is None else str(self.model.name)
        return draw_flux_points_by_dataset(self.fluxes, spectral, title, ax)


@component
class FluxPointsByDataset(FluxPoints):
    """Flux points of a source in each dataset: the norm is fitted in each energy bin."""

    kind = "flux-points-by-dataset"
    product = FluxPointsByDatasetProduct  # type: ignore[assignment]

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the source and the energy edges.

        Parameters
        ----------
        pipeline : Chain
            The pipeline, with its data entries and models.

        Yields
        ------
        Problem
            A problem, with the option and the reason.
        """
        yield from source_problems(self.source, pipeline)
        yield from edge_problems(self.energy_edges, pipeline)

    def estimate(  # type: ignore[override]  # another product than that of `FluxPoints`
        self, datasets: Datasets, fit: FitResult | None, tasks: Tasks = SERIAL_TASKS
    ) -> FluxPointsByDatasetProduct:
        """Estimate the flux points of each dataset with the compiled likelihood.

        The results agree with those of gammapy's `FluxPointsEstimator` for single datasets.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        fit : FitResult or None
            Result of the fit, None if nothing was fitted; not used.
        tasks : Tasks
            Runs the fits of bins, if each of them takes long.

        Returns
        -------
        FluxPointsByDatasetProduct
            The flux points and the model of the source.

        Raises
        ------
        ModelError
            If no dataset has counts, the source, and an energy bin.
        """
        fluxes = {}
        for dataset in datasets:
            reason = self._reason_without_points(dataset)
            if reason:
                message = f"{self.label}: no flux points of dataset {dataset.name!r}: {reason}"
                warnings.warn(message, SkyredWarning, stacklevel=2)
            else:
                fluxes[dataset.name] = self._estimate_dataset(datasets, dataset, tasks)
        if not fluxes:
            raise ModelError(f"{self.label}: no dataset has flux points; see the warnings")
        return FluxPointsByDatasetProduct(self.label, fluxes, datasets.models.copy()[self.source])

    def _reason_without_points(self, dataset: Dataset) -> str:
        """Return why a dataset has no flux points; an empty string if it has."""
        if dataset.tag == "FluxPointsDataset":
            return "it contains flux points instead of counts"
        if self.source not in dataset.models.names:
            return f"the source {self.source} is not one of its models"
        axis = dataset.counts.geom.axes["energy"]
        if len(edges_of_axis(self.energy_edges, axis)) < 2:
            low, high = axis.bounds.to_value("TeV")
            return f"no bin is within its energy axis, {low:.4g} to {high:.4g} TeV"
        return ""

    def _estimate_dataset(
        self, datasets: Datasets, dataset: Dataset, tasks: Tasks
    ) -> GammapyFluxPoints:
        from gammapy.datasets import Datasets as GammapyDatasets

        from skyred.likelihood import flux_points

        axis = dataset.counts.geom.axes["energy"]
        is_inside = (self.energy_edges >= axis.bounds[0]) & (self.energy_edges <= axis.bounds[1])
        edges = edges_of_axis(self.energy_edges, axis)
        selected = GammapyDatasets([dataset])
        selected._penalties = datasets._penalties  # gammapy's penalties belong to the models
        flux = flux_points(
            selected,
            self.source,
            edges,
            reoptimize=self.reoptimize,
            sum_over_energy_groups=self.sum_over_energy_groups,
            **shared_settings(self),
            tasks=tasks,
        )
        warn_about_moved_edges(f"{self.label}, {dataset.name}", self.energy_edges[is_inside], edges)
        return flux

    def write_script(self, script: Script) -> None:
        """Write calls to gammapy's `FluxPointsEstimator`.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.estimators", "FluxPointsEstimator")
        script.use("gammapy.datasets", "Datasets")
        script.use("numpy as np")
        options = flux_arguments(self, script)
        edges = options[1].removeprefix("energy_edges=")  # see `flux_arguments`
        options[1] = "energy_edges=axis.edges[indices]"
        script.body.add("number = 0")
        with script.body.inside("for dataset in datasets:"):
            with script.body.inside('if dataset.tag == "FluxPointsDataset":'):
                script.body.add("continue")
            script.body.add(
                'axis = dataset.counts.geom.axes["energy"]',
                "# the nearest edges of the axis of this dataset",
                f"distances = np.abs(np.log((axis.edges[:, None] / {edges}).to_value('')))",
                "indices = np.unique(distances.argmin(axis=0))",
            )
            has_points = f"len(indices) > 1 and {literal(self.source)} in dataset.models.names"
            with script.body.inside(f"if {has_points}:"):
                script.body.add(
                    "number += 1",
                    f"estimator = FluxPointsEstimator({', '.join(options)})",
                    "flux_points = estimator.run(Datasets([dataset]))",
                    "print(dataset.name)",
                    'print(flux_points.to_table(sed_type="dnde", format="gadf-sed"))',
                    f'path = folder / f"{self.label}-{{number}}.fits"',
                    'flux_points.write(path, sed_type="likelihood", overwrite=True)',
                )


def edges_of_axis(edges: u.Quantity, axis: MapAxis) -> u.Quantity:
    """Return the edges of an energy axis that are the nearest to requested edges.

    Parameters
    ----------
    edges : astropy.units.Quantity
        Requested edges, shape (n + 1,).
    axis : gammapy.maps.MapAxis
        The energy axis.

    Returns
    -------
    astropy.units.Quantity
        Edges of the axis without duplicates, in the unit of the requested edges.
    """
    distances = np.abs(np.log((axis.edges[:, None] / edges).to_value("")))
    return axis.edges[np.unique(distances.argmin(axis=0))].to(edges.unit)


def _convert_units(table: Table, reference: Table) -> None:
    """Convert the columns of a table to the units of another table, in place."""
    for column in table.itercols():
        if column.name in reference.colnames and column.unit is not None:
            column.convert_unit_to(reference[column.name].unit)
