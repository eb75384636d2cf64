"""Comparison of the names of distributions."""

from __future__ import annotations

import re

from skyred.interfaces.records import Owner


def is_same_distribution(name: str, owner: Owner) -> bool:
    """Return whether a plugin belongs to a distribution.

    Parameters
    ----------
    name : str
        The name of the distribution, as users write it.
    owner : Owner
        The plugin.

    Returns
    -------
    bool
        Whether the names are the same for pip, which ignores case and kinds of hyphens.
    """
    return _normalise(name) == _normalise(owner.distribution)


def _normalise(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()
