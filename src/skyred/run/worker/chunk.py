"""The chunk: consecutive observations, made and stacked as one piece of work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.inspection.records import RunInput
from skyred.interfaces import Maker, Reduction
from skyred.interfaces.records import Outcome
from skyred.run.worker.observation import RunReduction
from skyred.run.worker.source_check import require_same_code

if TYPE_CHECKING:
    from gammapy.data import Observation


@attrs.frozen
class Chunk:
    """Consecutive observations, and all that is needed to make them.

    It is small (a few kB), so it can be sent anywhere; the empty maps are made by the worker.

    Parameters
    ----------
    entry : str
        The `data:` entry that asked for them.
    reduction : Reduction
        Its geometry and stacker.
    makers : tuple of Maker
        The makers, prepared.
    observations : tuple of Observation
        Nothing of them is read yet.
    inputs : mapping of int to RunInput
        What the archive says of them by OBS_ID; those that it has no files for are left out.
    sums : mapping of Path to str
        The sha256 of files, where they were taken already: what is read is to be the same.
    owners : tuple of str
        Whose each of the makers is, and last the stacker; () where that is not known.
    code : tuple of str
        Digests of the source that is to make them; () where that is not known.
    """

    entry: str
    reduction: Reduction
    makers: tuple[Maker, ...]
    observations: tuple[Observation, ...]
    inputs: Mapping[int, RunInput] = attrs.field(factory=dict)
    sums: Mapping[Path, str] = attrs.field(factory=dict)
    owners: tuple[str, ...] = ()
    code: tuple[str, ...] = ()


@attrs.frozen
class Partial:
    """What became of a chunk: its total, and one outcome for each observation."""

    total: Any
    outcomes: tuple[Outcome, ...]


def reduce_chunk(chunk: Chunk, lost: Mapping[int, Outcome] | None = None) -> Partial:
    """Make and stack the observations of a chunk; a run that fails does not stop the others.

    `lost` are observations that could not be stacked in an earlier attempt, with what became of
    them: they are left out.

    Raises
    ------
    EngineError
        If this process has other source than the one that asks.
    """
    require_same_code(chunk)
    lost = lost or {}
    reduction = chunk.reduction
    target = reduction.geometry.target()
    total = reduction.stack.zero(reduction.geometry)
    outcomes = []
    for observation in chunk.observations:
        # an observation that was built in Python may have a text as id
        obs_id = int(observation.obs_id)
        if obs_id in lost:
            outcomes.append(lost[obs_id])
            continue
        making = RunReduction(chunk, observation)
        dataset = making.run(target)
        if dataset is not None:
            total = making.stack(total, dataset)
        if making.spoilt:  # half of it may be in the total: begin again without it
            return reduce_chunk(chunk, {**lost, obs_id: making.outcome})
        outcomes.append(making.outcome)
    return Partial(total, tuple(outcomes))
