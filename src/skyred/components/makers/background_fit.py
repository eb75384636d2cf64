"""The background model of a run, fitted exactly where possible, and otherwise by Newton steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.components.makers.norm_fit import EnergySums, NoMinimumError, fit_norm
from skyred.errors import FitError

if TYPE_CHECKING:
    from gammapy.datasets import MapDataset
    from gammapy.modeling import Parameter
    from gammapy.modeling.models import FoVBackgroundModel, SkyModel
    from numpy.typing import NDArray

# the parameters of norm models in which the logarithm of the model is linear
LOG_LINEAR_PARAMETERS = {
    "PowerLawNormSpectralModel": ("tilt",),
    "LogParabolaNormSpectralModel": ("alpha", "beta"),
    "ExpCutoffPowerLawNormSpectralModel": ("index", "lambda_"),
}
TOLERANCE = 1e-4  # the estimated distance to the minimum is below 2e-7


def fit_background_model(
    model: FoVBackgroundModel,
    sums: EnergySums,
    dataset: MapDataset,
    fit_mask: NDArray[np.bool_] | None,
    sources: Sequence[SkyModel] = (),
) -> None:
    """Fit a background model to the counts of a run, from its start values and within its limits.

    Parameters
    ----------
    model : gammapy.modeling.models.FoVBackgroundModel
        The model, which is changed in place.
    sums : EnergySums
        The counts without those of the sources, and the background times the spatial model.
    dataset : gammapy.datasets.MapDataset
        The dataset of the run, without models.
    fit_mask : numpy.ndarray or None
        The fitted pixels; if None, only the norm is changed, so that the predicted background
        equals the counts.
    sources : sequence of gammapy.modeling.models.SkyModel
        Sources with frozen parameters, whose counts are fitted together with the background.

    Raises
    ------
    NoMinimumError
        If the counts do not constrain the free parameters, or are not more than those of the
        sources.
    """
    spectral = model.spectral_model
    if sources and sums.counts.sum() <= 0:
        raise NoMinimumError("the counts are not more than those predicted for the sources")
    if fit_mask is None:
        fit_norm(spectral, sums)
        _clip(spectral.norm)
        return
    free = [parameter for parameter in model.parameters if not parameter.frozen]
    if sources or not _is_log_linear(model, free):
        _fit_likelihood([*sources, model], dataset, fit_mask)
        return
    shape_parameters = [parameter for parameter in free if parameter is not spectral.norm]
    start_values = [parameter.value for parameter in free]
    try:
        fit_norm(spectral, sums, shape_parameters)
    except NoMinimumError:
        if not any(_is_limited(parameter) for parameter in shape_parameters):
            raise
    else:
        if not shape_parameters:
            _clip(spectral.norm)
        if all(_is_within_limits(parameter) for parameter in free):
            return
    for parameter, value in zip(free, start_values, strict=True):
        parameter.value = value
    _fit_likelihood([model], dataset, fit_mask)


def _is_log_linear(model: FoVBackgroundModel, free: list[Parameter]) -> bool:
    """Return whether the logarithm of a model is linear in its free parameters, with a free norm.

    The parameters may have limits, but no priors.
    """
    spectral = model.spectral_model
    if type(spectral).__module__.split(".")[0] != "gammapy":
        return False
    names = LOG_LINEAR_PARAMETERS.get(type(spectral).__name__)
    if names is None or spectral.norm.frozen:
        return False
    linear = [spectral.norm, *(getattr(spectral, name) for name in names)]
    return all(
        parameter.prior is None and any(parameter is candidate for candidate in linear)
        for parameter in free
    )


def _fit_likelihood(models: list[Any], dataset: MapDataset, fit_mask: NDArray[np.bool_]) -> None:
    """Fit the free parameters of models to the pixels of a mask with the compiled likelihood.

    Raises
    ------
    NoMinimumError
        If the fit fails.
    """
    from gammapy.datasets import Datasets
    from gammapy.maps import Map

    from skyred.likelihood import objective_of
    from skyred.likelihood.minimise import minimise

    mask_fit = dataset.mask_fit
    dataset.mask_fit = Map.from_geom(dataset.counts.geom, data=fit_mask)
    dataset.models = models
    try:
        objective = objective_of(Datasets([dataset]))
        result = minimise(objective, tolerance=TOLERANCE)
        if not result.success:
            raise NoMinimumError(f"the fit of the background model failed: {result.message}")
        objective.accept(result)
    except FitError as error:
        raise NoMinimumError(f"the fit of the background model failed: {error}") from error
    finally:
        dataset.mask_fit = mask_fit
        dataset.models = None


def _clip(parameter: Parameter) -> None:
    """Move a parameter to the closest value within its limits."""
    low, high = parameter.min, parameter.max
    parameter.value = float(np.fmin(np.fmax(parameter.value, low), high))  # NaN is no limit


def _is_limited(parameter: Parameter) -> bool:
    return bool(np.isfinite(parameter.min) or np.isfinite(parameter.max))


def _is_within_limits(parameter: Parameter) -> bool:
    return not (parameter.value < parameter.min or parameter.value > parameter.max)
