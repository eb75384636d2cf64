"""Loading of datasets that were reduced elsewhere, from their files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ArchiveError, FileError
from skyred.inspection.file_checks import check_fits_file, resolve_indexed_file
from skyred.interfaces import ReducedData
from skyred.result.dataset_files import read_datasets

if TYPE_CHECKING:
    from gammapy.datasets import Dataset

log = logging.getLogger(__name__)
COMPANIONS = ("BACKFILE", "ANCRFILE", "RESPFILE")  # cards of a PHA file with names of files


@attrs.define
class LoadedDatasets:
    """The existing datasets of a data entry.

    Parameters
    ----------
    datasets : list of Dataset
        The datasets.
    files : list of Path
        Their files.
    """

    datasets: list[Dataset]
    files: list[Path]


def load_datasets(entry: str, data: ReducedData) -> LoadedDatasets:
    """Read the datasets of a data entry, and name them ``{entry}-1``, ``{entry}-2``, ...

    The original name of each and its file are stored in its `meta_table`.

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
        If a file does not exist, or cannot be read as datasets.
    """
    datasets: list[Dataset] = []
    files: list[Path] = []
    for path in dataset_files(entry, data):
        try:
            loaded = list(_read(path))
            files += [path, *_companions(path)]
        except FileError as error:
            raise ArchiveError(f"data.{entry}: {error}") from error
        except ArchiveError:
            raise
        except Exception as error:  # gammapy, astropy and YAML may raise anything
            message = f"{path} cannot be read as datasets: {type(error).__name__}: {error}"
            raise ArchiveError(f"data.{entry}: {message}") from error
        datasets += [
            _rename(dataset, f"{entry}-{len(datasets) + number}", path)
            for number, dataset in enumerate(loaded, start=1)
        ]
    return LoadedDatasets(datasets, files)


def dataset_files(entry: str, data: ReducedData) -> Iterator[Path]:
    """Return the files of the datasets of a data entry, without duplicates and companion files.

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
        If nothing matches a location.
    """
    path_by_target: dict[Path, Path] = {}
    for location in data.datasets:
        if not (matches := location.matches()):
            raise ArchiveError(f"data.{entry}: no such file: {location}; check the path")
        for path in matches:
            if path_by_target.setdefault(path.resolve(), path) is not path:
                log.warning("data.%s: %s is listed twice; it is read once", entry, path)
    # pha_obs*.fits also matches the IRF files that gammapy writes next to the spectra
    companions = {
        companion.resolve()
        for path in path_by_target.values()
        for companion in _companions(path)
        if companion != path
    }
    return (path for target, path in path_by_target.items() if target not in companions)


def _read(path: Path) -> list[Dataset]:
    from astropy.io import fits
    from gammapy.datasets import SpectrumDatasetOnOff

    if path.suffix in (".yaml", ".yml"):
        return list(read_datasets(path))
    check_fits_file(path)
    with fits.open(path) as hdus:
        if "SPECTRUM" not in hdus:
            raise ArchiveError(
                f"{path} has no OGIP spectrum (HDU SPECTRUM); use a PHA file, or the "
                "datasets.yaml of files in gammapy's format"
            )
        if "BACKFILE" not in hdus["SPECTRUM"].header:
            raise ArchiveError(f"{path} has no background file (BACKFILE), which wstat needs")
        companion_names = [hdus["SPECTRUM"].header.get(card) for card in COMPANIONS]
    for name in companion_names:
        if name is not None:
            check_fits_file(resolve_indexed_file(path, name))
    return [SpectrumDatasetOnOff.read(path, format="ogip")]


def _companions(path: Path) -> list[Path]:
    """Return the other files that a file of datasets refers to; none if it cannot be read."""
    if path.suffix in (".yaml", ".yml"):
        return _files_in_index(path)
    from astropy.io import fits

    try:
        header = fits.getheader(path, "SPECTRUM")
    except (OSError, KeyError):
        return []
    return [path.parent / header[card] for card in COMPANIONS if card in header]


def _files_in_index(index: Path) -> list[Path]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        entries = YAML(typ="safe", pure=True).load(index)["datasets"]
        return [index.parent / data["filename"] for data in entries]
    except (YAMLError, OSError, UnicodeDecodeError, TypeError, KeyError):
        return []  # its faults are reported when it is read


def _rename(dataset: Dataset, name: str, path: Path) -> Dataset:
    from astropy.table import Table

    log.info("%s is %r of %s", name, dataset.name, path)
    renamed: Any = dataset.copy(name=name)
    if hasattr(renamed, "meta_table"):
        meta_table = Table() if renamed.meta_table is None else renamed.meta_table
        rows = max(len(meta_table), 1)
        meta_table["DATASET_NAME"], meta_table["DATASET_FILE"] = (
            [dataset.name] * rows,
            [path.name] * rows,
        )
        renamed.meta_table = meta_table
    return renamed
