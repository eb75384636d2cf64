"""Estimator `significance-map`: significance of the excess, and its distribution."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from skyred.components.estimators.checks import region_problems
from skyred.components.estimators.excess import CorrelatedMapEstimator
from skyred.components.estimators.flux_maps import FluxMapsProduct
from skyred.components.makers.scripted import write_exclusion
from skyred.errors import Problem
from skyred.fields import Regions, exclusion
from skyred.interfaces import Chain, component
from skyred.io.map_files import write_map
from skyred.products.flux_io import read_maps
from skyred.products.plotting import create_axes, format_energy_range

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.maps import WcsNDMap
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script

    Array = NDArray[np.float64]

LOWEST, HIGHEST, BIN_WIDTH = -5.0, 8.0, 0.2  # range and bins of the distribution, in sigma
COLUMNS = {
    "pixels": "Number of pixels with a finite significance outside the exclusion regions",
    "mean": "Mean significance outside the exclusion regions; expected: 0",
    "sigma": "Standard deviation of the significance outside the exclusion regions; expected: 1",
}


@attrs.define(eq=False)
class SignificanceProduct(FluxMapsProduct):
    """Maps of the significance, with its distribution outside the exclusion regions.

    Parameters
    ----------
    mask_outside : gammapy.maps.WcsNDMap
        Image that is true outside the exclusion regions.
    """

    mask_outside: WcsNDMap
    significance_label = "Significance of the excess [σ]"

    def write(self, folder: Path) -> list[Path]:
        """Write maps (``NAME.fits``, ``NAME.yaml``), ``NAME.outside.fits`` and ``NAME.ecsv``.

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.

        Returns
        -------
        list of pathlib.Path
            The files written.
        """
        mask_path, ecsv = folder / f"{self.name}.outside.fits", folder / f"{self.name}.ecsv"
        write_map(mask_path, self.mask_outside)
        self.table().write(ecsv, format="ascii.ecsv", overwrite=True)
        return [*super().write(folder), mask_path, ecsv]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read the maps and the mask.

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
        SignificanceProduct
            The maps.
        """
        from gammapy.maps import Map

        mask_outside = Map.read(folder / f"{name}.outside.fits")
        mask_outside.data = mask_outside.data.astype(bool)
        return cls(name, read_maps(folder / f"{name}.fits"), mask_outside)

    def distribution(self, plane: WcsNDMap) -> Array:
        """Return the finite significances outside the exclusion regions, in one energy bin.

        Parameters
        ----------
        plane : gammapy.maps.WcsNDMap
            The significance in one energy bin.

        Returns
        -------
        array
            The significances in sigma, shape (pixels,).
        """
        values = plane.data[0][self.mask_outside.data]
        return np.asarray(values[np.isfinite(values)])

    def table(self) -> Table:
        """Return the highest significance, and mean and width of the distribution.

        Returns
        -------
        astropy.table.Table
            One row per energy bin.
        """
        table = super().table()
        distributions = [self.distribution(plane) for plane in self.planes]
        columns = {
            "pixels": [len(values) for values in distributions],
            # maximum-likelihood estimates for a Gaussian
            "mean": [values.mean() if len(values) else np.nan for values in distributions],
            "sigma": [values.std() if len(values) else np.nan for values in distributions],
        }
        for index, (name, column) in enumerate(columns.items()):
            table.add_column(column, name=name, index=2 + index)
            table[name].description = COLUMNS[name]
        return table

    def plot_functions(self) -> dict[str, Callable[[], Axes]]:
        """Return the functions that draw the significance map and the distribution.

        Returns
        -------
        dict of str to callable
            Functions that draw a plot; keys are appended to the name of the product.
        """
        return {"": self.plot, "-distribution": self.plot_distribution}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the significance, with the outline of the exclusion regions.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        ax = super().plot(ax)
        if not self.mask_outside.data.all():
            ax.contour(self.mask_outside.data, levels=[0.5], colors="black", linewidths=1)
        return ax

    def plot_distribution(self, ax: Axes | None = None) -> Axes:
        """Draw the distribution for the energy bin with the highest significance.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        if ax is None:
            ax = create_axes(6.4, 4.4)
        plane = self.strongest_plane
        values, values_outside = plane.data[np.isfinite(plane.data)], self.distribution(plane)
        bins = list(np.arange(LOWEST, HIGHEST + BIN_WIDTH / 2, BIN_WIDTH))
        clipped_values = np.clip(values, LOWEST, HIGHEST)
        ax.hist(clipped_values, bins, color="0.8", label="all pixels (outer bins: overflow)")
        ax.hist(
            values_outside,
            bins,
            histtype="step",
            color="black",
            label="outside the exclusion regions",
        )
        _draw_gaussian(ax, len(values_outside), 0, 1, color="tab:orange", linestyle="--",
                    label="expected: mean 0, width 1")  # fmt: skip
        if len(values_outside):
            mean, sigma = values_outside.mean(), values_outside.std()
            _draw_gaussian(ax, len(values_outside), mean, sigma, color="tab:blue",
                        label=f"measured: mean {mean:.2f}, width {sigma:.2f}")  # fmt: skip
        ax.set_yscale("log")
        ax.set_ylim(bottom=0.5)
        ax.set_xlabel("Significance [σ]")
        ax.set_ylabel(f"Pixels per {BIN_WIDTH} σ")
        ax.set_title(format_energy_range(plane.geom.axes["energy"].edges))
        ax.legend(fontsize="small")
        return ax


def _draw_gaussian(ax: Axes, n_pixels: int, mean: float, sigma: float, **style: Any) -> None:
    """Draw a Gaussian, scaled to a number of pixels."""
    from scipy.stats import norm

    x = np.linspace(LOWEST, HIGHEST, 400)
    ax.plot(x, n_pixels * BIN_WIDTH * norm.pdf(x, mean, sigma), **style)


@component
class SignificanceMap(CorrelatedMapEstimator):
    """Significance of the excess, and its distribution outside the exclusion regions.

    The significance is that of Li & Ma for off counts, and that for a known background (Cash) for
    other data.
    """

    kind = "significance-map"
    product = SignificanceProduct
    exclude: Regions = exclusion()

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the maps, the energy edges and the exclusion regions.

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
        yield from region_problems("exclude", self.exclude, pipeline)

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> SignificanceProduct:
        """Estimate the significance of the excess over the background.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        fit : FitResult or None
            Result of the fit, None if nothing was fitted; not used.

        Returns
        -------
        SignificanceProduct
            The maps.

        Raises
        ------
        ModelError
            If there is no map dataset, the map datasets cannot be summed, or one of them has no
            background or exposure.
        """
        maps = self.excess_maps(datasets)
        return SignificanceProduct(self.label, maps, self.exclude.outside(maps.geom.to_image()))

    def write_script(self, script: Script) -> None:
        """Write a call to gammapy's `ExcessMapEstimator`, and code that prints the mean and width.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            If there is not exactly one map dataset.
        """
        self.write_excess_maps(script)
        script.use("numpy as np")
        script.body.add("valid = np.isfinite(maps.sqrt_ts.data)")
        if self.exclude:
            mask = write_exclusion(script, self.exclude, "maps.geom")
            script.body.add(f"valid &= {mask}.data")
        script.body.add(
            "sqrt_ts = maps.sqrt_ts.data[valid]",
            'print(f"significances: mean {sqrt_ts.mean():.2f}, width {sqrt_ts.std():.2f}")',
        )
