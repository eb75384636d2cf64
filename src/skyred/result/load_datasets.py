"""Load datasets that were reduced elsewhere, from their files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ArchiveError, FileError, OutputError
from skyred.interfaces import ReducedData
from skyred.result.dataset_files import (
    INDEX,
    find_dataset_type,
    read_dataset,
    read_datasets,
    read_index,
)
from skyred.result.ogip import companion_files
from skyred.result.verifying import verify_folder

if TYPE_CHECKING:
    from gammapy.datasets import Dataset

log = logging.getLogger(__name__)
INDEX_SUFFIXES = (".yaml", ".yml")


@attrs.define
class LoadedDatasets:
    """The datasets of a data entry, read from files.

    Parameters
    ----------
    datasets : list of Dataset
        The datasets.
    files : list of Path
        The files of the datasets, including indices and the files that they refer to.
    """

    datasets: list[Dataset]
    files: list[Path]


def load_datasets(entry: str, data: ReducedData) -> LoadedDatasets:
    """Read the datasets of a data entry.

    Datasets without a name are named ``{entry}-1``, ``{entry}-2``, ...; so are all others if the
    option `names` of the entry is "entry". The original name and the file of a dataset are stored
    in its `meta_table`.

    Parameters
    ----------
    entry : str
        The name of the data entry.
    data : ReducedData
        The data entry.

    Returns
    -------
    LoadedDatasets
        The datasets and their files.

    Raises
    ------
    ArchiveError
        If a file does not exist, or cannot be read as datasets, or names are not unique.
    """
    datasets: list[Dataset] = []
    files: list[Path] = []
    for path in dataset_files(entry, data):
        try:
            named_datasets = _read(path, data)
            files += [path, *_companions(path, data.allow_outside)]
        except (FileError, OutputError) as error:
            raise ArchiveError(f"data.{entry}: {error}") from error
        except Exception as error:  # gammapy, astropy and YAML may raise anything
            message = f"{path} cannot be read as datasets: {type(error).__name__}: {error}"
            raise ArchiveError(f"data.{entry}: {message}") from error
        for name, dataset in named_datasets:
            default_name = f"{entry}-{len(datasets) + 1}"
            new_name = name if name and data.names == "keep" else default_name
            datasets.append(_with_name(dataset, new_name, path))
    check_unique_names([(entry, dataset) for dataset in datasets])
    return LoadedDatasets(datasets, files)


def check_unique_names(datasets: Iterable[tuple[str, Dataset]]) -> None:
    """Check that no two datasets have the same name.

    Parameters
    ----------
    datasets : iterable of (str, Dataset)
        The datasets, each with the name of its data entry.

    Raises
    ------
    ArchiveError
        If two datasets have the same name.
    """
    entry_by_name: dict[str, str] = {}
    for entry, dataset in datasets:
        if dataset.name in entry_by_name:
            raise ArchiveError(
                f"data.{entry}: a dataset of data.{entry_by_name[dataset.name]} also has the name "
                f"{dataset.name!r}; set 'names: entry' to name datasets that are read from files "
                "after their data entry"
            )
        entry_by_name[dataset.name] = entry


def dataset_files(entry: str, data: ReducedData) -> Iterator[Path]:
    """Return the files of the datasets of a data entry, without duplicates or companion files.

    Parameters
    ----------
    entry : str
        The name of the data entry.
    data : ReducedData
        The data entry.

    Returns
    -------
    iterator of Path
        The files.

    Raises
    ------
    ArchiveError
        If no file matches a location, or a folder has no index of datasets.
    """
    path_by_target: dict[Path, Path] = {}
    for location in data.datasets:
        if not (matches := location.matches()):
            raise ArchiveError(f"data.{entry}: no such file: {location}; check the path")
        for match in matches:
            path = _index_in_folder(entry, match) if match.is_dir() else match
            if path_by_target.setdefault(path.resolve(), path) is not path:
                log.warning("data.%s: %s is listed twice; it is read once", entry, path)
    # pha_obs*.fits also matches the IRF files that gammapy writes next to the spectra
    companions = {
        companion.resolve()
        for path in path_by_target.values()
        for companion in _companions(path, data.allow_outside)
        if companion != path
    }
    return (path for target, path in path_by_target.items() if target not in companions)


def _index_in_folder(entry: str, folder: Path) -> Path:
    """Return the index of datasets in a run folder, or in another folder."""
    for candidate in (folder / "datasets" / INDEX, folder / INDEX):
        if candidate.is_file():
            return candidate
    raise ArchiveError(
        f"data.{entry}: the folder {folder} has neither {INDEX} nor datasets/{INDEX}; expected a "
        "run folder, or the path of files"
    )


def _read(path: Path, data: ReducedData) -> list[tuple[str | None, Dataset]]:
    """Return the datasets in a file, each with its name if it has one."""
    if path.suffix in INDEX_SUFFIXES:
        run_folder = path.parent.parent
        if path.parent.name == "datasets" and (run_folder / "config.yaml").is_file():
            verify_folder(run_folder)
        datasets = read_datasets(path, allow_outside=data.allow_outside, lazy=False)
        return [(str(dataset.name), dataset) for dataset in datasets]
    dataset_type = find_dataset_type(path)
    name, label = None, path.stem
    if dataset_type != "FluxPointsDataset":
        name, label = _stored_names(path)
    dataset = read_dataset(path, dataset_type, label, allow_outside=data.allow_outside, lazy=False)
    return [(name, dataset)]


def _stored_names(path: Path) -> tuple[str | None, str]:
    """Return the name of a dataset in its file, or None, and a label, by default the file name.

    The observation ids in an OGIP file are only used as the label, because there may be many.
    """
    from astropy.io import fits

    with fits.open(path) as hdus:
        name = hdus[0].header.get("NAME")
        observations = hdus["SPECTRUM"].header.get("OBS_ID") if "SPECTRUM" in hdus else None
    return (None if name is None else str(name)), str(name or observations or path.stem)


def _companions(path: Path, allow_outside: bool) -> list[Path]:
    """Return the files that an index or a PHA file refers to; an empty list if it is invalid."""
    if path.suffix in INDEX_SUFFIXES:
        return _files_in_index(path, allow_outside)
    try:
        return [path.parent / name for name in companion_files(path).values()]
    except (OSError, KeyError):
        return []


def _files_in_index(index: Path, allow_outside: bool) -> list[Path]:
    try:
        files = [file for _, file in read_index(index, allow_outside=allow_outside)]
    except Exception:  # errors in the index are reported when its datasets are read
        return []
    companions = [
        companion
        for file in files
        if file.suffix not in INDEX_SUFFIXES
        for companion in _companions(file, allow_outside)
    ]
    return [*files, *companions]


def _with_name(dataset: Dataset, name: str, path: Path) -> Dataset:
    from astropy.table import Table

    original_name = dataset.name
    renamed_dataset: Any = dataset
    if name != original_name:
        log.info("the dataset %r of %s is named %s", original_name, path, name)
        renamed_dataset = dataset.copy(name=name)
    if hasattr(renamed_dataset, "meta_table"):
        meta_table = Table() if renamed_dataset.meta_table is None else renamed_dataset.meta_table
        n_rows = max(len(meta_table), 1)
        meta_table["DATASET_NAME"] = [original_name] * n_rows
        meta_table["DATASET_FILE"] = [path.name] * n_rows
        renamed_dataset.meta_table = meta_table
    return renamed_dataset
