"""What a gammapy estimator gave, as a product: written and read by gammapy's own formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs

from skyred.interfaces.product import Product
from skyred.products.formats import FORMS, ProductFormat

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes


@attrs.define(eq=False)
class GammapyProduct(Product):
    """Whatever a gammapy estimator gave.

    ========================  ================================  ===============================
    `value`                   files                             picture
    ========================  ================================  ===============================
    FluxPoints                ``NAME.fits``, its model          by energy, time or distance
                              ``NAME.yaml``
    FluxMaps                  ``NAME.fits``, its model          significance, else flux
                              ``NAME.yaml``
    Map, Maps                 ``NAME.fits``                     the clearest of them
    Table, ImageProfile       ``NAME.ecsv``                     a column against the first
    numbers, and by name      ``NAME.yaml``                     none
    anything with a `write`   ``NAME.fits``, by its own         by its own `plot`
    ========================  ================================  ===============================

    Parameters
    ----------
    value : object
        As the estimator gave it.
    """

    value: Any

    def write(self, folder: Path) -> list[Path]:
        """Write it; gives the files.

        Raises
        ------
        TypeError
            If it is of a class that has no file format.
        """
        if form := self._form:
            return form.write(self.value, folder / self.name)
        if not hasattr(self.value, "write"):
            raise self._cannot("be written: it has no `write`")
        path = folder / f"{self.name}.fits"
        self.value.write(path, overwrite=True)
        return [path]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read it: what it is, its files tell.

        Raises
        ------
        TypeError
            If they do not.
        """
        for form in FORMS:
            if (value := form.read(folder / name)) is not None:
                return cls(name, value)
        raise TypeError(f"nothing is known of {folder / name}.*: read it by what wrote it")

    def table(self) -> Table:
        """Give it as a table; raises `TypeError` if it has none."""
        if form := self._form:
            return form.table(self.value)
        if not hasattr(self.value, "to_table"):
            raise self._cannot("be shown as a table: it has no `to_table`")
        return self.value.to_table()

    def pictures(self) -> dict[str, Callable[[], Axes]]:
        """Name its picture, if it can be drawn."""
        drawable = self._form.drawable if self._form else hasattr(self.value, "plot")
        return {"": self.plot} if drawable else {}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw it; raises `TypeError` if it cannot be drawn."""
        if form := self._form:
            return form.draw(self.value, self.name, ax)
        if not hasattr(self.value, "plot"):
            raise self._cannot("be drawn: it has no `plot`")
        axes: Axes = self.value.plot(ax=ax)
        return axes

    @property
    def _form(self) -> ProductFormat | None:
        return next((form for form in FORMS if form.holds(self.value)), None)

    def _cannot(self, what: str) -> TypeError:
        return TypeError(f"{self.name}: a {type(self.value).__name__} cannot {what}; see `value`")
