"""The tasks of a worker: reduce a chunk of observations to a partial stack and outcomes."""

from skyred.run.worker.chunk import Chunk, PartialStack, reduce_chunk
from skyred.run.worker.observation import RunReduction, apply_background_norm

__all__ = ["Chunk", "PartialStack", "RunReduction", "apply_background_norm", "reduce_chunk"]
