"""The plugin extension: the estimator `source-extension`."""

from __future__ import annotations

from skyred import hookimpl
from skyred_extension.estimator import SourceExtension

__all__ = ["SourceExtension"]


@hookimpl
def skyred_components() -> list[type]:
    """Return the estimator."""
    return [SourceExtension]
