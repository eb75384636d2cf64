"""The interface of estimators that derive quantities from fitted datasets."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from skyred.fields import Name, option, specs
from skyred.interfaces.adapting import adapt_object
from skyred.interfaces.component import Component
from skyred.interfaces.dataset_selection import add_selection, check_declaration
from skyred.interfaces.product import Product
from skyred.interfaces.product_checks import check_product_class
from skyred.interfaces.value_class import value

if TYPE_CHECKING:
    from gammapy.datasets import Datasets

    from skyred.interfaces.records import FitResult
    from skyred.interfaces.tasks import Tasks


@value
class Estimator(Component):
    """Derives a product, such as flux points, from fitted datasets.

    A subclass implements `estimate`, and sets the class attribute `product` to the class of the
    product that it returns. This class reads the product from a run folder, and defines its files,
    table and plots: see `Product`, or use `TableProduct` if the result is a table. An estimator
    without `product` is an error of the declaration. The method `estimate` receives only the
    datasets that the option `datasets` selects.

    Examples
    --------
    >>> @component
    ... class Counts(Estimator):
    ...     "The number of counts in the mask of each dataset."
    ...
    ...     kind = "counts-table"
    ...     product = TableProduct
    ...
    ...     def estimate(self, datasets, fit):
    ...         counts = [dataset.counts.data[dataset.mask.data].sum() for dataset in datasets]
    ...         table = Table({"dataset": datasets.names, "counts": counts})
    ...         return TableProduct(self.label, table)  # doctest: +SKIP
    """

    role: ClassVar[str] = "estimator"
    #: The class of the products, which reads them from a run folder.
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
        check_declaration(cls, specs(Estimator)["datasets"])
        # `estimate` is wrapped here, not in the orchestrator: it can also be called directly
        add_selection(cls)

    @classmethod
    def check_class(cls) -> None:
        """Check the declaration of the class.

        Raises
        ------
        TypeError
            If `product` is missing or invalid.
        """
        check_product_class(cls)

    @abstractmethod
    def estimate(self, datasets: Datasets, fit: FitResult | None) -> Product:
        """Derive the product from datasets and their models, without changing them.

        A subclass may add the parameter `tasks`, a `Tasks` with the default `SERIAL_TASKS`. In a
        run, its tasks are then distributed over the workers of the engine.

        Parameters
        ----------
        datasets : Datasets
            The datasets, with their (fitted) models.
        fit : FitResult or None
            The result of the fit; None if there was no fit.

        Returns
        -------
        Product
            The product: an object of the class `product`, with the name ``self.label``.
        """

    def estimate_with(self, datasets: Datasets, fit: FitResult | None, tasks: Tasks) -> Product:
        """Call `estimate`, with the tasks if it has this parameter.

        Parameters
        ----------
        datasets : Datasets
            The datasets, with their (fitted) models.
        fit : FitResult or None
            The result of the fit; None if there was no fit.
        tasks : Tasks
            Runs the tasks of the estimator.

        Returns
        -------
        Product
            The product.
        """
        has_tasks = "tasks" in inspect.signature(self.estimate).parameters
        return self.estimate(datasets, fit, **({"tasks": tasks} if has_tasks else {}))

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
            The estimator: an object with ``run(datasets)``, ``run(dataset)`` or
            ``run(datasets, parameter)``.
        name : str, optional
            The name of the estimate; by default the name of the class of `candidate`.
        parameter : str, optional
            The parameter that the estimator is run for, if its ``run`` needs one; by default the
            estimator is run for each free parameter.
        datasets : sequence of str, optional
            The names of the datasets to use, with wildcards; by default all.

        Returns
        -------
        Component or None
            The component; None if `candidate` has no ``run``.

        Raises
        ------
        FieldError
            If the ``run`` of `candidate` takes other arguments.
        """
        component = adapt_object(cls.role, candidate, name=name, parameter=parameter)
        # not an argument of the adapters: those of other packages may not accept it
        if component is None or not datasets:
            return component
        return component.evolve(datasets=datasets)
