"""On and off: a dataset that gets its background from off counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gammapy.maps import Map


def with_off(dataset: Any, counts_off: Map, acceptance: Any, acceptance_off: Any) -> Any:
    """Give the dataset with off counts, under its own name and with its metadata.

    gammapy's own conversion forgets the metadata.
    """
    from gammapy.datasets import MapDatasetOnOff, SpectrumDatasetOnOff

    on_off = SpectrumDatasetOnOff if dataset.counts.geom.is_region else MapDatasetOnOff
    made = on_off.from_map_dataset(
        dataset, acceptance, acceptance_off, counts_off=counts_off, name=dataset.name
    )
    made.meta = dataset.meta
    return made
