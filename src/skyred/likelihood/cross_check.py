"""Comparison of compiled sources with gammapy's own evaluation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import SkyredWarning
from skyred.likelihood.parameters import parameter_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector
    from skyred.likelihood.source import SourceContribution

    Array = NDArray[np.float64]

N_RANDOM_STATES = 3
TOLERANCE = 1e-5  # of the largest predicted counts: gammapy convolves in float32
MAX_SHIFT = 0.5  # of a parameter's step, so that the source stays in its cutout


@attrs.define(eq=False)
class CrossCheck:
    """Comparison of compiled sources with gammapy's own evaluation.

    Parameters
    ----------
    check_all : bool
        Whether all sources are compared; by default, only sources with model classes that are not
        defined in gammapy. gammapy's own classes are compared in skyred's tests.
    """

    check_all: bool = False

    def is_exempt(self, model: Any) -> bool:
        """Return whether a model may be evaluated without units and without a comparison.

        Parameters
        ----------
        model : gammapy.modeling.models.ModelBase
            The model.

        Returns
        -------
        bool
            Whether it is exempt.
        """
        return not self.check_all and is_from_gammapy(model)

    def reason_to_reject(self, source: SourceContribution, space: ParameterSpace) -> str:
        """Return the reason why gammapy has to evaluate a source, and warn about differences.

        Parameters
        ----------
        source : SourceContribution
            The compiled source.
        space : ParameterSpace
            The parameters of all models.

        Returns
        -------
        str
            The reason; empty if the compiled source may be used.
        """
        if self.is_exempt(source.model):
            return ""
        if not source.contributes and not is_from_gammapy(source.model):
            return "it could not be compared: at its start position it does not reach the map"
        difference = largest_difference(source, space)
        if difference <= TOLERANCE:
            return ""
        # not only without units: the image and its convolution differ too
        reason = f"its predicted counts differ by {difference:.1e} of their maximum from gammapy's"
        message = f"{source.model.name}: {reason}; gammapy evaluates it"
        warnings.warn(message, SkyredWarning, stacklevel=2)
        return reason


def is_from_gammapy(model: Any) -> bool:
    """Return whether a model and all its components are gammapy's own.

    Parameters
    ----------
    model : gammapy.modeling.models.ModelBase
        The model.

    Returns
    -------
    bool
        Whether all classes are defined in gammapy.
    """
    components = [model, *_components(model)]
    return all(type(component).__module__.startswith("gammapy.") for component in components)


def _components(model: Any) -> Iterator[Any]:
    for name in ("spectral_model", "spatial_model", "temporal_model", "model", "model1", "model2"):
        component = getattr(model, name, None)
        if component is not None and hasattr(component, "parameters"):
            yield component
            yield from _components(component)


def largest_difference(source: SourceContribution, space: ParameterSpace) -> float:
    """Compare the counts of a source with gammapy's, at the current and at nearby random values.

    Both use the same PSF kernel, since it does not depend on the class of the model, and gammapy
    takes longer to compute it than a fit takes. The values of the parameters are restored.

    Parameters
    ----------
    source : SourceContribution
        The compiled source.
    space : ParameterSpace
        The parameters of all models.

    Returns
    -------
    float
        The largest difference of the predicted counts, relative to their maximum.
    """
    start = space.state()
    differences = []
    try:
        for state in _nearby_states(space, start):
            npred = source.cube(state)
            expected = _predict_with_gammapy(source, space, state)
            scale = np.max(np.abs(expected), initial=0) or np.max(np.abs(npred), initial=0) or 1.0
            differences.append(float(np.max(np.abs(npred - expected), initial=0) / scale))
    finally:
        _set_parameters(space, start)
    return float(np.max(np.nan_to_num(differences, nan=np.inf)))


def _nearby_states(space: ParameterSpace, start: Vector) -> Iterator[Vector]:
    yield start
    random = np.random.default_rng(0)
    for _ in range(N_RANDOM_STATES):
        state = start.copy()
        for index in space.free:
            parameter = space.parameters[index]
            step = MAX_SHIFT * min(parameter_step(parameter), abs(start[index]) or np.inf)
            low, high = np.fmax(parameter.min, -np.inf), np.fmin(parameter.max, np.inf)
            state[index] = np.clip(start[index] + step * random.uniform(-1, 1), low, high)
        yield state


def _predict_with_gammapy(
    source: SourceContribution, space: ParameterSpace, state: Vector
) -> Array:
    from gammapy.maps import Map

    _set_parameters(space, state)
    npred = Map.from_geom(source.dataset_irfs.geom, dtype=float)
    if source.contributes:
        source.cutout.evaluator.reset_cache_properties()
        source.cutout.evaluator._cached_parameter_values = None
        npred.stack(source.cutout.evaluator.compute_npred())
    return np.asarray(npred.data, dtype=float)


def _set_parameters(space: ParameterSpace, state: Vector) -> None:
    for parameter, value in zip(space.parameters, state, strict=True):
        parameter.value = value
