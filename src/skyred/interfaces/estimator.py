"""The estimator and its product: what is derived, and how it is written, listed and drawn."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import attrs

from skyred.errors import ModelError
from skyred.fields import Name, foreign, option
from skyred.interfaces.component import Component, component, value
from skyred.interfaces.showing import show_product

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes

    from skyred.records import FitResult


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


@value
class Estimator(Component):
    """Derives something from fitted datasets."""

    role: ClassVar[str] = "estimator"
    product: ClassVar[type[Product]]
    name: str | None = option(None, type=Name, doc="Its name in the results; by default its kind.")

    @abstractmethod
    def estimate(self, datasets: Datasets, fit: FitResult | None) -> Product:
        """Derive it from datasets with their (fitted) models; leaves both as they were."""

    @property
    def label(self) -> str:
        """Its name in the results."""
        return self.name or self.kind

    @classmethod
    def adapt(cls, other: object) -> Component | None:
        """Take a gammapy estimator: anything with ``run(datasets)``."""
        run = getattr(other, "run", None)
        if run is None or isinstance(other, type):
            return None
        return AdaptedEstimator(adapted=other, name=type(other).__name__)


@attrs.define(eq=False)
class GammapyProduct(Product):
    """Whatever a gammapy estimator gave."""

    value: Any

    def write(self, folder: Path) -> list[Path]:
        """Write it by its own `write`."""
        path = folder / f"{self.name}.fits"
        self.value.write(path, overwrite=True)
        return [path]

    def pictures(self) -> dict[str, Callable[[], Axes]]:
        """Name its picture, if it can draw itself."""
        return {"": self.plot} if hasattr(self.value, "plot") else {}

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Refuse: only its estimator knows what it was."""
        raise TypeError(f"read {folder / name}.fits with the gammapy class that wrote it")

    def table(self) -> Table:
        """Give it by its own `to_table`; raises `TypeError` if it has none."""
        if not hasattr(self.value, "to_table"):
            raise TypeError(f"a {type(self.value).__name__} has no table; look at `value`")
        return self.value.to_table()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw it by its own `plot`; raises `TypeError` if it has none."""
        if not hasattr(self.value, "plot"):
            raise TypeError(f"a {type(self.value).__name__} cannot draw itself; look at `value`")
        axes: Axes = self.value.plot(ax=ax)
        return axes


@component
class AdaptedEstimator(Estimator):
    """A gammapy estimator as it is."""

    kind = "adapted"
    product = GammapyProduct
    adapted: Any = foreign(doc="Anything with run(datasets).")

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> Product:
        """Run the gammapy estimator; those of maps take one dataset.

        Raises
        ------
        ModelError
            If it takes one dataset, and there are several.
        """
        one = next(iter(inspect.signature(self.adapted.run).parameters), "") == "dataset"
        if one and len(datasets) != 1:
            raise ModelError(
                f"{type(self.adapted).__name__} takes one dataset, and there are {len(datasets)}: "
                "stack them, or use a component that can"
            )
        return GammapyProduct(self.label, self.adapted.run(datasets[0] if one else datasets))
