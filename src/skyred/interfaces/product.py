"""The interface of products, the results of estimators."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs

from skyred.errors import warn_of_old_name
from skyred.interfaces.old_methods import call_new_method, use_old_method
from skyred.interfaces.signatures import check_methods
from skyred.io.html import Html, bold, data_table, muted, paragraph, styled_div

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes


@attrs.define(eq=False)
class Product(ABC):
    """The result of an estimator, with methods to write, read, tabulate and plot it.

    Parameters
    ----------
    name : str
        The name of the estimate, from which the names of its files are derived.
    """

    name: str

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        use_old_method(cls, "pictures", "plot_functions")
        check_methods(cls)

    @abstractmethod
    def write(self, folder: Path) -> list[Path]:
        """Write the product to files.

        Parameters
        ----------
        folder : Path
            The folder to write to.

        Returns
        -------
        list of Path
            The files that were written.
        """

    @classmethod
    @abstractmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read a product from the files written by `write`.

        Parameters
        ----------
        folder : Path
            The folder with the files.
        name : str
            The name of the estimate.
        models : Models or None
            The fitted models of the run.

        Returns
        -------
        Product
            The product.
        """

    @abstractmethod
    def table(self) -> Table:
        """Return the product as a table.

        Returns
        -------
        Table
            The values, with units.
        """

    @abstractmethod
    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot the product.

        Parameters
        ----------
        ax : Axes, optional
            The axes to plot on; by default new axes are created.

        Returns
        -------
        Axes
            The axes.
        """

    def plot_functions(self) -> dict[str, Callable[[], Axes]]:
        """Return the plots of the product.

        Returns
        -------
        dict of str to callable
            Functions that draw a plot and return its axes, by the suffix of the file name.
        """
        return {"": self.plot}

    def pictures(self) -> dict[str, Callable[[], Axes]]:
        """Return the plots of the product (old name of `plot_functions`).

        Returns
        -------
        dict of str to callable
            The result of `plot_functions`.
        """
        warn_of_old_name("Product.pictures", "Product.plot_functions")
        functions: dict[str, Callable[[], Axes]] = call_new_method(self, "plot_functions")
        return functions

    def _repr_html_(self) -> str:
        summary = inspect.cleandoc(type(self).__doc__ or "").split("\n")[0]
        return styled_div(paragraph(bold(self.name), " ", summary), product_body(self))


def product_body(product: Product) -> Html:
    """Return the first rows of the table of a product as HTML.

    Parameters
    ----------
    product : Product
        The product.

    Returns
    -------
    Html
        The table, or an error message if the product cannot be converted to a table.
    """
    try:
        return data_table(product.table())
    except Exception as error:  # one product must not prevent the display of the others
        return paragraph(muted(f"The table cannot be shown: {error}"))
