"""Estimator `flux-points`: the spectrum of a source in energy bins."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.checks import (
    bin_problems,
    order_problems,
    source_problems,
)
from skyred.components.estimators.flux_options import (
    columns_option,
    n_sigma_option,
    n_sigma_sensitivity_option,
    n_sigma_ul_option,
    norm_option,
    reoptimize_option,
    shared_settings,
    sum_over_energy_groups_option,
)
from skyred.components.estimators.norm_range import NormRange
from skyred.components.estimators.scripted import (
    CONFIDENCE_LEVELS,
    energy_edges_argument,
    non_default_arguments,
    norm_arguments,
)
from skyred.errors import Problem
from skyred.fields import energy_edges, option
from skyred.interfaces import SERIAL_TASKS, Chain, Chart, Estimator, Product, Tasks, component
from skyred.io.fits_encoding import format_card
from skyred.products.fits_text import decode_text, encode_text
from skyred.products.flux_io import write_points_table
from skyred.products.flux_tables import read_reference
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.estimators import FluxPoints as GammapyFluxPoints
    from gammapy.modeling.models import Models, SkyModel
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script


log = logging.getLogger(__name__)
EDGE_TOLERANCE = 0.01  # relative difference up to which two energy edges are the same


@attrs.define(eq=False)
class FluxPointsProduct(Product):
    """Flux points of a source, with its fitted model.

    Norms are fluxes in units of the absolute flux of the fitted model: ``flux.reference_model`` is
    the fitted model or, if its flux is negative, the model with the opposite sign. Without a
    reference model, gammapy's ``FluxPoints.read`` uses the positive reference fluxes in the file. A
    reference model that is passed to this method must be positive too: do not pass a fitted model
    with a negative amplitude.

    Parameters
    ----------
    flux : gammapy.estimators.FluxPoints
        The flux points.
    model : SkyModel or None
        The fitted model of the source, with its covariance.
    """

    flux: GammapyFluxPoints
    model: SkyModel | None = None

    @property
    def source(self) -> str:
        """Name of the source; an empty string if the model is not available."""
        return "" if self.model is None else str(self.model.name)

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits`` (gadf-sed, all quantities) and ``NAME.ecsv`` (dnde).

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.

        Returns
        -------
        list of pathlib.Path
            The files written.
        """
        fits, ecsv = folder / f"{self.name}.fits", folder / f"{self.name}.ecsv"
        source = format_card("SOURCE", encode_text(self.source), "name of the source's model")
        write_points_table(self.flux, fits, [source], "likelihood", "gadf-sed")
        self.table().write(ecsv, format="ascii.ecsv", overwrite=True)
        return [fits, ecsv]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read ``NAME.fits``, with the model of its source.

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
        FluxPointsProduct
            The flux points.
        """
        from astropy.io import fits
        from gammapy.estimators import FluxPoints as GammapyFluxPoints

        path = folder / f"{name}.fits"
        source = decode_text(fits.getheader(path, 1).get("SOURCE", ""))
        model = models[source] if models is not None and source in models.names else None
        flux = GammapyFluxPoints.read(path, reference_model=read_reference(path, model))
        return cls(name, flux, model)

    def table(self) -> Table:
        """Return energies, differential fluxes, and the optional columns that were computed.

        Returns
        -------
        astropy.table.Table
            One row per energy bin.
        """
        table = self.flux.to_table(sed_type="dnde", format="gadf-sed")
        for column in table.itercols():
            if column.dtype.kind == "f" and column.name.startswith("dnde"):
                column.format = ".4e"
        return table

    def charts(self) -> Sequence[Chart]:
        """Return the interactive figure of the flux points.

        Returns
        -------
        sequence of Chart
            One figure.
        """
        from skyred.products.charts.spectrum import spectrum_chart

        spectral = None if self.model is None else self.model.spectral_model
        return [spectrum_chart({"flux points": self.flux}, spectral, self.source or self.name)]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the spectral energy distribution: butterfly, model and flux points.

        Fluxes below 2 sigma, including negative ones, are drawn as upper limits if these were
        computed. The flux axis is logarithmic, unless a value is not positive.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        from skyred.products.plotting.flux_points import draw_flux_points

        spectral = None if self.model is None else self.model.spectral_model
        return draw_flux_points(self.flux, spectral, self.source or self.name, ax)


@component
class FluxPoints(Estimator):
    """Flux points of a source: the norm is fitted in each energy bin."""

    kind = "flux-points"
    product = FluxPointsProduct
    source: str = option(type=str, doc="Name of the source.")
    energy_edges: u.Quantity = energy_edges(
        doc="Edges of the bins, each replaced by the nearest edge of the energy axis."
    )
    columns: tuple[str, ...] = columns_option()
    reoptimize: bool = reoptimize_option()
    n_sigma: float = n_sigma_option()
    n_sigma_ul: float = n_sigma_ul_option()
    n_sigma_sensitivity: float = n_sigma_sensitivity_option()
    norm: NormRange | None = norm_option()
    sum_over_energy_groups: bool = sum_over_energy_groups_option()

    def validate(self) -> Iterable[Problem]:
        """Check that the energy edges increase.

        Yields
        ------
        Problem
            Energy edges that do not increase.
        """
        yield from order_problems(self.energy_edges)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the source, the energy edges and the energy axes.

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
        yield from bin_problems(self.energy_edges, pipeline)

    def estimate(
        self, datasets: Datasets, fit: FitResult | None, tasks: Tasks = SERIAL_TASKS
    ) -> FluxPointsProduct:
        """Estimate flux points with the compiled likelihood.

        The results agree with those of gammapy's `FluxPointsEstimator`.

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
        FluxPointsProduct
            The flux points and the model of the source.
        """
        from skyred.likelihood import flux_points

        flux = flux_points(
            datasets,
            self.source,
            self.energy_edges,
            reoptimize=self.reoptimize,
            sum_over_energy_groups=self.sum_over_energy_groups,
            **shared_settings(self),
            allow_multiple_telescopes=True,  # all data entries are combined
            tasks=tasks,
        )
        warn_about_moved_edges(self.label, self.energy_edges, flux.geom.axes["energy"].edges)
        return FluxPointsProduct(self.label, flux, datasets.models.copy()[self.source])

    def write_script(self, script: Script) -> None:
        """Write a call to gammapy's `FluxPointsEstimator`.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.estimators", "FluxPointsEstimator")
        # the datasets of all telescopes are combined
        options = [*flux_arguments(self, script), "allow_multiple_telescopes=True"]
        if len(script.all_datasets) > 1:
            self._write_bins_separately(script, options)
            return
        script.body.add(
            f"estimator = FluxPointsEstimator({', '.join(options)})",
            "flux_points = estimator.run(datasets)",
            'print(flux_points.to_table(sed_type="dnde", format="gadf-sed"))',
            f'flux_points.write(folder / "{self.label}.fits", sed_type="likelihood", '
            "overwrite=True)",
        )
        script.draw('flux_points.plot(ax=axes, sed_type="e2dnde")', self.label)

    def _write_bins_separately(self, script: Script, options: list[str]) -> None:
        """Write a loop over the bins, since gammapy fails if a dataset does not have all bins."""
        script.use("itertools", "pairwise")
        script.use("astropy.table", "vstack")
        edges = options[1].removeprefix("energy_edges=")  # see `flux_arguments`
        options[1] = "energy_edges=u.Quantity(bounds)"
        script.body.add(
            "# each bin separately, since gammapy fails if a dataset does not have all bins",
            "tables = []",
        )
        with script.body.inside(f"for bounds in pairwise({edges}):"):
            script.body.add(
                f"estimator = FluxPointsEstimator({', '.join(options)})",
                "flux_points = estimator.run(datasets)",
                'table = flux_points.to_table(sed_type="dnde", format="gadf-sed")',
                "# columns with one value per dataset differ in length",
                "table.keep_columns([name for name in table.colnames if table[name].ndim == 1])",
                "tables.append(table)",
            )
        script.body.add(
            'table = vstack(tables, metadata_conflicts="silent")',
            "print(table)",
            f'table.write(folder / "{self.label}.ecsv", overwrite=True)',
        )


