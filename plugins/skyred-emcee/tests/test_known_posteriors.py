"""The fitter `emcee`, on objectives with an analytical posterior.

The samples are one autocorrelation time apart. With N of them, a mean is accurate to 1 / sqrt(N) of
the error, and a standard deviation to a relative error of 1 / sqrt(2 N). Tolerances are 5 times
these errors, because the samples are not completely independent.
"""

import hashlib

import numpy as np
import pytest
from scipy.stats import norm

from objectives import quadratic
from skyred import FitError, Objective, minimise
from skyred_emcee import Emcee
from skyred_emcee.ensemble import potential_scale_reduction, sample

# a correlation of 0.9, and scales as different as those of an index and an amplitude
SCALE = np.array([0.1, 3e-12])
COVARIANCE = np.array([[1, 0.9], [0.9, 1]]) * np.outer(SCALE, SCALE)
MINIMUM = np.array([2.6, 4.5e-11])
SIGMAS = 5


def tolerance(result):
    return SIGMAS / np.sqrt(len(result.samples))


@pytest.fixture(scope="module")
def result():
    return Emcee().fit(quadratic(COVARIANCE, MINIMUM))


def test_mean_and_covariance_agree_with_the_posterior(result):
    assert result.success
    assert len(result.samples) >= 32 * 50
    assert (result.values - MINIMUM) / SCALE == pytest.approx(0, abs=tolerance(result))
    assert result.errors / SCALE == pytest.approx(1, abs=tolerance(result) / np.sqrt(2))
    assert result.covariance[0, 1] / SCALE.prod() == pytest.approx(0.9, abs=tolerance(result))


def test_asymmetric_errors_agree_with_the_central_quantiles(result):
    # quantiles at 1 sigma are less accurate by a factor of 1.5
    assert result.errn / SCALE == pytest.approx(1, abs=1.5 * tolerance(result))
    assert result.errp / SCALE == pytest.approx(1, abs=1.5 * tolerance(result))


def test_number_of_samples_is_an_effective_size(result):
    # the scatter of the means of 12 seeds, divided by the scatter of independent samples
    objective = quadratic(np.eye(1), np.zeros(1))
    means, sizes = [], []
    for seed in range(12):
        fit = Emcee(length=10, walkers=8, seed=seed).fit(objective)
        means.append(fit.values[0])
        sizes.append(len(fit.samples))
    assert np.std(means) * np.sqrt(np.mean(sizes)) == pytest.approx(1, abs=0.5)


def test_values_and_errors_are_those_of_the_samples(result):
    assert result.values == pytest.approx(result.samples.mean(axis=0), rel=1e-12)
    assert result.errors == pytest.approx(result.samples.std(axis=0), rel=1e-12)
    assert result.weights.sum() == pytest.approx(1)
    assert result.stat == quadratic(COVARIANCE, MINIMUM).total(result.values)


def test_five_parameters_of_different_scales_are_sampled():
    scale = 10.0 ** np.arange(-12, 3, 3)
    covariance = (0.5 * np.eye(5) + 0.5) * np.outer(scale, scale)
    result = Emcee(length=20).fit(quadratic(covariance, np.zeros(5)))
    assert result.success
    assert result.values / scale == pytest.approx(0, abs=tolerance(result))
    assert result.covariance / np.outer(scale, scale) == pytest.approx(
        covariance / np.outer(scale, scale), abs=1.5 * tolerance(result)
    )


def test_prior_is_included_once():
    # likelihood N(0, 1), prior N(1, 1): the posterior is N(1/2, 1/2)
    objective = Objective(
        names=["x"], start=[0], stat=lambda x: float(x[0] ** 2), quantiles=[norm(1, 1).ppf],
        prior=lambda x: float((x[0] - 1) ** 2),
    )  # fmt: skip
    result = Emcee(length=20).fit(objective)
    assert result.values[0] == pytest.approx(0.5, abs=tolerance(result) * np.sqrt(0.5))
    assert result.errors[0] == pytest.approx(np.sqrt(0.5), rel=tolerance(result))


