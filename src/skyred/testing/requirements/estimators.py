"""Requirements for estimators and their products: unchanged input, files, tables and plots."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.interfaces import Product
from skyred.testing.case import ComponentCase
from skyred.testing.compare import contents, differences
from skyred.testing.copies import duplicate
from skyred.testing.requirement import NotChecked, require, requirement
from skyred.testing.steps import describe_error, step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skyred.interfaces.records import FitResult

# columns that require a unit
_NEED_UNITS = re.compile(
    r"(e_ref|e_min|e_max|energy\w*|(ref_)?(dnde|eflux|flux)(_(err|errn|errp|ul))?|livetime|exposure"
    r"|ra|dec|lon|lat|glon|glat|radius|\w+_radius|tstart|tstop|lon_0|lat_0|sigma_?deg)",
    re.IGNORECASE,
)
RTOL = 1e-6  # because files contain float32 or text


@requirement(
    "returns a product with the label of the estimator",
    "estimator",
    fix="Return self.product(self.label, ...), whose class also reads it back. If the estimator "
    "needs other datasets, or another fit, pass them: check(estimator, "
    "sample=Sample(datasets=..., fit=...)).",
)
def returns_product(case: ComponentCase) -> None:
    """Check the class and the name of the product.

    Parameters
    ----------
    case : ComponentCase
        The estimator to be checked.
    """
    product = _first_estimate(case).product
    class_name = type(product).__name__
    require(isinstance(product, Product), f"estimate returns {class_name}, not a Product")
    expected_class = getattr(case.component, "product", None)
    is_expected = isinstance(expected_class, type) and isinstance(product, expected_class)
    require(is_expected, f"estimate returns {class_name}, but its `product` is {expected_class!r}")
    label = case.component.label
    require(
        product.name == label,
        f"the name of the product is {product.name!r}, but the label is {label!r}",
    )


@requirement(
    "leaves datasets, models and fit unchanged",
    "estimator",
    fix="Copy the datasets, with their models, before you change or fit them: the next estimator "
    "uses the same datasets.",
)
def leaves_inputs_unchanged(case: ComponentCase) -> None:
    """Check that datasets, models and the result of the fit stay the same.

    Parameters
    ----------
    case : ComponentCase
        The estimator to be checked.
    """
    _product(case)
    changes = _first_estimate(case).changes
    require(not changes, "; ".join(changes[:3]))


@requirement(
    "returns the same estimate each time",
    "estimator",
    fix="Set the seed of random numbers by an option, and keep no state between estimates.",
)
def returns_reproducible_estimate(case: ComponentCase) -> None:
    """Check that the tables of two products are equal, bit by bit.

    Parameters
    ----------
    case : ComponentCase
        The estimator to be checked.
    """
    first = contents(_table(_product(case)))
    datasets, fit = _inputs(case)
    with step("estimating a second time"):
        second = case.component.estimate(datasets, fit)
    changes = differences(first, contents(_table(second)))
    require(not changes, f"the second time, {'; '.join(changes[:3])}")


@requirement(
    "writes files, in its folder only",
    "estimator",
    fix="Write below `folder`, named after self.name, and return all paths that were written.",
)
def writes_files(case: ComponentCase) -> None:
    """Check that exactly the returned files are written, and that none is empty.

    Parameters
    ----------
    case : ComponentCase
        The estimator to be checked.
    """
    with _write_to_temporary(case) as (folder, files):
        require(files, "write returns no file")
        for path in files:
            in_folder = Path(path).resolve().is_relative_to(folder.resolve())
            require(in_folder, f"{path} is outside the given folder")
            require(Path(path).is_file(), f"{path.name} is not a file")
            require(Path(path).stat().st_size > 0, f"{path.name} is empty")
        existing = {path.resolve() for path in folder.rglob("*") if path.is_file()}
        returned = {Path(path).resolve() for path in files}
        unreported = sorted(path.name for path in existing - returned)
        require(not unreported, f"it writes {', '.join(unreported)}, but does not return the path")


@requirement(
    "reads back the product that it wrote",
    "estimator",
    fix="Return from Product.read(folder, name, models) the product that write() wrote: results "
    "are restored from their folder.",
)
def reads_back(case: ComponentCase) -> None:
    """Check that the table of the product is the same after reading its files.

    Parameters
    ----------
    case : ComponentCase
        The estimator to be checked.
    """
    product = _product(case)
    with _write_to_temporary(case) as (folder, _):
        datasets, _ = _inputs(case)
        with step("reading its files"):
            loaded_product = type(product).read(folder, product.name, datasets.models)
        written_contents, loaded_contents = (
            _table_contents(_table(product)),
            _table_contents(_table(loaded_product)),
        )
    changes = differences(written_contents, loaded_contents, RTOL)
    require(not changes, f"after reading the files back, {'; '.join(changes[:3])}")


@requirement(
    "returns a table with units",
    "estimator",
    fix='Set table["dnde"].unit, or fill the column with a quantity.',
)
def returns_table_with_units(case: ComponentCase) -> None:
    """Check the units of energies, fluxes, positions and times.

    Parameters
    ----------
    case : ComponentCase
        The estimator to be checked.
    """
    table = _table(_product(case))
    class_name = type(table).__name__
    require(hasattr(table, "colnames"), f"table returns {class_name}, not an astropy Table")
    without_unit = [
        name
        for name in table.colnames
        if _NEED_UNITS.fullmatch(name)
        and not getattr(table[name], "unit", None)
        and getattr(table[name], "dtype", np.dtype(object)).kind == "f"
    ]
    require(not without_unit, f"{', '.join(without_unit)} have no unit")


@requirement(
    "draws on the given axes, and labels them",
    "estimator",
    fix="Draw on `ax`, create axes with plt.gca() or plt.subplot() only if it is None, and set "
    "the labels of both axes, with units.",
)
def draws_on_axes(case: ComponentCase) -> None:
    """Check that the product draws on the given axes, and opens no other figure.

    Parameters
    ----------
    case : ComponentCase
        The estimator to be checked.
    """
    product = _product(case)
    with step("listing its plots"):
        if not product.plot_functions():
            raise NotChecked("its product has no plots")
    import matplotlib as mpl

    with mpl.rc_context({"backend": "agg"}), _close_new_figures() as plt:
        plt.figure()
        with step("plotting on new axes"):
            new_axes = product.plot()
        class_name = type(new_axes).__name__
        require(hasattr(new_axes, "get_xlabel"), f"plot returns {class_name}, not axes")
        axes = _similar_axes(new_axes, plt.figure())
        n_figures = len(plt.get_fignums())
        with step("plotting on given axes"):
            returned_axes = product.plot(ax=axes)
        n_new_figures = len(plt.get_fignums()) - n_figures
        require(n_new_figures == 0, f"called with axes, it opens {n_new_figures} more figures")
        panels = [panel for panel in (axes, *axes.child_axes) if panel.has_data()]
        require(panels, "the given axes stay empty")
        require(returned_axes is axes, "it does not return the given axes")
        with step("drawing its figure"):
            returned_axes.figure.canvas.draw()
        for axis in ("x", "y"):
            labels = [getattr(panel, f"get_{axis}label")().strip() for panel in panels]
            require(any(labels), f"the {axis} axis has no label")


@contextmanager
def _close_new_figures() -> Iterator[Any]:
    """Yield pyplot, and close all figures that were created in the context."""
    import matplotlib.pyplot as plt

    existing_figures = set(plt.get_fignums())
    try:
        yield plt
    finally:
        for number in set(plt.get_fignums()) - existing_figures:
            plt.close(number)


def _similar_axes(axes: Any, figure: Any) -> Any:
    """Return new axes with the same projection."""
    wcs = getattr(axes, "wcs", None)
    return figure.add_subplot(projection=wcs) if wcs is not None else figure.add_subplot()


@contextmanager
def _write_to_temporary(case: ComponentCase) -> Iterator[tuple[Path, list[Path]]]:
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "estimates"
        folder.mkdir()
        product = _product(case)
        with step("writing its files"):
            files = list(product.write(folder))
        yield folder, files


def _table(product: Product) -> Any:
    with step("creating its table"):
        return product.table()


def _table_contents(table: Any) -> dict[str, Any]:
    items = contents(table).items()
    return {name: value for name, value in items if not name.startswith("meta")}


@attrs.frozen(eq=False)
class _Estimate:
    """A product, and the changes that the estimator made to its input."""

    product: Any
    changes: list[str]


def _product(case: ComponentCase) -> Any:
    """Return the product; if there is none, skip the check, as another requirement reports it."""
    try:
        product = _first_estimate(case).product
    except Exception as error:  # the estimator may raise any exception
        raise NotChecked(f"it returns no product: {describe_error(error)}") from error
    if not isinstance(product, Product):
        raise NotChecked("its return value is not a product")
    return product


def _first_estimate(case: ComponentCase) -> _Estimate:
    if "estimate" not in case.memo:
        datasets, fit = _inputs(case)
        original_contents = _state(datasets, fit)
        with step("estimating"):
            product = case.component.estimate(datasets, fit)
        changes = differences(original_contents, _state(datasets, fit))
        case.memo["estimate"] = _Estimate(product, changes)
    estimate = case.memo["estimate"]
    assert isinstance(estimate, _Estimate)
    return estimate


def _inputs(case: ComponentCase) -> tuple[Any, FitResult | None]:
    if case.sample.datasets is not None:
        datasets, fit = duplicate((case.sample.datasets, case.sample.fit))
        return datasets, fit
    return case.crab.fitted_datasets()


def _state(datasets: Any, fit: FitResult | None) -> dict[str, Any]:
    # a copy, because `contents` returns the arrays themselves
    datasets = duplicate(datasets)
    fit_contents = {} if fit is None else {"the fit": repr(fit.to_dict())}
    return {**contents(datasets), **contents(datasets.models), **fit_contents}
