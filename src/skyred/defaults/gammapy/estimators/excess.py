"""The estimator `excess-map`: counts above the background, and how significant they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.defaults.gammapy.estimators.checks import edge_problems, rising_problems
from skyred.defaults.gammapy.estimators.drawing import DIVERGING, draw_map, energy_text
from skyred.defaults.gammapy.estimators.mosaic import choose, mosaic, reco_exposure
from skyred.errors import Problem
from skyred.fields import option, quantity
from skyred.interfaces import Chain, Estimator, Product, component

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.estimators import FluxMaps
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes

    from skyred.records import FitResult


@attrs.define(eq=False)
class ExcessProduct(Product):
    """Maps of counts, background, excess and significance.

    Parameters
    ----------
    maps : gammapy.estimators.FluxMaps
        What gammapy's estimator gives.
    """

    maps: FluxMaps

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits``, readable by gammapy's `FluxMaps.read`."""
        path = folder / f"{self.name}.fits"
        # not by `FluxMaps.write`: it notes the absolute path of a model file, and the folder moves.
        # Without it gammapy reads the maps with its E^-2 spectrum, the one they were made with.
        self.maps.to_hdulist("flux").writeto(path, overwrite=True)
        return [path]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read the maps."""
        from gammapy.estimators import FluxMaps

        return cls(name, FluxMaps.read(folder / f"{name}.fits"))

    def table(self) -> Table:
        """Give a row for each energy bin: the highest significance and where it is."""
        from astropy.table import Table

        sqrt_ts = self.maps.sqrt_ts
        rows = []
        for plane in sqrt_ts.iter_by_image(keepdims=True):
            axis = plane.geom.axes["energy"]
            place = np.unravel_index(np.nanargmax(plane.data[0]), plane.data[0].shape)
            peak = plane.geom.to_image().pix_to_coord(place[::-1])
            rows.append((*axis.edges.to("TeV"), plane.data[0][place], *(c.to("deg") for c in peak)))
        return Table(rows=rows, names=["e_min", "e_max", "sqrt_ts_max", "lon", "lat"])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the significance, of the energy bin where it is highest."""
        planes = list(self.maps.sqrt_ts.iter_by_image(keepdims=True))
        plane = max(planes, key=lambda plane: np.nanmax(plane.data))
        image = plane.sum_over_axes(keepdims=False)
        limit = max(5.0, float(np.nanmax(np.abs(image.data))))
        ax = draw_map(
            image, ax, r"Significance of the excess [$\sigma$]", cmap=DIVERGING, vmin=-limit,
            vmax=limit, interpolation="none",
        )  # fmt: skip
        ax.set_title(energy_text(plane.geom.axes["energy"].edges))
        return ax


@component
class ExcessMap(Estimator):
    """Excess over the background within a correlation radius, with its significance."""

    kind = "excess-map"
    product = ExcessProduct
    correlation_radius: u.Quantity = quantity(
        "0.1 deg", min="1e-3 deg", doc="Radius of the disk that counts are summed over."
    )
    energy_edges: u.Quantity | None = quantity(
        None, unit="TeV", many=True, doc="Edges of the energy bins; one bin if left out."
    )
    errors: bool = option(False, doc="Whether asymmetric errors and upper limits are made (slow).")
    datasets: tuple[str, ...] = option(
        (), type=str, many=True, doc="Names of the datasets (with wildcards); all maps if left out."
    )

    def validate(self) -> Iterable[Problem]:
        """Edges rise."""
        yield from rising_problems(self.energy_edges)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """The edges must lie on the energy axes."""
        if self.energy_edges is not None:
            yield from edge_problems(self.energy_edges, pipeline)

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> ExcessProduct:
        """Estimate with gammapy's `ExcessMapEstimator`, over the (fitted) background alone."""
        from gammapy.estimators import ExcessMapEstimator
        from gammapy.maps import MapAxis

        chosen = choose(datasets, self.datasets)
        total = mosaic(chosen, [dataset.npred_background() for dataset in chosen])
        edges = self.energy_edges
        if edges is None:
            edges = total.counts.geom.axes["energy"].edges[[0, -1]]
        axis = MapAxis.from_energy_edges(edges)
        estimator = ExcessMapEstimator(
            self.correlation_radius,
            selection_optional=["errn-errp", "ul"] if self.errors else [],
        )
        exposure = reco_exposure(chosen, total.counts.geom, estimator.spectral_model)
        exposure = exposure.resample_axis(axis=axis, weights=total.mask_safe)
        rebinned = total.resample_energy_axis(energy_axis=axis, name=total.name)
        rebinned.exposure = exposure  # of a dataset without one, gammapy takes it to be 1
        return ExcessProduct(self.label, estimator.estimate_excess_map(rebinned, exposure))
