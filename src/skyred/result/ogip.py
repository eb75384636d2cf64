"""Read spectra in OGIP format, with their background, effective area and response."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import FileError
from skyred.inspection.file_checks import check_fits_file, resolve_indexed_file
from skyred.result.ogip_response import read_edisp, read_energy_axis, read_exposure
from skyred.result.ogip_spectrum import SPECTRUM, Spectrum, read_spectrum, require_one_spectrum

if TYPE_CHECKING:
    from gammapy.datasets import SpectrumDatasetOnOff
    from gammapy.maps import RegionGeom, RegionNDMap
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

log = logging.getLogger(__name__)
# consequences if a header card of a PHA file names no file
MISSING = {
    # gammapy reads such a spectrum, but raises an AttributeError in a fit
    "BACKFILE": "so it cannot be fitted: its statistic, wstat, needs the off counts",
    "ANCRFILE": "so fluxes cannot be computed",
}
# the files that header cards of a PHA file refer to
COMPANIONS = {"BACKFILE": "background", "ANCRFILE": "effective area", "RESPFILE": "response"}


def read_ogip(path: Path, name: str, *, allow_outside: bool = False) -> SpectrumDatasetOnOff:
    """Read a spectrum with its background and IRFs.

    Unlike gammapy, this function supports the scaling of the effective area, different exposures of
    the spectrum and its background, scalings in the header, rates, and any first channel
    number.

    Parameters
    ----------
    path : Path
        The PHA file.
    name : str
        The name of the dataset.
    allow_outside : bool, optional
        Whether the files that the PHA file refers to may be outside its folder.

    Returns
    -------
    SpectrumDatasetOnOff
        The dataset.

    Raises
    ------
    FileError
        If a file, HDU, header card, column or unit is missing or invalid.

    References
    ----------
    OGIP memos OGIP/92-007 (spectra) and CAL/GEN/92-002 (responses).
    """
    from astropy.io import fits
    from gammapy.data import GTI
    from gammapy.datasets import SpectrumDatasetOnOff
    from gammapy.maps import RegionGeom

    require_one_spectrum(path)
    files = _existing_companions(path, allow_outside)
    on, off = read_spectrum(path), read_spectrum(files["BACKFILE"])
    axis = read_energy_axis(path, files.get("RESPFILE"), len(on.counts))
    if len(off.counts) != len(on.counts):
        raise FileError(
            f"{off.path} has {len(off.counts)} channels, but {path} has {len(on.counts)}; expected "
            "the same channels"
        )
    region, wcs = _read_region(path)
    geom = RegionGeom(region, wcs=wcs, axes=[axis])
    arguments = dict[str, Any](_create_maps(geom, on, off))
    arguments["exposure"] = read_exposure(files["ANCRFILE"], on, geom)
    if "RESPFILE" in files:
        arguments["edisp"] = read_edisp(files["RESPFILE"], axis, arguments["exposure"], on)
    elif not on.has_constant_area:
        raise FileError(f"{path} has an AREASCAL that varies, and no RESPFILE; expected a response")
    with fits.open(path, memmap=False) as hdus:
        arguments["gti"] = GTI.from_table_hdu(hdus["GTI"]) if "GTI" in hdus else None
    return SpectrumDatasetOnOff(name=name, **arguments)


def _create_maps(geom: RegionGeom, on: Spectrum, off: Spectrum) -> dict[str, RegionNDMap]:
    """Return the maps of counts, acceptances and the safe mask, by argument of the dataset."""
    from gammapy.maps import RegionNDMap

    arrays = {
        "counts": on.counts,
        "counts_off": off.counts,
        "acceptance": on.backscal,
        "acceptance_off": off.backscal * _ratio(off.scaled_exposure, on.scaled_exposure),
        "mask_safe": on.is_good,
    }
    return {
        name: RegionNDMap(geom, data=values.reshape(geom.data_shape), dtype=values.dtype)
        for name, values in arrays.items()
    }


def companion_files(path: Path) -> dict[str, str]:
    """Return the names of the files that a PHA file refers to.

    Parameters
    ----------
    path : Path
        The PHA file.

    Returns
    -------
    dict of str to str
        The names by header card, except those that are ``none``.

    Raises
    ------
    OSError, KeyError
        If the file cannot be read, or has no HDU SPECTRUM.
    """
    from astropy.io import fits

    header = fits.getheader(path, SPECTRUM)
    names = {card: str(header.get(card, "")).strip() for card in COMPANIONS}
    return {card: name for card, name in names.items() if name and name.lower() != "none"}


def _existing_companions(path: Path, allow_outside: bool) -> dict[str, Path]:
    names = companion_files(path)
    for card, consequence in MISSING.items():
        if card not in names:
            raise FileError(
                f"{path} names no {COMPANIONS[card]} file ({card}), {consequence}; set the card "
                f"{card} in its header"
            )
    files = {
        card: resolve_indexed_file(path, name, allow_outside=allow_outside)
        for card, name in names.items()
    }
    for companion in files.values():
        check_fits_file(companion)
    return files


def _ratio(numerator: Array, denominator: Array) -> Array:
    """Return a ratio that is exactly 1 for equal values, and 1 where the denominator is 0."""
    is_one = (numerator == denominator) | (denominator == 0)
    return np.where(is_one, 1, numerator / np.where(is_one, 1, denominator))


def _read_region(path: Path) -> tuple[Any, Any]:
    """Return the on region of a PHA file and its WCS; None for both if it has no sky region."""
    from astropy.io import fits
    from gammapy.maps import RegionGeom

    with fits.open(path, memmap=False) as hdus:
        if "EBOUNDS" not in hdus or "REGION" not in hdus:
            return None, None
        try:
            geom = RegionGeom.from_hdulist(hdus, format="ogip", hdu=SPECTRUM)
        except Exception as error:  # regions of X-ray telescopes are in detector coordinates
            log.info("the region of %s is ignored: %s", path, error)
            return None, None
        return geom.region, geom.wcs
