"""The example plugin: the maker `zenith-veto` and the stacker `sum-by-night`."""

from __future__ import annotations

from skyred import hookimpl
from skyred_example.nights import SumByNight
from skyred_example.zenith import ZenithVeto

__all__ = ["SumByNight", "ZenithVeto"]


@hookimpl
def skyred_components() -> list[type]:
    """Return both components."""
    return [ZenithVeto, SumByNight]
