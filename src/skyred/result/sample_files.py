"""The samples of a fit: a FITS table beside ``fit.yaml``, which names it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import FileError
from skyred.inspection.map_headers import check_fits_file

if TYPE_CHECKING:
    from astropy.table import Table

    from skyred.interfaces.records import FitResult

SAMPLES = "samples.fits"
WEIGHTS = "WEIGHT"
LONGEST = 60  # characters: one card of a header holds a few more


def write_samples(folder: Path, fit: FitResult) -> dict[str, Any]:
    """Write ``samples.fits``, if the fit has samples; gives what ``fit.yaml`` says instead.

    Its columns are the weights, then the parameters in the order of the fit, each with its unit
    and, as the comment of its card, its own name.
    """
    path = folder / SAMPLES
    if fit.samples is None:
        path.unlink(missing_ok=True)  # of the fit that was here before
        return {}
    from astropy.io import fits

    hdu = fits.table_to_hdu(_table(fit))
    hdu.name = "SAMPLES"
    for number, name in enumerate(("weight, unnormalised", *fit.names), 1):
        # the standard's own place for what a column is
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
    """Give names as FITS wants them: letters, digits and underscores; no two alike but for case."""
    plain = [re.sub(r"[^A-Za-z0-9_]", "_", name)[:LONGEST] for name in names]
    known = Counter(name.upper() for name in [WEIGHTS, *plain])
    return [
        name if known[name.upper()] == 1 else f"{name}_{place}"
        for place, name in enumerate(plain, 1)
    ]


def _ascii(text: str) -> str:
    return "".join(sign if " " <= sign <= "~" else "?" for sign in text)[:LONGEST]


def read_samples(folder: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    """Read the samples and weights that ``fit.yaml`` speaks of; nothing if it holds its own.

    Raises
    ------
    FileError
        If the file is absent or damaged, or has not one column for each parameter.
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
                f"{path} has {count} columns; expected {1 + len(data['names'])}, of weights and "
                "of the parameters of fit.yaml"
            )
        columns = [np.array(table.field(place), dtype=float) for place in range(count)]
    samples = np.stack(columns[1:], axis=1)
    return {"samples": samples, **({"weights": columns[0]} if "weights" in data else {})}
