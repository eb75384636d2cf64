"""Energies, effective area and redistribution matrix of spectra in OGIP format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import FileError

if TYPE_CHECKING:
    from gammapy.maps import MapAxis
    from numpy.typing import NDArray

    from skyred.result.ogip_spectrum import Spectrum

    Array = NDArray[np.float64]


def read_energy_axis(path: Path, response: Path | None, n_channels: int) -> MapAxis:
    """Return the energies of the channels, from the spectrum or its response.

    Parameters
    ----------
    path : Path
        The PHA file.
    response : Path or None
        The RMF file.
    n_channels : int
        The number of channels.

    Returns
    -------
    MapAxis
        The axis of reconstructed energy.

    Raises
    ------
    FileError
        If the energies are missing or invalid.
    """
    from astropy.io import fits

    for candidate in (path, response):
        if candidate is None:
            continue
        with fits.open(candidate, memmap=False) as hdus:
            if "EBOUNDS" not in hdus:
                continue
            axis = _axis_from_edges(candidate, hdus["EBOUNDS"], "E_MIN", "E_MAX", "energy")
        if axis.nbin != n_channels:
            raise FileError(
                f"{candidate} has energies (EBOUNDS) of {axis.nbin} channels, but {path} has "
                f"{n_channels}; expected the same number"
            )
        return axis
    raise FileError(
        f"the channel energies of {path} are missing: expected an HDU EBOUNDS in it or in its "
        "RESPFILE"
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
        raise FileError(f"{path}: the energies in {hdu.name} are not increasing, or not positive")
    if edges.value[0] == 0:  # as XSPEC does: an axis in log(E) cannot start at 0
        edges[0] = min(1e-3 * edges[1], 1e-10 * edges[-1])
    return MapAxis.from_energy_edges(edges, name=name)


def read_exposure(path: Path, on: Spectrum, geom: Any) -> Any:
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


def read_edisp(path: Path, axis: MapAxis, exposure: Any, on: Spectrum) -> Any:
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


def _read_matrix(path: Path, hdu: Any, first_channel: int, n_channels: int) -> Array:
    """Return the redistribution matrix, shape (true energies, channels)."""
    data = hdu.data
    matrix = np.zeros((len(data), n_channels))
    for row, n_groups in enumerate(data["N_GRP"]):
        starts = np.atleast_1d(data["F_CHAN"][row])[:n_groups] - first_channel
        sizes = np.atleast_1d(data["N_CHAN"][row])[:n_groups]
        values = np.atleast_1d(data["MATRIX"][row])
        position = 0
        for start, size in zip(map(int, starts), map(int, sizes), strict=True):
            if start < 0 or start + size > n_channels or position + size > len(values):
                raise FileError(
                    f"{path}: row {row} of {hdu.name} has channels outside {first_channel} to "
                    f"{first_channel + n_channels - 1}, or too few values; check TLMIN of F_CHAN"
                )
            matrix[row, start : start + size] = values[position : position + size]
            position += size
    return matrix
