"""Objectives for checks of fitters, most of them with a known minimum and covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from scipy.special import ndtri

from skyred.interfaces.objective import Objective

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

LIMIT_SIGMAS = 30.0  # samplers need limits; these are wide enough to have no effect


@attrs.frozen(eq=False)
class ObjectiveWithKnownMinimum:
    """An objective with its true minimum and covariance.

    Parameters
    ----------
    description : str
        The objective in a few words.
    objective : Objective
        The objective to be minimised or sampled.
    values, covariance : array
        The true minimum, shape (n,), and the covariance, shape (n, n).
    stat : float
        The statistic at the minimum.
    """

    description: str
    objective: Objective
    values: Array
    covariance: Array
    stat: float

    @property
    def errors(self) -> Array:
        """The true errors, shape (n,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))


def parabola(
    description: str, minimum: ArrayLike, covariance: ArrayLike, **options: Any
) -> ObjectiveWithKnownMinimum:
    """Return a quadratic -2 log L with a given minimum and covariance.

    Parameters
    ----------
    description : str
        The objective in a few words.
    minimum : array_like
        The position of the minimum, shape (n,).
    covariance : array_like
        The covariance, shape (n, n).
    **options : object
        Arguments of `Objective` that replace the defaults.

    Returns
    -------
    ObjectiveWithKnownMinimum
        The objective, with a statistic of 0 at the minimum.
    """
    values, matrix = np.array(minimum, dtype=float), np.array(covariance, dtype=float)
    sigma = np.sqrt(np.diag(matrix))
    inverse_correlation = np.linalg.inv(matrix / np.outer(sigma, sigma))

    def stat(x: Array) -> float:
        pulls = (x - values) / sigma
        return float(pulls @ inverse_correlation @ pulls)

    defaults: dict[str, Any] = {
        "names": [f"p{index}" for index in range(len(values))],
        "start": values + 3 * sigma,
        "stat": stat,
        "gradient_of": lambda x: 2 * inverse_correlation @ ((x - values) / sigma) / sigma,
        "fisher_of": lambda x: 2 * inverse_correlation / np.outer(sigma, sigma),
        "steps": sigma,
        "limits": np.transpose([values - LIMIT_SIGMAS * sigma, values + LIMIT_SIGMAS * sigma]),
    }
    objective = Objective(**{**defaults, **options})
    return ObjectiveWithKnownMinimum(description, objective, values, matrix, 0.0)


def correlated_parabola() -> ObjectiveWithKnownMinimum:
    """Return a parabola of two parameters with a correlation of 0.9.

    The scales are those of a spectral index and an amplitude.

    Returns
    -------
    ObjectiveWithKnownMinimum
        The objective.
    """
    covariance = [[0.04, 0.9 * 0.2 * 3e-13], [0.9 * 0.2 * 3e-13, 9e-26]]
    notes = ("a note of the objective",)
    return parabola("a correlated parabola", [2.6, 4e-11], covariance, notes=notes)


def parabola_without_derivatives() -> ObjectiveWithKnownMinimum:
    """Return a parabola without a gradient, a Fisher matrix or steps.

    Returns
    -------
    ObjectiveWithKnownMinimum
        The objective.
    """
    options = {"gradient_of": None, "fisher_of": None, "steps": None}
    return parabola("a parabola without derivatives", [1.0, -2.0], [[1, 0.3], [0.3, 4]], **options)


def poisson_counts() -> ObjectiveWithKnownMinimum:
    """Return -2 log L of Poisson counts of two sources over a known background.

    The observed counts n are 400 and 100; with the background b, the best-fit signals are n - b.

    Returns
    -------
    ObjectiveWithKnownMinimum
        The objective.
    """
    counts, background = np.array([400.0, 100.0]), np.array([150.0, 40.0])

    def stat(x: Array) -> float:
        npred = x + background
        return float(2 * (npred - counts * np.log(npred)).sum()) if (npred > 0).all() else np.inf

    objective = Objective(
        names=["s0", "s1"],
        start=[50.0, 20.0],
        stat=stat,
        gradient_of=lambda x: 2 * (1 - counts / (x + background)),
        fisher_of=lambda x: np.diag(2 * counts / (x + background) ** 2),
        limits=[[0, 1000], [0, 500]],
    )
    best_fit = counts - background
    return ObjectiveWithKnownMinimum(
        "Poisson counts", objective, best_fit, np.diag(counts), stat(best_fit)
    )


