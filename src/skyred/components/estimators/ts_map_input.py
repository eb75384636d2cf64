"""The input of TS maps: datasets with the same pixels and known background, and a spectrum."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import ModelError, SkyredWarning

if TYPE_CHECKING:
    from gammapy.datasets import MapDataset


def require_same_pixels(datasets: list[MapDataset]) -> None:
    """Raise an error if the datasets have different pixels.

    Parameters
    ----------
    datasets : list of gammapy.datasets.MapDataset
        The datasets.

    Raises
    ------
    ModelError
        If they have different pixels.
    """
    image_geom = datasets[0].counts.geom.to_image()
    for dataset in datasets[1:]:
        if dataset.counts.geom.to_image() != image_geom:
            raise ModelError(
                f"{datasets[0].name} and {dataset.name} have different pixels: stack the "
                "observations (stack: {kind: sum}), or select datasets: [...]"
            )


def with_known_background(dataset: MapDataset) -> MapDataset:
    """Return a map dataset, with off counts replaced by a known background.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset
        The dataset.

    Returns
    -------
    gammapy.datasets.MapDataset
        The dataset itself if it has no off counts.
    """
    if dataset.stat_type != "wstat":
        return dataset
    warnings.warn(
        f"{dataset.name}: the background of its off counts is treated as known "
        "(Cash statistic), the only statistic that TS maps support",
        SkyredWarning,
        stacklevel=3,
    )
    map_dataset = dataset.to_map_dataset(name=dataset.name)
    map_dataset.background.data = np.nan_to_num(map_dataset.background.data)
    map_dataset.models = dataset.models
    return map_dataset


def get_amplitude(spectral: Any) -> Any:
    """Return the amplitude or norm of a spectrum.

    Parameters
    ----------
    spectral : gammapy.modeling.models.SpectralModel
        The spectrum.

    Returns
    -------
    gammapy.modeling.Parameter or None
        The amplitude or norm; None if the spectrum has neither.
    """
    names = [name for name in ("amplitude", "norm") if name in spectral.parameters.names]
    return spectral.parameters[names[0]] if names else None
