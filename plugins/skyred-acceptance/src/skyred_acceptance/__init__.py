"""The plugin acceptance: the background from an acceptance model that is learnt from the runs."""

from __future__ import annotations

from skyred import hookimpl
from skyred_acceptance.maker import Acceptance

__all__ = ["Acceptance"]


@hookimpl
def skyred_components() -> list[type]:
    """Offer the maker."""
    return [Acceptance]
