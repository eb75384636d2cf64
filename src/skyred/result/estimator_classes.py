"""The classes of the estimators of a run, found by kind and distribution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from skyred.errors import FieldError
from skyred.interfaces import Estimator
from skyred.plugins import Catalog


def find_estimator(
    kind: str, catalog: Catalog, distributions: Iterable[str]
) -> type[Estimator] | None:
    """Return the class of an estimator of a run.

    Parameters
    ----------
    kind : str
        The kind in the run folder.
    catalog : Catalog
        The catalog of components.
    distributions : iterable of str
        The distributions that the run used, in case that several provide the same kind now.

    Returns
    -------
    type or None
        The class; None if no plugin, or not one alone, provides it.
    """
    names = [kind, *(f"{distribution}:{kind}" for distribution in dict.fromkeys(distributions))]
    for name in names:
        with suppress(FieldError):
            estimator = catalog.get(Estimator.role, name)
            assert issubclass(estimator, Estimator)
            return estimator
    return None


def reported_distributions(report: Mapping[str, Any]) -> list[str]:
    """Return the distributions of the components of a run, from its report.

    Parameters
    ----------
    report : mapping
        The content of ``report.json``.

    Returns
    -------
    list of str
        The names of the distributions.
    """
    return [str(owner.get("distribution", "")) for owner in report.get("plugins", [])]
