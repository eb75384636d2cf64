"""The cache: chunks of observations that were reduced before, kept between runs."""

from skyred.run.cache.code import NoCacheError
from skyred.run.cache.keys import Recipe, chunk_key, code_of, links, sums_of
from skyred.run.cache.store import Cache, CachedEntry, default_folder, is_off

__all__ = [
    "Cache",
    "CachedEntry",
    "NoCacheError",
    "Recipe",
    "chunk_key",
    "code_of",
    "default_folder",
    "is_off",
    "links",
    "sums_of",
]
