"""Sampling of an objective with an ensemble of walkers, until the chains are long enough."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred import FitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred import FitResult, Objective

    Array = NDArray[np.float64]

# a child of skyred's logger, so that messages are written to the log of the run
log = logging.getLogger("skyred.emcee")
LOG_INTERVAL = 10.0  # seconds between two lines of the log
BLOCK = 100  # steps between two estimates of the autocorrelation time; later, a tenth of all
BURN_IN = 5  # autocorrelation times that are discarded: the start is forgotten to exp(-10)
MAX_CHANGE = 0.05  # relative change of the autocorrelation time over the last block
MAX_DRAWS = 100  # attempts to find a starting point of a walker


@attrs.frozen(eq=False)
class Chains:
    """The chains of an ensemble of walkers.

    Parameters
    ----------
    samples : array
        Almost independent samples: one of each walker per autocorrelation time, after the burn-in,
        shape (m, n).
    steps, burn_in : int
        The number of steps of each walker, and of those that are discarded.
    autocorrelation_time : float
        The longest integrated autocorrelation time of all parameters, in steps; NaN if unknown.
    length : float
        The length of the chains after the burn-in, in autocorrelation times; 0 if unknown.
    acceptance : float
        The mean fraction of accepted steps.
    r_hat : float
        The largest `potential_scale_reduction` of all parameters.
    calls, invalid : int
        The number of calls of the statistic, and of those that were not finite.
    """

    samples: Array
    steps: int
    burn_in: int
    autocorrelation_time: float
    length: float
    acceptance: float
    r_hat: float
    calls: int
    invalid: int


class LogPosterior:
    """The logarithm of the posterior density, up to a constant; minus infinity outside the limits.

    Parameters
    ----------
    objective : Objective
        The objective, whose total is -2 log L including priors.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.calls = self.invalid = 0

    def __call__(self, points: Array) -> Array:
        """Evaluate the density for several vectors, shape (m, n); returns shape (m,)."""
        return np.array([self._evaluate(x) for x in points])

    def _evaluate(self, x: Array) -> float:
        low, high = self.objective.limits.T
        if np.any((x < low) | (x > high)):
            return -math.inf
        self.calls += 1
        stat = self.objective.total(x)
        if math.isfinite(stat):
            return -0.5 * stat
        self.invalid += 1
        return -math.inf


def sample(
    objective: Objective, start: FitResult, *, walkers: int, length: float, max_steps: int,
    seed: int,
) -> Chains:  # fmt: skip
    """Sample the posterior with the affine-invariant ensemble sampler of Goodman & Weare (2010).

    Parameters
    ----------
    objective : Objective
        The objective.
    start : FitResult
        The minimum around which the walkers start.
    walkers : int
        The number of walkers.
    length : float
        The length of the chains at which sampling ends, in autocorrelation times.
    max_steps : int
        The largest number of steps of each walker.
    seed : int
        The seed of the random numbers.

    Returns
    -------
    Chains
        The chains.

    Raises
    ------
    FitError
        If there are too few walkers, or no valid points to start from.

    References
    ----------
    Goodman, J. & Weare, J. 2010, Comm. App. Math. Comp. Sci. 5, 65.
    Foreman-Mackey, D. et al. 2013, PASP 125, 306.
    """
    import emcee

    n = len(objective.names)
    if walkers < 2 * n:
        raise FitError(
            f"{walkers} walkers are too few for {n} parameters; use at least {2 * n}, or leave "
            "the option walkers out"
        )
    if objective.clear_caches is not None:
        objective.clear_caches()  # results do not depend on the evaluations of earlier fits
    density = LogPosterior(objective)
    random = np.random.RandomState(seed)  # the type that emcee needs
    state = emcee.State(
        draw_start(density, start, walkers, random), random_state=random.get_state()
    )
    sampler = emcee.EnsembleSampler(walkers, n, density, vectorize=True)
    # emcee's own wrapper prints all exceptions, including KeyboardInterrupt
    sampler.log_prob_fn = density
    tau = advance(sampler, state, length, max_steps)
    return _create_chains(sampler, tau, density)


def draw_start(density: LogPosterior, fit: FitResult, walkers: int, random: Any) -> Array:
    """Draw starting points from a Gaussian around a minimum, inside the limits.

    Parameters
    ----------
    density : LogPosterior
        The density, which must be finite at the points.
    fit : FitResult
        The minimum, with its covariance.
    walkers : int
        The number of points.
    random : numpy.random.RandomState
        The random numbers.

    Returns
    -------
    array
        The points, shape (walkers, n).

    Raises
    ------
    FitError
        If no valid points are near the minimum.
    """
    spread = _create_spread(density.objective, fit)
    points = []
    for _ in range(walkers):
        width = 1.0
        for _ in range(MAX_DRAWS):
            offset = width * (spread @ random.standard_normal(len(spread)))
            x = _reflect(fit.values + offset, density.objective.limits)
            if np.isfinite(density(x[None])[0]):
                points.append(x)
                break
            width *= 0.8
        else:
            raise FitError(
                "the statistic is not finite near the minimum from which sampling starts: "
                f"{MAX_DRAWS} points were tried; check the starting values, limits and priors"
            )
    return np.array(points)


