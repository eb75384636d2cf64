"""Estimator `excess-map`: excess counts, fluxes and their significance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs
from astropy import units as u

from skyred.components.estimators.flux_maps import FluxMapsProduct, MapEstimator
from skyred.components.estimators.mosaic import Mosaic, select_maps
from skyred.components.estimators.scripted import (
    energy_edges_argument,
    write_map,
    write_maps,
    write_without_sources,
)
from skyred.fields import option, quantity
from skyred.interfaces import component, value
from skyred.products.plotting import SEQUENTIAL, draw_map, format_energy_range
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.estimators import FluxMaps
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script


@attrs.define(eq=False)
class ExcessProduct(FluxMapsProduct):
    """Maps of counts, excess, flux and significance within a correlation radius."""

    significance_label = "Significance of the excess [σ]"

    def plot_functions(self) -> dict[str, Callable[[], Axes]]:
        """Return the functions that draw the significance and the excess counts.

        Returns
        -------
        dict of str to callable
            Functions that draw a plot; keys are appended to the name of the product.
        """
        return {"": self.plot, "-counts": self.plot_counts}

    def plot_counts(self, ax: Axes | None = None) -> Axes:
        """Draw the excess counts within the correlation radius, summed over energy.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        excess = self.maps.npred_excess.sum_over_axes(keepdims=False)
        label = "Excess within the correlation radius [counts]"
        ax = draw_map(excess, ax, label, cmap=SEQUENTIAL, interpolation="none")
        ax.set_title(format_energy_range(self.maps.geom.axes["energy"].edges))
        return ax


@value
class CorrelatedMapEstimator(MapEstimator):
    """Base class of estimators of the excess counts within a radius of each pixel."""

    correlation_radius: u.Quantity = quantity(
        "0.1 deg", min="1e-3 deg", doc="Radius of the disk over which counts are summed."
    )
    correlate_off: bool = option(
        True,
        doc="Whether off counts are summed over the disk too. With a ring background, the same off "
        "events belong to many pixels, and are then counted several times.",
    )

    def excess_maps(self, datasets: Datasets, optional_maps: Sequence[str] = ()) -> FluxMaps:
        """Estimate maps of the excess over the fitted background, which contains no sources.

        The significance is that of Li & Ma (1983, ApJ 272, 317) for off counts (wstat), or that
        for a known background (Cash), both computed by gammapy's `ExcessMapEstimator`.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        optional_maps : sequence of str
            Optional maps of gammapy's `ExcessMapEstimator`, such as ``ul``.

        Returns
        -------
        gammapy.estimators.FluxMaps
            The maps.

        Raises
        ------
        ModelError
            If there is no map dataset, the map datasets cannot be summed, or one of them has no
            background or exposure.
        """
        from gammapy.estimators import ExcessMapEstimator

        mosaic = Mosaic.from_datasets(select_maps(datasets), include_sources=False)
        estimator = ExcessMapEstimator(
            self.correlation_radius,
            selection_optional=list(optional_maps),
            correlate_off=self.correlate_off,
        )
        exposure = mosaic.reco_exposure(estimator.spectral_model)
        return mosaic.estimate_excess(estimator, self.energy_edges, exposure)

    def write_excess_maps(self, script: Script, optional_maps: Sequence[str] = ()) -> None:
        """Write code that estimates ``maps``, and writes and draws them.

        Parameters
        ----------
        script : Script
            The script to add code to.
        optional_maps : sequence of str
            Optional maps of gammapy's `ExcessMapEstimator`.

        Raises
        ------
        ExportError
            If there is not exactly one map dataset.
        """
        script.use("gammapy.estimators", "ExcessMapEstimator")
        write_without_sources(script, write_map(script))
        options = [script.quantity(self.correlation_radius)]
        options += energy_edges_argument(script, self.label, self.energy_edges)
        options.append(f"selection_optional={literal(optional_maps)}")
        if not self.correlate_off:
            options.append("correlate_off=False")
        script.body.add(
            f"estimator = ExcessMapEstimator({', '.join(options)})",
            "maps = estimator.run(dataset)",
        )
        write_maps(script, self.label)


@component
class ExcessMap(CorrelatedMapEstimator):
    """Excess over the background within a correlation radius: counts, flux and significance."""

    kind = "excess-map"
    product = ExcessProduct
    errors: bool = option(
        False, doc="Whether asymmetric errors and upper limits are computed, which is slow."
    )

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> ExcessProduct:
        """Estimate the excess over the background within the correlation radius.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        fit : FitResult or None
            Result of the fit, None if nothing was fitted; not used.

        Returns
        -------
        ExcessProduct
            The maps.

        Raises
        ------
        ModelError
            If there is no map dataset, the map datasets cannot be summed, or one of them has no
            background or exposure.
        """
        optional_maps = ["errn-errp", "ul"] if self.errors else []
        return ExcessProduct(self.label, self.excess_maps(datasets, optional_maps))

    def write_script(self, script: Script) -> None:
        """Write a call to gammapy's `ExcessMapEstimator`.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            If there is not exactly one map dataset.
        """
        self.write_excess_maps(script, ["errn-errp", "ul"] if self.errors else [])
