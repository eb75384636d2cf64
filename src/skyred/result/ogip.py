"""Reading of spectra in OGIP format, with all scalings, exposures, rates and channel numbers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import FileError
from skyred.inspection.file_checks import check_fits_file, resolve_indexed_file

if TYPE_CHECKING:
    from gammapy.datasets import SpectrumDatasetOnOff
    from gammapy.maps import MapAxis
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

log = logging.getLogger(__name__)
SPECTRUM = "SPECTRUM"
# header cards of a PHA file that name other files, and the content of these files
COMPANIONS = {"BACKFILE": "background", "ANCRFILE": "effective area", "RESPFILE": "response"}
RATE_TOLERANCE = 1e-3  # of a count, or 1e-6 of the counts: rates are stored with 7 digits


@attrs.frozen
class Spectrum:
    """The columns of a PHA file, one value for each channel.

    Parameters
    ----------
    path : Path
        The file.
    counts : array
        The counts.
    is_good : array of bool
        Whether the channel is good (QUALITY is 0).
    backscal : array
        The scaling of the background.
    areascal : array
        The scaling of the effective area.
    exposure : float
        The exposure time in s.
    """

    path: Path
    counts: Array
    is_good: NDArray[np.bool_]
    backscal: Array
    areascal: Array
    exposure: float

    @property
    def has_constant_area(self) -> bool:
        """Whether the scaling of the effective area is the same in all channels."""
        return bool((self.areascal == self.areascal[0]).all())

    @property
    def scaled_exposure(self) -> Array:
        """The exposure time multiplied by the scaling of the effective area, in s."""
        return self.exposure * self.areascal


def read_ogip(path: Path, name: str, *, allow_outside: bool = False) -> SpectrumDatasetOnOff:
    """Read a spectrum with its background and IRFs.

    Unlike gammapy, this function supports the scaling of the effective area, different exposures of
    the spectrum and its background, scalings in the header, rates, and any number of the first
    channel.

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
        If a file, key, column or unit is missing or invalid.

    References
    ----------
    OGIP memos OGIP/92-007 (spectra) and CAL/GEN/92-002 (responses).
    """
    from astropy.io import fits
    from gammapy.data import GTI
    from gammapy.datasets import SpectrumDatasetOnOff
    from gammapy.maps import RegionGeom, RegionNDMap

    files = _existing_companions(path, allow_outside)
    on, off = _read_spectrum(path), _read_spectrum(files["BACKFILE"])
    axis = _read_energy_axis(path, files.get("RESPFILE"), len(on.counts))
    if len(off.counts) != len(on.counts):
        raise FileError(
            f"{off.path} has {len(off.counts)} channels, but {path} has {len(on.counts)}; expected "
            "the same channels"
        )
    region, wcs = _read_region(path)
    geom = RegionGeom(region, wcs=wcs, axes=[axis])
    maps = {
        "counts": on.counts,
        "counts_off": off.counts,
        "acceptance": on.backscal,
        "acceptance_off": off.backscal * _ratio(off.scaled_exposure, on.scaled_exposure),
        "mask_safe": on.is_good,
    }
    components: dict[str, Any] = {
        key: RegionNDMap(geom, data=values.reshape(geom.data_shape), dtype=values.dtype)
        for key, values in maps.items()
    }
    components["exposure"] = _read_exposure(files["ANCRFILE"], on, geom)
    if "RESPFILE" in files:
        components["edisp"] = _read_edisp(files["RESPFILE"], axis, components["exposure"], on)
    elif not on.has_constant_area:
        raise FileError(f"{path} has an AREASCAL that varies, and no RESPFILE; expected a response")
    with fits.open(path, memmap=False) as hdus:
        components["gti"] = GTI.from_table_hdu(hdus["GTI"]) if "GTI" in hdus else None
    return SpectrumDatasetOnOff(name=name, **components)


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
    for card, consequence in (("BACKFILE", ", which wstat needs"), ("ANCRFILE", "")):
        if card not in names:
            raise FileError(f"{path} has no {COMPANIONS[card]} file ({card}){consequence}")
    files = {
        card: resolve_indexed_file(path, name, allow_outside=allow_outside)
        for card, name in names.items()
    }
    for companion in files.values():
        check_fits_file(companion)
    return files


def _read_spectrum(path: Path) -> Spectrum:
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        if SPECTRUM not in hdus:
            raise FileError(f"{path} has no HDU {SPECTRUM}; expected a PHA file")
        header, data = hdus[SPECTRUM].header, hdus[SPECTRUM].data
    columns = {str(column).upper() for column in data.names}
    exposure = _require_number(path, header, "EXPOSURE")
    if exposure <= 0:
        raise FileError(f"{path} has EXPOSURE = {exposure}; expected a time above 0 s")
    counts = _read_counts(path, data, columns, exposure)
    if counts.ndim != 1:
        raise FileError(f"{path} has several spectra (type II); expected one: split the file")
    size = len(counts)
    return Spectrum(
        path=path,
        counts=counts,
        is_good=_read_scaling(path, data, header, "QUALITY", size, default=0) == 0,
        backscal=_read_scaling(path, data, header, "BACKSCAL", size),
        areascal=_read_scaling(path, data, header, "AREASCAL", size),
        exposure=exposure,
    )


def _read_counts(path: Path, data: Any, columns: set[str], exposure: float) -> Array:
    if "COUNTS" in columns:
        return np.asarray(data["COUNTS"], dtype=float)
    if "RATE" not in columns:
        raise FileError(
            f"{path} has no column COUNTS or RATE; its columns are {', '.join(sorted(columns))}"
        )
    counts = np.asarray(data["RATE"], dtype=float) * exposure
    rounded = np.round(counts)
    if (np.abs(counts - rounded) > RATE_TOLERANCE * np.maximum(1, np.abs(rounded) * 1e-3)).any():
        raise FileError(
            f"{path}: RATE times EXPOSURE ({exposure} s) is not a whole number, so the rates are "
            "weighted or background-subtracted; expected the COUNTS, which wstat needs"
        )
    return rounded


def _read_scaling(
    path: Path, data: Any, header: Mapping[str, Any], key: str, size: int, default: float = 1
) -> Array:
    """Return a value for each channel, from a column or a card of the header."""
    if key in {str(name).upper() for name in data.names}:
        values = np.asarray(data[key], dtype=float)
    else:
        value = header.get(key, default)
        try:
            values = np.full(size, float(value))
        except (TypeError, ValueError):
            raise FileError(f"{path} has {key} = {value!r:.60}; expected a number") from None
    if not (np.isfinite(values) & (values >= 0)).all():
        raise FileError(f"{path} has values of {key} that are negative or not finite")
    return values


def _require_number(path: Path, header: Mapping[str, Any], key: str) -> float:
    try:
        return float(header[key])
    except KeyError:
        raise FileError(f"{path} has no card {key} in the HDU {SPECTRUM}") from None
    except (TypeError, ValueError):
        raise FileError(f"{path} has {key} = {header[key]!r:.60}; expected a number") from None


def _ratio(numerator: Array, denominator: Array) -> Array:
    """Return a ratio that is exactly 1 for equal values, and 1 where the denominator is 0."""
    is_one = (numerator == denominator) | (denominator == 0)
    return np.where(is_one, 1, numerator / np.where(is_one, 1, denominator))


def _read_energy_axis(path: Path, response: Path | None, channels: int) -> MapAxis:
    """Return the energies of the channels, from the spectrum or its response."""
    from astropy.io import fits

    for candidate in (path, response):
        if candidate is None:
            continue
        with fits.open(candidate, memmap=False) as hdus:
            if "EBOUNDS" not in hdus:
                continue
            axis = _axis_from_edges(candidate, hdus["EBOUNDS"], "E_MIN", "E_MAX", "energy")
        if axis.nbin != channels:
            raise FileError(
                f"{candidate} has energies (EBOUNDS) of {axis.nbin} channels, but {path} has "
                f"{channels}; expected the same number"
            )
        return axis
    raise FileError(
        f"{path} has no energies of its channels: expected the HDU EBOUNDS there, or in a RESPFILE"
    )


def _axis_from_edges(path: Path, hdu: Any, low: str, high: str, name: str) -> MapAxis:
    from astropy.table import QTable
    from gammapy.maps import MapAxis

    table = QTable.read(hdu)
    for column in (low, high):
        if column not in table.colnames:
            raise FileError(f"{path} has no column {column} in the HDU {hdu.name}")
        unit = getattr(table[column], "unit", None)
        if unit is None or not unit.is_equivalent("TeV"):
            raise FileError(
                f"{path}: the column {column} of {hdu.name} has "
                + ("no unit" if unit is None else f"the unit '{unit}'")
                + "; expected an energy (TUNIT), such as keV"
            )
    edges: Any = np.append(table[low], table[high][-1:]).astype(float)
    if not (np.diff(edges.value) > 0).all() or (edges.value[1:] <= 0).any():
        raise FileError(f"{path}: the energies in {hdu.name} do not increase from 0 or above")
    if edges.value[0] == 0:  # as XSPEC does: an axis in log(E) cannot start at 0
        edges[0] = min(1e-3 * edges[1], 1e-10 * edges[-1])
    return MapAxis.from_energy_edges(edges, name=name)


def _read_exposure(path: Path, on: Spectrum, geom: Any) -> Any:
    """Return the exposure, including the scaling of the area if it is equal in all channels."""
    from astropy import units as u
    from astropy.io import fits
    from gammapy.maps import RegionGeom, RegionNDMap

    with fits.open(path, memmap=False) as hdus:
        if "SPECRESP" not in hdus:
            raise FileError(f"{path} has no HDU SPECRESP; expected an ARF file")
        hdu = hdus["SPECRESP"]
        axis = _axis_from_edges(path, hdu, "ENERG_LO", "ENERG_HI", "energy_true")
        unit = hdu.columns["SPECRESP"].unit
        area = np.asarray(hdu.data["SPECRESP"], dtype=float)
    try:
        area_unit = u.Unit(unit or "")
    except ValueError:
        area_unit = u.dimensionless_unscaled
    if not area_unit.is_equivalent("cm2"):
        raise FileError(
            f"{path}: the column SPECRESP has the unit {unit!r}; expected an area (TUNIT): cm**2"
        )
    if on.has_constant_area:
        area = area * on.areascal[0]
    true_geom = RegionGeom(geom.region, wcs=geom.wcs, axes=[axis])
    area_map = RegionNDMap(true_geom, data=area.reshape(true_geom.data_shape), unit=area_unit)
    exposure = area_map * (on.exposure * u.s)
    exposure.meta = {"livetime": on.exposure * u.s}
    return exposure


def _read_edisp(path: Path, axis: MapAxis, exposure: Any, on: Spectrum) -> Any:
    """Return the energy dispersion, including the scaling of the area if it varies by channel."""
    from astropy.io import fits
    from gammapy.irf import EDispKernel, EDispKernelMap

    with fits.open(path, memmap=False) as hdus:
        names = [name for name in ("MATRIX", "SPECRESP MATRIX") if name in hdus]
        if not names:
            raise FileError(f"{path} has no HDU MATRIX; expected an RMF file")
        hdu = hdus[names[0]]
        true_axis = _axis_from_edges(path, hdu, "ENERG_LO", "ENERG_HI", "energy_true")
        matrix = _read_matrix(path, hdu, _first_channel(hdus, hdu), axis.nbin)
    area_axis = exposure.geom.axes["energy_true"]
    if true_axis.nbin != area_axis.nbin or not np.allclose(
        true_axis.edges.to_value("TeV"), area_axis.edges.to_value("TeV"), rtol=1e-4, atol=0
    ):
        raise FileError(
            f"{path}: the true energies differ from those of the effective area (ANCRFILE)"
        )
    if not on.has_constant_area:
        matrix = matrix * on.areascal
    kernel = EDispKernel(axes=[area_axis, axis], data=matrix)
    edisp = EDispKernelMap.from_edisp_kernel(kernel, geom=exposure.geom)
    edisp.exposure_map.data = exposure.data[:, :, np.newaxis, :]
    return edisp


def _first_channel(hdus: Any, hdu: Any) -> int:
    """Return the number of the first channel, from TLMIN of F_CHAN or from EBOUNDS."""
    index = [str(name).upper() for name in hdu.columns.names].index("F_CHAN") + 1
    if (first := hdu.header.get(f"TLMIN{index}")) is not None:
        return int(first)
    if "EBOUNDS" in hdus and "CHANNEL" in hdus["EBOUNDS"].columns.names:
        return int(hdus["EBOUNDS"].data["CHANNEL"][0])
    return 1  # the default of the standard


def _read_matrix(path: Path, hdu: Any, first_channel: int, channels: int) -> Array:
    """Return the redistribution matrix, shape (true energies, channels)."""
    data = hdu.data
    matrix = np.zeros((len(data), channels))
    for row, groups in enumerate(data["N_GRP"]):
        starts = np.atleast_1d(data["F_CHAN"][row])[:groups] - first_channel
        sizes = np.atleast_1d(data["N_CHAN"][row])[:groups]
        values = np.atleast_1d(data["MATRIX"][row])
        position = 0
        for start, size in zip(map(int, starts), map(int, sizes), strict=True):
            if start < 0 or start + size > channels or position + size > len(values):
                raise FileError(
                    f"{path}: row {row} of {hdu.name} has channels outside 0 to {channels - 1} "
                    f"(counted from {first_channel}); check TLMIN of F_CHAN"
                )
            matrix[row, start : start + size] = values[position : position + size]
            position += size
    return matrix


def _read_region(path: Path) -> tuple[Any, Any]:
    """Return the on region of a PHA file and its WCS; None if there is no region of the sky."""
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
