"""The interface of products, the results of estimators."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs

from skyred.errors import warn_of_old_name
from skyred.interfaces.chart import Chart
from skyred.interfaces.old_methods import call_new_method, use_old_method
from skyred.interfaces.signatures import check_methods
from skyred.io.html import Html, bold, data_table, muted, paragraph, styled_div

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.maps import WcsNDMap
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes


@attrs.define(eq=False)
class Product(ABC):
    """The result of an estimator, with methods to write, read, tabulate and plot it.

    A subclass is decorated with ``attrs.define(eq=False)``, adds fields for its values, and
    implements four methods:

    ===========  ==================================================  ============================
    method       used for                                            returns
    ===========  ==================================================  ============================
    `write`      ``estimates/`` in the run folder                    the paths of all files
    `read`       `Result.read`, and the check after writing          a new product
    `table`      notebooks, exports and the conformance checks       an astropy table with units
    `plot`       ``plots/`` in the run folder, and `Result.plot`     matplotlib axes
    ===========  ==================================================  ============================

    Without a plot of its own, return {} from `plot_functions`. A product that is a single table
    does not need a class: `TableProduct` implements all methods.

    Parameters
    ----------
    name : str
        The name of the estimate, from which the names of its files are derived: `Estimator.label`.

    Examples
    --------
    A number with its unit in a text file, without a plot:

    >>> @attrs.define(eq=False)
    ... class Number(Product):
    ...     value: Quantity
    ...
    ...     def write(self, folder):
    ...         path = folder / f"{self.name}.txt"
    ...         path.write_text(f"{self.value.value!r} {self.value.unit}")
    ...         return [path]
    ...
    ...     @classmethod
    ...     def read(cls, folder, name, models):
    ...         return cls(name, Quantity((folder / f"{name}.txt").read_text()))
    ...
    ...     def table(self):
    ...         return Table({"value": [self.value.value] * self.value.unit})
    ...
    ...     def plot_functions(self):
    ...         return {}
    ...
    ...     def plot(self, ax=None):
    ...         raise NotImplementedError("a number has no plot")  # doctest: +SKIP
    """

    name: str

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        use_old_method(cls, "pictures", "plot_functions")
        check_methods(cls)

    @abstractmethod
    def write(self, folder: Path) -> list[Path]:
        """Write the product to files that `read` can read.

        Any format is possible; those of gammapy and astropy can be read without skyred: FITS for
        maps and flux points, ECSV or FITS for tables (with units), YAML for models and numbers.
        Files in ``estimates/`` that end in ``.fits`` or ``.yaml`` are checked when a run folder is
        read: FITS files for damage, YAML files for models that would execute code. Existing files
        are replaced.

        After writing, skyred reads the product back. If this fails, the files are removed, and
        the run stops with an error after all other estimates have been written.

        Parameters
        ----------
        folder : Path
            The folder to write to, which exists. Other estimates use it too, so all names start
            with ``self.name``, and at least one file is called ``NAME.SUFFIX``.

        Returns
        -------
        list of Path
            All files that were written.
        """

    @classmethod
    @abstractmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read a product from the files written by `write`.

        No code in the files may be executed: do not use pickle.

        Parameters
        ----------
        folder : Path
            The folder with the files.
        name : str
            The name of the estimate.
        models : Models or None
            The fitted models of the run, for example the reference model of flux points.

        Returns
        -------
        Product
            The product, whose table and plots are those of the product that was written.
        """

    @abstractmethod
    def table(self) -> Table:
        """Return the product as a table.

        Notebooks show its first rows. The conformance checks compare the tables before and after
        writing, so it contains everything that is worth keeping. It is created from the values of
        the product, without reading files or computing anything new.

        Returns
        -------
        Table
            The values, a row for each measurement. Energies, fluxes, positions and times have
            units; the names of common columns are those of gammapy (``e_ref``, ``dnde``,
            ``dnde_err``, ``dnde_ul``, ``sqrt_ts``).
        """

    @abstractmethod
    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot the product.

        Import matplotlib inside the method. Neither save nor close the figure.

        Parameters
        ----------
        ax : Axes, optional
            The axes to plot on; by default new axes are created, for example with ``plt.gca()``.

        Returns
        -------
        Axes
            The axes: `ax`, if it is not None. Both axes have labels, with units.
        """

    def charts(self) -> Sequence[Chart]:
        """Return the interactive figures of the product for the HTML report.

        Returns
        -------
        sequence of Chart
            The figures; by default none, and the report shows the plots as images.
        """
        return ()

    def sky_maps(self) -> Mapping[str, WcsNDMap]:
        """Return images for the sky viewer of the HTML report.

        Returns
        -------
        mapping of str to WcsNDMap
            Images without energy axis, by their label; by default none.
        """
        return {}

    def plot_functions(self) -> dict[str, Callable[[], Axes]]:
        """Return the plots of the product.

        By default there is a single plot, that of the method `plot`. Override this method for
        several plots, or if some products have none.

        Returns
        -------
        dict of str to callable
            Functions without required arguments that draw a plot and return its axes. The key is
            the suffix of the file name: "" for ``plots/NAME.png``, "-residuals" for
            ``plots/NAME-residuals.png``. Empty if there is nothing to draw.
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
