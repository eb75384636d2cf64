"""The plugin dask: an engine that uses the workers of dask.distributed."""

from __future__ import annotations

from skyred import hookimpl
from skyred_dask.engine import Dask

__all__ = ["Dask"]


@hookimpl
def skyred_components() -> list[type]:
    """Return the engine."""
    return [Dask]
