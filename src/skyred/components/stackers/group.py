"""The stacker `group`: one stacked dataset per night, bin, telescope or column value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs
from astropy import units as u

from skyred.components.stackers.columns import groups_by_column
from skyred.components.stackers.grouping_options import (
    OPTIONS_BY_GROUPING,
    create_grouping,
    option_problems,
)
from skyred.components.stackers.groupings import Group
from skyred.components.stackers.scripted import write_group
from skyred.components.stackers.stacking import (
    Stack,
    merge_totals,
    require_same_type,
    stack_dataset,
)
from skyred.errors import Problem, SkipObservation
from skyred.fields import Instant, instant, option, quantity, specs
from skyred.interfaces import Geometry, Stacker, component

if TYPE_CHECKING:
    import numpy as np
    from gammapy.data import Observation, ObservationTable
    from gammapy.datasets import Dataset, Datasets
    from numpy.typing import NDArray

    from skyred.scripting import Script


@attrs.define(eq=False)
class GroupTotal:
    """The total of `group`: one stack per group that has at least one run.

    Parameters
    ----------
    geometry : Geometry
        The geometry of the datasets.
    stacks : dict of Group to Stack
        The stacked datasets.
    """

    geometry: Geometry
    stacks: dict[Group, Stack] = attrs.field(factory=dict)


@component
class GroupRuns(Stacker):
    """Stack the runs of each group into one dataset, named after the group."""

    kind = "group"
    by: str = option(
        choices=tuple(OPTIONS_BY_GROUPING),
        doc="Grouping criterion: nights (noon to noon at the site), bins in time, bins of zenith "
        "angle, telescopes (TELESCOP and TELLIST), or a column of the observation table.",
    )
    column: str | None = option(
        None,
        type=str,
        doc="The column (by: column), such as TARGET_NAME; one group per value, or per bin if "
        "edges are set.",
    )
    edges: u.Quantity | None = quantity(
        None,
        unit="any",
        many=True,
        doc="Edges of bins (by: zenith, or by: column); lower edges are included.",
    )
    times: tuple[Instant, ...] | None = instant(
        None,
        many=True,
        doc="Edges of bins in time (by: time); the middle of a run determines its bin.",
    )
    width: u.Quantity | None = quantity(
        None, unit="d", min="1 s", doc="Width of bins in time, instead of times."
    )
    start: Instant | None = instant(
        None, doc="Start of any one of the bins of this width; by default 2000-01-01T00:00:00."
    )

    def validate(self) -> Iterable[Problem]:
        """Check that the options of the grouping are set and valid, and that no others are set.

        Yields
        ------
        Problem
            An option that is missing, invalid, or has no effect with this grouping.
        """
        yield from option_problems(self)

    def prepare(self, table: ObservationTable) -> Stacker:
        """Assign the runs to groups if they are grouped by a column.

        Parameters
        ----------
        table : gammapy.data.ObservationTable
            The rows of the selected runs.

        Returns
        -------
        Stacker
            The stacker with the groups.

        Raises
        ------
        ArchiveError
            If the column is missing or has an incompatible unit, or if two of its values have the
            same label.
        """
        if self.by != "column":
            return self
        assert self.column is not None
        groups = groups_by_column(table, self.column, self.edges)
        options = {name: getattr(self, name) for name in specs(GroupRuns)}
        return PreparedGroupRuns(**options, groups=groups)

    def check_observation(self, observation: Observation) -> None:
        """Skip an observation that is not in any group.

        Parameters
        ----------
        observation : gammapy.data.Observation
            The run.

        Raises
        ------
        SkipObservation
            If the run is not in any group.
        ValueError
            If the run lacks the information for its group.
        """
        self.group(observation)

    def group(self, observation: Observation) -> Group:
        """Return the group of an observation.

        Parameters
        ----------
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        Group
            The group.

        Raises
        ------
        SkipObservation
            If the run is not in any group.
        ValueError
            If the run lacks the information for its group.
        """
        return create_grouping(self).find_group(observation)

    def write_script(self, script: Script) -> None:
        """Write code that stacks the runs of each group.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            If the runs are not grouped by night or zenith angle.
        """
        write_group(self, script)

    def name_pattern(self, name: str) -> str:
        """Return the pattern of the names of the datasets, which end with the labels of the groups.

        Parameters
        ----------
        name : str
            The name of the geometry.

        Returns
        -------
        str
            The pattern.
        """
        return f"{name}-*"

    def minimum_size(self, coverage_fractions: NDArray[np.float64]) -> float:
        """Return the size of one dataset: the number of groups is unknown before the reduction.

        Parameters
        ----------
        coverage_fractions : numpy.ndarray
            The fraction of the geometry that each run covers, shape (n,).

        Returns
        -------
        float
            The minimum size, in units of the size of one dataset of the full geometry.
        """
        return 1.0

    def zero(self, geometry: Geometry) -> GroupTotal:
        """Return an empty total.

        Parameters
        ----------
        geometry : Geometry
            The geometry of the datasets.

        Returns
        -------
        GroupTotal
            The empty total.
        """
        return GroupTotal(geometry)

    def add(self, total: GroupTotal, dataset: Dataset, observation: Observation) -> GroupTotal:
        """Stack a dataset onto the stack of its group, within its safe mask.

        Parameters
        ----------
        total : GroupTotal
            The total, which is changed in place.
        dataset : gammapy.datasets.Dataset
            The dataset of the run, which is not changed.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        GroupTotal
            The total with the dataset.

        Raises
        ------
        SkipObservation
            If the run is not in any group.
        TypeError
            If the dataset and the total have different types.
        """
        _check_same_type(total.stacks, dataset)
        group = self.group(observation)
        name = f"{total.geometry.name}-{group.label}"
        stack = total.stacks.get(group) or Stack(total.geometry.evolve(name=name))
        total.stacks[group] = stack_dataset(stack, dataset)
        return total

    def merge(self, left: GroupTotal, right: GroupTotal) -> GroupTotal:
        """Merge the totals group by group.

        Parameters
        ----------
        left : GroupTotal
            The total of the first runs, which is changed in place.
        right : GroupTotal
            The total of the following runs, which may be changed.

        Returns
        -------
        GroupTotal
            The merged total.

        Raises
        ------
        TypeError
            If the totals have datasets of different types.
        """
        for group, stack in right.stacks.items():
            _check_same_type(left.stacks, stack.dataset)
            left_stack = left.stacks.get(group)
            left.stacks[group] = merge_totals(left_stack, stack) if left_stack else stack
        return left

    def result(self, total: GroupTotal) -> Datasets:
        """Return the datasets, in the order of the groups.

        Parameters
        ----------
        total : GroupTotal
            The total of all runs.

        Returns
        -------
        gammapy.datasets.Datasets
            The datasets.
        """
        from gammapy.datasets import Datasets

        return Datasets([total.stacks[group].dataset for group in sorted(total.stacks)])


@component
class PreparedGroupRuns(GroupRuns):
    """The stacker `group` by a column, with the groups from the observation table."""

    kind = "group"
    groups: Mapping[str, Any] = option(
        type=dict,
        doc="Sorting key and label of the group of each run, or the reason why it is not in any "
        "group, by OBS_ID.",
    )

    def group(self, observation: Observation) -> Group:
        """Return the group of an observation.

        Parameters
        ----------
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        Group
            The group.

        Raises
        ------
        SkipObservation
            If the run is not in any group.
        ValueError
            If the run is not in the observation table.
        """
        assignment = self.groups.get(str(observation.obs_id))
        if assignment is None:
            raise ValueError(f"run {observation.obs_id} is not in the observation table")
        if isinstance(assignment, str):
            raise SkipObservation(assignment)
        return Group(*assignment)


def _check_same_type(stacks: Mapping[Group, Stack], dataset: Any) -> None:
    """Raise if the type of a dataset differs from that of the stacks of the other groups."""
    require_same_type(*(stack.dataset for stack in islice(stacks.values(), 1)), dataset)
