"""Objectives whose minimum and covariance are known in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from scipy.special import ndtri

from skyred.interfaces.objective import Objective

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

WIDE = 30.0  # in sigma: samplers need limits, and these do not matter


@attrs.frozen(eq=False)
class Bowl:
    """An objective with the truth about it.

    Parameters
    ----------
    words : str
        What it is.
    objective : Objective
        To be minimised or sampled.
    values, covariance : array
        Its minimum, shape (n,), and covariance, shape (n, n).
    stat : float
        The statistic there.
    """

    words: str
    objective: Objective
    values: Array
    covariance: Array
    stat: float

    @property
    def errors(self) -> Array:
        """The errors, shape (n,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))


def parabola(words: str, bottom: ArrayLike, covariance: ArrayLike, **details: Any) -> Bowl:
    """Give a quadratic -2 log L, whose covariance is the one given."""
    values, matrix = np.array(bottom, dtype=float), np.array(covariance, dtype=float)
    sigma = np.sqrt(np.diag(matrix))
    inverse = np.linalg.inv(matrix / np.outer(sigma, sigma))

    def stat(x: Array) -> float:
        away = (x - values) / sigma
        return float(away @ inverse @ away)

    known: dict[str, Any] = {
        "names": [f"p{index}" for index in range(len(values))],
        "start": values + 3 * sigma,
        "stat": stat,
        "gradient_of": lambda x: 2 * inverse @ ((x - values) / sigma) / sigma,
        "fisher_of": lambda x: 2 * inverse / np.outer(sigma, sigma),
        "steps": sigma,
        "limits": np.transpose([values - WIDE * sigma, values + WIDE * sigma]),
    }
    return Bowl(words, Objective(**{**known, **details}), values, matrix, 0.0)


def correlated() -> Bowl:
    """Two parameters with a correlation of 0.9, on scales as those of an index and an amplitude."""
    covariance = [[0.04, 0.9 * 0.2 * 3e-13], [0.9 * 0.2 * 3e-13, 9e-26]]
    notes = ("a note of the objective",)
    return parabola("a correlated parabola", [2.6, 4e-11], covariance, notes=notes)


def without_derivatives() -> Bowl:
    """A parabola whose gradient and Fisher matrix are not known, nor the errors guessed."""
    details = {"gradient_of": None, "fisher_of": None, "steps": None}
    return parabola("a parabola without derivatives", [1.0, -2.0], [[1, 0.3], [0.3, 4]], **details)


def counts() -> Bowl:
    """Poisson counts of two sources over a known background, 400 and 100: s = n - b."""
    observed, background = np.array([400.0, 100.0]), np.array([150.0, 40.0])

    def stat(x: Array) -> float:
        mean = x + background
        return float(2 * (mean - observed * np.log(mean)).sum()) if (mean > 0).all() else np.inf

    objective = Objective(
        names=["s0", "s1"],
        start=[50.0, 20.0],
        stat=stat,
        gradient_of=lambda x: 2 * (1 - observed / (x + background)),
        fisher_of=lambda x: np.diag(2 * observed / (x + background) ** 2),
        limits=[[0, 1000], [0, 500]],
    )
    best = observed - background
    return Bowl("Poisson counts", objective, best, np.diag(observed), stat(best))


def over_the_limit(side: int = -1) -> Bowl:
    """A parabola whose bottom lies two sigma beyond a limit of its first parameter.

    With x held at the limit, y follows by the correlation: y = y0 + rho sy/sx (x - x0).

    Parameters
    ----------
    side : int
        -1 for its lower limit, 1 for its upper one.
    """
    limits, rho = [sorted((-2.0 * side, -40.0 * side)), [-30.0, 30.0]], 0.5
    bowl = parabola(
        f"a parabola with its bottom {'below' if side < 0 else 'above'} a limit", [0, 0],
        [[1, rho], [rho, 1]], limits=limits, start=[-4.0 * side, -3.0 * side],
    )  # fmt: skip
    values = np.array([-2.0 * side, -2 * rho * side])
    return attrs.evolve(bowl, values=values, stat=bowl.objective(values))


def with_prior() -> Bowl:
    """A parabola with a Gaussian prior of its first parameter, as narrow, and 6 sigma off.

    The product of Gaussians: inverse covariances W add up, and the mean is C (W1 x1 + W2 x2).
    """
    sigma, mean = 0.2, 3.2
    free = parabola("", [2.0, 10.0], [[sigma**2, 0.2], [0.2, 4.0]])
    weights = np.linalg.inv(free.covariance).astype(float)
    prior: Array = np.diag([1 / sigma**2, 0.0])
    centre, likelihood = np.array([mean, 0.0]), free.objective
    covariance = np.linalg.inv(weights + prior).astype(float)

    def prior_stat(x: Array) -> float:
        return float(((x[0] - mean) / sigma) ** 2)

    objective = attrs.evolve(
        likelihood,
        prior=prior_stat,
        quantiles=[lambda q: float(mean + sigma * ndtri(q)), None],
        gradient_of=lambda x: 2 * weights @ (x - free.values) + 2 * prior @ (x - centre),
        fisher_of=lambda x: np.asarray(2 * (weights + prior)),
    )
    values: Array = covariance @ (weights @ free.values + prior @ centre)
    words = "a parabola with a Gaussian prior"
    return Bowl(words, objective, values, covariance, objective.total(values))


def valley(half_width: float = 10.0) -> Objective:
    """Two parameters of which only the sum is known, to 0.1."""

    def gradient(x: Array) -> Array:
        return np.full(2, 200 * (x[0] + x[1] - 1))

    return Objective(
        names=["a", "b"],
        start=[0.3, 0.2],
        stat=lambda x: float(100 * (x[0] + x[1] - 1) ** 2),
        gradient_of=gradient,
        fisher_of=lambda x: np.full((2, 2), 200.0),
        limits=[[-half_width, half_width]] * 2,
    )


def flat() -> Objective:
    """A statistic that nothing changes."""
    return constant(5.0)


def constant(value: float) -> Objective:
    """A statistic that is the same everywhere, which may be NaN or infinite."""
    return Objective(
        names=["a", "b"], start=[0.5, 0.5], stat=lambda _: value, limits=[[-10, 10], [-10, 10]]
    )


def banana() -> Bowl:
    """Rosenbrock's valley (1960, Comput. J. 3, 175), which is curved: the minimum is at 1, 1."""

    def stat(x: Array) -> float:
        return float(100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)

    objective = Objective(
        names=["x", "y"], start=[-1.2, 1.0], stat=stat, limits=[[-5, 5], [-5, 25]]
    )
    # of the second derivatives there: 2 (H)^-1 with H = [[802, -400], [-400, 200]]
    return Bowl("Rosenbrock's valley", objective, np.ones(2), np.array([[1, 2], [2, 4.01]]), 0.0)
