"""Reduced datasets as gammapy writes and reads them, without what it loses on the way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.fields import file_name
from skyred.inspection.map_headers import check_fits_file, indexed_file

if TYPE_CHECKING:
    from gammapy.datasets import Dataset, Datasets
    from gammapy.maps import Map

INDEX = "datasets.yaml"
LIVETIME = "LIVETIME"  # the card of the exposure that keeps it


def write_datasets(place: Path, datasets: Datasets) -> None:
    """Write ``datasets.yaml`` and one FITS file for each dataset into a folder that exists."""
    from gammapy.utils.scripts import to_yaml, write_yaml

    described = []
    for dataset in datasets:
        data = dataset.to_dict()
        # as `Datasets.write` does, but with a file name that any name of a dataset can have
        suffix = Path(data["filename"]).suffix
        data["filename"] = file_name(dataset.name) + suffix
        _write(dataset, place / data["filename"])
        described.append(data)
    index = to_yaml({"datasets": described})
    write_yaml(index, place / INDEX, overwrite=True, checksum=True)


def _write(dataset: Dataset, path: Path) -> None:
    if not hasattr(dataset, "to_hdulist"):  # flux points
        dataset.write(path, overwrite=True, checksum=True)
        return
    hdus = dataset.to_hdulist()
    livetime = getattr(dataset.exposure, "meta", {}).get("livetime")
    if livetime is not None:  # gammapy keeps it in memory only
        hdus["EXPOSURE"].header[LIVETIME] = (float(livetime.to_value("s")), "[s] livetime")
    hdus.writeto(path, overwrite=True, checksum=True)


def read_datasets(index: Path) -> Datasets:
    """Read an index and its datasets, without models.

    gammapy reads the parts of maps when they are first used; all others are read at once, and get
    back what it leaves out: the range of the fit of on-off datasets, and the livetime.

    Raises
    ------
    FileError
        If a file is damaged, would run code, or is not beside the index.
    """
    from gammapy.datasets import Datasets
    from gammapy.utils.scripts import read_yaml

    listed = read_yaml(index)["datasets"]
    for data in listed:
        check_fits_file(indexed_file(index, data["filename"]))
    on_off = any(data["type"].endswith("OnOff") for data in listed)
    # of on-off maps, gammapy has no lazy reading; it raises
    datasets = Datasets.read(index, lazy=not on_off, checksum=True)
    for data, dataset in zip(listed, datasets, strict=True):
        if data["type"].endswith("OnOff"):
            _mend_masks(dataset, index.parent / data["filename"])
        if data["type"].startswith("Spectrum") or data["type"].endswith("OnOff"):
            _mend_livetime(dataset)
        if data["type"] in ("MapDataset", "SpectrumDataset"):  # the lazy ones
            _leave_out_masks(dataset, index.parent / data["filename"])
    return datasets


def _leave_out_masks(dataset: Any, path: Path) -> None:
    """Say which masks there are none of: gammapy warns of each when it is asked for."""
    from astropy.io import fits

    with fits.open(path) as hdus:
        for name in ("mask_safe", "mask_fit"):
            if name.upper() not in hdus:
                setattr(dataset, name, None)


def _mend_masks(dataset: Any, path: Path) -> None:
    if dataset.mask_safe is not None:  # read as numbers
        dataset.mask_safe.data = dataset.mask_safe.data.astype(bool)
    dataset.mask_fit = _fit_mask(path)


def _mend_livetime(dataset: Any) -> None:
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
