"""The fitter `emcee`: the posterior of all parameters, by Markov chain Monte Carlo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from skyred import FitResult, Fitter, component, option
from skyred_emcee.ensemble import Chains, sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred import Objective

    Array = NDArray[np.float64]

CENTRAL = (15.865525393145707, 84.13447460685429)  # percentiles at 1 sigma of a Gaussian
NEAR_LIMIT = 0.5  # largest distance of the interval from a limit, in units of the error
ACCEPTANCE = (0.05, 0.95)  # range of the mean fraction of accepted steps
MAX_R_HAT = 1.1  # largest Gelman-Rubin ratio
MIN_WALKERS, WALKERS_PER_PARAMETER = 32, 4
MIN_GAIN = 0.1  # by which a sample is below the minimum, for a note


@component
class Emcee(Fitter):
    """Sample the posterior by Markov chain Monte Carlo, with emcee's ensemble of walkers."""

    kind = "emcee"
    samples = True
    walkers: int | None = option(
        None, type=int, min=4, doc="Number of walkers; by default 4 per parameter, at least 32."
    )
    length: float = option(
        50.0,
        min=10.0,
        max=1e5,
        doc="Length of the chains after the burn-in, in autocorrelation times.",
    )
    steps: int = option(
        20_000,
        min=100,
        doc="Largest number of steps of each walker; a fit that reaches it is not successful.",
    )
    seed: int = option(
        0,
        min=0,
        max=2**32 - 1,
        doc="Seed of the random numbers; the same seed gives byte-identical results.",
    )
    point: str = option(
        "mean",
        choices=("mean", "best"),
        doc="Values that the models are set to: the mean of the posterior, or the lowest statistic "
        "of the minimum and all samples.",
    )

    def fit(self, objective: Objective) -> FitResult:
        """Sample the posterior, from a minimum that is found with Newton steps.

        Values are the mean of the posterior (or the point with the lowest statistic), errors and
        covariance are those of the samples, and `errn` and `errp` are the distances to the
        quantiles at 16 and 84 %.

        Raises
        ------
        FitError
            If the statistic is not finite at the start, or there are too few walkers.
        """
        from skyred import minimise  # imports the likelihood, which takes time

        minimum = minimise(objective)
        n = len(objective.names)
        chains = sample(
            objective,
            minimum,
            walkers=self.walkers or max(MIN_WALKERS, WALKERS_PER_PARAMETER * n),
            length=self.length,
            max_steps=self.steps,
            seed=self.seed,
        )
        return self._result(objective, minimum, chains)

    def _result(self, objective: Objective, minimum: FitResult, chains: Chains) -> FitResult:
        samples = chains.samples
        best = best_point(objective, minimum, samples)
        values = np.mean(samples, axis=0) if self.point == "mean" else best
        covariance = np.atleast_2d(np.cov(samples, rowvar=False, ddof=0))
        errors = np.sqrt(np.diag(covariance))
        low, high = np.percentile(samples, CENTRAL, axis=0)
        faults = [*self._faults(chains), *_errors_that_are_zero(objective, errors)]
        summary = (
            f"{len(samples)} samples, {chains.length:.0f} autocorrelation times of "
            f"{chains.autocorrelation_time:.0f} steps, acceptance {chains.acceptance:.2f}"
        )
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
            success=not faults,
            message="; ".join([*faults, summary]),
            nfev=minimum.nfev + chains.calls,
            at_limit=at_limit(objective, low, high, errors),
            samples=samples,
            weights=np.full(len(samples), 1 / len(samples)),
            notes=(*objective.notes, *_notes(objective, minimum, best, chains)),
        )

    def _faults(self, chains: Chains) -> Iterator[str]:
        """Yield the reasons why the samples do not represent the posterior."""
        if not chains.length >= self.length:
            yield (
                f"the chains of {chains.steps} steps are {chains.length:.0f} autocorrelation times "
                f"long, shorter than {self.length:g}: allow more steps"
            )
        low, high = ACCEPTANCE
        if not low <= chains.acceptance <= high:
            yield (
                f"the acceptance is {chains.acceptance:.3f}; expected {low} to {high}: the "
                "posterior may have several modes, or no maximum"
            )
        if not chains.r_hat <= MAX_R_HAT:
            yield (
                f"the walkers have sampled different regions (Gelman-Rubin ratio "
                f"{chains.r_hat:.2f}, more than {MAX_R_HAT}): check the samples for several modes"
            )


def best_point(objective: Objective, minimum: FitResult, samples: Array) -> Array:
    """Return the point with the lowest statistic, including priors.

    Parameters
    ----------
    objective : Objective
        The objective.
    minimum : FitResult
        The minimum from which sampling started.
    samples : array
        The samples, shape (m, n).

    Returns
    -------
    array
        The minimum or a sample, shape (n,).
    """
    points: Array = np.vstack([minimum.values, samples])
    stats = np.array([objective.total(x) for x in points])
    best: Array = points[np.argmin(np.where(np.isnan(stats), np.inf, stats))]
    return best


def at_limit(objective: Objective, low: Array, high: Array, errors: Array) -> list[str]:
    """Return the names of the parameters with a central interval near one of their limits.

    Parameters
    ----------
    objective : Objective
        The objective, with the limits.
    low, high, errors : array
        The ends of the interval and the errors, shape (n,).

    Returns
    -------
    list of str
        The names.
    """
    minima, maxima = objective.limits.T
    is_near = (low - minima < NEAR_LIMIT * errors) | (maxima - high < NEAR_LIMIT * errors)
    return [objective.names[index] for index in np.flatnonzero(is_near)]


def _errors_that_are_zero(objective: Objective, errors: Array) -> Iterator[str]:
    constant = [name for name, error in zip(objective.names, errors, strict=True) if not error > 0]
    if constant:
        yield f"all samples of {', '.join(constant)} are equal"


def _notes(objective: Objective, minimum: FitResult, best: Array, chains: Chains) -> Iterator[str]:
    yield from (note for note in minimum.notes if note not in objective.notes)
    if not minimum.success:
        yield f"sampling started from a point that is not a minimum: {minimum.message}"
    elif (gain := minimum.stat - objective.total(best)) > MIN_GAIN:
        yield (
            f"the lowest statistic of the samples is {gain:.2g} below the minimum from which "
            "sampling started; check the samples for several modes"
        )
    if chains.invalid:
        points = f"{chains.invalid} of {chains.calls} points"
        yield f"the statistic was not finite at {points}: their likelihood was set to zero"
