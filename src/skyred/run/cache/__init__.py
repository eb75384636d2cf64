"""The cache of reduced chunks of observations, shared between runs."""

from skyred.run.cache.code import NoCacheError
from skyred.run.cache.keys import (
    Recipe,
    chunk_key,
    compute_checksums,
    reduction_components,
    source_versions,
)
from skyred.run.cache.store import Cache, CachedEntry, default_folder, is_disabled

__all__ = [
    "Cache",
    "CachedEntry",
    "NoCacheError",
    "Recipe",
    "chunk_key",
    "compute_checksums",
    "default_folder",
    "is_disabled",
    "reduction_components",
    "source_versions",
]
