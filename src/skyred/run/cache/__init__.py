"""The cache of reduced chunks of observations, shared between runs."""

from skyred.run.cache.code import NoCacheError
from skyred.run.cache.keys import Recipe, chunk_key, code_of, components_of, sums_of
from skyred.run.cache.store import Cache, CachedEntry, default_folder, is_off

__all__ = [
    "Cache",
    "CachedEntry",
    "NoCacheError",
    "Recipe",
    "chunk_key",
    "code_of",
    "components_of",
    "default_folder",
    "is_off",
    "sums_of",
]
