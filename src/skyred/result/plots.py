"""The plots of a result, as methods and by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from skyred.errors import did_you_mean
from skyred.fields import file_name
from skyred.io.html import Html, bold, page, paragraph, table
from skyred.products.plotting import dataset_plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from skyred.interfaces import Product

    DrawByName = dict[str, Callable[..., Axes]]


class Plots:
    """The plots of a result, as methods and by name.

    The names are those of the files in ``plots/``. A method is named after its plot, with
    underscores: ``plot.residuals_spectrum()`` is ``plot("residuals-spectrum")``. Iteration yields
    the names.

    Parameters
    ----------
    draw : mapping of str to callable
        The function that draws each plot, by name.
    """

    def __init__(self, draw: Mapping[str, Callable[..., Axes]]) -> None:
        self._draw = dict(draw)
        self._methods = _methods(draw)
        # plain attributes: notebooks complete them, and show the help of the functions
        for name, method in self._methods.items():
            setattr(self, method, draw[name])

    def __call__(self, name: str, ax: Axes | None = None) -> Axes:
        """Draw a plot by its name.

        Parameters
        ----------
        name : str
            The name of the plot.
        ax : matplotlib axes, optional
            The axes to draw on; those of a new figure by default.

        Returns
        -------
        matplotlib axes
            The axes.

        Raises
        ------
        KeyError
            If the name is unknown.
        """
        if name not in self._draw:
            hint = did_you_mean(name, self._draw)
            raise KeyError(f"no plot {name!r}; available: {', '.join(self)}{hint}")
        return self._draw[name]() if ax is None else self._draw[name](ax=ax)

    def __iter__(self) -> Iterator[str]:
        return iter(self._draw)

    def __repr__(self) -> str:
        calls = ", ".join(f"plot{call}" for call in self._calls())
        return f"<Plots: {calls or 'none'}>"

    def _calls(self) -> list[str]:
        methods = self._methods
        return [f".{methods[name]}()" if name in methods else f"({name!r})" for name in self]

    def _repr_html_(self) -> str:
        return page(paragraph(bold("Plots")), plots_table(self))


def plots_table(plots: Plots) -> Html:
    """Return a table of the plots with the calls that draw them.

    Parameters
    ----------
    plots : Plots
        The plots.

    Returns
    -------
    Html
        The table.
    """
    calls = [f"plot{call}" for call in plots._calls()]
    return table(("Plot", "Drawn by"), zip(plots, calls, strict=True))


def create_plots(datasets: Iterable[Any] | None, products: Iterable[Product]) -> Plots:
    """Return the plots of datasets and products.

    Parameters
    ----------
    datasets : iterable of Dataset or None
        The datasets.
    products : iterable of Product
        The products.

    Returns
    -------
    Plots
        The plots.
    """
    draw: dict[str, Callable[..., Axes]] = {}
    for dataset in datasets or ():
        for kind, plot in _defer_errors(partial(dataset_plots, dataset)).items():
            draw[f"{kind or 'dataset'}-{file_name(dataset.name)}"] = plot
    for product in products:
        for suffix, plot in _defer_errors(product.pictures).items():
            draw[file_name(product.name) + suffix] = plot
    return Plots(draw)


def _defer_errors(get_plots: Callable[[], DrawByName]) -> DrawByName:
    """Return plots; if that fails, return one that raises the error when it is drawn."""
    try:
        return get_plots()
    except Exception as error:
        return {"": partial(_raise, error)}


def _raise(error: Exception, ax: Axes | None = None) -> Axes:
    raise error


def _methods(names: Iterable[str]) -> dict[str, str]:
    """Return the names of methods by plot, without those that are invalid or not unique."""
    methods = {name: re.sub(r"\W", "_", name) for name in names}
    uses = Counter(methods.values())
    return {
        name: method
        for name, method in methods.items()
        if method.isidentifier() and not method.startswith("_") and not iskeyword(method)
        and uses[method] == 1
    }  # fmt: skip
