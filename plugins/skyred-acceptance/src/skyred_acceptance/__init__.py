"""The plugin acceptance: background from an acceptance model that is estimated from the runs."""

from __future__ import annotations

from skyred import hookimpl
from skyred_acceptance.maker import Acceptance

__all__ = ["Acceptance"]


@hookimpl
def skyred_components() -> list[type]:
    """Return the maker."""
    return [Acceptance]
