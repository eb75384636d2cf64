"""Files of reduced datasets in gammapy's formats, complete with masks and livetime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.fields import file_name
from skyred.inspection.file_checks import check_fits_file, resolve_indexed_file

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
    hdus = dataset.to_hdulist()
    livetime = getattr(dataset.exposure, "meta", {}).get("livetime")
    if livetime is not None:  # gammapy does not write it
        hdus["EXPOSURE"].header[LIVETIME] = (float(livetime.to_value("s")), "[s] livetime")
    hdus.writeto(path, overwrite=True, checksum=True)


def read_datasets(index: Path) -> Datasets:
    """Read an index and its datasets, without models.

    gammapy reads the maps of some datasets on first use. All others are read at once, and the fit
    mask of on-off datasets and the livetime, which gammapy does not restore, are set.

    Parameters
    ----------
    index : Path
        The file ``datasets.yaml``.

    Returns
    -------
    Datasets
        The datasets.

    Raises
    ------
    FileError
        If a file is damaged, would execute code, or is not next to the index.
    """
    from gammapy.datasets import Datasets
    from gammapy.utils.scripts import read_yaml

    entries = read_yaml(index)["datasets"]
    for data in entries:
        check_fits_file(resolve_indexed_file(index, data["filename"]))
    on_off = any(data["type"].endswith("OnOff") for data in entries)
    # gammapy raises an error for lazy reading of on-off maps
    datasets = Datasets.read(index, lazy=not on_off, checksum=True)
    for data, dataset in zip(entries, datasets, strict=True):
        if data["type"].endswith("OnOff"):
            _restore_masks(dataset, index.parent / data["filename"])
        if data["type"].startswith("Spectrum") or data["type"].endswith("OnOff"):
            _restore_livetime(dataset)
        if data["type"] in ("MapDataset", "SpectrumDataset"):  # the lazy ones
            _unset_missing_masks(dataset, index.parent / data["filename"])
    return datasets


def _unset_missing_masks(dataset: Any, path: Path) -> None:
    """Set masks that are not in the file to None: gammapy would warn at each access."""
    from astropy.io import fits

    with fits.open(path) as hdus:
        for name in ("mask_safe", "mask_fit"):
            if name.upper() not in hdus:
                setattr(dataset, name, None)


def _restore_masks(dataset: Any, path: Path) -> None:
    if dataset.mask_safe is not None:  # read as numbers
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
