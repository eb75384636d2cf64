"""Fitters with one defect each, and the valid fitters that they derive from."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs
import numpy as np

from skyred import FitResult, Fitter, component
from skyred.interfaces import value


@value
class Newton(Fitter):
    """Newton steps with numerical derivatives; base class of the fitters in this module."""

    factor: ClassVar[float] = 1.0
    reports_failures: ClassVar[bool] = True

    def fit(self, objective: Any) -> FitResult:
        low, high = objective.limits.T
        sigma = objective.steps if objective.steps is not None else np.ones(len(objective.start))
        x = np.array(objective.start)
        for _ in range(30):
            gradient, hessian = derivatives(objective.total, x, 1e-3 * sigma)
            is_regular = np.isfinite(hessian).all() and np.linalg.matrix_rank(
                hessian * np.outer(sigma, sigma), tol=1e-6, hermitian=True
            ) == len(x)
            free = ~(((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0)))
            if is_regular and free.any():
                inner = hessian[np.ix_(free, free)]
                x[free] -= np.linalg.solve(inner, gradient[free])
                x = np.clip(x, low, high)
        at_limit = (x <= low) | (x >= high)
        gradient, _ = derivatives(objective.total, x, 1e-3 * sigma)
        covariance = 2 * np.linalg.inv(hessian) if is_regular else np.diag(sigma**2)
        converged = abs(gradient @ covariance @ (gradient * ~at_limit)) < 1e-3
        return FitResult(
            names=objective.names, units=objective.units, values=x,
            errors=self.factor * np.sqrt(np.abs(np.diag(covariance))),
            covariance=self.factor**2 * covariance, stat=objective.total(x),
            success=bool(is_regular and converged and np.linalg.eigvalsh(hessian).min() > 0)
            or not self.reports_failures,
            at_limit=[objective.names[index] for index in np.flatnonzero(at_limit)],
            notes=objective.notes,
        )  # fmt: skip


def derivatives(stat: Any, x: Any, steps: Any) -> tuple[Any, Any]:
    """Return the gradient and Hessian by central differences."""
    eye = np.diag(steps)
    gradient = np.array([(stat(x + e) - stat(x - e)) / 2 for e in eye]) / steps
    second = [
        [(stat(x + a + b) - stat(x + a - b) - stat(x - a + b) + stat(x - a - b)) / 4 for b in eye]
        for a in eye
    ]
    return gradient, np.array(second) / np.outer(steps, steps)


@component
class ValidNewton(Newton):
    """A valid fitter."""

    kind = "planted-valid-newton"


@component
class SmallErrors(Newton):
    """A fitter that estimates errors as if the statistic were -log L instead of -2 log L."""

    kind = "planted-small-errors"
    factor = 1 / np.sqrt(2)


@component
class AlwaysSuccessful(Newton):
    """A fitter that always reports success."""

    kind = "planted-always-successful"
    reports_failures = False


@component
class DropsNotes(Newton):
    """A fitter that drops notes."""

    kind = "planted-drops-notes"

    def fit(self, objective: Any) -> FitResult:
        return attrs.evolve(super().fit(objective), notes=())


@component
class MovesStart(Newton):
    """A fitter that changes the start of the objective."""

    kind = "planted-moves-start"

    def fit(self, objective: Any) -> FitResult:
        result = super().fit(objective)
        objective.start[...] = result.values
        return result


@component
class IgnoresPrior(Newton):
    """A fitter that ignores priors."""

    kind = "planted-ignores-prior"

    def fit(self, objective: Any) -> FitResult:
        return super().fit(attrs.evolve(objective, prior=None))


@component
class DoubledPrior(Newton):
    """A fitter that adds priors twice."""

    kind = "planted-doubled-prior"

    def fit(self, objective: Any) -> FitResult:
        return super().fit(attrs.evolve(objective, stat=objective.total))


@component
class IgnoresUpperLimits(Newton):
    """A fitter that ignores upper limits."""

    kind = "planted-ignores-upper-limits"

    def fit(self, objective: Any) -> FitResult:
        limits = np.array(objective.limits)
        limits[:, 1] = np.inf
        return super().fit(attrs.evolve(objective, limits=limits))


@value
class BoxSampler(Fitter):
    """Sample increasingly small boxes of the unit cube, with likelihoods as weights."""

    def stat(self, objective: Any, x: Any) -> float:
        return float(objective.sampled_stat(x))

    def fit(self, objective: Any) -> FitResult:
        random, n = np.random.default_rng(0), len(objective.names)
        low, high = np.zeros(n), np.ones(n)
        for size in (*[200] * 8, 1500):
            cube = random.uniform(low, high, (size, n))
            samples = np.array([objective.transform(point) for point in cube])
            stat = np.array([self.stat(objective, x) for x in samples])
            best = cube[stat <= max(stat.min() + 20, np.quantile(stat, 0.2))]
            if not len(best):
                break
            ends, margin = (best.min(axis=0), best.max(axis=0)), 0.1 * np.ptp(best, axis=0)
            low, high = (
                np.maximum(low, ends[0] - margin),
                np.minimum(high, ends[1] + margin),
            )
        weights = np.nan_to_num(np.exp(-0.5 * (stat - stat.min())))
        weights = weights / max(weights.sum(), 1)
        values = weights @ samples
        covariance = (samples - values).T @ ((samples - values) * weights[:, None])
        return FitResult(
            names=objective.names, units=objective.units, values=values,
            errors=np.sqrt(np.diag(covariance)), covariance=covariance,
            stat=objective.total(values), success=bool(np.isfinite(stat).any()),
            samples=samples, weights=weights, notes=objective.notes,
        )  # fmt: skip


@component
class ValidBoxSampler(BoxSampler):
    """A valid sampler."""

    kind = "planted-valid-box-sampler"


@component
class DoubledSampledPrior(BoxSampler):
    """A sampler that draws from the priors, and also includes them in the weights."""

    kind = "planted-doubled-sampled-prior"

    def stat(self, objective: Any, x: Any) -> float:
        return float(objective.total(x))
