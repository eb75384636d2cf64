"""Selection of datasets by name, and checks of these names before the datasets exist."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from skyred.errors import ModelError, did_you_mean

if TYPE_CHECKING:
    from gammapy.datasets import Dataset, Datasets

_WILDCARD = re.compile(r"[*?\[]")


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    """Return whether the name of a dataset equals or matches one of several patterns.

    Parameters
    ----------
    name : str
        The name of the dataset.
    patterns : iterable of str
        Names, possibly with wildcards.

    Returns
    -------
    bool
        Whether one of them matches.
    """
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def has_wildcard(pattern: str) -> bool:
    """Return whether a name contains wildcards.

    Parameters
    ----------
    pattern : str
        A name, possibly with wildcards.

    Returns
    -------
    bool
        Whether it has any.
    """
    return _WILDCARD.search(pattern) is not None


def may_match(expected: str, pattern: str) -> bool:
    """Return whether a pattern may select a dataset with an expected name.

    Parameters
    ----------
    expected : str
        The name of a dataset, or a pattern that the names of several datasets match.
    pattern : str
        A name, possibly with wildcards.

    Returns
    -------
    bool
        False only if no dataset can match both.
    """
    if not has_wildcard(expected):
        return matches_any(expected, [pattern])
    if not has_wildcard(pattern):
        return matches_any(pattern, [expected])
    prefixes = [_WILDCARD.split(name, maxsplit=1)[0] for name in (expected, pattern)]
    return prefixes[0].startswith(prefixes[1]) or prefixes[1].startswith(prefixes[0])


def select_datasets(datasets: Datasets, patterns: Sequence[str]) -> Datasets:
    """Return the datasets with a name that matches one of the patterns.

    Parameters
    ----------
    datasets : Datasets
        The datasets.
    patterns : sequence of str
        Names, possibly with wildcards; all datasets if empty.

    Returns
    -------
    Datasets
        The matching datasets themselves, with their models; `datasets` if there are no patterns.

    Raises
    ------
    ModelError
        If a pattern matches no dataset.
    """
    if not patterns:
        return datasets
    from gammapy.datasets import Datasets

    for pattern in patterns:
        if not any(matches_any(name, [pattern]) for name in datasets.names):
            raise _unknown_name(pattern, datasets.names)
    selected: list[Dataset] = [
        dataset for dataset in datasets if matches_any(dataset.name, patterns)
    ]
    selection = Datasets(selected)
    selection._penalties = datasets._penalties  # gammapy's penalties belong to the models
    return selection


def require_names(expected: Sequence[str], patterns: Iterable[str]) -> None:
    """Check that each pattern can select a dataset.

    Parameters
    ----------
    expected : sequence of str
        The names of the datasets, or patterns that their names match.
    patterns : iterable of str
        Names, possibly with wildcards.

    Raises
    ------
    ModelError
        If a pattern cannot match any of the names; the message lists the names.
    """
    for pattern in patterns:
        if not any(may_match(name, pattern) for name in expected):
            raise _unknown_name(pattern, expected)


def _unknown_name(pattern: str, available: Sequence[str]) -> ModelError:
    return ModelError(
        f"no dataset is named {pattern!r}; available: {', '.join(available) or 'none'}"
        f"{did_you_mean(pattern, available)}"
    )
