"""Estimator `residuals`: a significance map and a spectrum of the residual counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.checks import map_problems, region_problems
from skyred.components.estimators.scripted import write_map, write_maps
from skyred.errors import Problem
from skyred.fields import Regions, quantity, regions
from skyred.interfaces import Chain, Estimator, Product, component
from skyred.io import map_files
from skyred.likelihood.correlated_significance import estimate_sqrt_ts
from skyred.likelihood.mosaic import Mosaic, select_maps
from skyred.products.plotting import DIVERGING, create_axes, draw_significance_image, draw_slider

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets, MapDataset
    from gammapy.maps import Maps, WcsNDMap
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script

STYLE: dict[str, Any] = {"cmap": DIVERGING, "vmin": -5, "vmax": 5, "interpolation": "none"}


@attrs.define(eq=False)
class ResidualsProduct(Product):
    """Residuals of a model.

    Parameters
    ----------
    maps : gammapy.maps.Maps
        Images: ``counts``, ``npred``, ``residuals`` (counts - npred) and ``sqrt_ts`` (significance
        of the residuals within the correlation radius, in sigma).
    by_energy : gammapy.maps.WcsNDMap
        ``sqrt_ts`` in each energy bin.
    spectrum : astropy.table.Table
        Counts, npred, residuals and their significance in the region, one row per energy bin.
    """

    maps: Maps
    by_energy: WcsNDMap
    spectrum: Table

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits`` (the images), ``NAME.by-energy.fits`` and ``NAME.ecsv``.

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
        cube_fits = folder / f"{self.name}.by-energy.fits"
        map_files.write_maps(fits, self.maps)
        map_files.write_map(cube_fits, self.by_energy)
        self.spectrum.write(ecsv, format="ascii.ecsv", overwrite=True)
        return [fits, cube_fits, ecsv]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read the files that `write` creates.

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
        ResidualsProduct
            The residuals.
        """
        from astropy.table import Table
        from gammapy.maps import Map, Maps

        maps = Maps.read(folder / f"{name}.fits")
        by_energy = Map.read(folder / f"{name}.by-energy.fits")
        spectrum = Table.read(folder / f"{name}.ecsv", format="ascii.ecsv")
        return cls(name, maps, by_energy, spectrum)

    def table(self) -> Table:
        """Return the residual spectrum.

        Returns
        -------
        astropy.table.Table
            One row per energy bin.
        """
        return self.spectrum

    def plot_functions(self) -> dict[str, Callable[[], Axes]]:
        """Return the functions that draw the significance map and the spectrum.

        Returns
        -------
        dict of str to callable
            Functions that draw a plot; keys are appended to the name of the product.
        """
        return {"": self.plot, "-spectrum": self.plot_spectrum}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the residual significance map, from -5 to 5 sigma.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        image = self.maps["sqrt_ts"].sum_over_axes(keepdims=False)
        return draw_significance_image(image, ax, self._label, STYLE["vmax"])

    def plot_interactive(self) -> None:
        """Draw the residual significance map of an energy bin, with a slider for the bin.

        Raises
        ------
        ModuleNotFoundError
            If ipywidgets is missing; install it with ``pip install skyred[notebook]``.
        """
        draw_slider(self.by_energy, self._label, **STYLE)

    @property
    def _label(self) -> str:
        """Label of the significance, with the correlation radius."""
        return f"Residual significance [σ] ({self.spectrum.meta['correlation_radius']})"

    def plot_spectrum(self, ax: Axes | None = None) -> Axes:
        """Draw the residuals in the region, in units of sqrt(npred), against energy.

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
            ax = create_axes(6.4, 4.0)
        low, high = (self.spectrum[name].quantity.to_value("TeV") for name in ("e_min", "e_max"))
        center = np.sqrt(low * high)
        scale = np.sqrt(np.maximum(self.spectrum["npred"], 1e-12))
        pulls = np.asarray(self.spectrum["residuals"]) / scale
        errors = np.sqrt(np.maximum(self.spectrum["counts"], 1)) / scale
        ax.errorbar(center, pulls, yerr=errors, xerr=[center - low, high - center], fmt="o",
                    color="black")  # fmt: skip
        ax.axhline(0, color="tab:blue", linewidth=1)
        ax.set_xscale("log")
        limit = 1.1 * max(3.0, float(np.max(np.abs(pulls) + errors)))
        ax.set_ylim(-limit, limit)
        ax.set_xlabel("Reconstructed energy [TeV]")
        ax.set_ylabel("(counts - npred) / √npred")
        ax.set_title(f"Residuals in {self.spectrum.meta['region']}", fontsize="medium",
                     parse_math=False)  # fmt: skip
        return ax


@component
class Residuals(Estimator):
    """Residual counts after subtraction of the model: a significance map and a spectrum."""

    kind = "residuals"
    product = ResidualsProduct
    correlation_radius: u.Quantity = quantity(
        "0.1 deg", min="1e-3 deg", doc="Radius of the disk over which counts are summed."
    )
    region: Regions = regions((), doc="Region of the residual spectrum; by default the whole map.")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the region, and with data without maps.

        Parameters
        ----------
        pipeline : Chain
            The pipeline, with its data entries and models.

        Yields
        ------
        Problem
            A problem, with the option and the reason.
        """
        yield from map_problems(pipeline)
        if self.region.masks:
            yield Problem(
                ("region",),
                f"{self.region.masks[0]!r} is a mask map",
                "expected regions, as DS9 strings or in a .reg file",
            )
            return
        yield from region_problems("region", self.region, pipeline)

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> ResidualsProduct:
        """Compare the summed counts with the summed predictions of the datasets.

        The significance is that for a known background (Cash statistic), here the prediction of all
        models, or that of Li & Ma (1983, ApJ 272, 317) for off counts (wstat), which is computed by
        gammapy's `ExcessMapEstimator`.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        fit : FitResult or None
            Result of the fit, None if nothing was fitted; not used.

        Returns
        -------
        ResidualsProduct
            The residual maps and the residual spectrum.

        Raises
        ------
        ModelError
            If there is no map dataset, or the map datasets cannot be summed.
        """
        from gammapy.maps import Map, Maps

        mosaic = Mosaic.from_datasets(select_maps(datasets), include_sources=True)
        counts = _sum_over_energy(mosaic.total.counts, mosaic.total)
        npred = _sum_over_energy(mosaic.npred, mosaic.total)
        sqrt_ts = Map.from_geom(
            counts.geom,
            data=estimate_sqrt_ts(mosaic, self.correlation_radius, by_energy=False).data,
        )
        maps = Maps(counts=counts, npred=npred, residuals=counts - npred, sqrt_ts=sqrt_ts)
        by_energy = estimate_sqrt_ts(mosaic, self.correlation_radius, by_energy=True)
        return ResidualsProduct(self.label, maps, by_energy, self._create_spectrum(mosaic))

    def write_script(self, script: Script) -> None:
        """Write code that calls gammapy's `ExcessMapEstimator` and sums the counts in the region.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            If there is not exactly one map dataset.
        """
        script.use("gammapy.estimators", "ExcessMapEstimator")
        script.use("astropy.table", "QTable")
        write_map(script)
        script.body.add(
            "# the counts are compared with the prediction of all models",
            f"estimator = ExcessMapEstimator({script.quantity(self.correlation_radius)})",
            "maps = estimator.run(dataset)",
        )
        write_maps(script, self.label)
        mask = "dataset.mask"
        if self.region:
            # not in place, which would change the mask of the dataset
            region = script.regions(f"{self.label}_REGION", self.region)
            mask += f" & dataset.counts.geom.region_mask({region})"
        script.body.add("", f"mask = {mask}")
        script.body.add(
            'energy = dataset.counts.geom.axes["energy"]',
            "counts = (dataset.counts.data * mask.data).sum(axis=(1, 2))",
            "npred = (dataset.npred().data * mask.data).sum(axis=(1, 2))",
            "table = QTable([energy.edges_min, energy.edges_max, counts, npred, counts - npred], "
            'names=["e_min", "e_max", "counts", "npred", "residuals"])',
            "print(table)",
            f'table.write(folder / "{self.label}.ecsv", overwrite=True)',
        )

    def _create_spectrum(self, mosaic: Mosaic) -> Any:
        """Create the table of the residual spectrum in the region."""
        from astropy.table import Table

        geom, total = mosaic.geom, mosaic.total
        regions = self.region.build()
        mask = total.mask_safe.data
        if regions:
            mask = mask & geom.to_image().region_mask(regions).data[None]
        counts = np.where(mask, total.counts.data, 0).sum(axis=(1, 2))
        npred = np.where(mask, mosaic.npred.data, 0).sum(axis=(1, 2))
        edges = geom.axes["energy"].edges.to("TeV")
        table = Table({"e_min": edges[:-1], "e_max": edges[1:], "counts": counts.astype(int),
                       "npred": npred, "residuals": counts - npred,
                       "sqrt_ts": _compute_sqrt_ts(mosaic, mask)})  # fmt: skip
        table.meta["region"] = "; ".join(self.region.sources) or "the whole map"
        table.meta["correlation_radius"] = str(self.correlation_radius)
        return table


def _sum_over_energy(cube: Any, total: MapDataset) -> Any:
    """Sum a map over energy, inside the mask."""
    return (cube * total.mask_safe).sum_over_axes(keepdims=True)


def _compute_sqrt_ts(mosaic: Mosaic, mask: Any) -> Any:
    """Compute the significance of the residuals in a mask, in sigma, shape (energy bins,)."""
    from gammapy.stats import CashCountsStatistic, WStatCountsStatistic

    def sum_in_mask(cube: Any) -> Any:
        return np.where(mask, cube.data, 0).sum(axis=(1, 2))

    counts, total = sum_in_mask(mosaic.total.counts), mosaic.total
    if total.stat_type == "cash":
        return CashCountsStatistic(counts, sum_in_mask(mosaic.npred)).sqrt_ts
    counts_off = sum_in_mask(total.counts_off)
    signal = 0.0 if mosaic.signal is None else sum_in_mask(mosaic.signal)
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = sum_in_mask(total.background) / counts_off
    return WStatCountsStatistic(counts, counts_off, alpha, signal).sqrt_ts
