"""The plugin emcee: the fitter `emcee`."""

from __future__ import annotations

from skyred import hookimpl
from skyred_emcee.fitter import Emcee

__all__ = ["Emcee"]


@hookimpl
def skyred_components() -> list[type]:
    """Return the fitter."""
    return [Emcee]
