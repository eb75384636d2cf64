"""Cross-checks: models that are not known are compared with gammapy before they are used."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import SkyredWarning
from skyred.likelihood.parameters import step_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector
    from skyred.likelihood.source import SourceContribution

    Array = NDArray[np.float64]

TRIALS = 3
AGREEMENT = 1e-5  # of the largest predicted counts: gammapy convolves in float32
SMALL_STEP = 0.5  # of a parameter's usual step, so that the source stays in its cutout


@attrs.define(eq=False)
class Trust:
    """Decides which sources are compared with gammapy.

    Parameters
    ----------
    check : bool
        Whether all are; else those with a class that is not gammapy's own. Those are swept by the
        tests, one by one.
    """

    check: bool = False

    def knows(self, model: Any) -> bool:
        """Tell whether a model may be evaluated without units, and without a comparison."""
        return not self.check and is_known(model)

    def why_not(self, source: SourceContribution, space: ParameterSpace) -> str:
        """Say why a source must be left to gammapy; "" if it need not."""
        if self.knows(source.model):
            return ""
        if not source.contributes and not is_known(source.model):
            return "it could not be compared: where it starts it does not reach the map"
        error = largest_difference(source, space)
        if error <= AGREEMENT:
            return ""
        why = (
            f"its predicted counts differ by {error:.1e} of their maximum from gammapy's when they "
            "are evaluated on plain arrays"
        )
        warnings.warn(f"{source.model.name}: {why}", SkyredWarning, stacklevel=2)
        return why


def is_known(model: Any) -> bool:
    """Tell whether a model and all its parts are gammapy's own."""
    parts = [model, *_parts(model)]
    return all(type(part).__module__.startswith("gammapy.") for part in parts)


def _parts(model: Any) -> Iterator[Any]:
    for name in ("spectral_model", "spatial_model", "temporal_model", "model", "model1", "model2"):
        part = getattr(model, name, None)
        if part is not None and hasattr(part, "parameters"):
            yield part
            yield from _parts(part)


def largest_difference(source: SourceContribution, space: ParameterSpace) -> float:
    """Compare the counts of a source with gammapy's, at its values and at some around them.

    Both use one PSF kernel: it does not depend on the class of a model, and making it as gammapy
    does would take longer than a fit. The values of the parameters are left as they were.
    """
    start = space.state()
    errors = []
    try:
        for state in _states(space, start):
            ours = source.cube(state)
            theirs = _by_gammapy(source, space, state)
            scale = np.max(np.abs(theirs), initial=0) or np.max(np.abs(ours), initial=0) or 1.0
            errors.append(float(np.max(np.abs(ours - theirs), initial=0) / scale))
    finally:
        _set(space, start)
    return float(np.max(np.nan_to_num(errors, nan=np.inf)))


def _states(space: ParameterSpace, start: Vector) -> Iterator[Vector]:
    yield start
    random = np.random.default_rng(0)
    for _ in range(TRIALS):
        state = start.copy()
        for place in space.free:
            parameter = space.all[place]
            step = SMALL_STEP * min(step_of(parameter), abs(start[place]) or np.inf)
            low, high = np.fmax(parameter.min, -np.inf), np.fmin(parameter.max, np.inf)
            state[place] = np.clip(start[place] + step * random.uniform(-1, 1), low, high)
        yield state


def _by_gammapy(source: SourceContribution, space: ParameterSpace, state: Vector) -> Array:
    from gammapy.maps import Map

    _set(space, state)
    onto = Map.from_geom(source.instrument.geom, dtype=float)
    if source.contributes:
        source.evaluator.reset_cache_properties()
        source.evaluator._cached_parameter_values = None
        onto.stack(source.evaluator.compute_npred())
    return np.asarray(onto.data, dtype=float)


def _set(space: ParameterSpace, state: Vector) -> None:
    for parameter, value in zip(space.all, state, strict=True):
        parameter.value = value
