"""Expected errors of parameters, from derivatives of the counts that gammapy predicts."""

from __future__ import annotations

import numpy as np
from gammapy.datasets import Dataset, Datasets
from gammapy.modeling import Parameter

STEP = 0.01  # absolute for spectral indices, curvatures and tilts, otherwise relative


def expected_errors(datasets: Datasets) -> np.ndarray:
    """Compute the expected errors of the free parameters at the values of the models.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        Datasets with models.

    Returns
    -------
    array
        Errors in the order and the units of the free parameters, shape (n,).
    """
    variance = np.concatenate([expected_variance(dataset) for dataset in datasets])
    parameters = datasets.models.parameters.unique_parameters.free_parameters
    slopes = np.array([derivative(datasets, parameter) for parameter in parameters])
    fisher = (slopes / variance) @ slopes.T
    scale = np.sqrt(np.diag(fisher))
    covariance = np.linalg.pinv(fisher / np.outer(scale, scale), rcond=1e-10)
    return np.sqrt(np.diag(covariance)) / scale


def derivative(datasets: Datasets, parameter: Parameter) -> np.ndarray:
    """Return the derivative of the prediction by central differences."""
    value = parameter.value
    step = choose_step(datasets, parameter)
    predictions = []
    for shifted_value in (value + step, value - step):
        parameter.value = shifted_value
        predictions.append(np.concatenate([prediction(dataset) for dataset in datasets]))
    parameter.value = value
    upper, lower = predictions
    return (upper - lower) / (2 * step)


def choose_step(datasets: Datasets, parameter: Parameter) -> float:
    """Return the step for the derivative, in the unit of the parameter."""
    if parameter.name in ("lon_0", "lat_0"):
        scale = datasets[0].counts.geom.pixel_scales[0].to_value("deg")
        return 0.3 * float(scale)
    if parameter.name in ("index", "alpha", "beta", "tilt"):
        return STEP
    return STEP * abs(parameter.value)


def mask_of(dataset: Dataset) -> np.ndarray:
    mask = dataset.mask
    shape = dataset._geom.data_shape
    return np.ones(shape, dtype=bool) if mask is None else np.asarray(mask.data, dtype=bool)


def prediction(dataset: Dataset) -> np.ndarray:
    """Return the predicted counts, or the predicted flux of flux points."""
    if dataset.tag == "FluxPointsDataset":
        unit = dataset.data.dnde.unit
        flux = dataset.flux_pred().to_value(unit).ravel()
        return flux[mask_of_points(dataset)]
    is_on_off = dataset.tag.endswith("OnOff")
    counts = dataset.npred_signal() if is_on_off else dataset.npred()
    return counts.data[mask_of(dataset)]


def mask_of_points(dataset: Dataset) -> np.ndarray:
    mask = dataset.mask_valid.data if dataset.mask is None else dataset.mask.data
    return np.asarray(mask, dtype=bool).ravel()


def expected_variance(dataset: Dataset) -> np.ndarray:
    """Return the expected variance of the data."""
    if dataset.tag == "FluxPointsDataset":
        error = dataset.data.dnde_err.data.ravel()
        return np.square(error)[mask_of_points(dataset)]
    mask = mask_of(dataset)
    if dataset.tag.endswith("OnOff"):
        alpha = np.nan_to_num(dataset.alpha.data)
        background = alpha * dataset.counts_off.data * (1 + alpha)
        return np.maximum(dataset.npred_signal().data + background, 0.1)[mask]
    return np.maximum(dataset.npred().data[mask], 1e-10)
