"""The product of `source-extension`: tables of the test, the profile and the parameters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np

from skyred import Product

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

FILES = {"summary": "", "profile": "-profile", "parameters": "-parameters"}  # suffixes


@attrs.define(eq=False)
class ExtensionProduct(Product):
    """The test for extension of a source.

    Parameters
    ----------
    summary : Table
        One row: TS, size, errors, upper limit and position.
    profile : Table
        The profile of the statistic over the size.
    parameters : Table
        The free parameters of both hypotheses, at their best fit.
    """

    summary: Table
    profile: Table
    parameters: Table

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.ecsv``, ``NAME-profile.ecsv`` and ``NAME-parameters.ecsv``."""
        paths = []
        for attribute, suffix in FILES.items():
            path = folder / f"{self.name}{suffix}.ecsv"
            getattr(self, attribute).write(path, format="ascii.ecsv", overwrite=True)
            paths.append(path)
        return paths

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read the product from its three files."""
        from astropy.table import Table

        tables = [
            Table.read(folder / f"{name}{suffix}.ecsv", format="ascii.ecsv")
            for suffix in FILES.values()
        ]
        # empty texts are read as masked values
        return cls(name, *(table.filled("") if table.has_masked_values else table
                           for table in tables))  # fmt: skip

    def table(self) -> Table:
        """Return the row with TS, size, errors, upper limit and position."""
        return self.summary

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the rise of the statistic over the size, with best value, limit and point source."""
        import matplotlib.pyplot as plt

        ax = plt.subplots()[1] if ax is None else ax
        row, sizes = self.summary[0], np.asarray(self.profile["size"])
        ax.plot(sizes, self.profile["delta_stat"], "o-", markersize=3, label=str(row["shape"]))
        if np.isfinite(row["ts_ext"]):
            label = "point source (best)" if row["size"] == 0 else "point source"
            ax.axhline(row["ts_ext"], color="black", linestyle="--", label=label)
        if row["size"] > 0:
            ax.axvline(row["size"], color="C1", label=f"size {row['size']:.3g} deg")
            low, high = row["size"] - row["size_err"], row["size"] + row["size_err"]
            if np.isfinite([low, high]).all():
                ax.axvspan(low, high, color="C1", alpha=0.2, linewidth=0)
        if np.isfinite(row["size_ul"]):
            label = f"{self.summary.meta['confidence']:.0%} upper limit"
            ax.axvline(row["size_ul"], color="C2", linestyle=":", label=label)
        ax.set_xscale("log")
        _label_sizes(ax.xaxis, *ax.get_xlim())
        ax.set_xlabel("size [deg]")
        ax.set_ylabel("difference of the statistic")
        ax.set_title(f"{row['source']}: TS_ext = {row['ts_ext']:.1f}", parse_math=False)
        ax.set_ylim(bottom=0, top=_upper_edge(self.profile["delta_stat"], row["ts_ext"]))
        ax.legend()
        return ax


def _label_sizes(axis: Axis, low: float, high: float) -> None:
    """Label a logarithmic axis with plain numbers, also if its range is below a decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    multiples = (1, 2, 3, 5, 7) if high < 10 * low else (1, 2, 5) if high < 300 * low else (1,)
    axis.set_major_locator(LogLocator(subs=multiples))
    axis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))
    axis.set_minor_formatter(NullFormatter())


def _upper_edge(delta_stat: np.ndarray, ts_ext: float) -> float:
    """Return the upper edge of the plot, so that the minimum of the profile can be seen."""
    values = np.asarray(delta_stat)
    largest = np.nanmax(values, initial=10.0) if np.isfinite(values).any() else 10.0
    ts_ext = ts_ext if np.isfinite(ts_ext) else 0.0
    return float(1.1 * min(largest, max(30.0, 1.5 * ts_ext)))
