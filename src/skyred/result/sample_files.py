"""The samples of a fit in a FITS table next to ``fit.yaml``."""

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
MAX_LENGTH = 60  # characters; one card of a header holds a few more


def write_samples(folder: Path, fit: FitResult) -> dict[str, Any]:
    """Write ``samples.fits`` if the fit has samples.

    The columns are the weights, then the parameters in the order of the fit, each with its unit
    and, in the comment TCOMMn, its full name.

    Parameters
    ----------
    folder : Path
        The run folder.
    fit : FitResult
        The result of the fit.

    Returns
    -------
    dict of str to str
        The entries `samples` and `weights` of ``fit.yaml``, which name the file; empty without
        samples.
    """
    path = folder / SAMPLES
    if fit.samples is None:
        path.unlink(missing_ok=True)  # of a previous fit
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
    """Return names as valid FITS columns: letters, digits and underscores, unique in upper case."""
    plain = [re.sub(r"[^A-Za-z0-9_]", "_", name)[:MAX_LENGTH] for name in names]
    name_counts = Counter(name.upper() for name in [WEIGHTS, *plain])
    return [
        name if name_counts[name.upper()] == 1 else f"{name}_{number}"
        for number, name in enumerate(plain, 1)
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
        empty if the samples are in ``fit.yaml`` itself.

    Raises
    ------
    FileError
        If the file is missing or damaged, or the number of columns is not that of the parameters.
    """
    from astropy.io import fits

    if data.get("samples") != SAMPLES:
        return {}
    path = folder / SAMPLES
    check_fits_file(path)
    with fits.open(path) as file:
        table = file["SAMPLES"].data if "SAMPLES" in file else None
        count = 0 if table is None else len(table.dtype)
        if table is None or count != 1 + len(data["names"]):
            raise FileError(
                f"{path} has {count} columns; expected {1 + len(data['names'])}: "
                "the weights and the parameters of fit.yaml"
            )
        columns = [np.array(table.field(position), dtype=float) for position in range(count)]
    samples = np.stack(columns[1:], axis=1)
    return {"samples": samples, **({"weights": columns[0]} if "weights" in data else {})}
