"""The state of datasets and models: whether a component has changed it, and its restoration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

import attrs

from skyred.run.model_state import ModelState
from skyred.run.part_copies import checksum_of, copy_values, restore_values

if TYPE_CHECKING:
    from gammapy.datasets import Datasets

PARTS = (
    *("counts", "counts_off", "exposure", "background", "acceptance", "acceptance_off"),
    *("mask_safe", "mask_fit", "gti", "meta_table", "data", "stat_type"),
)
IRFS = ("psf", "edisp")
SUBMODELS = ("spectral_model", "spatial_model", "temporal_model")
MODEL_PARTS = (
    *("frame", "normalize", "_map", "map", "table", "energy", "values", "scale"),
    *("operator", "model1", "model2"),
)


@attrs.frozen(eq=False)
class PartState:
    """A part of a dataset (a map, a mask, a table), with its values.

    Parameters
    ----------
    container : object or dict
        The object or dict that contains the part.
    name : str
        The attribute or key of the part.
    part : object
        The part; None if there is none.
    checksum : int
        The checksum of the values.
    values : object
        A copy of the values, if they are to be restored.
    """

    container: Any
    name: str
    part: Any
    checksum: int
    values: Any

    @classmethod
    def read(cls, container: Any, name: str, *, copy: bool) -> Self:
        """Return the state of a part.

        Parameters
        ----------
        container : object or dict
            The object or dict that contains the part.
        name : str
            The attribute or key of the part.
        copy : bool
            Whether to copy the values.

        Returns
        -------
        PartState
            The state.
        """
        part = container[name] if isinstance(container, dict) else getattr(container, name)
        values = copy_values(part) if copy else None
        return cls(container, name, part, checksum_of(part), values)

    def restore(self) -> None:
        """Set the part and its values to this state."""
        if checksum_of(self.part) != self.checksum:
            restore_values(self.part, self.values)
        if isinstance(self.container, dict):
            self.container[self.name] = self.part
        else:
            setattr(self.container, self.name, self.part)


@attrs.frozen(eq=False)
class DatasetState:
    """The state of datasets and their models.

    Parameters
    ----------
    datasets : list of Dataset
        The datasets.
    names : list of str
        Their names.
    parts : dict of str to PartState
        The parts of the datasets, and the maps and settings of their models, by description.
    models : ModelState
        The state of the models.
    """

    datasets: list[Any]
    names: list[str]
    parts: dict[str, PartState]
    models: ModelState

    @classmethod
    def read(cls, datasets: Datasets, *, copy: bool = False) -> Self:
        """Return the state of datasets.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their models.
        copy : bool
            Whether to copy the values of maps and tables, so that they can be restored.

        Returns
        -------
        DatasetState
            The state.
        """
        return cls(
            list(datasets),
            list(datasets.names),
            {**dict(_iter_parts(datasets, copy)), **dict(_iter_model_parts(datasets.models, copy))},
            ModelState.read(datasets.models),
        )

    def find_changes(self, datasets: Datasets) -> list[str]:
        """Return descriptions of everything that differs from this state.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets.

        Returns
        -------
        list of str
            The descriptions; empty if nothing has changed.
        """
        state = DatasetState.read(datasets)
        if state.names != self.names:
            return ["the names or the order of the datasets"]
        changes = [
            name
            for name in {**self.parts, **state.parts}
            if _checksum(self.parts.get(name)) != _checksum(state.parts.get(name))
        ]
        return changes + self.models.find_changes(datasets.models)

    def restore(self, datasets: Datasets) -> None:
        """Set datasets, their parts and their models to this state.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets. Values that were changed in place are only restored if this state has
            copies of them.
        """
        datasets._datasets[:] = self.datasets
        for dataset, name in zip(self.datasets, self.names, strict=True):
            dataset._name = name
        for part in self.parts.values():
            part.restore()
        self.models.restore()
        datasets.models = self.models.models


def _iter_parts(datasets: Datasets, copy: bool) -> Iterator[tuple[str, PartState]]:
    for dataset in datasets:
        for name in PARTS:
            if attribute := _find_attribute(dataset, name):
                yield f"{name} of {dataset.name}", PartState.read(dataset, attribute, copy=copy)
        for irf_name in IRFS:
            irf = getattr(dataset, irf_name, None)
            if irf is None:
                continue
            yield f"{irf_name} of {dataset.name}", PartState.read(dataset, irf_name, copy=copy)
            for name in ("_irf_map", "exposure_map"):
                if name in vars(irf):
                    label = f"{name.strip('_')} of the {irf_name} of {dataset.name}"
                    yield label, PartState.read(irf, name, copy=copy)
        flux_maps = getattr(getattr(dataset, "data", None), "_data", None)
        for name in flux_maps if isinstance(flux_maps, dict) else ():
            label = f"{name} of the flux points of {dataset.name}"
            yield label, PartState.read(flux_maps, name, copy=copy)
        if isinstance(flux_maps, dict):
            label = f"reference model of the flux points of {dataset.name}"
            yield label, PartState.read(dataset.data, "_reference_model", copy=copy)


def _iter_model_parts(models: Any, copy: bool) -> Iterator[tuple[str, PartState]]:
    """Yield maps, tables and settings of the models of gammapy, which are no parameters."""
    for model in models or ():
        yield from _iter_attributes(model, f"the model {model.name}", copy)
        for name in SUBMODELS:
            if (submodel := getattr(model, name, None)) is not None:
                label = f"the {name.replace('_', ' ')} of {model.name}"
                yield from _iter_attributes(submodel, label, copy)


def _iter_attributes(model: Any, label: str, copy: bool) -> Iterator[tuple[str, PartState]]:
    # other classes may change attributes while they are evaluated, except the frame
    is_native = type(model).__module__.startswith("gammapy.")
    for name in MODEL_PARTS if is_native else ("frame",):
        if name in vars(model):
            yield f"{name.strip('_')} of {label}", PartState.read(model, name, copy=copy)


def _find_attribute(dataset: Any, name: str) -> str:
    """Return the attribute of a part; "" for parts that a dataset computes or does not have."""
    if f"_{name}_hdu" in vars(dataset):
        getattr(dataset, name)  # gammapy reads the maps of some files when they are used
    return next((key for key in (f"_{name}", name) if key in vars(dataset)), "")


def _checksum(state: PartState | None) -> int:
    return 0 if state is None else state.checksum
