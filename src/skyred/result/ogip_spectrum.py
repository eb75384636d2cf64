"""The columns of spectra in OGIP format: counts or rates, quality and scalings by channel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import FileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SPECTRUM = "SPECTRUM"
# deviation from whole counts; proportional to the counts above 1000, as rates have only 7 digits
RATE_TOLERANCE = 1e-3


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
        The scaling of the background (BACKSCAL).
    areascal : array
        The scaling of the effective area (AREASCAL).
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


def require_one_spectrum(path: Path) -> None:
    """Check that a PHA file has one spectrum (type I): gammapy cannot read several (type II).

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    FileError
        If it has several spectra, or none.
    """
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        if SPECTRUM not in hdus:
            raise FileError(f"{path} has no HDU {SPECTRUM}; expected a PHA file")
        hdu = hdus[SPECTRUM]
        if not isinstance(hdu, fits.BinTableHDU):
            raise FileError(f"{path}[{SPECTRUM}] is not a table; expected a spectrum (OGIP PHA)")
        if _has_arrays(hdu):
            n_spectra = len(hdu.data)
            raise FileError(
                f"{path} has {n_spectra} spectr{'um' if n_spectra == 1 else 'a'} in one table "
                "(type II), which gammapy cannot read; expected one spectrum in a file (type I): "
                "split it, for example with dmtype2split of CIAO"
            )
        for card in ("HDUCLAS3", "HDUCLAS4"):
            value = str(hdu.header.get(card, "")).strip()
            if value.upper() in ("TYPE:II", "TYPEII"):
                raise FileError(
                    f"{path} has {card} = {value!r} (several spectra), but one channel in each row "
                    "(type I); expected one spectrum: if it is one, set the card to 'TYPE:I'"
                )


def _has_arrays(hdu: Any) -> bool:
    """Return whether each row of a table is a spectrum, of fixed or variable length."""
    columns = [hdu.data[name] for name in hdu.columns.names if name.upper() in ("COUNTS", "RATE")]
    return any(column.ndim > 1 or column.dtype.kind == "O" for column in columns)


def read_spectrum(path: Path) -> Spectrum:
    """Read the columns of a PHA file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Spectrum
        Its columns; scalings and the quality may be cards of the header.

    Raises
    ------
    FileError
        If a card or column is missing or invalid.
    """
    from astropy.io import fits

    require_one_spectrum(path)
    with fits.open(path, memmap=False) as hdus:
        header, data = hdus[SPECTRUM].header, hdus[SPECTRUM].data
    columns = {str(column).upper() for column in data.names}
    exposure = _require_number(path, header, "EXPOSURE")
    if exposure <= 0:
        raise FileError(f"{path} has EXPOSURE = {exposure}; expected a time above 0 s")
    counts = _read_counts(path, data, columns, exposure)
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
            f"{path}: RATE times EXPOSURE ({exposure} s) is not an integer, so the rates are "
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
