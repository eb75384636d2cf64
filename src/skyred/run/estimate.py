"""The estimators of a pipeline, whose tasks run on the workers of the engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

import attrs

from skyred.errors import ComponentError, format_list
from skyred.interfaces import Estimator, Product
from skyred.interfaces.records import FitResult
from skyred.io.streaming import Workers
from skyred.plugins import Catalog
from skyred.run.component_errors import describe_component, errors_of
from skyred.run.engine_tasks import EngineTasks
from skyred.run.unchanged import DatasetState

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
        ComponentError
            If an estimator changes the datasets or their models; later ones do not run.
        Exception
            The first error of an estimator; raised after all estimators have run.
        """
        errors: list[Exception] = []
        state = DatasetState.read(datasets)
        for estimator in estimators:
            report = partial(self.report, estimate=estimator.label)
            tasks = EngineTasks(self.workers, self.slots, report)
            try:
                with errors_of(estimator, self.catalog):
                    estimates[estimator.label] = estimator.estimate_with(datasets, fit, tasks)
            except Exception as error:
                log.error("the estimate %s failed: %s", estimator.label, error)
                errors.append(error)
            self._require_unchanged(estimator, datasets, state, estimates)
        if errors:
            raise errors[0]

    def _require_unchanged(
        self,
        estimator: Estimator,
        datasets: Datasets,
        state: DatasetState,
        estimates: dict[str, Product],
    ) -> None:
        """Raise an error if an estimator has changed datasets or models; the models are restored.

        The next estimators and the run folder would have other values than the fit.
        """
        if changes := state.find_changes(datasets):
            state.restore_models(datasets)
            estimates.pop(estimator.label, None)  # may depend on the changes
            raise ComponentError(
                f"the {describe_component(estimator, self.catalog)} changed "
                f"{format_list(changes, 5)}; an estimator must copy datasets and models before it "
                "changes them, because the next estimators and the run folder use them too"
            )
