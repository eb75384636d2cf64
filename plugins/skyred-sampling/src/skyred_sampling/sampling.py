"""One run of dynesty over an objective: the samples, and how it ended."""

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
EVERY = 10.0  # seconds between two lines of the log
IN_VAIN = 20  # times the live points: as many places without a finite statistic end it


@attrs.frozen(eq=False)
class Sampled:
    """What a run of nested sampling gave.

    Parameters
    ----------
    samples : array
        The samples, from the least likely to the most, shape (m, n).
    weights : array
        Their weights in the posterior, which sum up to 1, shape (m,).
    evidence, evidence_error : float
        Natural logarithm of the evidence, and its error.
    remaining : float
        By how much the logarithm of the evidence could still have risen when it stopped.
    calls : int
        Calls of the statistic.
    notes : tuple of str
        What should be known of it.
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
        Whose statistic is -2 log L.
    patience : int
        After how many calls without a finite statistic to give up.
    """

    def __init__(self, objective: Objective, patience: int) -> None:
        self.objective, self.patience = objective, patience
        self.calls = self.impossible = 0

    def __call__(self, x: Array) -> float:
        """Give the logarithm of the likelihood at a vector of shape (n,)."""
        self.calls += 1
        stat = self.objective.sampled_stat(x)
        if np.isfinite(stat):
            return -0.5 * stat
        self.impossible += 1
        if self.impossible == self.calls >= self.patience:
            raise FitError(
                f"the statistic is finite at none of {self.calls} places between the limits and "
                "within the priors; let them include places that the model can be at"
            )
        return -np.inf

    def notes(self) -> list[str]:
        """Say at how many places the statistic was not finite."""
        if not self.impossible:
            return []
        places = f"{self.impossible} of {self.calls} places"
        return [f"the statistic was not finite at {places}: they were taken to be impossible"]


class Watch:
    """Follows a run of dynesty: what evidence remains, and a line of the log now and then.

    Parameters
    ----------
    dlogz : float
        The remaining evidence at which it ends.
    """

    def __init__(self, dlogz: float) -> None:
        self.dlogz, self.last = dlogz, time.monotonic()
        self.state: Any = None

    def __call__(self, state: Any, number: int, calls: int, **details: Any) -> None:
        """Note the state of a run; dynesty calls it after each sample."""
        if details.get("add_live_it") is not None:
            return
        self.state = state
        if time.monotonic() - self.last > EVERY:
            self.last = time.monotonic()
            text = "%d samples after %d calls; log evidence %.2f, may rise by %.3g (ends at %.3g)"
            log.info(text, number, calls, state.logz, state.delta_logz, self.dlogz)

    def remaining(self, highest: float) -> float:
        """Give what dynesty itself compares with dlogz, for the highest log L of the end."""
        if self.state is None:
            return np.inf
        return float(np.logaddexp(0, highest + self.state.logvol - self.state.logz))


def sample(
    objective: Objective, *, live_points: int, dlogz: float, method: str, bound: str, calls: int,
    seed: int,
) -> Sampled:  # fmt: skip
    """Sample the posterior of an objective by nested sampling (Skilling 2006) with dynesty.

    Parameters
    ----------
    objective : Objective
        Each parameter with a prior or two limits.
    live_points, dlogz, method, bound, calls, seed
        As the options of `skyred_sampling.Nested`.

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
        raise FitError(f"{live_points} live points are too few for {n} parameters: {2 * n + 1} do")
    likelihood, watch = LogLikelihood(objective, IN_VAIN * live_points), Watch(dlogz)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sampler = dynesty.NestedSampler(
            likelihood, objective.transform, n, nlive=live_points, bound=bound, sample=method,
            rstate=np.random.default_rng(seed),
        )  # fmt: skip
        # its own wrapper prints whatever is raised, Ctrl-C too
        sampler.loglikelihood.loglikelihood = likelihood
        sampler.run_nested(
            dlogz=dlogz, maxcall=calls, print_func=watch, save_bounds=False, print_progress=True
        )
    notes = [*likelihood.notes(), *_messages(caught)]
    return _sampled(sampler.results, watch, likelihood.calls, notes)


def _sampled(results: Any, watch: Watch, calls: int, notes: list[str]) -> Sampled:
    weights = np.exp(results.logwt - results.logwt.max())
    kept = weights > 0  # the first samples weigh less than any number
    return Sampled(
        samples=results.samples[kept],
        weights=weights[kept] / weights.sum(),
        evidence=float(results.logz[-1]),
        evidence_error=float(results.logzerr[-1]),
        remaining=watch.remaining(float(results.logl[-1])),
        calls=calls,
        notes=tuple(notes),
    )


def _messages(caught: list[warnings.WarningMessage]) -> list[str]:
    """Give what dynesty and numpy warned of, each once."""
    return list(dict.fromkeys(" ".join(str(each.message).split()) for each in caught))
