"""Datasets whose counts are summed over energy, or stacked over time, before a norm is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gammapy.datasets import Datasets
from gammapy.modeling.models import Models

from skyred.likelihood.shared_values import share_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy import units as u

STACKED = "stacked"  # name of stacked datasets, as in gammapy


def images_between(datasets: Datasets, low: u.Quantity, high: u.Quantity) -> Datasets:
    """Return datasets with one bin of energy, as gammapy's flux points estimator creates them.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        Datasets with models.
    low, high : astropy.units.Quantity
        Edges of the bin.

    Returns
    -------
    gammapy.datasets.Datasets
        The images of the datasets with bins in this range, with copies of the models.
    """
    sliced = datasets.slice_by_energy(low, high)
    images = Datasets([dataset.to_image(name=dataset.name) for dataset in sliced])
    models = datasets.models._slice_by_energy(low, high, sum_over_energy_groups=True)
    share_values(datasets.models, models)
    images.models = models
    return images


def stack_datasets(datasets: Datasets, names: Sequence[str]) -> Datasets:
    """Return one dataset with the counts of several, as gammapy's light curve estimator creates it.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        Datasets with models.
    names : sequence of str
        Names of the datasets to stack.

    Returns
    -------
    gammapy.datasets.Datasets
        The dataset, called ``stacked``. Its background is that of the fitted background models.
    """
    stacked = Datasets([datasets[name] for name in names]).stack_reduce(name=STACKED)
    models = Models(datasets.models.copy())
    share_values(datasets.models, models)
    for name in models.background_models.values():
        models.remove(name)
    for dataset in datasets:
        models.reassign(dataset.name, STACKED)
    stacked.models = models
    return Datasets([stacked])
