"""Disk space: whether a place takes what a run will write, and what is said when it does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import DiskError
from skyred.io.disk import free_bytes, gave_out, megabytes, sync

if TYPE_CHECKING:
    from gammapy.data import ObservationTable
    from gammapy.datasets import Dataset

    from skyred.interfaces import Reduction

PROBE = 65536  # bytes: more than fits beside the names of a folder on any file system


def probe(folder: Path) -> None:
    """Write a little into a folder that exists, and wait until it is on the disk.

    Raises
    ------
    DiskError
        If the disk does not take it.
    """
    path = folder / ".probe"
    with disk_errors(folder.parent):
        path.write_bytes(bytes(PROBE))
        sync(path)
        path.unlink()


@contextmanager
def disk_errors(place: Path, needed: float = 0) -> Iterator[None]:
    """Turn what comes of a disk that gives out into one sentence.

    Parameters
    ----------
    place : Path
        What is written.
    needed : float
        How many bytes are to be written at least, if that is known.

    Raises
    ------
    DiskError
        Instead of any error that a disk that gave out is behind; others pass.
    """
    try:
        yield
    except DiskError:
        raise
    except Exception as error:
        if not (reason := gave_out(error)):
            raise
        raise DiskError(
            f"{place} cannot be written: {reason} ({_room(place, needed)}); make room, or choose "
            "another place with -o; nothing of this run is left there"
        ) from error


def refuse_without_room(place: Path, needed: float) -> None:
    """Raise `DiskError` if a place has less room than a run will need at least."""
    if free_bytes(place) < needed:
        raise DiskError(
            f"{place} is too small for this run: {_room(place, needed)}; make room, or choose "
            "another place with -o"
        )


def needed_for(selected: Mapping[str, ObservationTable], data: Mapping[str, Reduction]) -> float:
    """Give the bytes that the datasets of chosen observations will take at least.

    Counted if all of them are made; nothing of them is read.
    """
    needed = 0.0
    for entry, table in selected.items():
        reduction = data[entry]
        fractions = reduction.geometry.coverage_fractions(table, reduction)
        if size := reduction.stack.minimum_size(fractions):
            needed += size * size_of([reduction.geometry.target(entry)])
    return needed


def size_of(datasets: Iterable[Dataset]) -> float:
    """Give the bytes of the maps of datasets: in FITS files they take no less."""
    return float(sum(array.nbytes for dataset in datasets for array in _arrays(dataset)))


def _arrays(dataset: Any) -> Iterator[np.ndarray]:
    # every map of a dataset is an attribute; those of responses are one level down
    for name in ("counts", "counts_off", "exposure", "background", "acceptance", "acceptance_off"):
        yield from _data(getattr(dataset, name, None))
    for name in ("mask_safe", "mask_fit"):
        yield from _data(getattr(dataset, name, None))
    for name in ("psf", "edisp"):
        response = getattr(dataset, name, None)
        yield from _data(getattr(response, f"{name}_map", None))
        yield from _data(getattr(response, "exposure_map", None))


def _data(held: Any) -> Iterator[np.ndarray]:
    if held is not None and isinstance(held.data, np.ndarray):
        yield held.data


def _room(place: Path, needed: float) -> str:
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    least = f"at least {megabytes(needed)} are needed, and " if needed else ""
    return f"{least}{megabytes(free_bytes(there))} are free"
