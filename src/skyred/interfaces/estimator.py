"""The estimator: what is derived from fitted datasets."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from skyred.fields import Name, option
from skyred.interfaces.adapting import adapted
from skyred.interfaces.component import Component, value
from skyred.interfaces.product import Product

if TYPE_CHECKING:
    from gammapy.datasets import Datasets

    from skyred.interfaces.records import FitResult


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
    def adapt(
        cls, other: object, *, name: str | None = None, parameter: str | None = None
    ) -> Component | None:
        """Take a gammapy estimator: anything with ``run(datasets)`` or ``run(dataset)``.

        Parameters
        ----------
        other : object
            The estimator.
        name : str, optional
            What its product is called; by default like its class.
        parameter : str, optional
            The parameter that it is run for, if its ``run`` takes one too; by default each that is
            free.

        Raises
        ------
        FieldError
            If its ``run`` takes something else.
        """
        return adapted(cls.role, other, name=name, parameter=parameter)
