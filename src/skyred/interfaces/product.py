"""The product: what an estimator gives, and how it is written, listed and drawn."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs

from skyred.io.html import Html, bold, data_table, muted, page, paragraph

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes


@attrs.define(eq=False)
class Product(ABC):
    """What an estimator gives.

    Parameters
    ----------
    name : str
        The estimate's name; its files are called after it.
    """

    name: str

    @abstractmethod
    def write(self, folder: Path) -> list[Path]:
        """Write it in the field's file formats; gives the files."""

    @classmethod
    @abstractmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read what `write` wrote; `models` are the run's fitted models."""

    @abstractmethod
    def table(self) -> Table:
        """Give it as a table, with units."""

    @abstractmethod
    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw it."""

    def pictures(self) -> dict[str, Callable[[], Axes]]:
        """Name its pictures, by what is put behind its name."""
        return {"": self.plot}

    def _repr_html_(self) -> str:
        summary = inspect.cleandoc(type(self).__doc__ or "").split("\n")[0]
        return page(paragraph(bold(self.name), " ", summary), product_body(self))


def product_body(product: Product) -> Html:
    """Return the beginning of a product's table as HTML, or why there is none."""
    try:
        return data_table(product.table())
    except Exception as error:  # what is shown must not hide the rest because of one product
        return paragraph(muted(f"It shows no table: {error}"))
