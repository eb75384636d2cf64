"""The maker `phase-background`: off counts from the off-pulse phases of a pulsar."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.components.makers.on_off import add_off_counts
from skyred.errors import ArchiveError, FieldError, Problem
from skyred.fields import REQUIRED, FieldSpec, option
from skyred.fields.canonical import exact_key, thaw
from skyred.fields.spec import declare
from skyred.interfaces import Maker, component
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset, MapDatasetOnOff
    from numpy.typing import NDArray

    from skyred.scripting import Script

PhaseInterval = tuple[float, float]
_EXPECTED = (
    "expected [low, high] between 0 and 1, or a list of such intervals; [0.9, 0.1] contains phase 0"
)


def _phase_option(doc: str) -> Any:
    """Declare an option with phase intervals, stored as sorted pairs that do not wrap around."""
    spec = FieldSpec(
        type_name="a phase interval, or a list of phase intervals",
        doc=doc,
        parse=_parse_intervals,
        key=exact_key,
        plain=thaw,
    )
    return declare(spec, REQUIRED)


def _parse_intervals(value: Any) -> tuple[PhaseInterval, ...]:
    """Parse one interval, or a list of intervals; an interval that contains phase 0 is split."""
    try:
        items = list(value)
        pairs = [items] if items and isinstance(items[0], int | float) else items
        intervals = [(float(low), float(high)) for low, high in pairs]
    except (TypeError, ValueError):
        raise FieldError(f"invalid value {value!r}", _EXPECTED) from None
    if not intervals:
        raise FieldError("is empty", _EXPECTED)
    for low, high in intervals:
        if not (0 <= low <= 1 and 0 <= high <= 1) or low == high:
            raise FieldError(f"invalid interval [{low:g}, {high:g}]", _EXPECTED)
    return tuple(sorted(part for interval in intervals for part in _split_wrap(interval)))


def _split_wrap(interval: PhaseInterval) -> Iterable[PhaseInterval]:
    """Split an interval that contains phase 0 into two.

    Parameters
    ----------
    interval : tuple of float
        Lower and upper phase, from 0 to 1.

    Returns
    -------
    iterable of tuple of float
        One or two intervals with the lower phase below the upper one.
    """
    low, high = interval
    if low < high:
        return (interval,)
    return tuple(part for part in ((low, 1.0), (0.0, high)) if part[0] < part[1])


def _total_width(intervals: Iterable[PhaseInterval]) -> float:
    return sum(high - low for low, high in intervals)


@component
class PhaseBackground(Maker):
    """On counts from some phases of a pulsar, and off counts from others, at the same position."""

    kind = "phase-background"
    makes = ("off",)
    on_phase: tuple[PhaseInterval, ...] = _phase_option(
        "Phases of the on counts; the upper end of each interval is excluded."
    )
    off_phase: tuple[PhaseInterval, ...] = _phase_option(
        "Phases of the off counts; the upper end of each interval is excluded."
    )
    column: str = option(
        "PHASE",
        doc="Column of the event list with the phases, in turns; only the fractional part is used.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that no phase is counted twice.

        Yields
        ------
        Problem
            An interval that overlaps with another one.
        """
        intervals = sorted(
            [(interval, "on_phase") for interval in self.on_phase]
            + [(interval, "off_phase") for interval in self.off_phase]
        )
        for ((_, stop), previous_name), ((start, _), name) in itertools.pairwise(intervals):
            if start < stop:
                message = (
                    f"two of its intervals overlap at phase {start:g}"
                    if name == previous_name
                    else f"overlaps with {previous_name} at phase {start:g}"
                )
                yield Problem((name,), message, "expected intervals that do not overlap")

    def make(self, dataset: MapDataset, observation: Observation) -> MapDatasetOnOff:
        """Count on and off events with gammapy's `PhaseBackgroundMaker`.

        The acceptances are the total widths of the phase intervals.

        Parameters
        ----------
        dataset : gammapy.datasets.MapDataset
            The dataset of the run, as returned by the previous maker.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        gammapy.datasets.MapDatasetOnOff
            The dataset with off counts.

        Raises
        ------
        ArchiveError
            If the event list has no phases, if some events have none, or if all have the same.
        """
        from gammapy.makers import PhaseBackgroundMaker
        from gammapy.maps import Map

        observation = self._fold(observation)
        maker = PhaseBackgroundMaker(
            on_phase=list(self.on_phase),
            off_phase=list(self.off_phase),
            phase_column_name=self.column,
        )
        # `run` of the maker is not used: it assigns a random name to each dataset, and sets the off
        # acceptance of a spectrum without off counts to 0, so that its background is infinite
        counts_off = maker.make_counts_off(dataset, observation)
        dataset.counts = maker.make_counts(dataset, observation)
        acceptance, acceptance_off = (
            Map.from_geom(dataset.counts.geom, data=_total_width(intervals))
            for intervals in (self.on_phase, self.off_phase)
        )
        return add_off_counts(dataset, counts_off, acceptance, acceptance_off)

    def write_script(self, script: Script) -> None:
        """Write calls to the methods of gammapy's `PhaseBackgroundMaker` that `make` uses.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        dataset_class = script.on_off_type()
        script.use("gammapy.makers", "PhaseBackgroundMaker")
        script.use("gammapy.datasets", dataset_class)
        script.use("gammapy.maps", "Map")
        maker = script.local("phase_maker")
        script.body.add(
            f"{maker} = PhaseBackgroundMaker(on_phase={literal(self.on_phase)}, "
            f"off_phase={literal(self.off_phase)}, phase_column_name={literal(self.column)})"
        )
        script.loop.add(
            f"observation.events.table[{literal(self.column)}] %= 1  # fold to one turn",
            f"counts_off = {maker}.make_counts_off(dataset, observation)",
            f"dataset.counts = {maker}.make_counts(dataset, observation)",
            "# the acceptances are the widths in phase",
            f"acceptance = Map.from_geom(geom, data={literal(_total_width(self.on_phase))})",
            f"acceptance_off = Map.from_geom(geom, data={literal(_total_width(self.off_phase))})",
            f"dataset = {dataset_class}.from_map_dataset(dataset, acceptance, acceptance_off, "
            "counts_off=counts_off, name=dataset.name)",
        )
        script.on_off = True

    def _fold(self, observation: Observation) -> Observation:
        """Return the observation with phases folded to 0 <= phase < 1.

        Event lists have phases from 0 to 1, from -0.5 to 0.5, or including the number of turns.
        """
        table = observation.events.table
        self._check_column(table)
        column: NDArray[np.float64] = np.ma.filled(
            np.ma.asarray(table[self.column], dtype=float), np.nan
        )
        self._check_phases(column)
        phases = column - np.floor(column)
        phases[phases >= 1] = 0  # phases just below an integer are rounded to 1
        if np.array_equal(phases, column):
            return observation
        from gammapy.data import EventList

        table = table.copy()
        table[self.column] = phases
        folded_observation = copy.copy(observation)
        folded_observation._events = EventList(table)
        return folded_observation

    def _check_column(self, table: Table) -> None:
        """Raise an error if the events have no column of phases."""
        if self.column not in table.colnames:
            raise ArchiveError(
                f"the events have no column {self.column!r}; "
                f"add the phases first, or set column to one of {', '.join(table.colnames)}"
            )
        if table[self.column].dtype.kind not in "fiu" or table[self.column].ndim != 1:
            raise ArchiveError(
                f"the column {self.column!r} of the events does not contain phases; "
                "expected one number per event"
            )

    def _check_phases(self, phases: NDArray[np.float64]) -> None:
        """Raise an error if some events have no phase, or if all have the same one.

        The acceptances are only correct if all events have a phase.
        """
        if n_invalid := int(np.sum(~np.isfinite(phases))):
            raise ArchiveError(
                f"{n_invalid} of {len(phases)} events have no finite phase in the column "
                f"{self.column!r}; compute the phases of all events first"
            )
        if len(phases) > 1 and np.all(phases == phases[0]):
            raise ArchiveError(
                f"all {len(phases)} events have the phase {phases[0]:g} in the column "
                f"{self.column!r}, which is probably not filled; compute the phases first, or set "
                "column to another column"
            )