def flux_arguments(estimator: Any, script: Script) -> list[str]:
    """Return the arguments that gammapy's flux estimators share, as code.

    Parameters
    ----------
    estimator : Estimator
        The estimator.
    script : Script
        The script to add code to.

    Returns
    -------
    list of str
        The arguments: the source, the energy edges if they are set, and the others.
    """
    arguments = [f"source={literal(estimator.source)}"]
    arguments += energy_edges_argument(script, estimator.label, estimator.energy_edges)
    arguments.append(f"selection_optional={literal(estimator.columns)}")
    return (
        arguments
        + norm_arguments(estimator)
        + non_default_arguments(
            estimator, "reoptimize", "sum_over_energy_groups", *CONFIDENCE_LEVELS
        )
    )


def warn_about_moved_edges(
    label: str, requested_edges: u.Quantity, actual_edges: u.Quantity
) -> None:
    """Log a warning about requested edges that the energy axis does not have.

    Parameters
    ----------
    label : str
        Label of the estimator.
    requested_edges, actual_edges : astropy.units.Quantity
        Edges of the option, and those of the bins.
    """
    ratios = (requested_edges[:, None] / actual_edges[None, :]).to_value("")
    distances = np.abs(np.log(ratios)).min(axis=1)
    missing_edges = [
        f"{edge:.4g}"
        for edge, distance in zip(requested_edges, distances, strict=True)
        if distance > EDGE_TOLERANCE
    ]
    if missing_edges:
        log.warning(
            "%s: the energy axis has no edge at %s; the bins have the edges %s %s",
            label,
            ", ".join(missing_edges),
            ", ".join(f"{edge:.4g}" for edge in actual_edges.to_value(requested_edges.unit)),
            requested_edges.unit,
        )
