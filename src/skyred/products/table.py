"""The product of an estimator whose result is one table: the short way to an estimator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from skyred.interfaces.product import Product

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes


BESIDE = ("_err", "_errn", "_errp", "_max")  # of columns that belong to another one


@attrs.define(eq=False)
class TableProduct(Product):
    """A table of plain columns, each with its unit.

    It draws the first column of numbers behind the first column against the first one, with a
    column called like it and ``_err`` as its errors. Errors and upper edges (``_err``, ``_max``)
    are not what is drawn; energies are drawn on a logarithmic axis.

    Parameters
    ----------
    name : str
        The estimate's name; its file is called after it.
    value : `~astropy.table.Table`
        The table, a row for each thing that was measured.
    """

    value: Table

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.ecsv``: units, descriptions and metadata survive."""
        path = folder / f"{self.name}.ecsv"
        self.value.write(path, format="ascii.ecsv", overwrite=True)
        return [path]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read ``NAME.ecsv``."""
        from astropy.table import Table

        return cls(name, Table.read(folder / f"{name}.ecsv", format="ascii.ecsv"))

    def table(self) -> Table:
        """Give the table."""
        return self.value

    def pictures(self) -> dict[str, Callable[[], Axes]]:
        """Name its picture, if there is a column that can be drawn."""
        return {"": self.plot} if self._drawn() else {}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw one column against the first.

        Raises
        ------
        TypeError
            If there is no second column of numbers.
        """
        import matplotlib.pyplot as plt

        drawn = self._drawn()
        if drawn is None:
            raise TypeError(f"{self.name}: there is no column of numbers behind the first to draw")
        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
        x, y = self.value.columns[0], self.value[drawn]
        errors = f"{drawn}_err"
        spread = _numbers(self.value[errors]) if errors in self.value.colnames else None
        ax.errorbar(_places(x), _numbers(y), yerr=spread, fmt="o", capsize=2)
        if getattr(getattr(x, "unit", None), "physical_type", None) == "energy":
            ax.set_xscale("log")
        ax.set_xlabel(_label(x))
        ax.set_ylabel(_label(y))
        ax.set_title(self.name)
        return ax

    def _drawn(self) -> str | None:
        """Name the column that is drawn."""
        names = [name for name in self.value.colnames[1:] if not name.endswith(BESIDE)]
        return next((name for name in names if _is_numeric(self.value[name])), None)


def _is_numeric(column: Any) -> bool:
    dtype = getattr(column, "dtype", None)  # times and positions have none
    return dtype is not None and dtype.kind in "iuf" and column.ndim == 1


def _places(column: Any) -> Any:
    """Give where on the axis the rows of the first column are: numbers, dates or texts."""
    if _is_numeric(column):
        return _numbers(column)
    return column.datetime if hasattr(column, "datetime") else [str(each) for each in column]


def _numbers(column: Any) -> Any:
    # masked entries are not drawn, and a Quantity column is drawn as its numbers
    values = getattr(column, "value", column)
    return np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)


def _label(column: Any) -> str:
    unit = getattr(column, "unit", None)
    return f"{column.info.name} [{unit}]" if unit else str(column.info.name)
