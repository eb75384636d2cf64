"""Livetime of datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astropy import units as u

if TYPE_CHECKING:
    from gammapy.datasets import Dataset


def livetime(dataset: Dataset) -> u.Quantity:
    """Return the livetime of a dataset, or the sum of its good time intervals if it is unknown.

    Parameters
    ----------
    dataset : gammapy.datasets.Dataset
        The dataset.

    Returns
    -------
    astropy.units.Quantity
        The livetime, a scalar.
    """
    exposure = getattr(dataset, "exposure", None)
    value = None if exposure is None else (exposure.meta or {}).get("livetime")
    return u.Quantity(value) if value is not None else dataset.gti.time_sum
