"""Predicted counts of datasets as gammapy maps, with IRFs that are looked up faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyred.likelihood.compile import reason_dataset_not_compilable, reason_source_not_compilable
from skyred.likelihood.response import DatasetIrfs

if TYPE_CHECKING:
    from gammapy.datasets import MapDataset


def update_evaluators(dataset: MapDataset) -> None:
    """Look up the IRFs of the sources of a dataset, where gammapy would look them up.

    Afterwards `npred` and `npred_signal` of the dataset use these IRFs, which equal gammapy's up to
    rounding. The IRFs of datasets and models that skyred does not support are left to gammapy.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset
        The dataset, with models assigned.
    """
    outdated = [evaluator for evaluator in dataset.evaluators.values() if evaluator.needs_update]
    if not outdated or reason_dataset_not_compilable(dataset):
        return
    dataset_irfs = DatasetIrfs(dataset)
    for evaluator in outdated:
        if not reason_source_not_compilable(evaluator.model, dataset_irfs):
            dataset_irfs.update(evaluator)
