"""The fitter `nested`: the posterior of all parameters, and the evidence, by nested sampling."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from skyred import FitResult, Fitter, Problem, Source, component, option
from skyred_sampling import weighted
from skyred_sampling.sampling import Sampled, sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred import Chain, Model, Objective

    Array = NDArray[np.float64]

CENTRAL = (0.15865525393145707, 0.8413447460685429)  # as much as within 1 sigma of a Gaussian
RARE = 0.9973  # of the posterior of a Gaussian lies closer to its mean: 3 sigma
NEAR_LIMIT = 0.5  # of its error
WEIGHTY = 0.01  # of the largest weight: among samples with less, none is the best


@component
class Nested(Fitter):
    """Sample the posterior and integrate the evidence, by nested sampling with dynesty."""

    kind = "nested"
    samples = True
    live_points: int = option(
        500, min=10, doc="How many live points: errors of the evidence go with the root of it."
    )
    dlogz: float = option(
        0.01,
        min=1e-6,
        max=10.0,
        doc="It ends when the logarithm of the evidence can rise by no more than this.",
    )
    method: str = option(
        "auto",
        choices=("auto", "unif", "rwalk", "slice", "rslice"),
        doc="How new points are drawn; auto: unif below 10 parameters, rwalk to 20, then rslice.",
    )
    bound: str = option(
        "multi",
        choices=("none", "single", "multi", "balls", "cubes"),
        doc="What bounds the region to draw from; multi, for several modes: several ellipsoids.",
    )
    calls: int = option(
        2_000_000, min=1, doc="Largest number of calls of the statistic; stopped there, it failed."
    )
    seed: int = option(0, min=0, doc="Seed of the random numbers: the same gives the same bytes.")
    point: str = option(
        "mean",
        choices=("mean", "best"),
        doc="What the models are set to: the mean of the posterior, or its best sample.",
    )

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield a problem if parameters of sources have neither a prior nor two limits."""
        loose = [name for model in pipeline.model for name in _loose(model)]
        if loose:
            found = f"{', '.join(loose)}: neither a prior nor two limits"
            yield Problem((), found, "sampling needs one of them: set prior, or min and max")

    def fit(self, objective: Objective) -> FitResult:
        """Sample the posterior.

        Values are the mean of the posterior (or its best sample), errors and covariance those of
        the samples; `errn` and `errp` reach to the quantiles at 16 and 84 %.

        Raises
        ------
        FitError
            If parameters have neither a prior nor two limits, there are too few live points, or
            the statistic is nowhere finite.
        """
        found = sample(
            objective,
            live_points=self.live_points,
            dlogz=self.dlogz,
            method=self.method,
            bound=self.bound,
            calls=self.calls,
            seed=self.seed,
        )
        return self._result(objective, found)

    def _result(self, objective: Objective, found: Sampled) -> FitResult:
        samples, weights = found.samples, found.weights
        mean, best = weighted.mean(samples, weights), best_sample(objective, found)
        values = mean if self.point == "mean" else best
        covariance = weighted.covariance(samples, weights)
        errors = np.sqrt(np.diag(covariance))
        low, high = weighted.quantiles(samples, weights, CENTRAL)
        return FitResult(
            names=objective.names,
            units=objective.units,
            values=values,
            errors=errors,
            covariance=covariance,
            # of a skewed posterior, the mean may lie outside its central interval
            errn=np.maximum(values - low, 0),
            errp=np.maximum(high - values, 0),
            stat=objective.total(values),
            success=found.remaining <= self.dlogz and bool(np.all(errors > 0)),
            message=self._message(found),
            nfev=found.calls,
            at_limit=at_limit(objective, low, high, errors),
            samples=samples,
            weights=weights,
            evidence=found.evidence,
            evidence_error=found.evidence_error,
            notes=(*objective.notes, *found.notes, *self._doubts(objective, mean, best)),
        )

    def _message(self, found: Sampled) -> str:
        size = weighted.effective_size(found.weights)
        text = f"{len(found.samples)} samples, worth {size:.0f} unweighted ones"
        if found.remaining <= self.dlogz:
            return text
        return (
            f"stopped after {found.calls} calls, while the logarithm of the evidence could rise by "
            f"{found.remaining:.3g}, more than {self.dlogz:g}: allow more calls; {text}"
        )

    def _doubts(self, objective: Objective, mean: Array, best: Array) -> Iterable[str]:
        from scipy.stats import chi2

        away = objective.total(mean) - objective.total(best)
        if self.point == "mean" and not away < chi2.ppf(RARE, len(mean)):
            yield (
                f"the mean of the posterior is an unlikely place, its statistic {away:.1f} above "
                "the best: look at the samples for several modes; point: best avoids it"
            )


def best_sample(objective: Objective, found: Sampled) -> Array:
    """Give the sample with the lowest statistic, priors included, shape (n,)."""
    if objective.prior is None:
        candidates = found.samples[-1:]
    else:
        candidates = found.samples[found.weights > WEIGHTY * found.weights.max()]
    best: Array = candidates[np.argmin([objective.total(x) for x in candidates])]
    return best


def at_limit(objective: Objective, low: Array, high: Array, errors: Array) -> list[str]:
    """Name the parameters whose central interval comes near one of their limits."""
    lowest, highest = objective.limits.T
    near = (low - lowest < NEAR_LIMIT * errors) | (highest - high < NEAR_LIMIT * errors)
    return [name for name, is_near in zip(objective.names, near, strict=True) if is_near]


def _loose(model: Model) -> Iterable[str]:
    """Yield the parameters that cannot be sampled, of a source, which is built without data.

    Linked parameters may have their limits elsewhere; they are judged before sampling begins.
    """
    if not isinstance(model, Source) or any(True for _ in model.links()):
        return
    built = model.build_or_none()
    if built is None:
        return
    for name, parameter in zip(built.parameters_unique_names, built.parameters, strict=True):
        bounded = np.isfinite([parameter.min, parameter.max]).all()
        if not (parameter.frozen or parameter.prior or bounded):
            yield f"{built.name}.{name}"
