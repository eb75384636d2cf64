"""Laws of estimators and their products: datasets untouched, files, tables and pictures."""

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
from skyred.testing.law import NotTried, law, require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skyred.interfaces.records import FitResult

# columns that mean nothing without a unit
_NEED_UNITS = re.compile(
    r"(e_ref|e_min|e_max|energy\w*|(ref_)?(dnde|eflux|flux)(_(err|errn|errp|ul))?|livetime|exposure"
    r"|ra|dec|lon|lat|glon|glat|radius|\w+_radius|tstart|tstop|lon_0|lat_0|sigma_?deg)",
    re.IGNORECASE,
)
RTOL = 1e-6  # files hold float32 or texts


@law(
    "gives a product that is called after it",
    "estimator",
    mend="Return product(self.label, ...), of the class that `product` names: it is read back by "
    "that class. If it needs other datasets, or another fit, give them: check(estimator, "
    "sample=Sample(datasets=..., fit=...)).",
)
def gives_product(case: ComponentCase) -> None:
    """Of the class that it announces."""
    made = _first(case).product
    require(isinstance(made, Product), f"estimate gives {type(made).__name__}, and no Product")
    announced = getattr(case.component, "product", None)
    named = isinstance(announced, type) and isinstance(made, announced)
    require(named, f"estimate gives {type(made).__name__}, and its `product` is {announced!r}")
    label = case.component.label
    require(made.name == label, f"the product is called {made.name!r}, and the estimate {label!r}")


@law(
    "leaves datasets, models and fit as they were",
    "estimator",
    mend="Copy the datasets, with their models, before you set or fit anything on them: the next "
    "estimate starts from the same.",
)
def leaves_inputs(case: ComponentCase) -> None:
    """Values, covariance and masks."""
    _product(case)
    changed = _first(case).changed
    require(not changed, "; ".join(changed[:3]))


@law(
    "estimates the same each time",
    "estimator",
    mend="Give random numbers a seed that is an option, and keep nothing between estimates.",
)
def estimates_again(case: ComponentCase) -> None:
    """The table, bit by bit."""
    first = contents(_product(case).table())
    again = case.component.estimate(*_inputs(case))
    changed = differences(first, contents(again.table()))
    require(not changed, f"the second time, {'; '.join(changed[:3])}")


@law(
    "writes files, in its folder only",
    "estimator",
    mend="Write below `folder`, named after self.name, and return all paths that were written.",
)
def writes(case: ComponentCase) -> None:
    """Those that it says, and no others; none of them empty."""
    with _written(case) as (folder, files):
        require(files, "write gives no file")
        for path in files:
            inside = Path(path).resolve().is_relative_to(folder.resolve())
            require(inside, f"{path} is outside the folder that it was given")
            require(Path(path).is_file(), f"{path.name} is no file")
            require(Path(path).stat().st_size > 0, f"{path.name} is empty")
        there = {path.resolve() for path in folder.rglob("*") if path.is_file()}
        untold = sorted(path.name for path in there - {Path(path).resolve() for path in files})
        require(not untold, f"it writes {', '.join(untold)}, and does not say so")


@law(
    "reads what it wrote",
    "estimator",
    mend="Let Product.read(folder, name, models) build what write() wrote: results are restored "
    "from their folder.",
)
def reads(case: ComponentCase) -> None:
    """The table is the same."""
    made = _product(case)
    with _written(case) as (folder, _):
        datasets, _ = _inputs(case)
        again = type(made).read(folder, made.name, datasets.models)
        before, after = _numbers(made.table()), _numbers(again.table())
    changed = differences(before, after, RTOL)
    require(not changed, f"read back, {'; '.join(changed[:3])}")


