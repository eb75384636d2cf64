"""The interface of estimators that derive quantities from fitted datasets."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from skyred.fields import SPEC, Name, option, specs
from skyred.interfaces.adapting import adapt_object
from skyred.interfaces.component import Component, value
from skyred.interfaces.dataset_names import select_datasets
from skyred.interfaces.product import Product

if TYPE_CHECKING:
    from gammapy.datasets import Datasets

    from skyred.interfaces.records import FitResult

    Estimate = Callable[["Estimator", Datasets, FitResult | None], Product]

_SELECTS = "_selects_datasets"


@value
class Estimator(Component):
    """Derives a product, such as flux points, from fitted datasets.

    The option `datasets` is applied before `estimate` of a subclass is called, which receives only
    the selected datasets.
    """

    role: ClassVar[str] = "estimator"
    product: ClassVar[type[Product]]
    name: str | None = option(
        None, type=Name, doc="Name of the estimate in the results; by default the kind."
    )
    datasets: tuple[str, ...] = option(
        (),
        type=str,
        many=True,
        doc="Names of the datasets to use (with wildcards); by default all.",
    )

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _check_declaration_of_datasets(cls)
        # here, and not in the orchestrator: estimators are also called directly
        estimate: Any = cls.estimate  # possibly of a mixin
        # functools.wraps copies the attribute, so a true value is not enough
        is_wrapped = getattr(estimate, _SELECTS, None) is estimate
        if not is_wrapped and not getattr(estimate, "__isabstractmethod__", False):
            cls.estimate = _with_selected_datasets(estimate)  # type: ignore[method-assign, assignment]

    @abstractmethod
    def estimate(self, datasets: Datasets, fit: FitResult | None) -> Product:
        """Derive the product from datasets and their models, without changing them.

        Parameters
        ----------
        datasets : Datasets
            The datasets, with their (fitted) models.
        fit : FitResult or None
            The result of the fit; None if there was no fit.

        Returns
        -------
        Product
            The product.
        """

    @property
    def label(self) -> str:
        """Name of the estimate in the results."""
        return self.name or self.kind

    @classmethod
    def adapt(
        cls,
        candidate: object,
        *,
        name: str | None = None,
        parameter: str | None = None,
        datasets: Sequence[str] = (),
    ) -> Component | None:
        """Return a gammapy estimator as a component.

        Parameters
        ----------
        candidate : object
            The estimator: an object with ``run(datasets)`` or ``run(dataset)``.
        name : str, optional
            The name of its product; by default the name of its class.
        parameter : str, optional
            The parameter that it is run for, if its ``run`` needs one; by default it is run for
            each free parameter.
        datasets : sequence of str, optional
            The names of the datasets to use, with wildcards; by default all.

        Returns
        -------
        Component or None
            The component; None if `candidate` has no ``run``.

        Raises
        ------
        FieldError
            If its ``run`` takes other arguments.
        """
        component = adapt_object(cls.role, candidate, name=name, parameter=parameter)
        # not an argument of the adapters: those of other packages may not accept it
        if component is None or not datasets:
            return component
        return component.evolve(datasets=datasets)


def _check_declaration_of_datasets(cls: type[Estimator]) -> None:
    """Raise an error if a class replaces the option `datasets` by something else."""
    if "datasets" not in vars(cls) and "datasets" not in vars(cls).get("__annotations__", {}):
        return
    spec = getattr(vars(cls).get("datasets"), "metadata", {}).get(SPEC)
    inherited = specs(Estimator)["datasets"]
    if spec is None or spec.type_name != inherited.type_name or spec.optional:
        raise TypeError(
            f"{cls.__name__}.datasets replaces the option datasets of all estimators, "
            f"{inherited.type_name}: rename it, or declare it with "
            "option((), type=str, many=True, doc=...)"
        )


def _with_selected_datasets(estimate: Estimate) -> Estimate:
    """Return the method `estimate` with a selection of the datasets before it.

    The method of a parent class, called by ``super().estimate(...)``, gets the datasets that it is
    passed: these are selected already, and may have been reduced further.
    """

    @functools.wraps(estimate)
    def estimate_selected(self: Estimator, datasets: Datasets, fit: FitResult | None) -> Product:
        if type(self).estimate is not estimate_selected:  # that of a parent class
            return estimate(self, datasets, fit)
        return estimate(self, select_datasets(datasets, self.datasets), fit)

    setattr(estimate_selected, _SELECTS, estimate_selected)
    return estimate_selected
