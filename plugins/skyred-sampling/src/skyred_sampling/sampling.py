"""A run of dynesty on an objective."""

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

# below skyred's own logger, so that it goes to the log of the run
log = logging.getLogger("skyred.sampling")
LOG_INTERVAL = 10.0  # seconds between two lines of the log
MAX_INVALID = 20  # times the live points: calls without a finite statistic before giving up


@attrs.frozen(eq=False)
class SamplingResult:
    """The result of a run of nested sampling.

    Parameters
    ----------
    samples : array
        The samples, from the least likely to the most, shape (m, n).
    weights : array
        Their weights in the posterior, which sum up to 1, shape (m,).
    evidence, evidence_error : float
        Natural logarithm of the evidence, and its error.
    remaining : float
        Largest possible increase of the logarithm of the evidence when the run stopped.
    calls : int
        Number of calls of the statistic.
    notes : tuple of str
        Notes for the user.
    """

    samples: Array
    weights: Array
    evidence: float
    evidence_error: float
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
        self.calls = self.invalid = 0

    def __call__(self, x: Array) -> float:
        """Evaluate the logarithm of the likelihood for a vector of shape (n,)."""
        self.calls += 1
        stat = self.objective.sampled_stat(x)
        if np.isfinite(stat):
            return -0.5 * stat
        self.invalid += 1
        if self.invalid == self.calls >= self.max_invalid:
            raise FitError(
                f"the statistic is not finite at any of {self.calls} points drawn from the priors "
                "and limits; change them so that they include valid parameter values"
            )
        return -np.inf

    def notes(self) -> list[str]:
        """Return a note with the number of points where the statistic was not finite."""
        if not self.invalid:
            return []
        points = f"{self.invalid} of {self.calls} points"
        return [f"the statistic was not finite at {points}: their likelihood was set to zero"]


class ProgressMonitor:
    """Records the state of a run of dynesty, and logs it at regular intervals.

    Parameters
    ----------
    dlogz : float
        The remaining evidence at which the run ends.
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
            text = (
                "%d samples after %d calls; log evidence %.2f, may increase by %.3g (ends at %.3g)"
            )
            log.info(text, number, calls, state.logz, state.delta_logz, self.dlogz)

    def remaining(self, highest: float) -> float:
        """Compute the value that dynesty compares with dlogz, from the highest log L at the end."""
        if self.state is None:
            return np.inf
        return float(np.logaddexp(0, highest + self.state.logvol - self.state.logz))


def sample(
    objective: Objective, *, live_points: int, dlogz: float, method: str, bound: str, calls: int,
    seed: int,
) -> SamplingResult:  # fmt: skip
    """Sample the posterior of an objective by nested sampling (Skilling 2006) with dynesty.

    Parameters
    ----------
    objective : Objective
        The objective; each parameter has a prior or two limits.
    live_points, dlogz, method, bound, calls, seed
        The options of `skyred_sampling.Nested`.

    Raises
    ------
    FitError
        If parameters have neither prior nor limits, there are too few live points, or the
        statistic is nowhere finite.
    """
    import dynesty

    n = len(objective.names)
    objective.transform(np.full(n, 0.5))
    if live_points <= 2 * n:
        raise FitError(
            f"{live_points} live points are too few for {n} parameters; use at least {2 * n + 1}"
        )
    likelihood = LogLikelihood(objective, MAX_INVALID * live_points)
    monitor = ProgressMonitor(dlogz)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sampler = dynesty.NestedSampler(
            likelihood, objective.transform, n, nlive=live_points, bound=bound, sample=method,
            rstate=np.random.default_rng(seed),
        )  # fmt: skip
        # dynesty's own wrapper prints all exceptions, including KeyboardInterrupt
        sampler.loglikelihood.loglikelihood = likelihood
        sampler.run_nested(
            dlogz=dlogz, maxcall=calls, print_func=monitor, save_bounds=False, print_progress=True
        )
    notes = [*likelihood.notes(), *_messages(caught)]
    return _create_result(sampler.results, monitor, likelihood.calls, notes)


def _create_result(
    results: Any, monitor: ProgressMonitor, calls: int, notes: list[str]
) -> SamplingResult:
    weights = np.exp(results.logwt - results.logwt.max())
    positive = weights > 0  # the weights of the first samples underflow
    return SamplingResult(
        samples=results.samples[positive],
        weights=weights[positive] / weights.sum(),
        evidence=float(results.logz[-1]),
        evidence_error=float(results.logzerr[-1]),
        remaining=monitor.remaining(float(results.logl[-1])),
        calls=calls,
        notes=tuple(notes),
    )


def _messages(caught: list[warnings.WarningMessage]) -> list[str]:
    """Return the warnings of dynesty and numpy, without duplicates."""
    return list(dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught))
