"""The product: what an estimator gives, and how it is written, listed and drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs

from skyred.interfaces.html import show_product

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
        return show_product(self)
