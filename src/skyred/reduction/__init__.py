"""The reduction: what a worker runs, a chunk of observations to a partial stack and outcomes."""

from skyred.reduction.chunk import Chunk, Partial, reduce_chunk
from skyred.reduction.making import Making, settle

__all__ = ["Chunk", "Making", "Partial", "reduce_chunk", "settle"]
