"""The values of a result: whether a lifecycle hook has changed them in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from skyred.run.dataset_state import DatasetState
from skyred.run.part_copies import checksum_of

if TYPE_CHECKING:
    from skyred.result import Result


@attrs.frozen(eq=False)
class ResultState:
    """The state of a result.

    Parameters
    ----------
    datasets : DatasetState, optional
        The state of the datasets and models; None if there are no datasets.
    checksums : dict of str to int
        The checksums of tables, maps, arrays and numbers of other outputs, by description.
    """

    datasets: DatasetState | None
    checksums: dict[str, int]

    @classmethod
    def read(cls, result: Result) -> Self:
        """Return the state of a result.

        Parameters
        ----------
        result : Result
            The result.

        Returns
        -------
        ResultState
            The state.
        """
        datasets = DatasetState.read(result.datasets) if result.datasets else None
        return cls(datasets, dict(_iter_checksums(result)))

    def find_changes(self, result: Result) -> list[str]:
        """Return descriptions of everything that differs from this state.

        Parameters
        ----------
        result : Result
            The result.

        Returns
        -------
        list of str
            The descriptions; empty if nothing has changed.
        """
        changes = self.datasets.find_changes(result.datasets) if self.datasets else []
        checksums = dict(_iter_checksums(result))
        return changes + [
            name for name, checksum in self.checksums.items() if checksums.get(name) != checksum
        ]

    def restore(self, result: Result) -> None:
        """Set the datasets, their parts and the models to this state, but not maps and tables.

        Parameters
        ----------
        result : Result
            The result.
        """
        if self.datasets:
            self.datasets.restore(result.datasets)


def _iter_checksums(result: Result) -> Iterator[tuple[str, int]]:
    """Yield the checksums of tables and estimates; the arrays of a fit are read-only."""
    for entry, table in result.observation_tables.items():
        yield f"the observation table of {entry}", checksum_of(table)
    for label, product in result.estimates.items():
        for name, value in _iter_values(product):
            yield f"{name} of the estimate {label}", checksum_of(value)


def _iter_values(product: Any) -> Iterator[tuple[str, Any]]:
    """Yield tables, maps, arrays, numbers and text in the public fields of a product."""
    if not attrs.has(type(product)):
        return
    for field in attrs.fields(type(product)):
        if field.name.startswith("_"):  # may be computed when it is used
            continue
        value = getattr(product, field.name, None)
        maps = getattr(value, "_data", None)  # gammapy's flux points and flux maps
        nested = value if isinstance(value, Mapping) else maps if isinstance(maps, dict) else None
        if nested is None:
            nested = {"": value}
        for key, part in nested.items():
            if _has_values(part):
                yield f"{field.name} {key}".strip(), part


def _has_values(part: Any) -> bool:
    is_plain = isinstance(part, str | float | int | np.ndarray)
    return is_plain or hasattr(part, "colnames") or isinstance(_data_of(part), np.ndarray)


def _data_of(part: Any) -> Any:
    return getattr(part, "data", None)
