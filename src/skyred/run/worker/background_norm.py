"""The background norm and the counts of the reduced dataset of an observation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gammapy.datasets import Dataset


def apply_background_norm(dataset: Dataset) -> float:
    """Apply the fitted background model to the background of a dataset, and remove its models.

    Norm and tilt are parameters of these models, and would be lost when models are set again. If
    there are off counts, the maker has already included the norm in the acceptance.

    Parameters
    ----------
    dataset : Dataset
        The dataset, changed in place.

    Returns
    -------
    float
        The norm; NaN if there is none.
    """
    model = getattr(dataset, "background_model", None)
    norm = float("nan")
    if model is not None:
        parameters = model.spectral_model.parameters
        norm = float(parameters["norm"].value) if "norm" in parameters.names else norm
        if dataset.stat_type == "cash":
            dataset.background = dataset.npred_background()
            # the map is cached by gammapy, which would write the next prediction into it
            dataset._background_cached = dataset._background_parameters_cached = None
    if getattr(dataset, "models", None):
        dataset.models = None
    return norm


def count_safe(dataset: Any) -> int:
    """Return the number of counts of a dataset in its safe mask.

    Parameters
    ----------
    dataset : Dataset
        The dataset.

    Returns
    -------
    int
        The counts, rounded down; 0 if it has no counts.
    """
    if getattr(dataset, "counts", None) is None:
        return 0
    data = dataset.counts.data
    mask = dataset.mask_safe.data.astype(bool) if dataset.mask_safe else slice(None)
    return int(data[mask].sum())
