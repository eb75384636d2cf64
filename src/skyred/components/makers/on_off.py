"""Conversion of datasets to datasets with off counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gammapy.maps import Map


def add_off_counts(dataset: Any, counts_off: Map, acceptance: Any, acceptance_off: Any) -> Any:
    """Add off counts to a dataset, keeping its name and metadata.

    gammapy's own conversion drops the metadata.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset
        The dataset without off counts: maps or a spectrum.
    counts_off : gammapy.maps.Map
        The off counts.
    acceptance : gammapy.maps.Map or float
        The acceptance of the on counts.
    acceptance_off : gammapy.maps.Map or float
        The acceptance of the off counts.

    Returns
    -------
    gammapy.datasets.MapDatasetOnOff or gammapy.datasets.SpectrumDatasetOnOff
        The dataset with off counts.
    """
    from gammapy.datasets import MapDatasetOnOff, SpectrumDatasetOnOff

    on_off_type = SpectrumDatasetOnOff if dataset.counts.geom.is_region else MapDatasetOnOff
    on_off_dataset = on_off_type.from_map_dataset(
        dataset, acceptance, acceptance_off, counts_off=counts_off, name=dataset.name
    )
    on_off_dataset.meta = dataset.meta
    return on_off_dataset
