"""Sampling of an objective with dynesty."""

from __future__ import annotations

import logging
import time
import warnings
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred import FitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred import Objective

    Array = NDArray[np.float64]

# a child of skyred's logger, so that messages are written to the log of the run
log = logging.getLogger("skyred.sampling")
LOG_INTERVAL = 10.0  # seconds between two lines of the log
MAX_INVALID = 20  # calls per live point after which an error is raised if no statistic was finite


@attrs.frozen(eq=False)
class SamplingResult:
    """The result of a run of nested sampling.

    Parameters
    ----------
    samples : array
        The samples, from the lowest to the highest likelihood, shape (m, n).
    weights : array
        The weights of the samples in the posterior, with a sum of 1, shape (m,).
    log_evidence, log_evidence_error : float
        Natural logarithm of the evidence, and its error.
    remaining : float
        Largest possible increase of the logarithm of the evidence when the run stopped.
    calls : int
        Number of calls of the statistic.
    notes : tuple of str
        Notes for the result of the fit.
    """

    samples: Array
    weights: Array
    log_evidence: float
    log_evidence_error: float
    remaining: float
    calls: int
    notes: tuple[str, ...]


class LogLikelihood:
    """The logarithm of the likelihood; minus infinity where the statistic is not finite.

    Parameters
    ----------
    objective : Objective
        The objective, whose statistic is -2 log L.
    max_invalid : int
        Number of calls after which an error is raised if none had a finite statistic.
    """

    def __init__(self, objective: Objective, max_invalid: int) -> None:
        self.objective, self.max_invalid = objective, max_invalid
        self.n_calls = self.n_invalid = 0

    def __call__(self, x: Array) -> float:
        """Evaluate the logarithm of the likelihood for a vector of shape (n,)."""
        self.n_calls += 1
        stat = self.objective.sampled_stat(x)
        if np.isfinite(stat):
            return -0.5 * stat
        self.n_invalid += 1
        if self.n_invalid == self.n_calls >= self.max_invalid:
            raise FitError(
                f"the statistic is not finite at any of {self.n_calls} points drawn from the "
                "priors and limits; change them so that they include valid parameter values"
            )
        return -np.inf

    def notes(self) -> list[str]:
        """Return a note if the statistic was not finite at some points, with their number."""
        if not self.n_invalid:
            return []
        points = f"{self.n_invalid} of {self.n_calls} points"
        return [f"the statistic was not finite at {points}: their likelihood was set to zero"]


class ProgressMonitor:
    """Records the state of a run of dynesty, and logs it at regular intervals.

    Parameters
    ----------
    dlogz : float
        The possible increase of the logarithm of the evidence at which the run ends.
    """

    def __init__(self, dlogz: float) -> None:
        self.dlogz, self.last_log = dlogz, time.monotonic()
        self.state: Any = None

    def __call__(self, state: Any, number: int, calls: int, **details: Any) -> None:
        """Record the state of the run; called by dynesty after each sample."""
        if details.get("add_live_it") is not None:
            return
        self.state = state
        if time.monotonic() - self.last_log > LOG_INTERVAL:
            self.last_log = time.monotonic()
            message = (
                "%d samples after %d calls; log evidence %.2f, may increase by %.3g "
                "(sampling ends at %.3g)"
            )
            log.info(message, number, calls, state.logz, state.delta_logz, self.dlogz)

    def remaining(self, max_logl: float) -> float:
        """Compute the value that dynesty compares with dlogz, from the highest log L at the end."""
        if self.state is None:
            return np.inf
        return float(np.logaddexp(0, max_logl + self.state.logvol - self.state.logz))


def sample(
    objective: Objective, *, live_points: int, dlogz: float, method: str, bound: str, calls: int,
    seed: int,
) -> SamplingResult:  # fmt: skip
    """Sample the posterior of an objective by nested sampling (Skilling 2006) with dynesty.

    Parameters
    ----------
    objective : Objective
        The objective; each parameter must have a prior or two limits.
    live_points, dlogz, method, bound, calls, seed
        The options of `skyred_sampling.Nested`.

    Raises
    ------
    FitError
        If parameters have neither a prior nor two limits, there are too few live points, or the
        statistic is not finite at any point.
    """
    import dynesty

    ndim = len(objective.names)
    objective.transform(np.full(ndim, 0.5))  # raises an error if a parameter has no limits
    if live_points <= 2 * ndim:
        raise FitError(
            f"{live_points} live points are too few for {ndim} parameters; "
            f"use at least {2 * ndim + 1}"
        )
    likelihood = LogLikelihood(objective, MAX_INVALID * live_points)
    monitor = ProgressMonitor(dlogz)
    with warnings.catch_warnings(record=True) as captured_warnings:
        warnings.simplefilter("always")
        sampler = dynesty.NestedSampler(
            likelihood, objective.transform, ndim, nlive=live_points, bound=bound, sample=method,
            rstate=np.random.default_rng(seed),
        )  # fmt: skip
        # dynesty's own wrapper prints all exceptions, including KeyboardInterrupt
        sampler.loglikelihood.loglikelihood = likelihood
        sampler.run_nested(
            dlogz=dlogz, maxcall=calls, print_func=monitor, save_bounds=False, print_progress=True
        )
    notes = [*likelihood.notes(), *_messages(captured_warnings)]
    return _create_result(sampler.results, monitor, likelihood.n_calls, notes)


def _create_result(
    results: Any, monitor: ProgressMonitor, calls: int, notes: list[str]
) -> SamplingResult:
    weights = np.exp(results.logwt - results.logwt.max())
    is_positive = weights > 0  # the weights of the first samples underflow
    return SamplingResult(
        samples=results.samples[is_positive],
        weights=weights[is_positive] / weights.sum(),
        log_evidence=float(results.logz[-1]),
        log_evidence_error=float(results.logzerr[-1]),
        remaining=monitor.remaining(float(results.logl[-1])),
        calls=calls,
        notes=tuple(notes),
    )


def _messages(captured_warnings: list[warnings.WarningMessage]) -> list[str]:
    """Return the messages of warnings, each on one line, without duplicates."""
    lines = (" ".join(str(warning.message).split()) for warning in captured_warnings)
    return list(dict.fromkeys(lines))
