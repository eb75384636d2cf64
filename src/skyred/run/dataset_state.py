"""The state of datasets and models: whether a component has changed it, and its restoration."""

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
IRFS = ("psf", "edisp")
ATTRIBUTES = ("value", "error", "min", "max", "frozen")


@attrs.frozen(eq=False)
class MapState:
    """A map of a dataset, with its values.

    Parameters
    ----------
    container : object
        The dataset, or one of its IRFs.
    attribute : str
        The attribute of `container` with the map.
    map : object
        The map; None if there is none.
    checksum : int
        The checksum of the values.
    values : numpy.ndarray or None
        A copy of the values, if they are to be restored.
    """

    container: Any
    attribute: str
    map: Any
    checksum: int
    values: NDArray[Any] | None

    def restore(self) -> None:
        """Set the map and its values to this state."""
        setattr(self.container, self.attribute, self.map)
        if self.map is not None and self.values is not None:
            self.map.data = self.values


@attrs.frozen(eq=False)
class DatasetState:
    """The state of datasets and their models.

    Parameters
    ----------
    datasets : list of Dataset
        The datasets.
    maps : dict of str to MapState
        The maps, by map and dataset.
    parameters : dict of str to tuple
        Each parameter and its attributes, by model and name.
    models : gammapy.modeling.models.DatasetModels or None
        The models.
    covariances : dict of str to numpy.ndarray
        The covariance matrix of each spectral, spatial or temporal model, by name.
    """

    datasets: list[Any]
    maps: dict[str, MapState]
    parameters: dict[str, tuple[Any, tuple[Any, ...]]]
    models: Any
    covariances: dict[str, NDArray[np.float64]]

    @classmethod
    def read(cls, datasets: Datasets, *, copy: bool = False) -> Self:
        """Return the state of datasets.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their models.
        copy : bool
            Whether to copy the values of maps, so that they can be restored.

        Returns
        -------
        DatasetState
            The state.
        """
        models = datasets.models
        return cls(
            list(datasets),
            dict(_iter_maps(datasets, copy)),
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
            for name in {**self.maps, **state.maps}
            if _checksum_of(self.maps.get(name)) != _checksum_of(state.maps.get(name))
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

    def restore(self, datasets: Datasets) -> None:
        """Set datasets, maps, models, parameters and covariances to this state.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets. Values that were changed in place are only restored if this state has
            copies of them.
        """
        datasets._datasets[:] = self.datasets
        for state in self.maps.values():
            state.restore()
        datasets.models = self.models
        for parameter, attributes in self.parameters.values():
            for name, value in zip(ATTRIBUTES, attributes, strict=True):
                setattr(parameter, name, value)
        for name, part in _iter_parts(self.models):
            part.covariance = self.covariances[name]


def _iter_maps(datasets: Datasets, copy: bool) -> Iterator[tuple[str, MapState]]:
    for dataset in datasets:
        for name in MAPS:
            # the background of on-off datasets is computed, and not in vars()
            attribute = f"_{name}" if f"_{name}" in vars(dataset) else name
            if attribute in vars(dataset):
                yield f"{name} of {dataset.name}", _read_map(dataset, attribute, copy)
        for irf_name in IRFS:
            irf = getattr(dataset, irf_name, None)
            for name in (f"{irf_name}_map", "exposure_map"):
                if name in vars(irf) if hasattr(irf, "__dict__") else ():
                    label = f"{name} of the {irf_name} of {dataset.name}"
                    yield label, _read_map(irf, name, copy)


def _read_map(container: Any, attribute: str, copy: bool) -> MapState:
    part = getattr(container, attribute)
    if not hasattr(part, "data"):
        return MapState(container, attribute, part, 0, None)
    values = part.data
    checksum = zlib.crc32(np.ascontiguousarray(values).data.cast("B"))
    return MapState(container, attribute, part, checksum, values.copy() if copy else None)


def _checksum_of(state: MapState | None) -> int:
    return 0 if state is None else state.checksum


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
