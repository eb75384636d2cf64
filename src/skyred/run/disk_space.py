"""Checks of the disk space for a run folder, and errors if the disk is full or faulty."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import DiskError
from skyred.io.disk import disk_failure, format_size, free_bytes, sync
from skyred.plugins.component_errors import errors_of

if TYPE_CHECKING:
    from gammapy.data import ObservationTable
    from gammapy.datasets import Dataset

    from skyred.interfaces import Reduction
    from skyred.plugins import Catalog

PROBE_SIZE = 65536  # bytes; more than file systems store inline with the metadata of a file


def probe(folder: Path) -> None:
    """Check that files can be written to an existing folder, by writing a temporary file.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    DiskError
        If the disk is full, read-only or faulty.
    """
    path = folder / ".probe"
    with disk_errors(folder.parent):
        path.write_bytes(bytes(PROBE_SIZE))
        sync(path)
        path.unlink()


@contextmanager
def disk_errors(path: Path, required_size: float = 0) -> Iterator[None]:
    """Convert errors that a full or faulty disk causes to `DiskError`.

    Parameters
    ----------
    path : Path
        The path that is written.
    required_size : float
        The minimum number of bytes to write; 0 if unknown.

    Raises
    ------
    DiskError
        If an error was caused by the disk; other errors are not converted.
    """
    try:
        yield
    except DiskError:
        raise
    except Exception as error:
        if not (reason := disk_failure(error)):
            raise
        raise DiskError(
            f"{path} cannot be written: {reason} ({_describe_space(path, required_size)}); free "
            "some space, or choose another run folder; this run was not published"
        ) from error


def require_space(folder: Path, required_size: float) -> None:
    """Check that the disk of a folder has enough space for a run.

    Parameters
    ----------
    folder : Path
        The folder.
    required_size : float
        The number of bytes.

    Raises
    ------
    DiskError
        If fewer bytes are free.
    """
    if free_bytes(folder) < required_size:
        raise DiskError(
            f"the disk of {folder} has too little free space for this run: "
            f"{_describe_space(folder, required_size)}; free some space, or choose another run "
            "folder"
        )


def minimum_size(
    tables: Mapping[str, ObservationTable],
    reductions: Mapping[str, Reduction],
    catalog: Catalog | None = None,
) -> float:
    """Return the minimum size of the datasets of selected observations, without reading data.

    Parameters
    ----------
    tables : mapping of str to ObservationTable
        The selected observations by data entry.
    reductions : mapping of str to Reduction
        The data entries by name.
    catalog : Catalog, optional
        The components of the plugins, which errors name.

    Returns
    -------
    float
        The number of bytes, if all observations are reduced.
    """
    required_size = 0.0
    for name, table in tables.items():
        reduction = reductions[name]
        geometry, stacker = reduction.geometry, reduction.stack
        with errors_of(geometry, catalog):
            fractions = geometry.coverage_fractions(table, reduction)
        with errors_of(stacker, catalog):
            n_datasets = stacker.minimum_size(fractions)
        if n_datasets:
            with errors_of(geometry, catalog):
                required_size += n_datasets * size_of([geometry.target(name)])
    return required_size


def size_of(datasets: Iterable[Dataset]) -> float:
    """Return the size of the maps of datasets in memory, a lower limit for that of FITS files.

    Parameters
    ----------
    datasets : iterable of Dataset
        The datasets.

    Returns
    -------
    float
        The number of bytes.
    """
    return float(sum(array.nbytes for dataset in datasets for array in _arrays(dataset)))


def _arrays(dataset: Any) -> Iterator[np.ndarray]:
    # most maps are attributes of the dataset; those of the IRFs are attributes of psf and edisp
    for name in ("counts", "counts_off", "exposure", "background", "acceptance", "acceptance_off"):
        yield from _data(getattr(dataset, name, None))
    for name in ("mask_safe", "mask_fit"):
        yield from _data(getattr(dataset, name, None))
    for name in ("psf", "edisp"):
        irf = getattr(dataset, name, None)
        yield from _data(getattr(irf, f"{name}_map", None))
        yield from _data(getattr(irf, "exposure_map", None))


def _data(data_map: Any) -> Iterator[np.ndarray]:
    if data_map is not None and isinstance(data_map.data, np.ndarray):
        yield data_map.data


def _describe_space(path: Path, required_size: float) -> str:
    existing_folder = next(folder for folder in (path, *path.parents) if folder.exists())
    requirement = f"at least {format_size(required_size)} is needed, and " if required_size else ""
    return f"{requirement}{format_size(free_bytes(existing_folder))} is free"
