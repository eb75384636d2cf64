"""The tasks of a worker: reduce a chunk of observations to a partial stack and outcomes."""

from skyred.run.worker.background_norm import apply_background_norm
from skyred.run.worker.chunk import Chunk, PartialStack, reduce_chunk
from skyred.run.worker.compared_run import RunComparison, compare_run
from skyred.run.worker.observation import RunReduction

__all__ = [
    "Chunk",
    "PartialStack",
    "RunComparison",
    "RunReduction",
    "apply_background_norm",
    "compare_run",
    "reduce_chunk",
]
