"""The state of datasets and models, to find out whether an estimator has changed them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gammapy.datasets import Datasets

MAPS = (
    *("counts", "counts_off", "exposure", "background", "acceptance", "acceptance_off"),
    *("mask_safe", "mask_fit"),
)
ATTRIBUTES = ("value", "error", "min", "max", "frozen")


@attrs.frozen(eq=False)
class DatasetState:
    """The state of datasets and their models.

    Parameters
    ----------
    checksums : dict of str to int
        A checksum of the values of each map, by dataset and map.
    parameters : dict of str to tuple
        Each parameter and its attributes, by model and name.
    models : gammapy.modeling.models.DatasetModels or None
        The models.
    covariances : dict of str to numpy.ndarray
        The covariance matrix of each spectral, spatial or temporal model, by name.
    """

    checksums: dict[str, int]
    parameters: dict[str, tuple[Any, tuple[Any, ...]]]
    models: Any
    covariances: dict[str, NDArray[np.float64]]

    @classmethod
    def read(cls, datasets: Datasets) -> Self:
        """Return the state of datasets.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their models.

        Returns
        -------
        DatasetState
            The state.
        """
        models = datasets.models
        return cls(
            dict(_iter_checksums(datasets)),
            dict(_iter_parameters(models)),
            models,
            {name: np.array(part.covariance.data) for name, part in _iter_parts(models)},
        )

    def find_changes(self, datasets: Datasets) -> list[str]:
        """Return the names of the maps and parameters that differ from this state.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets.

        Returns
        -------
        list of str
            The names; empty if nothing has changed.
        """
        state = DatasetState.read(datasets)
        changes = [
            name
            for name in {**self.checksums, **state.checksums}
            if self.checksums.get(name) != state.checksums.get(name)
        ]
        for name in {**self.parameters, **state.parameters}:
            _, attributes = self.parameters.get(name, (None, ()))
            _, new_attributes = state.parameters.get(name, (None, ()))
            if not _are_equal(attributes, new_attributes):
                changes.append(f"the parameter {name}")
        changes += [
            f"the covariance of {name}"
            for name, covariance in self.covariances.items()
            if not changes and not _are_equal(covariance, state.covariances.get(name))
        ]
        return changes

    def restore_models(self, datasets: Datasets) -> None:
        """Set the models, their parameters and their covariance to this state.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets.
        """
        datasets.models = self.models
        for parameter, attributes in self.parameters.values():
            for name, value in zip(ATTRIBUTES, attributes, strict=True):
                setattr(parameter, name, value)
        for name, part in _iter_parts(self.models):
            part.covariance = self.covariances[name]


def _iter_checksums(datasets: Datasets) -> Iterator[tuple[str, int]]:
    for dataset in datasets:
        for name in MAPS:
            # the background of on-off datasets is computed, and not in vars()
            part = vars(dataset).get(f"_{name}", vars(dataset).get(name))
            if hasattr(part, "data"):
                yield f"{name} of {dataset.name}", _checksum(part.data)
        for name in ("psf", "edisp"):
            irf = getattr(dataset, name, None)
            for part_name in (f"{name}_map", "exposure_map"):
                part = getattr(irf, part_name, None)
                if part is not None:
                    yield f"{part_name} of the {name} of {dataset.name}", _checksum(part.data)


def _checksum(values: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(values).data.cast("B"))


def _iter_parameters(models: Any) -> Iterator[tuple[str, tuple[Any, tuple[Any, ...]]]]:
    for model in models or ():
        for parameter in model.parameters:
            attributes = tuple(getattr(parameter, name) for name in ATTRIBUTES)
            yield f"{model.name}.{parameter.name}", (parameter, attributes)


def _iter_parts(models: Any) -> Iterator[tuple[str, Any]]:
    """Yield the spectral, spatial and temporal models, which gammapy reads covariances from."""
    for model in models or ():
        for name in ("spectral_model", "spatial_model", "temporal_model"):
            if (part := getattr(model, name, None)) is not None:
                yield f"the {name.replace('_', ' ')} of {model.name}", part


def _are_equal(first: Any, second: Any) -> bool:
    if first is None or second is None or np.shape(first) != np.shape(second):
        return first is None and second is None
    return bool(np.array_equal(np.array(first, float), np.array(second, float), equal_nan=True))
