"""The fitter `nested`, on objectives with an analytical posterior and evidence.

With N effective samples, a mean is accurate to 1 / sqrt(N) of the error, and a standard deviation
to a relative error of 1 / sqrt(2 N). Tolerances are 4 times these errors.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import erf

from objectives import quadratic
from skyred import FitError, Objective
from skyred_sampling import Nested, Posterior, weighted

# a correlation of 0.9, and scales as different as those of an index and an amplitude
SCALE = np.array([0.1, 3e-12])
COVARIANCE = np.array([[1, 0.9], [0.9, 1]]) * np.outer(SCALE, SCALE)
MINIMUM = np.array([2.6, 4.5e-11])
LIMITS = np.stack([MINIMUM - 10 * SCALE, MINIMUM + 10 * SCALE], axis=1)
EVIDENCE = 0.5 * np.log(np.linalg.det(2 * np.pi * COVARIANCE)) - np.log(20 * SCALE).sum()


@pytest.fixture(scope="module")
def result():
    return Nested(live_points=200, bound="single", dlogz=0.1).fit(
        quadratic(COVARIANCE, MINIMUM, limits=LIMITS)
    )


def effective_size(result):
    return weighted.effective_size(result.weights)


def test_mean_and_covariance_agree_with_the_posterior(result):
    tolerance = 4 / np.sqrt(effective_size(result))
    assert result.success
    assert (result.values - MINIMUM) / SCALE == pytest.approx(0, abs=tolerance)
    assert result.errors / SCALE == pytest.approx(1, abs=tolerance / np.sqrt(2))
    assert result.covariance[0, 1] / SCALE.prod() == pytest.approx(0.9, abs=tolerance)


def test_asymmetric_errors_agree_with_the_central_quantiles(result):
    # quantiles at 1 sigma are less accurate by a factor of 1.5
    tolerance = 4 / np.sqrt(effective_size(result)) * 1.5
    assert result.errn / SCALE == pytest.approx(1, abs=tolerance)
    assert result.errp / SCALE == pytest.approx(1, abs=tolerance)


def test_evidence_agrees_with_the_integral_within_its_error(result):
    assert result.evidence == pytest.approx(EVIDENCE, abs=3 * result.evidence_error)
    assert result.evidence_error < 0.25


def test_statistic_agrees_with_the_values_and_weights_are_normalised(result):
    objective = quadratic(COVARIANCE, MINIMUM, limits=LIMITS)
    assert result.stat == objective.total(result.values)
    assert result.weights.sum() == pytest.approx(1)
    assert result.samples.shape == (len(result.weights), 2)
    assert np.all((result.samples >= LIMITS[:, 0]) & (result.samples <= LIMITS[:, 1]))


def test_stopped_sampling_is_a_failure_with_its_progress():
    objective = quadratic(COVARIANCE, MINIMUM, limits=LIMITS)
    result = Nested(live_points=50, calls=200).fit(objective)
    assert not result.success
    assert "could still increase by" in result.message
    assert "allow more calls" in result.message


def test_best_sample_of_a_skewed_posterior_is_closer_to_the_minimum():
    # the density is highest at the lower limit
    objective = Objective(names=["x"], start=[1], limits=[[0, 50]], stat=lambda x: 2 * x[0])
    mean, best = (
        Nested(live_points=60, point=point, bound="single").fit(objective)
        for point in ("mean", "best")
    )
    # the mean of exp(-x), from about 200 effective samples
    assert mean.values[0] == pytest.approx(1, abs=0.25)
    assert best.values[0] < 0.01
    assert best.at_limit == ("x",)
    assert np.all(best.errn >= 0)
    assert best.samples.tobytes() == mean.samples.tobytes()


def test_two_modes_are_sampled_with_a_note_about_the_mean():
    def stat(x):
        return -2 * float(np.logaddexp(-0.5 * ((x[0] - 3) / 0.1) ** 2,
                                       -0.5 * ((x[0] + 3) / 0.1) ** 2))  # fmt: skip

    objective = Objective(names=["x"], start=[0], limits=[[-5, 5]], stat=stat)
    result = Nested(live_points=100, dlogz=0.5).fit(objective)
    weight_of_right_mode = result.weights[result.samples[:, 0] > 0].sum()
    # live points are divided at random between the modes: the tolerance is 4 / sqrt(100) / 2
    assert weight_of_right_mode == pytest.approx(0.5, abs=0.2)
    assert result.evidence == pytest.approx(
        np.log(2 * np.sqrt(2 * np.pi) * 0.1 / 10), abs=3 * result.evidence_error
    )
    assert any("several modes" in note for note in result.notes)


def test_prior_is_included_once():
    # likelihood N(0, 1), prior N(1, 1): the posterior is N(1/2, 1/2)
    from scipy.stats import norm

    prior = norm(1, 1)
    objective = Objective(
        names=["x"], start=[0], stat=lambda x: float(x[0] ** 2), quantiles=[prior.ppf],
        prior=lambda x: float(-2 * prior.logpdf(x[0])),
    )  # fmt: skip
    result = Nested(live_points=100, bound="single").fit(objective)
    tolerance = 4 * np.sqrt(0.5 / effective_size(result))
    assert result.values[0] == pytest.approx(0.5, abs=tolerance)
    assert result.errors[0] == pytest.approx(np.sqrt(0.5), abs=tolerance)
    # the integral of exp(-x^2 / 2) times the prior
    expected = 0.5 * np.log(2 * np.pi) + norm(1, np.sqrt(2)).logpdf(0)
    assert result.evidence == pytest.approx(expected, abs=3 * result.evidence_error)


@pytest.mark.parametrize("invalid_stat", [np.nan, np.inf, -np.inf])
def test_points_without_finite_statistic_are_excluded_with_a_note(invalid_stat):
    objective = Objective(
        names=["x"], start=[1], limits=[[-5, 5]],
        stat=lambda x: float(x[0] ** 2) if x[0] > 0 else invalid_stat,
    )  # fmt: skip
    result = Nested(live_points=60, bound="single").fit(objective)
    assert result.samples.min() > 0
    expected = np.log(np.sqrt(2 * np.pi) / 2 * erf(5 / np.sqrt(2)) / 10)
    # dynesty estimates the fraction of the prior that is valid only from the live points
    assert result.evidence == pytest.approx(expected, abs=3 * result.evidence_error + 0.2)
    assert any("was not finite at" in note for note in result.notes)


def test_statistic_without_finite_values_is_an_error():
    objective = Objective(names=["x"], start=[1], limits=[[0, 1]], stat=lambda x: np.nan)
    with pytest.raises(FitError, match="not finite at any of 200 points"):
        Nested(live_points=10).fit(objective)


def test_all_parameters_that_cannot_be_sampled_are_reported_before_any_call():
    def stat(x):
        raise AssertionError("the statistic was evaluated")

    objective = Objective(
        names=["a", "b", "c"],
        start=[0, 0, 0],
        stat=stat,
        limits=[[0, np.inf], [0, 1], [-1, np.nan]],
    )
    with pytest.raises(FitError, match="without a prior or two limits: 'a', 'c'"):
        Nested().fit(objective)


def test_too_few_live_points_are_rejected():
    objective = quadratic(np.eye(8), np.zeros(8), limits=[[-1, 1]] * 8)
    with pytest.raises(FitError, match="too few for 8 parameters; use at least 17"):
        Nested(live_points=10).fit(objective)


def test_interrupt_is_raised_without_output(capfd):
    calls = []

    def stat(x):
        calls.append(x)
        if len(calls) > 150:
            raise KeyboardInterrupt
        return float(x[0] ** 2)

    objective = Objective(names=["x"], start=[1], limits=[[-5, 5]], stat=stat)
    with pytest.raises(KeyboardInterrupt):
        Nested(live_points=60, bound="single").fit(objective)
    assert capfd.readouterr() == ("", "")


def digest_of_samples(seed):
    """Sample with a seed, and return the digest of all samples and weights."""
    objective = quadratic([[1, 0.5], [0.5, 1]], [1, 2], limits=[[-5, 7], [-4, 8]])
    result = Nested(live_points=50, bound="single", seed=seed).fit(objective)
    return hashlib.sha256(result.samples.tobytes() + result.weights.tobytes()).hexdigest()


def test_samples_are_reproducible_with_the_seed():
    program = "import test_nested_sampling as tests; print(tests.digest_of_samples(1))"
    path = [
        str(Path(__file__).parent),
        str(Path(__file__).parents[3] / "tests" / "helpers"),
        *sys.path,
    ]
    process = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert process.stdout.strip() == digest_of_samples(1)
    assert digest_of_samples(1) != digest_of_samples(2)


def test_names_with_brackets_are_selected_by_themselves():
    names = ("y[1].spectral.index", "b.spectral.index")
    assert Posterior(parameters=names[:1])._indices(names) == [0]
