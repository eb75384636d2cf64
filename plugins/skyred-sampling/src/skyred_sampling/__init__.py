"""The plugin sampling: the fitter `nested` and the estimator `posterior`."""

from __future__ import annotations

from skyred import hookimpl
from skyred_sampling.nested import Nested
from skyred_sampling.posterior import Posterior

__all__ = ["Nested", "Posterior"]


@hookimpl
def skyred_components() -> list[type]:
    """Return both components."""
    return [Nested, Posterior]
