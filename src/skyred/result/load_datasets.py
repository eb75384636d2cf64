"""Loading datasets: datasets that others have reduced, from their files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ArchiveError, FileError
from skyred.inspection.map_headers import check_fits_file, indexed_file
from skyred.interfaces import ReducedData
from skyred.result.dataset_files import read_datasets

if TYPE_CHECKING:
    from gammapy.datasets import Dataset

log = logging.getLogger(__name__)
COMPANIONS = ("BACKFILE", "ANCRFILE", "RESPFILE")  # what a PHA file names beside itself


@attrs.define
class Gathered:
    """The datasets of a data entry that were reduced before, and the files they are from."""

    datasets: list[Dataset]
    files: list[Path]


def gather(entry: str, data: ReducedData) -> Gathered:
    """Read the datasets of a data entry, called ``{entry}-1``, ``{entry}-2``, ...

    The name that each had, and its file, are kept in its `meta_table`.

    Raises
    ------
    ArchiveError
        If a file is not there, or cannot be read as datasets.
    """
    datasets: list[Dataset] = []
    files: list[Path] = []
    for path in dataset_files(entry, data):
        try:
            found = list(_read(path))
            files += [path, *_companions(path)]
        except FileError as error:
            raise ArchiveError(f"data.{entry}: {error}") from error
        except ArchiveError:
            raise
        except Exception as error:  # gammapy, astropy and YAML raise whatever their parts raise
            message = f"{path} cannot be read as datasets: {type(error).__name__}: {error}"
            raise ArchiveError(f"data.{entry}: {message}") from error
        datasets += [
            _renamed(dataset, f"{entry}-{len(datasets) + number}", path)
            for number, dataset in enumerate(found, start=1)
        ]
    return Gathered(datasets, files)


def dataset_files(entry: str, data: ReducedData) -> Iterator[Path]:
    """Give the files of the datasets of a data entry, each once, without their companions.

    Raises
    ------
    ArchiveError
        If there is nothing at a place.
    """
    found: dict[Path, Path] = {}
    for place in data.datasets:
        if not (matches := place.matches()):
            raise ArchiveError(f"data.{entry}: there is nothing at {place}")
        for path in matches:
            if found.setdefault(path.resolve(), path) is not path:
                log.warning("data.%s: %s is listed twice: it is taken once", entry, path)
    # pha_obs*.fits finds the responses that gammapy writes beside the spectra too
    beside = {own.resolve() for path in found.values() for own in _companions(path) if own != path}
    return (path for real, path in found.items() if real not in beside)


def _read(path: Path) -> list[Dataset]:
    from astropy.io import fits
    from gammapy.datasets import SpectrumDatasetOnOff

    if path.suffix in (".yaml", ".yml"):
        return list(read_datasets(path))
    check_fits_file(path)
    with fits.open(path) as hdus:
        if "SPECTRUM" not in hdus:
            raise ArchiveError(
                f"{path} holds no OGIP spectrum (HDU SPECTRUM): give a PHA file, or the "
                "datasets.yaml that names gammapy's own files"
            )
        if "BACKFILE" not in hdus["SPECTRUM"].header:
            raise ArchiveError(f"{path} names no background file (BACKFILE): wstat needs one")
        named = [hdus["SPECTRUM"].header.get(card) for card in COMPANIONS]
    for name in named:
        if name is not None:
            check_fits_file(indexed_file(path, name))
    return [SpectrumDatasetOnOff.read(path, format="ogip")]


def _companions(path: Path) -> list[Path]:
    """Give the files that a file names as parts of its datasets; none of what is no index."""
    if path.suffix in (".yaml", ".yml"):
        return _indexed(path)
    from astropy.io import fits

    try:
        header = fits.getheader(path, "SPECTRUM")
    except (OSError, KeyError):
        return []
    return [path.parent / header[card] for card in COMPANIONS if card in header]


def _indexed(index: Path) -> list[Path]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        listed = YAML(typ="safe", pure=True).load(index)["datasets"]
        return [index.parent / data["filename"] for data in listed]
    except (YAMLError, OSError, UnicodeDecodeError, TypeError, KeyError):
        return []  # what is wrong with it is named where it is read


def _renamed(dataset: Dataset, name: str, path: Path) -> Dataset:
    from astropy.table import Table

    log.info("%s is %r of %s", name, dataset.name, path)
    renamed: Any = dataset.copy(name=name)
    if hasattr(renamed, "meta_table"):
        held = Table() if renamed.meta_table is None else renamed.meta_table
        rows = max(len(held), 1)
        held["DATASET_NAME"], held["DATASET_FILE"] = [dataset.name] * rows, [path.name] * rows
        renamed.meta_table = held
    return renamed
