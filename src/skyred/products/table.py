"""The product of an estimator that returns a single table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from skyred.interfaces.product import Product
from skyred.products.plotting import create_axes

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes


AUXILIARY = ("_err", "_errn", "_errp", "_max")  # suffixes of columns that belong to another column


@attrs.define(eq=False)
class TableProduct(Product):
    """A table of plain columns with units.

    The plot shows a numeric column against the first column: the second column, or the next one
    that is numeric and does not contain errors or upper edges (``_err``, ``_errn``, ``_errp``,
    ``_max``). Its errors are taken from the column with the same name and ``_err``. An energy axis
    is logarithmic.

    Parameters
    ----------
    name : str
        The name of the product, and of its file.
    value : `~astropy.table.Table`
        The table, a row for each measurement.
    """

    value: Table

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.ecsv``, with units, descriptions and metadata.

        Parameters
        ----------
        folder : Path
            The folder.

        Returns
        -------
        list of Path
            The file.
        """
        path = folder / f"{self.name}.ecsv"
        self.value.write(path, format="ascii.ecsv", overwrite=True)
        return [path]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read ``NAME.ecsv``.

        Parameters
        ----------
        folder : Path
            The folder.
        name : str
            The name of the product.
        models : Models or None
            The fitted models, not used.

        Returns
        -------
        TableProduct
            The product.
        """
        from astropy.table import Table

        return cls(name, Table.read(folder / f"{name}.ecsv", format="ascii.ecsv"))

    def table(self) -> Table:
        """Return the table.

        Returns
        -------
        Table
            The table itself.
        """
        return self.value

    def plot_functions(self) -> dict[str, Callable[[], Axes]]:
        """Return the function that draws the table, if there is a column to draw.

        Returns
        -------
        dict of str to callable
            The function under the suffix ""; empty if there is none.
        """
        return {"": self.plot} if self._drawn_column() else {}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw a numeric column against the first column.

        Parameters
        ----------
        ax : matplotlib axes, optional
            The axes to draw on; those of a new figure by default.

        Returns
        -------
        matplotlib axes
            The axes.

        Raises
        ------
        TypeError
            If there is no numeric column after the first.
        """
        column = self._drawn_column()
        if column is None:
            raise TypeError(f"{self.name}: no numeric column to draw after the first")
        if ax is None:
            ax = create_axes(6.4, 4.8)
        x, y = self.value.columns[0], self.value[column]
        error_column = f"{column}_err"
        yerr = _numbers(self.value[error_column]) if error_column in self.value.colnames else None
        ax.errorbar(_axis_values(x), _numbers(y), yerr=yerr, fmt="o", capsize=2)
        if getattr(getattr(x, "unit", None), "physical_type", None) == "energy":
            ax.set_xscale("log")
        ax.set_xlabel(_label(x), parse_math=False)
        ax.set_ylabel(_label(y), parse_math=False)
        ax.set_title(self.name, parse_math=False)
        return ax

    def _drawn_column(self) -> str | None:
        """Return the name of the column that is drawn, or None."""
        names = [name for name in self.value.colnames[1:] if not name.endswith(AUXILIARY)]
        return next((name for name in names if _is_numeric(self.value[name])), None)


def _is_numeric(column: Any) -> bool:
    dtype = getattr(column, "dtype", None)  # times and positions have none
    return dtype is not None and dtype.kind in "iuf" and column.ndim == 1


def _axis_values(column: Any) -> Any:
    """Return the values of the first column for the x axis: numbers, dates or strings."""
    if _is_numeric(column):
        return _numbers(column)
    if hasattr(column, "datetime"):
        return column.datetime
    return [str(value).replace("$", r"\$") for value in column]  # no mathematical text


def _numbers(column: Any) -> Any:
    # masked entries are not drawn, and a Quantity column is drawn as its numbers
    values = getattr(column, "value", column)
    return np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)


def _label(column: Any) -> str:
    unit = getattr(column, "unit", None)
    return f"{column.info.name} [{unit}]" if unit else str(column.info.name)