def _create_spread(objective: Objective, fit: FitResult) -> Array:
    """Return a matrix that converts normal random numbers to offsets from the minimum."""
    if fit.success:
        errors = np.sqrt(np.diag(fit.covariance))
        correlation = fit.covariance / np.outer(errors, errors)
        try:
            return np.asarray(errors[:, None] * np.linalg.cholesky(correlation))
        except np.linalg.LinAlgError:
            pass  # parameters at limits may have no errors
    widths = np.diff(objective.limits, axis=1)[:, 0] / 10
    steps = np.full(len(widths), np.nan) if objective.steps is None else objective.steps
    candidates = (fit.errors, np.asarray(steps), widths, np.abs(fit.values) / 10, np.ones(1))
    spread = np.ones(len(widths))
    for candidate in reversed(candidates):
        is_valid = np.isfinite(candidate) & (candidate > 0)
        spread = np.where(is_valid, candidate, spread)
    return np.diag(np.where(np.isfinite(widths), np.minimum(spread, widths), spread))


def _reflect(x: Array, limits: Array) -> Array:
    """Reflect a point at the limits that it exceeds."""
    low, high = limits.T
    x = np.where(x < low, 2 * low - x, x)
    x = np.where(x > high, 2 * high - x, x)
    return np.clip(x, low, high)


def advance(sampler: Any, state: Any, length: float, max_steps: int) -> float:
    """Advance the walkers until the chains are long enough, or the largest number of steps.

    Parameters
    ----------
    sampler : emcee.EnsembleSampler
        The sampler.
    state : emcee.State
        The starting points, and the state of the random numbers.
    length : float
        The length of the chains after the burn-in, in autocorrelation times.
    max_steps : int
        The largest number of steps.

    Returns
    -------
    float
        The longest autocorrelation time of all parameters, in steps; NaN if it is unknown.
    """
    tau, last_log = math.nan, time.monotonic()
    while sampler.iteration < max_steps:
        steps = min(max(BLOCK, sampler.iteration // 10), max_steps - sampler.iteration)
        # emcee would reject walkers that start close to each other, such as those at a limit
        state = sampler.run_mcmc(state, steps, skip_initial_state_check=True)
        previous, tau = tau, longest_autocorrelation_time(sampler)
        is_stable = abs(tau - previous) < MAX_CHANGE * tau
        if is_stable and sampler.iteration >= (length + BURN_IN) * math.ceil(tau):
            break
        if time.monotonic() - last_log > LOG_INTERVAL:
            last_log = time.monotonic()
            log.info(
                "%d steps, autocorrelation time %.1f steps; sampling ends after %g of these times",
                sampler.iteration,
                tau,
                length + BURN_IN,
            )
    return tau


def longest_autocorrelation_time(sampler: Any) -> float:
    """Return the longest integrated autocorrelation time of all parameters, in steps."""
    with np.errstate(invalid="ignore", divide="ignore"):
        times = sampler.get_autocorr_time(tol=0, quiet=True)
    return max(1.0, float(np.max(times))) if np.all(np.isfinite(times)) else math.nan


def _create_chains(sampler: Any, tau: float, density: LogPosterior) -> Chains:
    steps = int(sampler.iteration)
    is_known = math.isfinite(tau)
    thin = min(math.ceil(tau), steps) if is_known else max(1, steps // 10)
    burn_in = min(BURN_IN * thin, steps // 2)
    return Chains(
        samples=sampler.get_chain(discard=burn_in, thin=thin, flat=True),
        steps=steps,
        burn_in=burn_in,
        autocorrelation_time=tau,
        length=(steps - burn_in) / tau if is_known else 0.0,
        acceptance=float(np.mean(sampler.acceptance_fraction)),
        r_hat=potential_scale_reduction(sampler.get_chain(discard=burn_in)),
        calls=density.calls,
        invalid=density.invalid,
    )


def potential_scale_reduction(chains: Array) -> float:
    """Return the largest ratio of the total error to that within chains (Gelman & Rubin 1992).

    It is close to 1 if all walkers have sampled the same distribution, and larger if they are in
    separate modes, to which the autocorrelation time is not sensitive.

    Parameters
    ----------
    chains : array
        The chains, shape (steps, walkers, n).

    Returns
    -------
    float
        The ratio; infinite if a walker never moved.

    References
    ----------
    Gelman, A. & Rubin, D. B. 1992, Statist. Sci. 7, 457.
    """
    variances = chains.var(axis=0)
    if not np.all(variances > 0):
        return math.inf
    between = chains.mean(axis=0).var(axis=0)
    return float(np.sqrt(1 + np.max(between / variances.mean(axis=0))))