def test_posterior_at_a_limit_stays_inside():
    # the density exp(-x) is highest at the lower limit; its mean and standard deviation are 1
    objective = Objective(names=["x"], start=[1], limits=[[0, 50]], stat=lambda x: 2 * x[0])
    minimum = minimise(objective)
    chains = sample(objective, minimum, walkers=32, length=20, max_steps=20_000, seed=0)
    mean, best = (
        Emcee(length=20, point=point)._result(objective, minimum, chains)
        for point in ("mean", "best")
    )
    assert mean.samples.min() >= 0
    assert mean.values[0] == pytest.approx(1, abs=tolerance(mean))
    assert mean.errors[0] == pytest.approx(1, abs=2 * tolerance(mean))  # a kurtosis of 9
    assert best.values[0] < 0.01
    assert best.at_limit == mean.at_limit == ("x",)


def test_short_chains_are_a_failure_with_their_length():
    result = Emcee(steps=200).fit(quadratic(COVARIANCE, MINIMUM))
    assert not result.success
    assert "autocorrelation times long, shorter than 50: allow more steps" in result.message


def test_walkers_in_separate_modes_are_detected():
    random = np.random.default_rng(0)
    chains = random.normal(size=(1000, 10, 2))
    assert potential_scale_reduction(chains) == pytest.approx(1, abs=0.01)
    chains[:, 5:, 1] += 3
    assert potential_scale_reduction(chains) > 1.5
    chains[:, 0] = 1.0
    assert potential_scale_reduction(chains) == np.inf


@pytest.mark.parametrize("invalid_stat", [np.nan, np.inf, -np.inf])
def test_points_without_finite_statistic_are_excluded_with_a_note(invalid_stat):
    objective = Objective(
        names=["x"], start=[1], limits=[[-5, 5]],
        stat=lambda x: float((x[0] - 1) ** 2) if x[0] > 0 else invalid_stat,
    )  # fmt: skip
    result = Emcee(length=10).fit(objective)
    assert result.samples.min() > 0
    assert any("was not finite at" in note for note in result.notes)


def test_lower_sample_than_the_minimum_is_reported():
    def stat(x):  # the search for the minimum ends in the shallow mode
        return -2 * float(np.logaddexp(-0.5 * x[0] ** 2, 3 - 0.5 * ((x[0] - 4) / 0.7) ** 2))

    objective = Objective(names=["x"], start=[0], limits=[[-10, 10]], stat=stat)
    result = Emcee(length=20).fit(objective)
    assert any("below the minimum from which sampling started" in note for note in result.notes)


def test_too_few_walkers_are_rejected():
    with pytest.raises(FitError, match="10 walkers are too few for 8 parameters; use at least 16"):
        Emcee(walkers=10).fit(quadratic(np.eye(8), np.zeros(8)))


def test_statistic_without_finite_values_is_an_error():
    objective = Objective(names=["x"], start=[1], limits=[[0, 1]], stat=lambda x: np.nan)
    with pytest.raises(FitError, match="nan at the starting values"):
        Emcee().fit(objective)


def test_interrupt_is_raised_without_output(capfd):
    calls = []

    def stat(x):
        calls.append(x)
        if len(calls) > 2000:
            raise KeyboardInterrupt
        return float(x[0] ** 2)

    with pytest.raises(KeyboardInterrupt):
        Emcee().fit(Objective(names=["x"], start=[1], stat=stat))
    output = capfd.readouterr()
    assert output.out == output.err == ""


def digest(seed):
    fit = Emcee(length=10, seed=seed).fit(quadratic(np.diag([1.0, 4.0]), np.zeros(2)))
    return hashlib.sha256(fit.samples.tobytes() + fit.values.tobytes()).hexdigest()


def test_same_seed_gives_the_same_bytes_for_any_global_random_state():
    np.random.seed(1)  # noqa: NPY002
    expected = digest(3)
    np.random.seed(2)  # noqa: NPY002
    assert digest(3) == expected
    assert digest(4) != expected
