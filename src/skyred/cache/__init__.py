"""The cache: chunks of observations that were reduced before, kept between runs."""

from skyred.cache.code import NoCacheError
from skyred.cache.keys import Recipe, chunk_key, sums_of
from skyred.cache.store import Cache, Entry, is_off

__all__ = ["Cache", "Entry", "NoCacheError", "Recipe", "chunk_key", "is_off", "sums_of"]
