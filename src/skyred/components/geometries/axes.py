"""Energy axes of a geometry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u

from skyred.errors import Problem, warn_of_old_name
from skyred.fields import log_edges, option, quantity
from skyred.interfaces import Fields, value
from skyred.scripting import literal, quantity_text

if TYPE_CHECKING:
    from gammapy.maps import MapAxis

    from skyred.scripting import Script

MAX_BINS = 10_000


@value
class EnergyAxis(Fields):
    """An energy axis: logarithmic bins between min and max, or explicit edges."""

    min: u.Quantity | None = quantity(None, unit="TeV", min="0 TeV", doc="Lowest energy.")
    max: u.Quantity | None = quantity(None, unit="TeV", min="0 TeV", doc="Highest energy.")
    bins: int | None = option(
        None, type=int, min=1, max=MAX_BINS, doc="Number of bins of equal width in log(energy)."
    )
    per_decade: bool = option(False, doc="Whether bins is the number per decade.")
    edges: u.Quantity | None = quantity(
        None, unit="TeV", many=True, doc="Bin edges, instead of min, max and bins."
    )

    def validate(self) -> Iterable[Problem]:
        """Check that the axis has either increasing edges, or a range with a number of bins.

        Yields
        ------
        Problem
            Invalid or missing energies, or too many bins.
        """
        for name in ("min", "edges"):
            if (low := getattr(self, name)) is not None and np.any(low <= 0 * low.unit):
                yield Problem(
                    (name,),
                    f"{low} is not above 0",
                    "expected a positive energy: bins are logarithmic",
                )
        if self.min is not None and self.max is not None and self.min >= self.max:
            yield Problem(
                ("min",), f"{self.min} is not below max ({self.max})", "expected min below max"
            )
        yield from self._bin_count_problems()
        options_set = [name for name in ("min", "max", "bins") if getattr(self, name) is not None]
        if self.edges is None:
            for name in [name for name in ("min", "max", "bins") if name not in options_set]:
                yield Problem((), f"missing key {name!r}", "expected min, max and bins, or edges")
        elif options_set:
            yield Problem(
                (options_set[0],),
                "cannot be combined with edges",
                "set either edges, or min, max and bins",
            )
        elif len(self.edges) < 2 or np.any(np.diff(self.edges.value) <= 0):
            yield Problem(("edges",), "must increase", "expected two or more increasing energies")

    def _bin_count_problems(self) -> Iterable[Problem]:
        """Yield a problem if the number of bins per decade gives too many bins in total."""
        if not self.per_decade or self.min is None or self.max is None or self.bins is None:
            return
        if not 0 < self.min.value < np.inf or self.max <= self.min:
            return  # reported by `validate`
        decades = np.log10((self.max / self.min).to_value(""))
        if self.bins * decades > MAX_BINS:
            yield Problem(
                ("bins",),
                f"{self.bins} bins per decade over {decades:.3g} decades",
                f"expected at most {MAX_BINS} bins in total",
            )

    @property
    def bounds(self) -> u.Quantity:
        """The lowest and the highest energy, shape (2,)."""
        if self.edges is not None:
            return np.sort(self.edges[[0, -1]])
        return np.sort(u.Quantity([self.min, self.max]))

    def bin_edges(self) -> u.Quantity:
        """Return the edges of all bins, without importing gammapy.

        Returns
        -------
        astropy.units.Quantity
            The edges, shape (bins + 1,), with a unit of energy.
        """
        if self.edges is not None:
            return self.edges
        assert self.min is not None
        assert self.max is not None
        assert self.bins is not None
        low, high = self.bounds.to("TeV")
        return log_edges(low, high, self.bins, per_decade=self.per_decade)

    def nodes(self) -> u.Quantity:
        """Return the edges of all bins (deprecated name of `bin_edges`).

        Returns
        -------
        astropy.units.Quantity
            The edges, shape (bins + 1,), with a unit of energy.
        """
        warn_of_old_name("EnergyAxis.nodes", "EnergyAxis.bin_edges")
        return self.bin_edges()

    def build(self, name: str) -> MapAxis:
        """Create the gammapy axis.

        Parameters
        ----------
        name : str
            The name of the axis, "energy" or "energy_true".

        Returns
        -------
        gammapy.maps.MapAxis
            The axis.
        """
        from gammapy.maps import MapAxis

        if self.edges is not None:
            return MapAxis.from_energy_edges(self.edges, name=name)
        return MapAxis.from_energy_bounds(
            self.min, self.max, self.bins, per_decade=self.per_decade, name=name
        )

    def code(self, name: str, script: Script) -> str:
        """Return the Python expression that creates the axis in a gammapy script.

        Parameters
        ----------
        name : str
            The name of the axis, "energy" or "energy_true".
        script : Script
            The script, for its imports and constants.

        Returns
        -------
        str
            The expression.
        """
        script.use("gammapy.maps", "MapAxis")
        name_code = "" if name == "energy" else f", name={literal(name)}"
        if self.edges is not None:
            edges = script.quantity(self.edges)
            return f"MapAxis.from_energy_edges({edges}{name_code})"
        assert self.min is not None
        assert self.max is not None
        low, high = (quantity_text(energy.value, energy.unit) for energy in (self.min, self.max))
        per_decade_code = ", per_decade=True" if self.per_decade else ""
        return (
            f"MapAxis.from_energy_bounds({low}, {high}, nbin={self.bins}{per_decade_code}"
            f"{name_code})"
        )


def overlap_problems(energy: EnergyAxis, energy_true: EnergyAxis) -> Iterable[Problem]:
    """Yield a problem if the ranges of true and reconstructed energy do not overlap.

    Parameters
    ----------
    energy : EnergyAxis
        The reconstructed energy.
    energy_true : EnergyAxis
        The true energy.

    Yields
    ------
    Problem
        The problem, with the path "energy_true".
    """
    if any(True for axis in (energy, energy_true) for _ in axis.validate()):
        return  # the axis reports its own problems
    low, high = energy.bounds
    low_true, high_true = energy_true.bounds
    if high_true <= low or low_true >= high:
        yield Problem(
            ("energy_true",), "does not overlap with energy", "expected a range that includes it"
        )
