"""The product of a gammapy estimator, in gammapy's own file formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs

from skyred.interfaces.product import Product
from skyred.products.formats import FORMATS, ProductFormat

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes


@attrs.define(eq=False)
class GammapyProduct(Product):
    """The result of a gammapy estimator.

    ========================  ================================  ===============================
    `value`                   files                             plot
    ========================  ================================  ===============================
    FluxPoints                ``NAME.fits``, its model          by energy, time or distance
                              ``NAME.yaml``
    FluxMaps                  ``NAME.fits``, its model          significance, flux or norm
                              ``NAME.yaml``
    Map, Maps                 ``NAME.fits``                     as FluxMaps, or the first map
    Table, ImageProfile       ``NAME.ecsv``                     a column against the first
    numbers, named numbers    ``NAME.yaml``                     none
    objects with `write`      ``NAME.fits``, by this method     by their method `plot`
    ========================  ================================  ===============================

    Parameters
    ----------
    value : object
        The result, as returned by the estimator.
    """

    value: Any

    def write(self, folder: Path) -> list[Path]:
        """Write the result.

        Parameters
        ----------
        folder : Path
            The folder.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        TypeError
            If the class of the result has no file format.
        """
        if product_format := self._format:
            return product_format.write(self.value, folder / self.name)
        if not hasattr(self.value, "write"):
            raise self._unsupported("be written: it has no `write`")
        path = folder / f"{self.name}.fits"
        self.value.write(path, overwrite=True)
        return [path]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read a result; its class is derived from the files.

        Parameters
        ----------
        folder : Path
            The folder.
        name : str
            The name of the product.
        models : Models or None
            The fitted models.

        Returns
        -------
        GammapyProduct
            The product.

        Raises
        ------
        TypeError
            If the format of the files is unknown.
        """
        for product_format in FORMATS:
            if (value := product_format.read(folder / name)) is not None:
                return cls(name, value)
        raise TypeError(f"{folder / name}.* has an unknown format; read it with its own class")

    def table(self) -> Table:
        """Return the result as a table.

        Returns
        -------
        Table
            The table.

        Raises
        ------
        TypeError
            If the result cannot be converted to a table.
        """
        if product_format := self._format:
            return product_format.table(self.value)
        if not hasattr(self.value, "to_table"):
            raise self._unsupported("be shown as a table: it has no `to_table`")
        return self.value.to_table()

    def plot_functions(self) -> dict[str, Callable[[], Axes]]:
        """Return the function that draws the result, if there is one.

        Returns
        -------
        dict of str to callable
            The function under the suffix ""; empty if there is none.
        """
        drawable = self._format.drawable if self._format else hasattr(self.value, "plot")
        return {"": self.plot} if drawable else {}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the result.

        Parameters
        ----------
        ax : matplotlib axes, optional
            The axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib axes
            The axes.

        Raises
        ------
        TypeError
            If the result cannot be drawn.
        """
        if product_format := self._format:
            return product_format.draw(self.value, self.name, ax)
        if not hasattr(self.value, "plot"):
            raise self._unsupported("be drawn: it has no `plot`")
        axes: Axes = self.value.plot(ax=ax)
        return axes

    @property
    def _format(self) -> ProductFormat | None:
        return next(
            (product_format for product_format in FORMATS if product_format.handles(self.value)),
            None,
        )

    def _unsupported(self, action: str) -> TypeError:
        return TypeError(
            f"{self.name}: an object of type {type(self.value).__name__} cannot {action}; "
            "use the attribute `value`"
        )
