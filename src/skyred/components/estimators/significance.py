"""The estimator `significance-map`: where counts exceed the background, and how they scatter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from skyred.components.estimators.excess import CorrelatedMapEstimator
from skyred.components.estimators.flux_maps import FluxMapsProduct
from skyred.components.makers.scripted import write_exclusion
from skyred.errors import Problem
from skyred.fields import Regions, exclusion
from skyred.interfaces import Chain, component
from skyred.products.flux_io import read_maps
from skyred.products.plotting import energy_text

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

LOWEST, HIGHEST, WIDTH = -5.0, 8.0, 0.2  # of the distribution, in sigma
COLUMNS = {
    "pixels": "Number of pixels outside the exclusion",
    "mean": "Mean of their significances: 0 if the background is right",
    "sigma": "Standard deviation of their significances: 1 if the background is right",
}


@attrs.define(eq=False)
class SignificanceProduct(FluxMapsProduct):
    """Maps of significance, with its distribution where no source is.

    Parameters
    ----------
    outside : WcsNDMap
        Image that is True where no source is.
    """

    outside: WcsNDMap
    meaning = r"Significance (Li & Ma) [$\sigma$]"

    def write(self, folder: Path) -> list[Path]:
        """Write maps (``NAME.fits``, ``NAME.yaml``), ``NAME.outside.fits`` and ``NAME.ecsv``."""
        outside, ecsv = folder / f"{self.name}.outside.fits", folder / f"{self.name}.ecsv"
        self.outside.write(outside, overwrite=True)
        self.table().write(ecsv, format="ascii.ecsv", overwrite=True)
        return [*super().write(folder), outside, ecsv]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read the maps."""
        from gammapy.maps import Map

        outside = Map.read(folder / f"{name}.outside.fits")
        outside.data = outside.data.astype(bool)
        return cls(name, read_maps(folder / f"{name}.fits"), outside)

    def distribution(self, plane: WcsNDMap) -> Array:
        """Give the significances outside the exclusion, of one energy bin."""
        values = plane.data[0][self.outside.data]
        return np.asarray(values[np.isfinite(values)])

    def table(self) -> Table:
        """Give a row for each energy bin: mean and width of the distribution, and the highest."""
        table = super().table()
        each = [self.distribution(plane) for plane in self.planes]
        found = {
            "pixels": [len(values) for values in each],
            # the maximum-likelihood fit of a Gaussian
            "mean": [values.mean() if len(values) else np.nan for values in each],
            "sigma": [values.std() if len(values) else np.nan for values in each],
        }
        for index, (name, column) in enumerate(found.items()):
            table.add_column(column, name=name, index=2 + index)
            table[name].description = COLUMNS[name]
        return table

    def pictures(self) -> dict[str, Callable[[], Axes]]:
        """Name its two pictures."""
        return {"": self.plot, "-distribution": self.plot_distribution}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the significance, and around what is excluded a line."""
        ax = super().plot(ax)
        if not self.outside.data.all():
            ax.contour(self.outside.data, levels=[0.5], colors="black", linewidths=1)
        return ax

    def plot_distribution(self, ax: Axes | None = None) -> Axes:
        """Draw how the significances are distributed, in the energy bin where one is highest."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
        plane = self.strongest
        everywhere, outside = plane.data[np.isfinite(plane.data)], self.distribution(plane)
        bins = list(np.arange(LOWEST, HIGHEST + WIDTH / 2, WIDTH))
        clipped = np.clip(everywhere, LOWEST, HIGHEST)
        ax.hist(clipped, bins, color="0.8", label="all pixels (last bin: and above)")
        ax.hist(outside, bins, histtype="step", color="black", label="outside the exclusion")
        _draw_gauss(ax, len(outside), 0, 1, color="tab:orange", linestyle="--",
                    label="expected: mean 0, width 1")  # fmt: skip
        if len(outside):
            mean, sigma = outside.mean(), outside.std()
            _draw_gauss(ax, len(outside), mean, sigma, color="tab:blue",
                        label=f"found: mean {mean:.2f}, width {sigma:.2f}")  # fmt: skip
        ax.set_yscale("log")
        ax.set_ylim(bottom=0.5)
        ax.set_xlabel(r"Significance [$\sigma$]")
        ax.set_ylabel(f"Pixels per {WIDTH} $\\sigma$")
        ax.set_title(energy_text(plane.geom.axes["energy"].edges))
        ax.legend(fontsize="small")
        return ax


def _draw_gauss(ax: Axes, total: int, mean: float, sigma: float, **style: Any) -> None:
    from scipy.stats import norm

    x = np.linspace(LOWEST, HIGHEST, 400)
    ax.plot(x, total * WIDTH * norm.pdf(x, mean, sigma), **style)


@component
class SignificanceMap(CorrelatedMapEstimator):
    """Significance of counts over the background (Li & Ma), and its distribution off sources."""

    kind = "significance-map"
    product = SignificanceProduct
    exclude: Regions = exclusion()

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems of the maps, the energy edges and the exclusion."""
        yield from super().check(pipeline)
        yield from self.exclude.problems("exclude")

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> SignificanceProduct:
        """Sum counts, and compare them with the background."""
        maps = self.excess_maps(datasets)
        return SignificanceProduct(self.label, maps, self.exclude.outside(maps.geom.to_image()))

    def write_script(self, script: Script) -> None:
        """Run gammapy's estimator; print how significances scatter outside the exclusion."""
        self.write_maps_of(script)
        script.use("numpy as np")
        script.body.add("known = np.isfinite(maps.sqrt_ts.data)")
        if self.exclude:
            mask = write_exclusion(script, self.exclude, "maps.geom")
            script.body.add(f"known &= {mask}.data")
        script.body.add(
            "outside = maps.sqrt_ts.data[known]",
            'print(f"significances: mean {outside.mean():.2f}, width {outside.std():.2f}")',
        )