def minimum_beyond_limit(side: int = -1) -> ObjectiveWithKnownMinimum:
    """Return a parabola with its minimum two sigma beyond a limit of its first parameter.

    With x at the limit, y follows from the correlation: y = y0 + rho sy/sx (x - x0).

    Parameters
    ----------
    side : int
        -1 for the lower limit, 1 for the upper limit.

    Returns
    -------
    ObjectiveWithKnownMinimum
        The objective, with the minimum inside the limits as its true values.
    """
    limits, rho = [sorted((-2.0 * side, -40.0 * side)), [-30.0, 30.0]], 0.5
    unlimited = parabola(
        f"a parabola with its minimum {'below' if side < 0 else 'above'} a limit", [0, 0],
        [[1, rho], [rho, 1]], limits=limits, start=[-4.0 * side, -3.0 * side],
    )  # fmt: skip
    values = np.array([-2.0 * side, -2 * rho * side])
    return attrs.evolve(unlimited, values=values, stat=unlimited.objective(values))


def parabola_with_prior() -> ObjectiveWithKnownMinimum:
    """Return a parabola with a Gaussian prior on its first parameter.

    The prior is as narrow as the likelihood, and 6 sigma away. The product of Gaussians is a
    Gaussian: its inverse covariance is the sum of the inverse covariances W, and its mean is
    C (W1 x1 + W2 x2).

    Returns
    -------
    ObjectiveWithKnownMinimum
        The objective.
    """
    sigma, mean = 0.2, 3.2
    likelihood = parabola("", [2.0, 10.0], [[sigma**2, 0.2], [0.2, 4.0]])
    weights = np.linalg.inv(likelihood.covariance).astype(float)
    prior_weights: Array = np.diag([1 / sigma**2, 0.0])
    prior_mean = np.array([mean, 0.0])
    covariance = np.linalg.inv(weights + prior_weights).astype(float)

    def gradient(x: Array) -> Array:
        total: Array = weights @ (x - likelihood.values) + prior_weights @ (x - prior_mean)
        return 2 * total

    def prior_stat(x: Array) -> float:
        return float(((x[0] - mean) / sigma) ** 2)

    objective = attrs.evolve(
        likelihood.objective,
        prior=prior_stat,
        quantiles=[lambda q: float(mean + sigma * ndtri(q)), None],
        gradient_of=gradient,
        fisher_of=lambda x: np.asarray(2 * (weights + prior_weights)),
    )
    values: Array = covariance @ (weights @ likelihood.values + prior_weights @ prior_mean)
    description = "a parabola with a Gaussian prior"
    return ObjectiveWithKnownMinimum(
        description, objective, values, covariance, objective.total(values)
    )


def degenerate_objective(half_width: float = 10.0) -> Objective:
    """Return an objective that constrains only the sum of two parameters, with an error of 0.1.

    Parameters
    ----------
    half_width : float
        The limits of both parameters are plus and minus this value.

    Returns
    -------
    Objective
        The objective.
    """

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


def constant_objective(value: float = 5.0) -> Objective:
    """Return an objective with the same statistic everywhere.

    Parameters
    ----------
    value : float
        The statistic; may be NaN or infinite.

    Returns
    -------
    Objective
        The objective.
    """
    return Objective(
        names=["a", "b"], start=[0.5, 0.5], stat=lambda _: value, limits=[[-10, 10], [-10, 10]]
    )


def rosenbrock() -> ObjectiveWithKnownMinimum:
    """Return Rosenbrock's function, a curved valley with its minimum at (1, 1).

    Returns
    -------
    ObjectiveWithKnownMinimum
        The objective.

    References
    ----------
    Rosenbrock, H. H. 1960, Comput. J. 3, 175.
    """

    def stat(x: Array) -> float:
        return float(100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)

    objective = Objective(
        names=["x", "y"], start=[-1.2, 1.0], stat=stat, limits=[[-5, 5], [-5, 25]]
    )
    # from the second derivatives at the minimum: 2 H^-1 with H = [[802, -400], [-400, 200]]
    covariance = np.array([[1, 2], [2, 4.01]])
    return ObjectiveWithKnownMinimum(
        "Rosenbrock's function", objective, np.ones(2), covariance, 0.0
    )
