"""The evaluations of the statistic during a fit, in a table next to ``fit.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import FileError

if TYPE_CHECKING:
    from skyred.interfaces.records import FitResult

TRACE = "trace.ecsv"


def write_trace(folder: Path, fit: FitResult) -> dict[str, Any]:
    """Write ``trace.ecsv`` if the fitter stored the evaluations of the statistic.

    Parameters
    ----------
    folder : Path
        The run folder.
    fit : FitResult
        The result of the fit.

    Returns
    -------
    dict of str to str
        The entry `trace` of ``fit.yaml``, with the name of the file; empty if there is no trace.
    """
    path = folder / TRACE
    if fit.trace is None:
        path.unlink(missing_ok=True)  # the file of a previous fit
        return {}
    fit.trace_table().write(path, format="ascii.ecsv", overwrite=True)
    return {"trace": TRACE}


def read_trace(folder: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    """Read the trace that ``fit.yaml`` refers to.

    Parameters
    ----------
    folder : Path
        The run folder.
    data : mapping
        The content of ``fit.yaml``.

    Returns
    -------
    dict of str to numpy.ndarray
        `trace`, shape (evaluations, parameters + 1); empty if ``fit.yaml`` does not refer to
        ``trace.ecsv``.

    Raises
    ------
    FileError
        If the file is missing or damaged, or its columns are not those of the fit.
    """
    from astropy.table import Table

    if data.get("trace") != TRACE:
        return {}
    path = folder / TRACE
    expected = ["total_stat", *data["names"]]
    try:
        table = Table.read(path, format="ascii.ecsv")
    except (OSError, ValueError, KeyError) as error:
        raise FileError(f"{path} cannot be read: {error}") from error
    if table.colnames != expected:
        raise FileError(
            f"{path} has the columns {', '.join(table.colnames)}; expected {', '.join(expected)}"
        )
    columns = [np.asarray(table[name], dtype=float) for name in expected]
    return {"trace": np.stack(columns, axis=1)}
