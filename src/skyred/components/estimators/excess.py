"""The estimator `excess-map`: counts above the background, fluxes, and how significant they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs
from astropy import units as u

from skyred.components.estimators.flux_maps import FluxMapsProduct, MapEstimator
from skyred.components.estimators.mosaic import Mosaic, select_maps
from skyred.components.estimators.scripted import (
    edges_option,
    write_map,
    write_maps,
    write_without_sources,
)
from skyred.fields import option, quantity
from skyred.interfaces import component, value
from skyred.products.plotting import SEQUENTIAL, draw_map, energy_text
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

    meaning = r"Significance of the excess [$\sigma$]"

    def pictures(self) -> dict[str, Callable[[], Axes]]:
        """Name its two pictures."""
        return {"": self.plot, "-counts": self.plot_counts}

    def plot_counts(self, ax: Axes | None = None) -> Axes:
        """Draw the excess counts within the correlation radius, of all energy bins together."""
        excess = self.maps.npred_excess.sum_over_axes(keepdims=False)
        label = "Excess within the radius [counts]"
        ax = draw_map(excess, ax, label, cmap=SEQUENTIAL, interpolation="none")
        ax.set_title(energy_text(self.maps.geom.axes["energy"].edges))
        return ax


@value
class Correlated(MapEstimator):
    """Counts over the background within a radius of each pixel: what such maps share."""

    correlation_radius: u.Quantity = quantity(
        "0.1 deg", min="1e-3 deg", doc="Radius of the disk that counts are summed over."
    )
    correlate_off: bool = option(
        True,
        doc="Whether counts off are summed over the disk too; those of a ring, which stand for "
        "many pixels already, are then counted several times.",
    )

    def excess_maps(self, datasets: Datasets, columns: Sequence[str] = ()) -> FluxMaps:
        """Estimate with gammapy's `ExcessMapEstimator`, over the (fitted) background alone.

        The significance is that of Li & Ma (1983, ApJ 272, 317): for counts off (wstat), or for a
        known background (Cash).
        """
        from gammapy.estimators import ExcessMapEstimator

        mosaic = Mosaic.of(select_maps(datasets, self.datasets), sources=False)
        estimator = ExcessMapEstimator(
            self.correlation_radius,
            selection_optional=list(columns),
            correlate_off=self.correlate_off,
        )
        exposure = mosaic.reco_exposure(estimator.spectral_model)
        return mosaic.excess(estimator, self.energy_edges, exposure)

    def write_maps_of(self, script: Script, columns: Sequence[str] = ()) -> None:
        """Write ``maps``, and their file and picture."""
        script.use("gammapy.estimators", "ExcessMapEstimator")
        write_without_sources(script, write_map(script, self.datasets))
        options = [script.quantity(self.correlation_radius)]
        options += edges_option(script, self.label, self.energy_edges)
        options.append(f"selection_optional={literal(columns)}")
        if not self.correlate_off:
            options.append("correlate_off=False")
        script.body.add(
            f"estimator = ExcessMapEstimator({', '.join(options)})",
            "maps = estimator.run(dataset)",
        )
        write_maps(script, self.label)


@component
class ExcessMap(Correlated):
    """Excess over the background within a correlation radius: counts, flux and significance."""

    kind = "excess-map"
    product = ExcessProduct
    errors: bool = option(False, doc="Whether asymmetric errors and upper limits are made (slow).")

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> ExcessProduct:
        """Sum counts, and compare them with the background."""
        columns = ["errn-errp", "ul"] if self.errors else []
        return ExcessProduct(self.label, self.excess_maps(datasets, columns))

    def write_script(self, script: Script) -> None:
        """Run gammapy's estimator."""
        self.write_maps_of(script, ["errn-errp", "ul"] if self.errors else [])
