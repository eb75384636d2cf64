"""The estimator `residuals`: what the model leaves, as a significance map and as a spectrum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.defaults.gammapy.estimators.drawing import DIVERGING, draw_map
from skyred.defaults.gammapy.estimators.mosaic import choose, mosaic
from skyred.errors import FieldError, Problem
from skyred.fields import Regions, option, quantity, regions
from skyred.interfaces import Estimator, Product, component

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets, MapDataset
    from gammapy.maps import Maps
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes

    from skyred.records import FitResult


@attrs.define(eq=False)
class ResidualsProduct(Product):
    """Residuals of a model.

    Parameters
    ----------
    maps : gammapy.maps.Maps
        Images: ``counts``, ``npred``, ``residuals`` (their difference) and ``sqrt_ts`` (its
        significance within the correlation radius, in sigma).
    spectrum : Table
        Energy bins with counts, npred, residuals and their significance, in the region.
    """

    maps: Maps
    spectrum: Table

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits`` (the images) and ``NAME.ecsv`` (the spectrum)."""
        fits, ecsv = folder / f"{self.name}.fits", folder / f"{self.name}.ecsv"
        self.maps.write(fits, overwrite=True)
        self.spectrum.write(ecsv, format="ascii.ecsv", overwrite=True)
        return [fits, ecsv]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read both files."""
        from astropy.table import Table
        from gammapy.maps import Maps

        spectrum = Table.read(folder / f"{name}.ecsv", format="ascii.ecsv")
        return cls(name, Maps.read(folder / f"{name}.fits"), spectrum)

    def table(self) -> Table:
        """Give the residual spectrum."""
        return self.spectrum

    def pictures(self) -> dict[str, Callable[[], Axes]]:
        """Name its two pictures."""
        return {"": self.plot, "-spectrum": self.plot_spectrum}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the residual significance map, from -5 to 5 sigma."""
        label = f"Residual significance [$\\sigma$] ({self.spectrum.meta['correlation_radius']})"
        return draw_map(
            self.maps["sqrt_ts"].sum_over_axes(keepdims=False),
            ax,
            label,
            cmap=DIVERGING,
            vmin=-5,
            vmax=5,
            interpolation="none",
        )

    def plot_spectrum(self, ax: Axes | None = None) -> Axes:
        """Draw residuals over the square root of the prediction, by energy, in the region."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
        low, high = (self.spectrum[name].quantity.to_value("TeV") for name in ("e_min", "e_max"))
        center = np.sqrt(low * high)
        scale = np.sqrt(np.maximum(self.spectrum["npred"], 1e-12))
        pull = np.asarray(self.spectrum["residuals"]) / scale
        error = np.sqrt(np.maximum(self.spectrum["counts"], 1)) / scale
        ax.errorbar(center, pull, yerr=error, xerr=[center - low, high - center], fmt="o",
                    color="black")  # fmt: skip
        ax.axhline(0, color="tab:blue", linewidth=1)
        ax.set_xscale("log")
        limit = 1.1 * max(3.0, float(np.max(np.abs(pull) + error)))
        ax.set_ylim(-limit, limit)
        ax.set_xlabel("Reconstructed energy [TeV]")
        ax.set_ylabel(r"(counts - npred) / $\sqrt{\mathrm{npred}}$")
        ax.set_title(f"Residuals in {self.spectrum.meta['region']}", fontsize="medium")
        return ax


@component
class Residuals(Estimator):
    """What the model leaves of the counts: a significance map and a spectrum in a region."""

    kind = "residuals"
    product = ResidualsProduct
    correlation_radius: u.Quantity = quantity(
        "0.1 deg", min="1e-3 deg", doc="Radius of the disk that counts are summed over."
    )
    region: Regions = regions(
        (), doc="Where the residual spectrum is taken; the whole map if left out."
    )
    datasets: tuple[str, ...] = option(
        (), type=str, many=True, doc="Names of the datasets (with wildcards); all maps if left out."
    )

    def check_deeply(self) -> Iterable[Problem]:
        """The region must be one."""
        try:
            self.region.build()
        except (FieldError, OSError) as error:
            yield Problem(("region",), str(error))

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> ResidualsProduct:
        """Sum counts and predictions of the datasets, and compare them.

        The significance is that of Li & Ma (1983) for a known background (Cash statistic), by
        gammapy's `ExcessMapEstimator`, with the whole prediction as background.
        """
        from gammapy.estimators import ExcessMapEstimator
        from gammapy.maps import Map, Maps

        chosen = choose(datasets, self.datasets)
        total = mosaic(chosen, [dataset.npred() for dataset in chosen])
        estimator = ExcessMapEstimator(
            self.correlation_radius, selection_optional=[], sum_over_energy_groups=True
        )
        significance = estimator.run(total).sqrt_ts
        counts = _image(total.counts, total)
        npred = _image(total.background, total)
        sqrt_ts = Map.from_geom(counts.geom, data=significance.data)
        maps = Maps(counts=counts, npred=npred, residuals=counts - npred, sqrt_ts=sqrt_ts)
        return ResidualsProduct(self.label, maps, self._spectrum(total))

    def _spectrum(self, total: MapDataset) -> Any:
        from astropy.table import Table

        geom = total.counts.geom
        regions = self.region.build()
        inside = total.mask_safe.data
        if regions:
            inside = inside & geom.to_image().region_mask(regions).data[None]
        counts = np.where(inside, total.counts.data, 0).sum(axis=(1, 2))
        npred = np.where(inside, total.background.data, 0).sum(axis=(1, 2))
        edges = geom.axes["energy"].edges.to("TeV")
        table = Table({"e_min": edges[:-1], "e_max": edges[1:], "counts": counts.astype(int),
                       "npred": npred, "residuals": counts - npred,
                       "sqrt_ts": _sqrt_ts(counts, npred)})  # fmt: skip
        table.meta["region"] = "; ".join(self.region.sources) or "the whole map"
        table.meta["correlation_radius"] = str(self.correlation_radius)
        return table


def _image(cube: Any, total: MapDataset) -> Any:
    return (cube * total.mask_safe).sum_over_axes(keepdims=True)


def _sqrt_ts(counts: Any, npred: Any) -> Any:
    from gammapy.stats import CashCountsStatistic

    return CashCountsStatistic(counts, npred).sqrt_ts
