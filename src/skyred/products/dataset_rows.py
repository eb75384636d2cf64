"""The numbers of a dataset in tables: counts, background, livetime and energies in its mask."""

from __future__ import annotations

from typing import Any

import numpy as np

DATASET_COLUMNS = ("Dataset", "Type", "Counts", "Background", "Livetime", "Energy", "Bins used")


def dataset_row(dataset: Any) -> tuple[str, ...]:
    """Return the row of a dataset; counts, background and energy range are those in its mask.

    Parameters
    ----------
    dataset : Dataset
        The dataset.

    Returns
    -------
    tuple of str
        The cells of `DATASET_COLUMNS`.
    """
    type_name = type(dataset).__name__
    if getattr(dataset, "counts", None) is None:  # flux points
        return (dataset.name, type_name, "", "", "", "", "")
    n_bins = dataset.counts.data.size
    n_used = n_bins if dataset.mask is None else int(np.count_nonzero(dataset.mask.data))
    energies = _format_energies(dataset) if n_used else ""
    background = ""
    if dataset.background is not None:
        background = f"{_sum_in_mask(dataset.background, dataset):.1f}"
    return (dataset.name, type_name, f"{_sum_in_mask(dataset.counts, dataset):.0f}",
            background, _livetime(dataset), energies, f"{n_used} of {n_bins}")  # fmt: skip


def _sum_in_mask(data_map: Any, dataset: Any) -> float:
    mask = True if dataset.mask is None else dataset.mask.data.astype(bool)
    return float(np.sum(data_map.data, where=mask, dtype=float))


def _format_energies(dataset: Any) -> str:
    from gammapy.utils.units import energy_unit_format

    return " to ".join(energy_unit_format(energy) for energy in dataset.energy_range_total)


def _livetime(dataset: Any) -> str:
    livetime = (getattr(dataset.exposure, "meta", None) or {}).get("livetime")
    return "" if livetime is None else f"{livetime.to('h'):.2f}"
