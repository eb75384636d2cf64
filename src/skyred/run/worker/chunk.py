"""Chunks: consecutive observations that are reduced and stacked as one task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.inspection.records import RunInput
from skyred.interfaces import Maker, Reduction
from skyred.interfaces.hidden_secrets import hidden_secrets, hide_in_outcome, secret_values
from skyred.interfaces.records import Outcome
from skyred.plugins.component_errors import describe_owned
from skyred.run.worker.code_check import require_same_code
from skyred.run.worker.component_calls import (
    RuleError,
    errors_outside_runs,
    require_dataset,
)
from skyred.run.worker.irf_types import describe_irfs
from skyred.run.worker.observation import GEOMETRY, STACKER, RunReduction
from skyred.run.worker.target_maps import find_replaced, protect_maps

if TYPE_CHECKING:
    from gammapy.data import Observation

    from skyred.interfaces import Component


@attrs.frozen
class Chunk:
    """Consecutive observations, and everything needed to reduce them.

    Unless observations are in memory, a chunk is only a few kB in size, so that it can be sent
    quickly; the worker creates the empty maps.

    Parameters
    ----------
    entry : str
        The name of the data entry of the observations.
    reduction : Reduction
        The data entry, with its geometry and stacker.
    makers : tuple of Maker
        The prepared makers.
    observations : tuple of Observation
        The observations, which have not been read yet.
    inputs : mapping of int to RunInput
        The files and index rows of the observations by OBS_ID; observations that are not inspected
        are omitted.
    checksums : mapping of Path to str
        The sha256 by file, where known; it must be unchanged when the file is read.
    owners : tuple of str
        The plugins of the makers, the selectors, the geometry and the stacker, in this order; ""
        for a component that is not from a plugin, () if unknown.
    code : tuple of str
        Digests of the source code that workers must have; () if unknown.
    """

    entry: str
    reduction: Reduction
    makers: tuple[Maker, ...]
    observations: tuple[Observation, ...]
    inputs: Mapping[int, RunInput] = attrs.field(factory=dict)
    checksums: Mapping[Path, str] = attrs.field(factory=dict)
    owners: tuple[str, ...] = ()
    code: tuple[str, ...] = ()

    def describe(self, component: Component, index: int) -> str:
        """Return a component with its plugin, at an index of the owners, for messages.

        Parameters
        ----------
        component : Component
            The component.
        index : int
            The index of its plugin in `owners`, such as `GEOMETRY` or `STACKER`.

        Returns
        -------
        str
            Role, kind and plugin.
        """
        return describe_owned(component, self.owners[index] if self.owners else None)


@attrs.frozen
class PartialStack:
    """The result of reducing a chunk.

    Parameters
    ----------
    total : object
        The total of the stacker.
    outcomes : tuple of Outcome
        The outcome of each observation.
    irf_types : tuple of str
        The types of the IRFs of each observation; "" if it was not reduced.
    checksums : mapping of Path to str
        The sha256, by path, of the files that were read and whose sha256 is not in the chunk.
    """

    total: Any
    outcomes: tuple[Outcome, ...]
    irf_types: tuple[str, ...] = ()
    checksums: Mapping[Path, str] = attrs.field(factory=dict)


def reduce_chunk(
    chunk: Chunk,
    excluded: Mapping[int, Outcome] | None = None,
    checksums: Mapping[Path, str] | None = None,
) -> PartialStack:
    """Reduce and stack the observations of a chunk; a run that fails does not stop the others.

    Parameters
    ----------
    chunk : Chunk
        The chunk.
    excluded : mapping of int to Outcome, optional
        Outcomes of observations that failed in an earlier attempt, and are not reduced again.
    checksums : mapping of Path to str, optional
        The sha256, by path, of the files that were read in an earlier attempt.

    Returns
    -------
    PartialStack
        The total and the outcomes.

    Raises
    ------
    EngineError
        If the source code in this process differs from that of the main process.
    RuleError
        If a component violates a rule of its interface.
    """
    require_same_code(chunk)
    with hidden_secrets(chunk.reduction, *chunk.makers):
        return _reduce(chunk, excluded or {}, checksums or {})


def _reduce(
    chunk: Chunk, excluded: Mapping[int, Outcome], checksums: Mapping[Path, str]
) -> PartialStack:
    reduction = chunk.reduction
    source = chunk.describe(reduction.geometry, GEOMETRY)
    with errors_outside_runs(source):
        target = reduction.geometry.target()
    require_dataset(target, source)
    arrays = protect_maps(target)
    with errors_outside_runs(chunk.describe(reduction.stack, STACKER)):
        total = reduction.stack.zero(reduction.geometry)
    outcomes, irf_types, checksums = [], [], dict(checksums)
    for observation in chunk.observations:
        # an observation that was created in Python may have a string as OBS_ID
        obs_id = int(observation.obs_id)
        if obs_id in excluded:
            outcomes.append(excluded[obs_id])
            irf_types.append("")
            continue
        run_reduction = RunReduction(chunk, observation)
        parts = run_reduction.run(target)
        if replaced := find_replaced(target, arrays):
            raise RuleError(
                f"the {source} gives the datasets of runs the {replaced} of the full geometry, "
                f"which makers have replaced in the run {obs_id}; cutout must return a new "
                "dataset, such as target.copy(name=...)"
            )
        if parts:
            total = run_reduction.stack(total, parts)
        checksums |= run_reduction.checksums
        if run_reduction.total_invalid:  # start again without this run
            return _reduce(chunk, {**excluded, obs_id: run_reduction.outcome}, checksums)
        outcomes.append(run_reduction.outcome)
        irf_types.append(describe_irfs(parts[0].observation) if parts else "")
    new_checksums = {path: checksums[path] for path in checksums if not chunk.checksums.get(path)}
    values = secret_values((chunk.reduction, *chunk.makers))
    hidden_outcomes = tuple(hide_in_outcome(outcome, values) for outcome in outcomes)
    return PartialStack(total, hidden_outcomes, tuple(irf_types), new_checksums)