@law(
    "gives a table with units",
    "estimator",
    mend='Set table["dnde"].unit, or fill the column with a quantity.',
)
def table_units(case: ComponentCase) -> None:
    """Energies, fluxes, positions, times."""
    table = _product(case).table()
    require(hasattr(table, "colnames"), f"table gives {type(table).__name__}, and no astropy Table")
    bare = [
        name
        for name in table.colnames
        if _NEED_UNITS.fullmatch(name)
        and not getattr(table[name], "unit", None)
        and getattr(table[name], "dtype", np.dtype(object)).kind == "f"
    ]
    require(not bare, f"{', '.join(bare)} have none")


@law(
    "draws on the axes that it is given, and labels them",
    "estimator",
    mend="Draw on `ax`, make one with plt.gca() or plt.subplot() only if it is None, and set the "
    "labels of both axes, with units.",
)
def draws(case: ComponentCase) -> None:
    """Into no other figure."""
    product = _product(case)
    if not product.pictures():
        raise NotTried("its product has no pictures")
    import matplotlib as mpl

    with mpl.rc_context({"backend": "agg"}), _figures() as plt:
        plt.figure()
        first = product.plot()
        require(hasattr(first, "get_xlabel"), f"plot gives {type(first).__name__}, and no axes")
        given = _like(first, plt.figure())
        before = plt.get_fignums()
        drawn = product.plot(ax=given)
        extra = len(plt.get_fignums()) - len(before)
        require(extra == 0, f"given axes, it makes {extra} more figures")
        panels = [each for each in (given, *given.child_axes) if each.has_data()]
        require(panels, "the axes that it is given stay empty")
        require(drawn is given, "it gives other axes back than it was given")
        drawn.figure.canvas.draw()
        for side in ("x", "y"):
            labels = [getattr(each, f"get_{side}label")().strip() for each in panels]
            require(any(labels), f"the {side} axis has no label")


@contextmanager
def _figures() -> Iterator[Any]:
    import matplotlib.pyplot as plt

    before = set(plt.get_fignums())
    try:
        yield plt
    finally:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)


def _like(axes: Any, figure: Any) -> Any:
    """Give new axes of the same projection."""
    wcs = getattr(axes, "wcs", None)
    return figure.add_subplot(projection=wcs) if wcs is not None else figure.add_subplot()


@contextmanager
def _written(case: ComponentCase) -> Iterator[tuple[Path, list[Path]]]:
    with TemporaryDirectory() as above:
        folder = Path(above) / "estimates"
        folder.mkdir()
        yield folder, list(_product(case).write(folder))


def _numbers(table: Any) -> dict[str, Any]:
    held = contents(table)
    return {name: value for name, value in held.items() if not name.startswith("meta")}


@attrs.frozen(eq=False)
class _Estimate:
    """A product, and what became of what it was estimated from."""

    product: Any
    changed: list[str]


def _product(case: ComponentCase) -> Any:
    """Give the product; that there is one is a law of its own."""
    try:
        product = _first(case).product
    except Exception as error:  # whatever the estimator raises
        raise NotTried(f"it gives no product: {type(error).__name__}: {error}") from error
    if not isinstance(product, Product):
        raise NotTried("what it gives is no product")
    return product


def _first(case: ComponentCase) -> _Estimate:
    if "estimate" not in case.memo:
        datasets, fit = _inputs(case)
        before = _state(datasets, fit)
        product = case.component.estimate(datasets, fit)
        changed = differences(before, _state(datasets, fit))
        case.memo["estimate"] = _Estimate(product, changed)
    found = case.memo["estimate"]
    assert isinstance(found, _Estimate)
    return found


def _inputs(case: ComponentCase) -> tuple[Any, FitResult | None]:
    if case.sample.datasets is not None:
        datasets, fit = duplicate((case.sample.datasets, case.sample.fit))
        return datasets, fit
    return case.crab.fitted()


def _state(datasets: Any, fit: FitResult | None) -> dict[str, Any]:
    # a copy: contents of arrays are the arrays themselves
    datasets = duplicate(datasets)
    told = {} if fit is None else {"the fit": repr(fit.to_dict())}
    return {**contents(datasets), **contents(datasets.models), **told}
