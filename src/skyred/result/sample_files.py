"""The posterior samples of a fit, in a FITS table next to ``fit.yaml``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import FileError
from skyred.inspection.file_checks import check_fits_file

if TYPE_CHECKING:
    from astropy.table import Table

    from skyred.interfaces.records import FitResult

SAMPLES = "samples.fits"
WEIGHTS = "WEIGHT"
MAX_LENGTH = 60  # characters, so that a name fits into one header card


def write_samples(folder: Path, fit: FitResult) -> dict[str, Any]:
    """Write ``samples.fits`` if the fit has samples.

    The first column contains the weights, the others the parameters in the order of the fit, with
    their units. The header cards TCOMMn contain their names in ASCII, up to 60 characters.

    Parameters
    ----------
    folder : Path
        The run folder.
    fit : FitResult
        The result of the fit.

    Returns
    -------
    dict of str to str
        The entry `samples` of ``fit.yaml`` and, if there are weights, the entry `weights`, both
        with the name of the file; empty if there are no samples.
    """
    path = folder / SAMPLES
    if fit.samples is None:
        path.unlink(missing_ok=True)  # the file of a previous fit
        return {}
    from astropy.io import fits

    hdu = fits.table_to_hdu(_table(fit))
    hdu.name = "SAMPLES"
    for number, name in enumerate(("weight, unnormalised", *fit.names), 1):
        # the standard keyword for the description of a column
        hdu.header[f"TCOMM{number}"] = _ascii(name)
    hdu.writeto(path, overwrite=True)
    weights = {} if fit.weights is None else {"weights": SAMPLES}
    return {"samples": SAMPLES, **weights}


def _table(fit: FitResult) -> Table:
    from astropy.table import Column, Table
    from astropy.units import Unit

    assert fit.samples is not None
    weights = np.ones(len(fit.samples)) if fit.weights is None else fit.weights
    columns = [Column(weights, WEIGHTS)]
    for name, unit, values in zip(_columns(fit.names), fit.units, fit.samples.T, strict=True):
        columns.append(Column(values, name, unit=Unit(unit, parse_strict="silent")))
    return Table(columns)


def _columns(names: tuple[str, ...]) -> list[str]:
    """Return valid FITS column names: letters, digits and underscores, unique in upper case."""
    plain_names = [re.sub(r"[^A-Za-z0-9_]", "_", name)[:MAX_LENGTH] for name in names]
    name_counts = Counter(name.upper() for name in [WEIGHTS, *plain_names])
    return [
        name if name_counts[name.upper()] == 1 else f"{name}_{number}"
        for number, name in enumerate(plain_names, 1)
    ]


def _ascii(content: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in content)[
        :MAX_LENGTH
    ]


def read_samples(folder: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    """Read the samples and weights that ``fit.yaml`` refers to.

    Parameters
    ----------
    folder : Path
        The run folder.
    data : mapping
        The content of ``fit.yaml``.

    Returns
    -------
    dict of str to numpy.ndarray
        `samples`, shape (samples, parameters), and `weights`, shape (samples,), if there are any;
        empty if ``fit.yaml`` does not refer to ``samples.fits``.

    Raises
    ------
    FileError
        If the file is missing or damaged, or has the wrong number of columns.
    """
    from astropy.io import fits

    if data.get("samples") != SAMPLES:
        return {}
    path = folder / SAMPLES
    check_fits_file(path)
    with fits.open(path) as file:
        table = file["SAMPLES"].data if "SAMPLES" in file else None
        n_columns = 0 if table is None else len(table.dtype)
        if table is None or n_columns != 1 + len(data["names"]):
            raise FileError(
                f"{path} has {n_columns} columns; expected {1 + len(data['names'])}: "
                "the weights and the parameters of fit.yaml"
            )
        columns = [np.array(table.field(index), dtype=float) for index in range(n_columns)]
    samples = np.stack(columns[1:], axis=1)
    return {"samples": samples, **({"weights": columns[0]} if "weights" in data else {})}
