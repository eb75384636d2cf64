"""Rules on the axes of a response, and its cube brought into the order of its axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import numpy as np

from skyred.inspection.parts import RunHdu
from skyred.inspection.records import Finding
from skyred.inspection.tables import Floats

AXIS_UNITS = {
    **{"ENERG": "TeV", "THETA": "deg", "RAD": "deg", "DETX": "deg", "DETY": "deg"},
    "MIGRA": "",
}
# how far offsets reach: MAGIC to 0.41 deg, H.E.S.S. to 2.5 deg, CTA to 6 deg
REACH = (0.3, 20.0)  # deg
OFFSETS = ("THETA", "DETX", "DETY")
# relative to an edge: what float32 leaves
CONTIGUOUS = 1e-3


@attrs.frozen
class ResponseForm:
    """The form of a response: its axes in the order of numpy, its cubes and their units."""

    axes: tuple[str, ...]
    cubes: Mapping[str, str]

    @property
    def columns(self) -> dict[str, str]:
        """All columns that it has, with units of their kind."""
        edges = {f"{axis}_{end}": AXIS_UNITS[axis] for axis in self.axes for end in ("LO", "HI")}
        return {**edges, **self.cubes}


FORMS = {
    "aeff_2d": ResponseForm(("THETA", "ENERG"), {"EFFAREA": "m2"}),
    "edisp_2d": ResponseForm(("THETA", "MIGRA", "ENERG"), {"MATRIX": ""}),
    "psf_table": ResponseForm(("RAD", "THETA", "ENERG"), {"RPSF": "sr-1"}),
    "psf_3gauss": ResponseForm(
        ("THETA", "ENERG"),
        {
            **{"SCALE": "sr-1", "SIGMA_1": "deg", "SIGMA_2": "deg", "SIGMA_3": "deg"},
            **{"AMPL_2": "", "AMPL_3": ""},
        },
    ),
    "psf_king": ResponseForm(("THETA", "ENERG"), {"GAMMA": "", "SIGMA": "deg"}),
    "bkg_2d": ResponseForm(("THETA", "ENERG"), {"BKG": "MeV-1 s-1 sr-1"}),
    "bkg_3d": ResponseForm(("ENERG", "DETY", "DETX"), {"BKG": "MeV-1 s-1 sr-1"}),
    "rad_max_2d": ResponseForm(("THETA", "ENERG"), {"RAD_MAX": "deg"}),
}


@attrs.frozen(eq=False)
class ResponseTable:
    """A response whose axes and shapes are sound.

    Parameters
    ----------
    part : RunHdu
        Where it is from.
    low, high : mapping of str to array
        The edges of each axis, in TeV, deg or none.
    cubes : mapping of str to array
        Its values, in the order of its form's axes, in the units of its form.
    """

    part: RunHdu
    low: Mapping[str, Floats]
    high: Mapping[str, Floats]
    cubes: Mapping[str, Floats]

    @property
    def cube(self) -> Floats:
        """The one cube of a response that has one."""
        return next(iter(self.cubes.values()))

    def centers(self, axis: str) -> Floats:
        """Give the middle of each bin, of energies the geometric one."""
        low, high = self.low[axis], self.high[axis]
        return np.sqrt(low * high) if axis == "ENERG" else (low + high) / 2

    def widths(self, axis: str) -> Floats:
        """Give the width of each bin."""
        return self.high[axis] - self.low[axis]


def check_axes(part: RunHdu, form: ResponseForm) -> Iterator[Finding]:
    """Look at columns, units, axes and shapes of a response."""
    wrong = list(part.needs(form.columns))
    if not wrong and len(part.table) != 1:
        wrong.append(part.fault(f"has {len(part.table)} rows; expected 1"))
    yield from wrong
    if wrong:
        return
    for axis in form.axes:
        if said := _wrong_axis(axis, *_edges(part, axis)):
            yield part.fault(f"its axis {axis} {said}")
    lengths = tuple(len(part.table.cell(f"{axis}_LO")) for axis in form.axes)
    for name in form.cubes:
        shape = part.table.cell(name).shape
        if _arranged(part.table.cell(name), lengths) is None:
            yield part.fault(f"{name} has the shape {shape}, its axes have {lengths}")


def response_of(part: RunHdu, form: ResponseForm) -> ResponseTable:
    """Give a response in which `check_axes` found no fault."""
    edges = {axis: _edges(part, axis) for axis in form.axes}
    lengths = tuple(len(low) for low, _ in edges.values())
    cubes = {name: _arranged(part.cell(name, unit), lengths) for name, unit in form.cubes.items()}
    return ResponseTable(
        part,
        {axis: low for axis, (low, _) in edges.items()},
        {axis: high for axis, (_, high) in edges.items()},
        {name: cube for name, cube in cubes.items() if cube is not None},
    )


def _edges(part: RunHdu, axis: str) -> tuple[Floats, Floats]:
    unit = AXIS_UNITS[axis]
    return part.cell(f"{axis}_LO", unit), part.cell(f"{axis}_HI", unit)


def _wrong_axis(axis: str, low: Floats, high: Floats) -> str | None:
    if low.shape != high.shape:
        return f"has {len(low)} lower and {len(high)} upper edges"
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return "has edges that are not finite"
    # offsets may be points, as those of H.E.S.S. are
    points = axis == "THETA" and (low == high).all()
    if (np.diff(low) <= 0).any() or (np.diff(high) <= 0).any():
        return "does not rise"
    if not points and (high <= low).any():
        return "has a bin without width"
    if not points and (np.abs(low[1:] - high[:-1]) > CONTIGUOUS * np.abs(high - low)[:-1]).any():
        return "has a gap or an overlap between bins"
    if axis == "ENERG" and low[0] < 0:
        return "has an energy below 0"
    if axis in OFFSETS and not REACH[0] <= high[-1] <= REACH[1]:
        return (
            f"reaches {high[-1]:.3g} deg; expected {REACH[0]:g} to {REACH[1]:g} deg: "
            "is its unit right?"
        )
    return None


def _arranged(cube: Floats, lengths: tuple[int, ...]) -> Floats | None:
    """Bring a cube into the order of its axes; None if it has other lengths."""
    if cube.shape == lengths:
        return cube
    if cube.size == np.prod(lengths) and cube.ndim == 1 and sum(n > 1 for n in lengths) <= 1:
        return cube.reshape(lengths)  # of one offset, and no TDIM
    if len(lengths) == 3 and cube.shape == (*lengths[1:], lengths[0]):
        return np.moveaxis(cube, -1, 0)  # a background of CTA has the energy last
    return None
