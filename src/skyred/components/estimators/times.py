"""Times: how long datasets were taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astropy import units as u

if TYPE_CHECKING:
    from gammapy.datasets import Dataset


def livetime(dataset: Dataset) -> u.Quantity:
    """Give the livetime of a dataset; if it is not known, the time of its good time intervals."""
    exposure = getattr(dataset, "exposure", None)
    known = None if exposure is None else (exposure.meta or {}).get("livetime")
    return u.Quantity(known) if known is not None else dataset.gti.time_sum
