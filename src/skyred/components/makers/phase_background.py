"""The maker `phase-background`: off counts from phases at which a pulsar is quiet."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from skyred.components.makers.on_off import with_off
from skyred.errors import ArchiveError, FieldError, Problem
from skyred.fields import REQUIRED, FieldSpec, option
from skyred.fields.canonical import exact_key, thaw
from skyred.fields.spec import declare
from skyred.interfaces import Maker, component
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset, MapDatasetOnOff

    from skyred.scripting import Script

Interval = tuple[float, float]
_EXPECTED = "expected [low, high] between 0 and 1, or a list of such; [0.9, 0.1] goes through 0"


def _phases(doc: str) -> Any:
    """Declare intervals of phase, held as a tuple of pairs, in order and without wraps."""
    spec = FieldSpec(
        type_name="an interval of phase, or a list of them",
        doc=doc,
        parse=_parse,
        key=exact_key,
        plain=thaw,
    )
    return declare(spec, REQUIRED)


def _parse(value: Any) -> tuple[Interval, ...]:
    try:
        items = list(value)
        pairs = [items] if items and isinstance(items[0], int | float) else items
        intervals = [(float(low), float(high)) for low, high in pairs]
    except (TypeError, ValueError):
        raise FieldError(f"is {value!r}", _EXPECTED) from None
    if not intervals:
        raise FieldError("is empty", _EXPECTED)
    for low, high in intervals:
        if not (0 <= low <= 1 and 0 <= high <= 1) or low == high:
            raise FieldError(f"holds [{low:g}, {high:g}]", _EXPECTED)
    return tuple(sorted(part for each in intervals for part in _unwrapped(each)))


def _unwrapped(interval: Interval) -> Iterable[Interval]:
    low, high = interval
    if low < high:
        return (interval,)
    return tuple(part for part in ((low, 1.0), (0.0, high)) if part[0] < part[1])


def _width(intervals: Iterable[Interval]) -> float:
    return sum(high - low for low, high in intervals)


@component
class PhaseBackground(Maker):
    """On counts from some phases of a pulsar, and off counts from others, in one place."""

    kind = "phase-background"
    makes = ("off",)
    on_phase: tuple[Interval, ...] = _phases("Phases of the on counts; the upper end excluded.")
    off_phase: tuple[Interval, ...] = _phases("Phases of the off counts; the upper end excluded.")
    column: str = option("PHASE", doc="Column of the event list with the phases, from 0 to 1.")

    def validate(self) -> Iterable[Problem]:
        """No phase is counted twice."""
        ordered = sorted(
            [(each, "on_phase") for each in self.on_phase]
            + [(each, "off_phase") for each in self.off_phase]
        )
        for ((_, end), first), ((start, _), second) in itertools.pairwise(ordered):
            if start < end:
                message = f"overlaps with {first} from {start:g} on"
                yield Problem((second,), message, "expected intervals that do not overlap")

    def make(self, dataset: MapDataset, observation: Observation) -> MapDatasetOnOff:
        """Count with gammapy's `PhaseBackgroundMaker`; the acceptances are the widths in phase."""
        from gammapy.makers import PhaseBackgroundMaker
        from gammapy.maps import Map

        self._require_column(observation)
        maker = PhaseBackgroundMaker(
            on_phase=list(self.on_phase),
            off_phase=list(self.off_phase),
            phase_column_name=self.column,
        )
        # not by `run`: it calls each dataset by a random name, and where a spectrum has no off
        # counts it makes the off acceptance 0, and with it the background infinite
        counts_off = maker.make_counts_off(dataset, observation)
        dataset.counts = maker.make_counts(dataset, observation)
        on, off = (
            Map.from_geom(dataset.counts.geom, data=_width(intervals))
            for intervals in (self.on_phase, self.off_phase)
        )
        return with_off(dataset, counts_off, acceptance=on, acceptance_off=off)

    def write_script(self, script: Script) -> None:
        """Count by the same maker; its `run` would call each dataset by a random name."""
        kind = script.on_off_type()
        script.use("gammapy.makers", "PhaseBackgroundMaker")
        script.use("gammapy.datasets", kind)
        script.use("gammapy.maps", "Map")
        maker = script.local("phase_maker")
        script.body.add(
            f"{maker} = PhaseBackgroundMaker(on_phase={literal(self.on_phase)}, "
            f"off_phase={literal(self.off_phase)}, phase_column_name={literal(self.column)})"
        )
        script.loop.add(
            f"counts_off = {maker}.make_counts_off(dataset, observation)",
            f"dataset.counts = {maker}.make_counts(dataset, observation)",
            "# the acceptances are the widths in phase",
            f"acceptance = Map.from_geom(geom, data={literal(_width(self.on_phase))})",
            f"acceptance_off = Map.from_geom(geom, data={literal(_width(self.off_phase))})",
            f"dataset = {kind}.from_map_dataset(dataset, acceptance, acceptance_off, "
            "counts_off=counts_off, name=dataset.name)",
        )
        script.on_off = True

    def _require_column(self, observation: Observation) -> None:
        columns = observation.events.table.colnames
        if self.column not in columns:
            raise ArchiveError(
                f"the events have no column {self.column!r}; "
                f"add the phases first, or give column: one of {', '.join(columns)}"
            )
