"""Tables of a posterior: a summary of its parameters, and the samples."""

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

MAX_NAME_LENGTH = 56  # characters of a column name
MEDIAN, LOW, HIGH = 0.5, 0.15865525393145707, 0.8413447460685429
DESCRIPTIONS = {
    "parameter": "source.model.parameter, such as crab.spectral.index",
    "unit": "unit of the other columns",
    "mean": "mean of the posterior",
    "std": "standard deviation of the posterior",
    "median": "median of the posterior",
    "low": "lower end of the central 68.3 % interval",
    "high": "upper end of the central 68.3 % interval",
    "value": "value that the models were set to",
}


def summarise(fit: FitResult, indices: Sequence[int], weights: Array) -> Table:
    """Return a table with a row for each selected parameter of a fit with samples.

    Parameters
    ----------
    fit : FitResult
        A fit with samples.
    indices : sequence of int
        Indices of the parameters.
    weights : array
        Weights of the samples, shape (m,).

    Returns
    -------
    Table
        The table, with `effective_samples` in its metadata, and with `evidence` (the natural
        logarithm) and `evidence_error` if the fit has them.
    """
    from astropy.table import Table

    assert fit.samples is not None
    samples = fit.samples[:, indices]
    median, low, high = weighted.quantiles(samples, weights, (MEDIAN, LOW, HIGH))
    columns = {
        "parameter": [fit.names[index] for index in indices],
        "unit": [fit.units[index] for index in indices],
        "mean": weighted.mean(samples, weights),
        "std": np.sqrt(np.diag(weighted.covariance(samples, weights))),
        "median": median,
        "low": low,
        "high": high,
        "value": fit.values[list(indices)],
    }
    table = Table(columns)
    for name, description in DESCRIPTIONS.items():
        table[name].description = description
    for name in list(DESCRIPTIONS)[2:]:
        table[name].format = ".5g"
    evidence = {"evidence": fit.evidence, "evidence_error": fit.evidence_error}
    table.meta |= {name: float(value) for name, value in evidence.items() if value is not None}
    table.meta["effective_samples"] = weighted.effective_size(weights)
    return table


def write_samples(path: Path, summary: Table, samples: Array, weights: Array) -> None:
    """Write a FITS table with the weights, and a column for each row of the summary."""
    from astropy import units as u
    from astropy.table import Column, Table

    table = Table([Column(weights, "WEIGHT")])
    for number, row in enumerate(summary):
        name = re.sub(r"[^A-Za-z0-9_]", "_", row["parameter"])[:MAX_NAME_LENGTH]
        unit = u.Unit(row["unit"], parse_strict="silent")
        table[f"{name}_{number}"] = Column(samples[:, number], unit=unit)
    table.write(path, overwrite=True)


def read_samples(path: Path) -> tuple[Array, Array]:
    """Read samples, shape (m, n), and weights, shape (m,)."""
    from astropy.io import fits

    with fits.open(path) as file:
        data = file[1].data
        columns = [np.array(data.field(index), dtype=float) for index in range(len(data.dtype))]
    return np.stack(columns[1:], axis=1), columns[0]
