"""The stacker `group`: one stacked dataset for each night, bin, telescope or value of a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u

from skyred.components.stackers.columns import groups_by_column
from skyred.components.stackers.groupings import (
    Group,
    Night,
    Telescopes,
    TimeEdges,
    TimeSteps,
    Way,
    ZenithBins,
)
from skyred.components.stackers.scripted import write_group
from skyred.components.stackers.stacking import Stack, add_to, merged, mixed_types
from skyred.errors import Problem, SkipObservation
from skyred.fields import Instant, instant, option, quantity, specs
from skyred.interfaces import Geometry, Stacker, component

if TYPE_CHECKING:
    from gammapy.data import Observation, ObservationTable
    from gammapy.datasets import Dataset, Datasets
    from numpy.typing import NDArray

    from skyred.scripting import Script

TAKES: Mapping[str, tuple[str, ...]] = {
    "night": (),
    "time": ("times", "width", "start"),
    "zenith": ("edges",),
    "telescope": (),
    "column": ("column", "edges"),
}
EPOCH = Instant("2000-01-01T00:00:00.000000")


@attrs.define(eq=False)
class Groups:
    """The total: a stack for each group that there is something of."""

    geometry: Geometry
    stacks: dict[Group, Stack] = attrs.field(factory=dict)


@component
class GroupRuns(Stacker):
    """Stack the runs of each group into one dataset, called after the group."""

    kind = "group"
    by: str = option(
        choices=tuple(TAKES),
        doc="What groups are made by: nights (noon to noon at the site), bins in time, bins of "
        "zenith angle, telescopes (TELESCOP and TELLIST), or a column of the observation table.",
    )
    column: str | None = option(
        None, type=str, doc="The column (by: column), such as TARGET_NAME; one group for a value."
    )
    edges: u.Quantity | None = quantity(
        None,
        unit="any",
        many=True,
        doc="Edges of bins (by: zenith, or column), the lower one in it.",
    )
    times: tuple[Instant, ...] | None = instant(
        None, many=True, doc="Edges of bins in time (by: time), judged by the middle of a run."
    )
    width: u.Quantity | None = quantity(
        None, unit="d", min="1 s", doc="Width of bins in time, instead of times."
    )
    start: Instant | None = instant(
        None, doc="When one of those bins begins; by default 2000-01-01T00:00:00."
    )

    def validate(self) -> Iterable[Problem]:
        """What a way of grouping needs must be there, and nothing else."""
        for name in ("column", "edges", "times", "width", "start"):
            if getattr(self, name) is not None and name not in TAKES[self.by]:
                others = " or ".join(way for way, taken in TAKES.items() if name in taken)
                message = f"says nothing to by: {self.by}"
                yield Problem((name,), message, f"leave it out, or group by: {others}")
        yield from self._missing()
        if self.edges is not None:
            yield from self._bad_edges(self.edges)
        if self.times is not None:
            yield from self._bad_times(self.times)

    def _missing(self) -> Iterable[Problem]:
        if self.by == "column" and self.column is None:
            yield Problem((), "lacks 'column'", "expected one such as TARGET_NAME")
        if self.by == "zenith" and self.edges is None:
            yield Problem((), "lacks 'edges'", "expected some such as [0 deg, 30 deg, 60 deg]")
        if self.by == "time" and (self.times is None) == (self.width is None):
            yield Problem((), "needs either times or width", "give one of the two")
        if self.start is not None and self.times is not None:
            yield Problem(("start",), "is given beside times", "it belongs to width")

    def _bad_edges(self, edges: u.Quantity) -> Iterable[Problem]:
        if self.by == "zenith" and not edges.unit.is_equivalent("deg"):
            yield Problem(("edges",), f"{edges} are no angles", "expected some such as 30 deg")
        if len(edges) < 2 or np.any(np.diff(edges.value) <= 0):
            yield Problem(("edges",), f"{edges} do not rise", "expected two or more rising values")

    def _bad_times(self, times: tuple[Instant, ...]) -> Iterable[Problem]:
        pairs = list(pairwise(times))
        if not pairs or any(not one.before(other) for one, other in pairs):
            yield Problem(("times",), "do not rise", "expected two or more moments in their order")
        if len({each.scale for each in times}) > 1:
            yield Problem(("times",), "differ in time scale", "give all of them in one")

    def prepare(self, table: ObservationTable) -> Stacker:
        """Look up the column.

        Raises
        ------
        ArchiveError
            If there is none of that name, edges do not fit it, or two values have one label.
        """
        if self.by != "column":
            return self
        assert self.column is not None
        groups = groups_by_column(table, self.column, self.edges)
        return GroupRows(**{name: getattr(self, name) for name in specs(GroupRuns)}, groups=groups)

    def admit(self, observation: Observation) -> None:
        """Skip an observation that is in no group."""
        self.group(observation)

    def group(self, observation: Observation) -> Group:
        """Give the group of an observation.

        Raises
        ------
        SkipObservation
            If it is in none.
        ValueError
            If it does not tell.
        """
        return self._way().of(observation)

    def _way(self) -> Way:
        if self.by == "time":
            if self.times is not None:
                return TimeEdges(self.times)
            return TimeSteps(self.width, self.start or EPOCH)
        if self.by == "zenith":
            return ZenithBins(self.edges)
        if self.by == "column":
            raise TypeError("to group by a column, prepare the stacker with the observation table")
        return Night() if self.by == "night" else Telescopes()

    def write_script(self, script: Script) -> None:
        """Stack onto the empty dataset of the run's group, made when its first run comes."""
        write_group(self, script)

    def minimum_size(self, coverage_fractions: NDArray[np.float64]) -> float:
        """Give that of one group: how many there are, the runs tell later."""
        return 1.0

    def zero(self, geometry: Geometry) -> Groups:
        """Give the total of nothing yet."""
        return Groups(geometry)

    def add(self, total: Groups, dataset: Dataset, observation: Observation) -> Groups:
        """Stack one more dataset onto that of its group, inside its safe mask."""
        _same_type(total.stacks, dataset)
        group = self.group(observation)
        name = f"{total.geometry.name}-{group.label}"
        stack = total.stacks.get(group) or Stack(total.geometry.evolve(name=name))
        total.stacks[group] = add_to(stack, dataset)
        return total

    def merge(self, left: Groups, right: Groups) -> Groups:
        """Merge group by group."""
        for group, stack in right.stacks.items():
            _same_type(left.stacks, stack.dataset)
            known = left.stacks.get(group)
            left.stacks[group] = merged(known, stack) if known else stack
        return left

    def result(self, total: Groups) -> Datasets:
        """Give the datasets, in the order of the groups."""
        from gammapy.datasets import Datasets

        return Datasets([total.stacks[group].dataset for group in sorted(total.stacks)])


@component
class GroupRows(GroupRuns):
    """The same, with what the observation table says of each run."""

    kind = "group"
    groups: Mapping[str, Any] = option(
        type=dict, doc="Order and label of a run's group by OBS_ID, or why it is in none."
    )

    def group(self, observation: Observation) -> Group:
        """Give the group of an observation; raises as that of `GroupRuns`."""
        found = self.groups.get(str(observation.obs_id))
        if found is None:
            raise ValueError(f"run {observation.obs_id} is not in the observation table")
        if isinstance(found, str):
            raise SkipObservation(found)
        return Group(*found)


def _same_type(stacks: Mapping[Group, Stack], dataset: Any) -> None:
    first = next(iter(stacks.values()), None)
    if first is not None and type(first.dataset) is not type(dataset):
        raise mixed_types(first.dataset, dataset)
