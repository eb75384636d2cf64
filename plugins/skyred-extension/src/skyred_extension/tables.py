"""The tables of the test for extension, with units and descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

    from skyred import FitResult

SUMMARY = {
    "source": "name of the source",
    "shape": "shape of the extended source",
    "ts_ext": "difference of the statistic between the best point source and the best size",
    "sqrt_ts": "significance of the extension in sigma",
    "is_extended": "whether TS is at least the threshold",
    "size": "best size (sigma or radius); 0 if a point source fits best, NaN if unknown",
    "size_err": "error of the size",
    "size_ul": "upper limit of the size",
    "r68": "radius that contains 68 % of the flux",
    "r68_err": "its error",
    "r68_ul": "its upper limit",
    "lon": "longitude of the source, in the frame of its model",
    "lat": "latitude of the source",
    "lon_err": "error of the longitude, in degrees of longitude",
    "lat_err": "error of the latitude",
    "stat_point": "statistic of the best point source",
    "stat_ext": "lowest statistic of any size",
    "success": "whether TS and size are established",
    "message": "the reason if not, and remarks",
}
ANGLES = (
    "size", "size_err", "size_ul", "r68", "r68_err", "r68_ul", "lon", "lat", "lon_err", "lat_err",
)  # fmt: skip


def summary_table(row: Mapping[str, Any], meta: Mapping[str, Any]) -> Table:
    """Return the table with the result of the test.

    Parameters
    ----------
    row : mapping of str to object
        The values of the columns in `SUMMARY`, angles in deg.
    meta : mapping of str to object
        The metadata.

    Returns
    -------
    Table
        The table, with one row.
    """
    from astropy.table import Table

    table = Table([{name: row[name] for name in SUMMARY}], meta=dict(meta))
    for name, description in SUMMARY.items():
        table[name].description = description
        if table[name].dtype.kind == "f":
            table[name].format = ".5g"
    for name in ANGLES:
        table[name].unit = "deg"
    for name in ("stat_point", "stat_ext", "lon", "lat"):
        table[name].format = ".4f"
    return table


def profile_table(sizes: NDArray[Any], profile: NDArray[Any], reference: float) -> Table:
    """Return the profile of the statistic.

    Parameters
    ----------
    sizes, profile : array
        The sizes, in deg, and the statistic, shape (n,).
    reference : float
        The statistic to which `delta_stat` refers, that of the best size.

    Returns
    -------
    Table
        The table, with one row for each size.
    """
    from astropy.table import Table

    table = Table({"size": sizes, "stat": profile, "delta_stat": profile - reference})
    table["size"].unit = "deg"
    table["size"].description = "size of the source"
    table["stat"].description = "statistic, with all other free parameters fitted"
    table["delta_stat"].description = "difference from the statistic of the best size"
    return table


def parameter_table(results: Mapping[str, FitResult | None]) -> Table:
    """Return the free parameters of the hypotheses.

    Parameters
    ----------
    results : mapping of str to FitResult or None
        The fits by shape; those that failed are None, and have no rows.

    Returns
    -------
    Table
        The table, with a row for each shape and parameter.
    """
    from astropy.table import Table

    rows = [
        row
        for shape, fit in results.items()
        if fit is not None
        for row in zip(
            [shape] * len(fit.names), fit.names, fit.values, fit.errors, fit.units, strict=True
        )
    ]
    names = ("shape", "parameter", "value", "error", "unit")
    types = (str, str, float, float, str)
    if not rows:
        return Table(names=names, dtype=types)
    return Table(rows=rows, names=names)
