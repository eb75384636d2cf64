"""The estimators of a pipeline, whose tasks run on the workers of the engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import attrs

from skyred.errors import ComponentError, format_list
from skyred.interfaces import Estimator, Product
from skyred.interfaces.hidden_secrets import find_secrets
from skyred.interfaces.product_checks import check_product
from skyred.interfaces.records import FitResult
from skyred.io.streaming import Workers
from skyred.plugins import Catalog
from skyred.plugins.component_errors import describe_component, errors_of, is_default
from skyred.run.dataset_state import DatasetState
from skyred.run.engine_tasks import EngineTasks

if TYPE_CHECKING:
    from gammapy.datasets import Datasets

log = logging.getLogger(__name__)


@attrs.define(eq=False)
class EstimatorRunner:
    """Runs estimators one after the other; a faulty estimator does not stop the others.

    Parameters
    ----------
    workers : Workers
        The workers of the engine.
    slots : int
        Number of tasks that may run at once.
    catalog : Catalog
        The components of the plugins.
    report : callable
        Called after each task, with the arguments `estimate`, the name of the estimate, and
        `finished` and `total`, the numbers of finished tasks and of all tasks.
    """

    workers: Workers
    slots: int
    catalog: Catalog
    report: Callable[..., None]

    def run(
        self,
        estimators: Iterable[Estimator],
        datasets: Datasets,
        fit: FitResult | None,
        estimates: dict[str, Product],
    ) -> None:
        """Run estimators.

        Parameters
        ----------
        estimators : iterable of Estimator
            The estimators.
        datasets : Datasets
            The datasets, with their models.
        fit : FitResult or None
            The result of the fit.
        estimates : dict of str to Product
            The estimates by name; each is added as soon as it is computed.

        Raises
        ------
        Exception
            The first error of an estimator, or a `ComponentError` if it has changed the datasets
            or their models, which are restored; raised after all estimators have run.
        """
        errors: list[Exception] = []
        # estimators of skyred change nothing; copies of large maps take memory
        copy = not all(is_default(estimator, self.catalog) for estimator in estimators)
        state = DatasetState.read(datasets, copy=copy)
        for estimator in estimators:
            try:
                with self._restore_changes(estimator, state, datasets):
                    estimates[estimator.label] = self._estimate(estimator, datasets, fit)
            except Exception as error:
                estimates.pop(estimator.label, None)
                log.error("the estimate %s failed: %s", estimator.label, error)
                errors.append(error)
        if errors:
            raise errors[0]

    def _estimate(self, estimator: Estimator, datasets: Datasets, fit: FitResult | None) -> Product:
        report = partial(self.report, estimate=estimator.label)
        tasks = EngineTasks(self.workers, self.slots, report, find_secrets([estimator]))
        with errors_of(estimator, self.catalog):
            product = estimator.estimate_with(datasets, fit, tasks)
            check_product(estimator, product)
            return product

    @contextmanager
    def _restore_changes(
        self, estimator: Estimator, state: DatasetState, datasets: Datasets
    ) -> Iterator[None]:
        """Restore datasets and models that an estimator has changed, and raise an error.

        The next estimators and the run folder would have other values than the fit.
        """
        try:
            yield
        finally:
            if changes := state.find_changes(datasets):
                state.restore(datasets)
        if changes:
            raise ComponentError(
                f"the {describe_component(estimator, self.catalog)} changed "
                f"{format_list(changes, 5)}, which is restored; an estimator must copy datasets "
                "and models before it changes them, because the next estimators and the run folder "
                "use them too"
            )
