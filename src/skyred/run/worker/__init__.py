"""The worker: what a worker runs, a chunk of observations to a partial stack and outcomes."""

from skyred.run.worker.chunk import Chunk, Partial, reduce_chunk
from skyred.run.worker.observation import Making, settle

__all__ = ["Chunk", "Making", "Partial", "reduce_chunk", "settle"]
