"""Checks of the axes of a response, and conversion of its values to arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import numpy as np

from skyred.inspection.records import Finding
from skyred.inspection.run_hdu import RunHdu
from skyred.inspection.tables import Floats

AXIS_UNITS = {
    **{"ENERG": "TeV", "THETA": "deg", "RAD": "deg", "DETX": "deg", "DETY": "deg"},
    "MIGRA": "",
}
# allowed range of the largest offset: MAGIC has 0.41 deg, H.E.S.S. 2.5 deg, CTA 6 deg
OFFSET_RANGE = (0.3, 20.0)  # deg
OFFSETS = ("THETA", "DETX", "DETY")
# largest gap or overlap of bins, relative to the bin width, to allow for rounding
GAP_TOLERANCE = 1e-3


@attrs.frozen
class ResponseLayout:
    """Layout of a response.

    Parameters
    ----------
    axes : tuple of str
        The names of the axes in numpy's order.
    value_units : mapping of str to str
        The units of the columns with values, by name.
    """

    axes: tuple[str, ...]
    value_units: Mapping[str, str]

    @property
    def columns(self) -> dict[str, str]:
        """The required columns, each with a unit of the expected physical type."""
        edges = {f"{axis}_{end}": AXIS_UNITS[axis] for axis in self.axes for end in ("LO", "HI")}
        return {**edges, **self.value_units}


LAYOUTS = {
    "aeff_2d": ResponseLayout(("THETA", "ENERG"), {"EFFAREA": "m2"}),
    "edisp_2d": ResponseLayout(("THETA", "MIGRA", "ENERG"), {"MATRIX": ""}),
    "psf_table": ResponseLayout(("RAD", "THETA", "ENERG"), {"RPSF": "sr-1"}),
    "psf_3gauss": ResponseLayout(
        ("THETA", "ENERG"),
        {
            **{"SCALE": "sr-1", "SIGMA_1": "deg", "SIGMA_2": "deg", "SIGMA_3": "deg"},
            **{"AMPL_2": "", "AMPL_3": ""},
        },
    ),
    "psf_king": ResponseLayout(("THETA", "ENERG"), {"GAMMA": "", "SIGMA": "deg"}),
    "bkg_2d": ResponseLayout(("THETA", "ENERG"), {"BKG": "MeV-1 s-1 sr-1"}),
    "bkg_3d": ResponseLayout(("ENERG", "DETY", "DETX"), {"BKG": "MeV-1 s-1 sr-1"}),
    "rad_max_2d": ResponseLayout(("THETA", "ENERG"), {"RAD_MAX": "deg"}),
}


@attrs.frozen(eq=False)
class ResponseTable:
    """A response with valid axes and shapes.

    Parameters
    ----------
    hdu : RunHdu
        The HDU of the response.
    low, high : mapping of str to array
        The lower and upper edges of each axis, shape (bins,), in the units of `AXIS_UNITS`.
    values_by_column : mapping of str to array
        The values by column, with the axes in the order of the layout, in the units of the
        layout.
    """

    hdu: RunHdu
    low: Mapping[str, Floats]
    high: Mapping[str, Floats]
    values_by_column: Mapping[str, Floats]

    @property
    def values(self) -> Floats:
        """The values of a response that has a single column of values."""
        return next(iter(self.values_by_column.values()))

    def centers(self, axis: str) -> Floats:
        """Return the bin centres of an axis; for the energy, the geometric mean of the edges.

        Parameters
        ----------
        axis : str
            The name of the axis.

        Returns
        -------
        array
            Shape (bins,), in the unit of the axis.
        """
        low, high = self.low[axis], self.high[axis]
        return np.sqrt(low * high) if axis == "ENERG" else (low + high) / 2

    def widths(self, axis: str) -> Floats:
        """Return the bin widths of an axis.

        Parameters
        ----------
        axis : str
            The name of the axis.

        Returns
        -------
        array
            Shape (bins,), in the unit of the axis.
        """
        return self.high[axis] - self.low[axis]


def check_axes(hdu: RunHdu, layout: ResponseLayout) -> Iterator[Finding]:
    """Check the columns, units, axes and shapes of a response.

    Parameters
    ----------
    hdu : RunHdu
        The HDU of the response.
    layout : ResponseLayout
        The expected layout.

    Yields
    ------
    Finding
        A finding for each violation.
    """
    faults = list(hdu.check_columns(layout.columns))
    if not faults and len(hdu.table) != 1:
        faults.append(
            hdu.report("response-axes", f"the table has {len(hdu.table)} rows; expected 1")
        )
    yield from faults
    if faults:
        return
    for axis in layout.axes:
        if fault := _describe_axis_fault(axis, *_edges(hdu, axis)):
            yield hdu.report("response-axes", f"its axis {axis} {fault}")
    lengths = tuple(len(hdu.table.cell(f"{axis}_LO")) for axis in layout.axes)
    for name in layout.value_units:
        shape = hdu.table.cell(name).shape
        if _reorder(hdu.table.cell(name), lengths) is None:
            yield hdu.report(
                "response-axes", f"{name} has the shape {shape}, but its axes have {lengths} bins"
            )


def build_response(hdu: RunHdu, layout: ResponseLayout) -> ResponseTable:
    """Return the response in an HDU that passes `check_axes`.

    Parameters
    ----------
    hdu : RunHdu
        The HDU of the response.
    layout : ResponseLayout
        The layout.

    Returns
    -------
    ResponseTable
        The axes and the values.
    """
    edges = {axis: _edges(hdu, axis) for axis in layout.axes}
    lengths = tuple(len(low) for low, _ in edges.values())
    values_by_column = {
        name: _reorder(hdu.cell(name, unit), lengths) for name, unit in layout.value_units.items()
    }
    return ResponseTable(
        hdu,
        {axis: low for axis, (low, _) in edges.items()},
        {axis: high for axis, (_, high) in edges.items()},
        {name: values for name, values in values_by_column.items() if values is not None},
    )


def _edges(hdu: RunHdu, axis: str) -> tuple[Floats, Floats]:
    unit = AXIS_UNITS[axis]
    return hdu.cell(f"{axis}_LO", unit), hdu.cell(f"{axis}_HI", unit)


def _describe_axis_fault(axis: str, low: Floats, high: Floats) -> str | None:
    if low.shape != high.shape:
        return f"has {len(low)} lower and {len(high)} upper edges"
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return "has edges that are not finite"
    # offset bins may have zero width, as in H.E.S.S. responses
    has_zero_width_bins = axis == "THETA" and (low == high).all()
    if (np.diff(low) <= 0).any() or (np.diff(high) <= 0).any():
        return "is not strictly increasing"
    if not has_zero_width_bins:
        if (high <= low).any():
            return "has a bin whose upper edge is not above its lower edge"
        if (np.abs(low[1:] - high[:-1]) > GAP_TOLERANCE * np.abs(high - low)[:-1]).any():
            return "has a gap or an overlap between bins"
    if axis == "ENERG" and low[0] < 0:
        return "has a negative energy"
    if axis in OFFSETS and not OFFSET_RANGE[0] <= high[-1] <= OFFSET_RANGE[1]:
        return (
            f"ends at {high[-1]:.3g} deg; expected {OFFSET_RANGE[0]:g} to {OFFSET_RANGE[1]:g} deg; "
            "check its unit"
        )
    return None


def _reorder(values: Floats, lengths: tuple[int, ...]) -> Floats | None:
    """Return an array with its axes in the order of the layout; None if the lengths differ."""
    if values.shape == lengths:
        return values
    if values.size == np.prod(lengths) and values.ndim == 1 and sum(n > 1 for n in lengths) <= 1:
        return values.reshape(lengths)  # a single offset and no TDIM card
    if len(lengths) == 3 and values.shape == (*lengths[1:], lengths[0]):
        return np.moveaxis(values, -1, 0)  # CTA backgrounds have the energy last
    return None
