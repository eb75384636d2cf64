"""The plots of a result, as methods and by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, count
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from skyred.errors import did_you_mean
from skyred.fields import file_name
from skyred.io.html import Html, bold, paragraph, styled_div, table
from skyred.products.plotting import (
    dataset_plot_functions,
    dataset_type_or_none,
    overview_plot_functions,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from skyred.interfaces import Product

    FunctionsByName = dict[str, Callable[..., Axes]]


class Plots:
    """The plots of a result, as methods and by name.

    The names are those of the files in ``plots/``. A method is named after its plot, with
    underscores: ``plot.residuals_spectrum()`` is ``plot("residuals-spectrum")``. There is no method
    if its name would be invalid or not unique. Iteration yields the names.

    Parameters
    ----------
    functions : mapping of str to callable
        The functions that draw the plots, by name.
    """

    def __init__(self, functions: Mapping[str, Callable[..., Axes]]) -> None:
        self._functions = dict(functions)
        self._methods = _method_names(functions)
        # plain attributes, so that notebooks complete them and show the help of the functions
        for name, method in self._methods.items():
            setattr(self, method, functions[name])

    def __call__(self, name: str, ax: Axes | None = None) -> Axes:
        """Draw a plot by its name.

        Parameters
        ----------
        name : str
            The name of the plot.
        ax : matplotlib axes, optional
            The axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib axes
            The axes.

        Raises
        ------
        KeyError
            If the name is unknown.
        """
        if name not in self._functions:
            hint = did_you_mean(name, self._functions)
            raise KeyError(f"no plot {name!r}; available: {', '.join(self)}{hint}")
        return self._functions[name]() if ax is None else self._functions[name](ax=ax)

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __repr__(self) -> str:
        calls = ", ".join(f"plot{call}" for call in self._calls())
        return f"<Plots: {calls or 'none'}>"

    def _calls(self) -> list[str]:
        methods = self._methods
        return [f".{methods[name]}()" if name in methods else f"({name!r})" for name in self]

    def _repr_html_(self) -> str:
        return styled_div(paragraph(bold("Plots")), plots_table(self))


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
    """Create the plots of datasets and products.

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
    groups = _group_plots(list(datasets or ()), products)
    return Plots({name: function for group in groups for name, function in group.items()})


def create_overview_plots(datasets: Iterable[Any] | None, products: Iterable[Product]) -> Plots:
    """Create the plots in a run folder: several datasets of a type are drawn in one figure.

    Parameters
    ----------
    datasets : iterable of Dataset or None
        The datasets.
    products : iterable of Product
        The products.

    Returns
    -------
    Plots
        The plots, which have the names and content of those of `create_plots`.
    """
    datasets = list(datasets or ())
    overviews, *groups = _group_plots(datasets, products)
    kinds = [dataset_type_or_none(dataset) for dataset in datasets]
    totals = Counter(kinds)
    is_in_overview = [bool(kind) and totals[kind] > 1 for kind in kinds]
    functions = dict(overviews)
    for index, group in enumerate(groups):  # of the datasets, and then of the products
        if index >= len(datasets) or not is_in_overview[index]:
            functions |= group
    return Plots(functions)


def _group_plots(datasets: Sequence[Any], products: Iterable[Product]) -> list[FunctionsByName]:
    """Return the plots of the overviews, of each dataset and of each product, by unique names."""
    groups = [
        _overviews(datasets),
        *(_dataset_plots(dataset) for dataset in datasets),
        *(_product_plots(product) for product in products),
    ]
    names: set[str] = set()
    return [{_unique_name(name, names): group[name] for name in group} for group in groups]


def _unique_name(name: str, names: set[str]) -> str:
    """Return a name, with a number if it is one of `names`, to which the result is added."""
    numbered = (f"{name}-{number}" for number in count(2))
    unique = next(candidate for candidate in chain([name], numbered) if candidate not in names)
    names.add(unique)
    return unique


def _overviews(datasets: Sequence[Any]) -> FunctionsByName:
    """Return the functions that draw all datasets of a type, if there are several."""
    functions: FunctionsByName = {}
    for kind in ("map", "spectrum"):
        group = [dataset for dataset in datasets if dataset_type_or_none(dataset) == kind]
        if len(group) > 1:
            get_plots = partial(overview_plot_functions, group, kind)
            for name, function in _defer_errors(get_plots).items():
                functions[name or f"datasets-{kind}"] = function
    return functions


def _dataset_plots(dataset: Any) -> FunctionsByName:
    functions = _defer_errors(partial(dataset_plot_functions, dataset))
    name = file_name(dataset.name)
    return {f"{prefix or 'dataset'}-{name}": function for prefix, function in functions.items()}


def _product_plots(product: Product) -> FunctionsByName:
    functions = _defer_errors(product.plot_functions)
    return {file_name(product.name) + suffix: function for suffix, function in functions.items()}


def _defer_errors(get_plots: Callable[[], FunctionsByName]) -> FunctionsByName:
    """Return the functions that draw plots, or, if that fails, a function that raises the error."""
    try:
        return get_plots()
    except Exception as error:
        return {"": partial(_raise, error)}


def _raise(error: Exception, ax: Axes | None = None) -> Axes:
    raise error


def _method_names(names: Iterable[str]) -> dict[str, str]:
    """Return the names of methods by plot, without names that are invalid or not unique."""
    methods = {name: re.sub(r"\W", "_", name) for name in names}
    method_counts = Counter(methods.values())
    return {
        name: method
        for name, method in methods.items()
        if method.isidentifier() and not method.startswith("_") and not iskeyword(method)
        and method_counts[method] == 1
    }  # fmt: skip
