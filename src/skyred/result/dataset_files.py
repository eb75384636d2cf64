"""Files of reduced datasets in gammapy's formats, complete with masks and livetime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.errors import FileError
from skyred.fields import file_name
from skyred.inspection.file_checks import check_fits_file, resolve_indexed_file
from skyred.io.fits_encoding import format_card, write_hdus
from skyred.result.dataset_encoding import encode_dataset, is_encodable
from skyred.result.flux_point_tables import (
    TEXT_FORMATS,
    is_flux_points_table,
    read_flux_points,
)
from skyred.result.ogip import read_ogip

if TYPE_CHECKING:
    from gammapy.datasets import Dataset, Datasets
    from gammapy.maps import Map

INDEX = "datasets.yaml"
LIVETIME = "LIVETIME"  # card in the header of the exposure


def write_datasets(folder: Path, datasets: Datasets) -> None:
    """Write ``datasets.yaml`` and one FITS file for each dataset into an existing folder.

    Parameters
    ----------
    folder : Path
        The folder.
    datasets : Datasets
        The datasets.
    """
    from gammapy.utils.scripts import to_yaml, write_yaml

    entries = []
    for dataset in datasets:
        data = dataset.to_dict()
        # as `Datasets.write`, but with a valid file name for any name of a dataset
        suffix = Path(data["filename"]).suffix
        data["filename"] = file_name(dataset.name) + suffix
        _write_dataset(dataset, folder / data["filename"])
        entries.append(data)
    index = to_yaml({"datasets": entries})
    write_yaml(index, folder / INDEX, overwrite=True, checksum=True)


def _write_dataset(dataset: Dataset, path: Path) -> None:
    if not hasattr(dataset, "to_hdulist"):  # flux points
        dataset.write(path, overwrite=True, checksum=True)
        return
    cards = []
    livetime = getattr(dataset.exposure, "meta", {}).get("livetime")
    if livetime is not None:  # gammapy does not write it
        cards.append((LIVETIME, float(livetime.to_value("s")), "[s] livetime"))
    if is_encodable(dataset):
        encoded_cards = {"exposure": [format_card(*card) for card in cards]}
        write_hdus(path, encode_dataset(dataset, encoded_cards))
        return
    hdus = dataset.to_hdulist()
    if cards:
        hdus["EXPOSURE"].header.extend(cards)
    hdus.writeto(path, overwrite=True, checksum=True)


def read_datasets(index: Path, *, allow_outside: bool = False, lazy: bool = True) -> Datasets:
    """Read an index and its datasets, without models.

    The fit mask of on-off datasets and the livetime are restored, which gammapy does not do.

    Parameters
    ----------
    index : Path
        The file ``datasets.yaml``.
    allow_outside : bool, optional
        Whether the index may refer to files outside its folder.
    lazy : bool, optional
        Whether maps are read on first use, except for on-off datasets.

    Returns
    -------
    Datasets
        The datasets.

    Raises
    ------
    FileError
        If a file is damaged, would execute code, or is outside the folder of the index, or if an
        entry of the index has no name, type or file.
    """
    from gammapy.datasets import Datasets

    return Datasets(
        [
            read_dataset(
                path, data["type"], str(data["name"]), allow_outside=allow_outside, lazy=lazy
            )
            for data, path in read_index(index, allow_outside=allow_outside)
        ]
    )


def read_index(index: Path, *, allow_outside: bool = False) -> list[tuple[dict[str, Any], Path]]:
    """Read the entries of an index of datasets.

    Parameters
    ----------
    index : Path
        The file ``datasets.yaml``.
    allow_outside : bool, optional
        Whether the index may refer to files outside its folder.

    Returns
    -------
    list of (dict, Path)
        Each entry, and its existing file.

    Raises
    ------
    FileError
        If the index is not a list of datasets with name, type and file, or if a file does not exist
        or is outside the folder of the index.
    """
    from gammapy.datasets import DATASET_REGISTRY
    from gammapy.utils.scripts import read_yaml

    data = read_yaml(index)
    if isinstance(data, dict) and "checksum" in data:
        data = read_yaml(index, checksum=True)  # gammapy would warn if there is no checksum
    entries = data.get("datasets") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise FileError(f"{index} has no 'datasets' list; expected an index written by gammapy")
    types = [dataset_class.tag for dataset_class in DATASET_REGISTRY]
    files = []
    for number, entry in enumerate(entries, start=1):
        for key in ("name", "type", "filename"):
            if not isinstance(entry, dict) or entry.get(key) is None:
                raise FileError(f"{index}: dataset {number} has no key {key!r}")
        if entry["type"] not in types:
            raise FileError(
                f"{index}: dataset {number} has the type {entry['type']!r}; expected one of "
                f"{', '.join(types)}"
            )
        path = resolve_indexed_file(index, entry["filename"], allow_outside=allow_outside)
        files.append((entry, path))
    return files


def read_dataset(
    path: Path, dataset_type: str, name: str, *, allow_outside: bool = False, lazy: bool = True
) -> Dataset:
    """Read the file of one dataset, with its masks and livetime.

    Parameters
    ----------
    path : Path
        The file.
    dataset_type : str
        The type of the dataset, such as ``MapDataset``.
    name : str
        The name of the dataset.
    allow_outside : bool, optional
        Whether an OGIP file may refer to files outside its folder.
    lazy : bool, optional
        Whether maps are read on first use, except for on-off datasets.

    Returns
    -------
    Dataset
        The dataset.

    Raises
    ------
    FileError
        If the file is damaged, would execute code, or, unless `lazy`, has an invalid unit.
    """
    from gammapy.datasets import DATASET_REGISTRY

    if path.suffix.lower() not in TEXT_FORMATS:
        check_fits_file(path)
    if dataset_type == "FluxPointsDataset":
        return read_flux_points(path, name)
    if is_ogip(path):
        return read_ogip(path, name, allow_outside=allow_outside)
    is_on_off = dataset_type.endswith("OnOff")
    # gammapy raises an error for lazy reading of on-off maps
    options = {} if is_on_off else {"lazy": lazy}
    dataset_class = DATASET_REGISTRY.get_cls(dataset_type)
    dataset = dataset_class.read(path, name=name, checksum=True, **options)
    if is_on_off:
        _restore_masks(dataset, path)
    else:
        _unset_missing_masks(dataset, path)
    if is_on_off or dataset_type.startswith("Spectrum"):
        _restore_livetime(dataset)
    if not lazy:
        _check_units(dataset, path)
    return dataset


def find_dataset_type(path: Path) -> str:
    """Return the type of the dataset in a file, from its HDUs and columns.

    Parameters
    ----------
    path : Path
        The file: FITS, or a table of flux points as text.

    Returns
    -------
    str
        The type, such as ``MapDataset``.

    Raises
    ------
    FileError
        If there is no dataset in the file.
    """
    from astropy.io import fits

    if path.suffix.lower() in TEXT_FORMATS:
        return "FluxPointsDataset"
    check_fits_file(path)
    with fits.open(path) as hdus:
        names = {hdu.name for hdu in hdus}
        columns = [hdu.columns.names for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
    if "SPECTRUM" in names:
        return "SpectrumDatasetOnOff"
    if "COUNTS" in names:
        geometry = "Spectrum" if "COUNTS_REGION" in names else "Map"
        return f"{geometry}Dataset{'OnOff' if 'ACCEPTANCE' in names else ''}"
    if any(map(is_flux_points_table, columns)):
        return "FluxPointsDataset"
    raise FileError(
        f"{path} has no dataset: it has the HDUs {', '.join(sorted(names))}; expected COUNTS (a "
        "dataset written by gammapy), SPECTRUM (OGIP), or a table of flux points"
    )


def is_ogip(path: Path) -> bool:
    """Return whether a file is a spectrum in OGIP format.

    Parameters
    ----------
    path : Path
        The FITS file.

    Returns
    -------
    bool
        True if the file has the HDU SPECTRUM.
    """
    from astropy.io import fits

    with fits.open(path) as hdus:
        return "SPECTRUM" in hdus


def _check_units(dataset: Any, path: Path) -> None:
    exposure = dataset.exposure
    if exposure is not None and not exposure.unit.is_equivalent("m2 s"):
        raise FileError(
            f"{path}: the HDU EXPOSURE has the unit '{exposure.unit}'; expected m2 s (BUNIT, or "
            "TUNIT of a table)"
        )
    for key in ("counts", "exposure"):
        sky_map = getattr(dataset, key)
        for axis in () if sky_map is None else sky_map.geom.axes:
            if axis.name.startswith("energy") and not axis.unit.is_equivalent("TeV"):
                raise FileError(
                    f"{path}: the energies in the HDU {key.upper()}_BANDS have the unit "
                    f"'{axis.unit}'; expected an energy (TUNIT), such as TeV"
                )


def _unset_missing_masks(dataset: Any, path: Path) -> None:
    """Set masks that are not in the file to None, because gammapy would warn at each access."""
    from astropy.io import fits

    with fits.open(path) as hdus:
        for name in ("mask_safe", "mask_fit"):
            if name.upper() not in hdus:
                setattr(dataset, name, None)


def _restore_masks(dataset: Any, path: Path) -> None:
    if dataset.mask_safe is not None:  # gammapy reads it as numbers
        dataset.mask_safe.data = dataset.mask_safe.data.astype(bool)
    dataset.mask_fit = _fit_mask(path)


def _restore_livetime(dataset: Any) -> None:
    livetime = getattr(dataset.exposure, "meta", {}).get(LIVETIME)
    if livetime is not None:
        from astropy import units as u

        dataset.exposure.meta["livetime"] = float(livetime) * u.s


def _fit_mask(path: Path) -> Map | None:
    from astropy.io import fits
    from gammapy.maps import Map

    with fits.open(path) as hdus:
        if "MASK_FIT" not in hdus:
            return None
        mask = Map.from_hdulist(hdus, hdu="MASK_FIT", format="gadf")
    mask.data = mask.data.astype(bool)
    return mask
