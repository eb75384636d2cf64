"""Estimator `excess-map`: excess counts, fluxes and their significance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.checks import without_off_counts
from skyred.components.estimators.flux_maps import FluxMapsProduct, MapEstimator
from skyred.components.estimators.flux_options import (
    n_sigma_option,
    n_sigma_sensitivity_option,
    n_sigma_ul_option,
)
from skyred.components.estimators.scripted import (
    energy_edges_argument,
    non_default_arguments,
    write_map,
    write_maps,
    write_without_sources,
)
from skyred.components.models.scripted import ModelWriter
from skyred.components.models.spec import build_submodel, is_norm, submodel_problems
from skyred.errors import ModelError, Problem
from skyred.fields import option, quantity
from skyred.interfaces import Chain, component, value
from skyred.likelihood.mosaic import Mosaic, select_maps
from skyred.products.plotting import SEQUENTIAL, draw_map, format_energy_range
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.estimators import ExcessMapEstimator, FluxMaps
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script

ON_OFF_COLUMNS = ("alpha", "acceptance_on", "acceptance_off")
OPTIONAL_COLUMNS = ("errn-errp", "ul", "sensitivity", *ON_OFF_COLUMNS)
ADVICE = "remove them, or create off counts with a background maker such as ring"
# options that are arguments of gammapy's estimator
SAME_OPTIONS = (
    "sum_over_energy_groups",
    "n_sigma",
    "n_sigma_ul",
    "n_sigma_sensitivity",
    "apply_threshold_sensitivity",
    "gamma_min_sensitivity",
    "bkg_syst_fraction_sensitivity",
)


@attrs.define(eq=False)
class ExcessProduct(FluxMapsProduct):
    """Maps of counts, excess, flux and significance within a correlation radius."""

    significance_label = "Significance of the excess [σ]"

    def plot_functions(self) -> dict[str, Callable[[], Axes]]:
        """Return the functions that draw the significance, excess counts and optional maps.

        Returns
        -------
        dict of str to callable
            Functions that draw a plot; keys are appended to the name of the product.
        """
        return {"": self.plot, "-counts": self.plot_counts, **self.optional_plots()}

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
    subtract_sources: bool = option(
        False,
        doc="Whether the fitted sources are subtracted together with the background, so that the "
        "maps show residuals, as gammapy's estimator does for datasets with models.",
    )

    def excess_maps(self, datasets: Datasets) -> FluxMaps:
        """Estimate maps of the excess over the fitted background, or over all fitted models.

        The significance is that of Li & Ma (1983, ApJ 272, 317) for off counts (wstat), or that
        for a known background (Cash), both computed by gammapy's `ExcessMapEstimator`.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.

        Returns
        -------
        gammapy.estimators.FluxMaps
            The maps.

        Raises
        ------
        ModelError
            If there is no map dataset, the map datasets cannot be summed, one of them has no
            background or exposure, or the spectrum is negative at some energies.
        """
        mosaic = Mosaic.from_datasets(select_maps(datasets), self.subtract_sources)
        estimator = self.gammapy_estimator()
        exposure = mosaic.reco_exposure(estimator.spectral_model)
        if np.nanmin(exposure.data) < 0:
            raise ModelError(
                "the spectrum that converts counts to fluxes is negative at some energies; "
                "expected a positive spectrum (spectral: ...)"
            )
        return mosaic.estimate_excess(estimator, self.energy_edges, exposure)

    def gammapy_estimator(self) -> ExcessMapEstimator:
        """Return gammapy's estimator with the options, except the energy edges.

        Returns
        -------
        gammapy.estimators.ExcessMapEstimator
            The estimator.
        """
        from gammapy.estimators import ExcessMapEstimator

        return ExcessMapEstimator(
            self.correlation_radius,
            selection_optional=[],
            correlate_off=self.correlate_off,
            sum_over_energy_groups=True,
        )

    def write_excess_maps(self, script: Script, arguments: Sequence[str] = ()) -> None:
        """Write code that estimates ``maps``, and writes and draws them.

        Parameters
        ----------
        script : Script
            The script to add code to.
        arguments : sequence of str
            Further arguments of gammapy's `ExcessMapEstimator`, as code.

        Raises
        ------
        ExportError
            If there is not exactly one map dataset.
        """
        script.use("gammapy.estimators", "ExcessMapEstimator")
        name = write_map(script)
        if not self.subtract_sources:
            write_without_sources(script, name)
        options = [script.quantity(self.correlation_radius)]
        if self.energy_edges is None and not self.gammapy_estimator().sum_over_energy_groups:
            # gammapy's option has no effect: it always uses one bin
            options.append('energy_edges=dataset.counts.geom.axes["energy"].edges')
        options += energy_edges_argument(script, self.label, self.energy_edges)
        options += arguments
        options += non_default_arguments(self, "correlate_off")
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
    old_names = MappingProxyType({"errors": "columns"})  # a boolean for errn-errp and ul
    columns: tuple[str, ...] = option(
        (),
        choices=OPTIONAL_COLUMNS,
        many=True,
        doc="Optional maps: asymmetric errors, upper limit, sensitivity (each needs a root search "
        "in each pixel, which is slow); for off counts also alpha and the acceptances.",
    )
    spectral: Mapping[str, Any] = option(
        {"type": "pl", "index": 2.0},
        type=dict,
        doc="Spectrum that converts counts to fluxes; the amplitude is ignored.",
    )
    sum_over_energy_groups: bool = option(
        True,
        doc="Without energy_edges: whether the maps are in one bin of the whole energy axis, and "
        "not in each of its bins; gammapy documents false as each bin, but always uses one.",
    )
    n_sigma: float = n_sigma_option()
    n_sigma_ul: float = n_sigma_ul_option()
    n_sigma_sensitivity: float = n_sigma_sensitivity_option()
    apply_threshold_sensitivity: bool = option(
        False,
        doc="Whether gamma_min_sensitivity and bkg_syst_fraction_sensitivity are lower limits of "
        "the sensitivity.",
    )
    gamma_min_sensitivity: float = option(
        10.0, min=0.0, doc="Minimum excess counts of the sensitivity."
    )
    bkg_syst_fraction_sensitivity: float = option(
        0.05,
        min=0.0,
        doc="Minimum ratio of the excess of the sensitivity to the background, which gammapy takes "
        "from the central pixel, not from the whole disk.",
    )

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the maps, the energy edges, the spectrum and the columns.

        Parameters
        ----------
        pipeline : Chain
            The pipeline, with its data entries and models.

        Yields
        ------
        Problem
            A problem, with the option and the reason.
        """
        yield from super().check(pipeline)
        yield from submodel_problems("spectral", self.spectral)
        if is_norm(self.spectral):
            yield Problem(
                ("spectral", "type"),
                f"a spectrum of the type {self.spectral['type']} is a factor, not a flux",
                "expected a spectrum in units of flux, such as pl, lp or ecpl",
            )
        if self._on_off_columns and without_off_counts(pipeline):
            yield Problem(("columns",), self._needs_off_counts, ADVICE)

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
            If there is no map dataset, the map datasets cannot be summed, one of them has no
            background or exposure, the spectrum is negative at some energies, or a column needs
            off counts that a dataset does not have.
        """
        if self._on_off_columns and select_maps(datasets)[0].stat_type != "wstat":
            raise ModelError(f"{self._needs_off_counts}; {ADVICE}")
        return ExcessProduct(self.label, self.excess_maps(datasets))

    def gammapy_estimator(self) -> ExcessMapEstimator:
        """Return gammapy's estimator with all options, except the energy edges.

        Returns
        -------
        gammapy.estimators.ExcessMapEstimator
            The estimator.
        """
        from gammapy.estimators import ExcessMapEstimator

        return ExcessMapEstimator(
            self.correlation_radius,
            selection_optional=list(self.columns),
            correlate_off=self.correlate_off,
            spectral_model=build_submodel("spectral", self.spectral),
            **{name: getattr(self, name) for name in SAME_OPTIONS},
        )

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
        arguments = [f"selection_optional={literal(self.columns)}"]
        if not self._is_default("spectral", self.spectral):
            writer = ModelWriter(script, script.body)
            spectral = build_submodel("spectral", self.spectral)
            arguments.append(f"spectral_model={writer.write_submodel(spectral, 'spectral')}")
        names = [name for name in SAME_OPTIONS if name != "sum_over_energy_groups"]
        self.write_excess_maps(script, [*arguments, *non_default_arguments(self, *names)])

    @property
    def _on_off_columns(self) -> list[str]:
        """The columns that only datasets with off counts have."""
        return [name for name in self.columns if name in ON_OFF_COLUMNS]

    @property
    def _needs_off_counts(self) -> str:
        """The error if the data have no off counts."""
        return f"{', '.join(self._on_off_columns)} need off counts, which the data do not have"
