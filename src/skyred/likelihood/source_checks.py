"""Checks of the input of fits and flux estimators: datasets, source, counts and telescopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skyred.errors import FitError
from skyred.likelihood.shared_values import value_key

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import SkyModel


def as_datasets(datasets: Any) -> Datasets:
    """Return datasets as `Datasets`; those that are `Datasets` keep their covariance.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets, Dataset or iterable of Dataset
        The datasets.

    Returns
    -------
    gammapy.datasets.Datasets
        The datasets.
    """
    from gammapy.datasets import Dataset, Datasets

    if isinstance(datasets, Datasets):
        return datasets
    return Datasets(datasets if isinstance(datasets, Dataset) else list(datasets))


def find_source(datasets: Datasets, source: str | int) -> SkyModel:
    """Find a source model of datasets with counts.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        Datasets with models assigned.
    source : str or int
        The name of the source, or its index in ``datasets.models``, as in gammapy's estimators.

    Returns
    -------
    gammapy.modeling.models.SkyModel
        The source model.

    Raises
    ------
    FitError
        If there is no such source model, or a dataset does not contain counts.
    """
    from gammapy.modeling.models import SkyModel

    require_counts(datasets)
    models = [model for dataset in datasets for model in dataset.models or ()]
    names = [model.name for model in models if isinstance(model, SkyModel)]
    all_models = list(datasets.models or ())
    if isinstance(source, int):
        if not -len(all_models) <= source < len(all_models):
            raise FitError(
                f"there is no model with index {source}: the datasets have {len(all_models)} models"
            )
        source = str(all_models[source].name)
    if source not in names:
        available = ", ".join(dict.fromkeys(names)) or "none"
        raise FitError(f"no source is named {source!r}; available: {available}")
    return next(model for model in all_models if model.name == source)


def require_counts(datasets: Datasets) -> None:
    """Raise `FitError` unless all datasets contain counts.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets.

    Raises
    ------
    FitError
        If a dataset contains flux points.
    """
    for dataset in datasets:
        if dataset.tag == "FluxPointsDataset":
            raise FitError(f"dataset {dataset.name!r} contains flux points; expected counts")


def require_one_telescope(datasets: Datasets) -> None:
    """Raise `FitError` if the meta tables of datasets name several telescopes.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets.

    Raises
    ------
    FitError
        If there are several values of the keyword TELESCOP.
    """
    tables = [dataset.meta_table for dataset in datasets if dataset.meta_table is not None]
    columns = [table["TELESCOP"] for table in tables if "TELESCOP" in table.colnames]
    names = {str(name) for column in columns for name in column.flatten()}
    if len(names) > 1:
        raise FitError(
            "All datasets must use the same value of the 'TELESCOP' meta keyword, but these have "
            f"{', '.join(sorted(names))}; pass allow_multiple_telescopes=True to combine them"
        )


def require_other_free_parameters(datasets: Datasets, source: SkyModel) -> None:
    """Raise `FitError` if no model other than the source has free parameters.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        Datasets with models assigned.
    source : gammapy.modeling.models.SkyModel
        The source.

    Raises
    ------
    FitError
        If there are no parameters to reoptimize.
    """
    source_keys = {value_key(parameter) for parameter in source.parameters}
    if all(
        value_key(parameter) in source_keys
        for parameter in datasets.models.parameters.free_parameters
    ):
        raise FitError(
            f"No free parameters for fitting: reoptimize=True, but all models except {source.name} "
            "are frozen; pass reoptimize=False"
        )
