"""The tables of a posterior: what the samples say of each parameter, and the samples themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyred_sampling import weighted

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

    from skyred import FitResult

    Array = NDArray[np.float64]

LONGEST = 56  # characters of a column's name
MEDIAN, LOW, HIGH = 0.5, 0.15865525393145707, 0.8413447460685429
DESCRIPTIONS = {
    "parameter": "source.part.parameter",
    "unit": "unit of all that follows",
    "mean": "mean of the posterior",
    "std": "its standard deviation",
    "median": "its median",
    "low": "lower end of the central interval that holds 68.3 %",
    "high": "upper end of it",
    "value": "value that the models were set to",
}


def summarise(fit: FitResult, places: Sequence[int], weights: Array) -> Table:
    """Give a row for each chosen parameter of a fit with samples.

    Parameters
    ----------
    fit : FitResult
        With samples.
    places : sequence of int
        Which of its parameters.
    weights : array
        Of the samples, shape (m,).

    Returns
    -------
    Table
        With `evidence` (the natural logarithm), `evidence_error` and `effective_samples` in its
        metadata, as far as they are known.
    """
    from astropy.table import Table

    assert fit.samples is not None
    samples = fit.samples[:, places]
    median, low, high = weighted.quantiles(samples, weights, (MEDIAN, LOW, HIGH))
    columns = {
        "parameter": [fit.names[place] for place in places],
        "unit": [fit.units[place] for place in places],
        "mean": weighted.mean(samples, weights),
        "std": np.sqrt(np.diag(weighted.covariance(samples, weights))),
        "median": median,
        "low": low,
        "high": high,
        "value": fit.values[list(places)],
    }
    table = Table(columns)
    for name, description in DESCRIPTIONS.items():
        table[name].description = description
    for name in list(DESCRIPTIONS)[2:]:
        table[name].format = ".5g"
    known = {"evidence": fit.evidence, "evidence_error": fit.evidence_error}
    table.meta |= {name: float(each) for name, each in known.items() if each is not None}
    table.meta["effective_samples"] = weighted.effective_size(weights)
    return table


def write_samples(path: Path, summary: Table, samples: Array, weights: Array) -> None:
    """Write a FITS table: the weights, and a column with its unit for each row of the summary."""
    from astropy import units as u
    from astropy.table import Column, Table

    table = Table([Column(weights, "WEIGHT")])
    for number, row in enumerate(summary):
        name = re.sub(r"[^A-Za-z0-9_]", "_", row["parameter"])[:LONGEST]
        unit = u.Unit(row["unit"], parse_strict="silent")
        table[f"{name}_{number}"] = Column(samples[:, number], unit=unit)
    table.write(path, overwrite=True)


def read_samples(path: Path) -> tuple[Array, Array]:
    """Read samples, shape (m, n), and weights, shape (m,)."""
    from astropy.io import fits

    with fits.open(path) as file:
        data = file[1].data
        columns = [np.array(data.field(each), dtype=float) for each in range(len(data.dtype))]
    return np.stack(columns[1:], axis=1), columns[0]
