"""Estimator `flux-points`: the spectrum of a source in energy bins."""

from __future__ import annotations

import logging
from collections.abc import Iterable
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
    error_width,
    limit_confidence,
    optional_columns,
    refit_others,
)
from skyred.components.estimators.scripted import changed_options, edges_option
from skyred.errors import Problem
from skyred.fields import option, quantity
from skyred.interfaces import Chain, Estimator, Product, component
from skyred.products.fits_text import decode_text, encode_text
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

    Norms are fluxes in units of the absolute flux of the model: ``flux.reference_model`` is the
    fitted model if that is positive, and the model with the opposite sign if it is negative.
    Without a reference model, gammapy's ``FluxPoints.read`` uses the positive reference fluxes in
    the file. A reference model passed to it must be positive too, and not a fitted model with a
    negative amplitude.

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
        """Name of the source; an empty string if its model is not available."""
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
        self.flux.write(fits, format="gadf-sed", sed_type="likelihood", overwrite=True)
        _write_fits_text(fits, self.source)
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
        """Return energies, differential fluxes and all optional columns.

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

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the spectral energy distribution: butterfly, model and flux points.

        Fluxes below 2 sigma, including negative ones, are drawn as upper limits. The axis is
        logarithmic, unless a value is not positive.

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


def _write_fits_text(path: Path, source: str) -> None:
    # gammapy's format has no keyword for the source, which `read` needs to find its model
    from astropy.io import fits

    fits.setval(
        path, "SOURCE", value=encode_text(source), comment="name of the source's model", ext=1
    )


@component
class FluxPoints(Estimator):
    """Flux points of a source: its norm fitted in each energy bin."""

    kind = "flux-points"
    product = FluxPointsProduct
    source: str = option(type=str, doc="Name of the source.")
    energy_edges: u.Quantity = quantity(
        many=True,
        unit="TeV",
        min="1e-9 TeV",
        doc="Edges of the bins; each is replaced by the nearest edge of the energy axis.",
    )
    columns: tuple[str, ...] = optional_columns()
    reoptimize: bool = refit_others()
    n_sigma: float = error_width()
    n_sigma_ul: float = limit_confidence()

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

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> FluxPointsProduct:
        """Estimate flux points with the compiled likelihood.

        The results agree with those of gammapy's `FluxPointsEstimator`.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        fit : FitResult or None
            Result of the fit, None if nothing was fitted; not used.

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
            selection_optional=list(self.columns),
            reoptimize=self.reoptimize,
            n_sigma=self.n_sigma,
            n_sigma_ul=self.n_sigma_ul,
            allow_multiple_telescopes=True,  # every data entry is part of the analysis
        )
        _warn_about_moved_edges(self.label, self.energy_edges, flux.geom.axes["energy"].edges)
        return FluxPointsProduct(self.label, flux, datasets.models.copy()[self.source])

    def write_script(self, script: Script) -> None:
        """Write a call of gammapy's `FluxPointsEstimator`.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.estimators", "FluxPointsEstimator")
        # every dataset is part of the analysis, of any telescope
        options = [*flux_options(self, script), "allow_multiple_telescopes=True"]
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
        """Write one bin after the other: gammapy fails if a dataset does not have all of them."""
        script.use("itertools", "pairwise")
        script.use("astropy.table", "vstack")
        edges = options[1].removeprefix("energy_edges=")
        options[1] = "energy_edges=u.Quantity(bounds)"
        script.body.add(
            "# one bin after the other: gammapy fails if a dataset does not have all bins",
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


def flux_options(estimator: Any, script: Script) -> list[str]:
    """Return the options that gammapy's flux estimators share.

    Parameters
    ----------
    estimator : Estimator
        The estimator.
    script : Script
        The script to add code to.

    Returns
    -------
    list of str
        The options as code.
    """
    options = [f"source={literal(estimator.source)}"]
    options += edges_option(script, estimator.label, estimator.energy_edges)
    options.append(f"selection_optional={literal(estimator.columns)}")
    return options + changed_options(estimator, "reoptimize", "n_sigma", "n_sigma_ul")


def _warn_about_moved_edges(label: str, requested: u.Quantity, actual: u.Quantity) -> None:
    """Log a warning about edges that the energy axis does not have."""
    distances = np.abs(np.log(requested[:, None] / actual[None, :]).to_value("")).min(axis=1)
    if moved := [
        f"{edge:.4g}"
        for edge, distance in zip(requested, distances, strict=True)
        if distance > EDGE_TOLERANCE
    ]:
        log.warning(
            "%s: the energy axis has no edge at %s; the bins have the edges %s %s",
            label,
            ", ".join(moved),
            ", ".join(f"{edge:.4g}" for edge in actual.to_value(requested.unit)),
            requested.unit,
        )
