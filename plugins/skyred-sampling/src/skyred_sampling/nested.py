"""The fitter `nested`: posterior of all parameters and evidence, by nested sampling."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from skyred import FitResult, Fitter, Problem, Source, component, option
from skyred_sampling import weighted
from skyred_sampling.sampling import SamplingResult, sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred import Chain, Model, Objective

    Array = NDArray[np.float64]

CENTRAL = (0.15865525393145707, 0.8413447460685429)  # quantiles at 1 sigma of a Gaussian
THREE_SIGMA = 0.9973  # probability within 3 sigma of a Gaussian
NEAR_LIMIT = 0.5  # largest distance of the interval from a limit, in units of the error
MIN_WEIGHT = 0.01  # of candidates for the best sample, relative to the largest weight


@component
class Nested(Fitter):
    """Sample the posterior and compute the evidence, by nested sampling with dynesty."""

    kind = "nested"
    samples = True
    live_points: int = option(
        500,
        min=10,
        doc="Number of live points; sampling errors are proportional to 1 / sqrt(live_points).",
    )
    dlogz: float = option(
        0.01,
        min=1e-6,
        max=10.0,
        doc="Largest possible increase of the logarithm of the evidence when sampling ends.",
    )
    method: str = option(
        "auto",
        choices=("auto", "unif", "rwalk", "slice", "rslice"),
        doc="Method to draw points; auto: unif below 10 parameters, rwalk up to 20, then rslice.",
    )
    bound: str = option(
        "multi",
        choices=("none", "single", "multi", "balls", "cubes"),
        doc="Bounds of the region to draw from; multi: several ellipsoids, for several modes.",
    )
    calls: int = option(
        2_000_000,
        min=1,
        doc="Largest number of calls of the statistic; a fit that reaches it is not successful.",
    )
    seed: int = option(
        0, min=0, doc="Seed of the random numbers; the same seed gives byte-identical results."
    )
    point: str = option(
        "mean",
        choices=("mean", "best"),
        doc="Values that the models are set to: the mean of the posterior, or the best sample.",
    )

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield a problem if parameters of sources have neither a prior nor two limits."""
        names = [name for model in pipeline.model for name in _unbounded_parameters(model)]
        if names:
            message = f"{', '.join(names)}: neither a prior nor two limits"
            yield Problem((), message, "sampling needs one of them: set prior, or min and max")

    def fit(self, objective: Objective) -> FitResult:
        """Sample the posterior.

        Values are the mean of the posterior (or the best sample), errors and covariance are those
        of the samples, and `errn` and `errp` are the distances to the quantiles at 16 and 84 %.

        Raises
        ------
        FitError
            If parameters have neither a prior nor two limits, there are too few live points, or
            the statistic is not finite at any point.
        """
        sampling = sample(
            objective,
            live_points=self.live_points,
            dlogz=self.dlogz,
            method=self.method,
            bound=self.bound,
            calls=self.calls,
            seed=self.seed,
        )
        return self._result(objective, sampling)

    def _result(self, objective: Objective, sampling: SamplingResult) -> FitResult:
        samples, weights = sampling.samples, sampling.weights
        mean, best = weighted.mean(samples, weights), best_sample(objective, sampling)
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
            # the mean of a skewed posterior may be outside the central interval
            errn=np.maximum(values - low, 0),
            errp=np.maximum(high - values, 0),
            stat=objective.total(values),
            success=sampling.remaining <= self.dlogz and bool(np.all(errors > 0)),
            message=self._message(sampling),
            nfev=sampling.calls,
            at_limit=at_limit(objective, low, high, errors),
            samples=samples,
            weights=weights,
            evidence=sampling.log_evidence,
            evidence_error=sampling.log_evidence_error,
            notes=(*objective.notes, *sampling.notes, *self._mode_notes(objective, mean, best)),
        )

    def _message(self, sampling: SamplingResult) -> str:
        size = weighted.effective_size(sampling.weights)
        summary = f"{len(sampling.samples)} samples, effective sample size {size:.0f}"
        if sampling.remaining <= self.dlogz:
            return summary
        return (
            f"stopped after {sampling.calls} calls, when the logarithm of the evidence could still "
            f"increase by {sampling.remaining:.3g}, more than {self.dlogz:g}: allow more calls; "
            f"{summary}"
        )

    def _mode_notes(self, objective: Objective, mean: Array, best: Array) -> Iterable[str]:
        from scipy.stats import chi2

        difference = objective.total(mean) - objective.total(best)
        if self.point == "mean" and not difference < chi2.ppf(THREE_SIGMA, len(mean)):
            yield (
                f"the statistic at the mean of the posterior is {difference:.1f} above that of the "
                "best sample; check the samples for several modes, or use point: best"
            )


def best_sample(objective: Objective, sampling: SamplingResult) -> Array:
    """Return the sample with the lowest statistic, including priors, shape (n,)."""
    if objective.prior is None:
        candidates = sampling.samples[-1:]
    else:
        candidates = sampling.samples[sampling.weights > MIN_WEIGHT * sampling.weights.max()]
    best: Array = candidates[np.argmin([objective.total(x) for x in candidates])]
    return best


def at_limit(objective: Objective, low: Array, high: Array, errors: Array) -> list[str]:
    """Return the names of the parameters with a central interval near one of their limits."""
    minima, maxima = objective.limits.T
    is_near = (low - minima < NEAR_LIMIT * errors) | (maxima - high < NEAR_LIMIT * errors)
    return [objective.names[index] for index in np.flatnonzero(is_near)]


def _unbounded_parameters(model: Model) -> Iterable[str]:
    """Yield the parameters of a source that have neither a prior nor two limits.

    Sources with linked parameters are skipped, because the limits may be set in another model. They
    are checked when sampling begins.
    """
    if not isinstance(model, Source) or any(True for _ in model.links()):
        return
    source = model.build_or_none()
    if source is None:
        return
    for name, parameter in zip(source.parameters_unique_names, source.parameters, strict=True):
        has_limits = np.isfinite([parameter.min, parameter.max]).all()
        if not (parameter.frozen or parameter.prior or has_limits):
            yield f"{source.name}.{name}"
