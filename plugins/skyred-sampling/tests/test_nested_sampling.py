"""The fitter `nested`, on objectives whose posterior and evidence are known in closed form.

A mean of N effective samples is good to 1 / sqrt(N) of the error, a standard deviation to
1 / sqrt(2 N) of itself: tolerances are 4 of these.
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
from skyred_sampling import Nested, weighted

# correlated by 0.9, in units as far apart as those of an index and an amplitude
SCALE = np.array([0.1, 3e-12])
COVARIANCE = np.array([[1, 0.9], [0.9, 1]]) * np.outer(SCALE, SCALE)
BOTTOM = np.array([2.6, 4.5e-11])
LIMITS = np.stack([BOTTOM - 10 * SCALE, BOTTOM + 10 * SCALE], axis=1)
EVIDENCE = 0.5 * np.log(np.linalg.det(2 * np.pi * COVARIANCE)) - np.log(20 * SCALE).sum()


@pytest.fixture(scope="module")
def found():
    return Nested(live_points=200, bound="single", dlogz=0.1).fit(
        quadratic(COVARIANCE, BOTTOM, limits=LIMITS)
    )


def effective(result):
    return weighted.effective_size(result.weights)


def test_the_mean_and_the_covariance_are_those_of_the_posterior(found):
    good = 4 / np.sqrt(effective(found))
    assert found.success
    assert (found.values - BOTTOM) / SCALE == pytest.approx(0, abs=good)
    assert found.errors / SCALE == pytest.approx(1, abs=good / np.sqrt(2))
    assert found.covariance[0, 1] / SCALE.prod() == pytest.approx(0.9, abs=good)


def test_asymmetric_errors_reach_to_the_central_quantiles(found):
    good = 4 / np.sqrt(effective(found)) * 1.5  # a quantile at 1 sigma is this much less sure
    assert found.errn / SCALE == pytest.approx(1, abs=good)
    assert found.errp / SCALE == pytest.approx(1, abs=good)


def test_the_evidence_is_the_integral_within_its_error(found):
    assert found.evidence == pytest.approx(EVIDENCE, abs=3 * found.evidence_error)
    assert found.evidence_error < 0.25


def test_the_statistic_is_that_of_the_values_and_the_weights_sum_up_to_one(found):
    objective = quadratic(COVARIANCE, BOTTOM, limits=LIMITS)
    assert found.stat == objective.total(found.values)
    assert found.weights.sum() == pytest.approx(1)
    assert found.samples.shape == (len(found.weights), 2)
    assert np.all((found.samples >= LIMITS[:, 0]) & (found.samples <= LIMITS[:, 1]))


def test_a_run_that_is_stopped_is_no_success_and_says_how_far_it_was():
    objective = quadratic(COVARIANCE, BOTTOM, limits=LIMITS)
    result = Nested(live_points=50, calls=200).fit(objective)
    assert not result.success
    assert "could rise by" in result.message
    assert "allow more calls" in result.message


def test_the_best_sample_is_nearer_to_the_bottom_than_the_mean_of_a_skewed_posterior():
    # all that is known is that x is small and positive: the density is highest at the limit
    objective = Objective(names=["x"], start=[1], limits=[[0, 50]], stat=lambda x: 2 * x[0])
    mean, best = (
        Nested(live_points=60, point=each, bound="single").fit(objective)
        for each in ("mean", "best")
    )
    assert mean.values[0] == pytest.approx(
        1, abs=0.25
    )  # of exp(-x), from some 200 effective samples
    assert best.values[0] < 0.01
    assert best.at_limit == ("x",)
    assert np.all(best.errn >= 0)
    assert best.samples.tobytes() == mean.samples.tobytes()


def test_two_modes_are_both_found_and_the_unlikely_mean_is_noted():
    def stat(x):
        return -2 * float(np.logaddexp(-0.5 * ((x[0] - 3) / 0.1) ** 2,
                                       -0.5 * ((x[0] + 3) / 0.1) ** 2))  # fmt: skip

    objective = Objective(names=["x"], start=[0], limits=[[-5, 5]], stat=stat)
    result = Nested(live_points=100, dlogz=0.5).fit(objective)
    right = result.weights[result.samples[:, 0] > 0].sum()
    assert right == pytest.approx(0.5, abs=0.2)  # live points divide by chance: 4 / sqrt(100) / 2
    assert result.evidence == pytest.approx(
        np.log(2 * np.sqrt(2 * np.pi) * 0.1 / 10), abs=3 * result.evidence_error
    )
    assert any("several modes" in note for note in result.notes)


def test_a_prior_is_counted_once():
    # likelihood N(0, 1), prior N(1, 1): the posterior is N(1/2, 1/2)
    from scipy.stats import norm

    prior = norm(1, 1)
    objective = Objective(
        names=["x"], start=[0], stat=lambda x: float(x[0] ** 2), quantiles=[prior.ppf],
        prior=lambda x: float(-2 * prior.logpdf(x[0])),
    )  # fmt: skip
    result = Nested(live_points=100, bound="single").fit(objective)
    good = 4 * np.sqrt(0.5 / effective(result))
    assert result.values[0] == pytest.approx(0.5, abs=good)
    assert result.errors[0] == pytest.approx(np.sqrt(0.5), abs=good)
    # of exp(-x^2 / 2): the product of both, integrated
    expected = 0.5 * np.log(2 * np.pi) + norm(1, np.sqrt(2)).logpdf(0)
    assert result.evidence == pytest.approx(expected, abs=3 * result.evidence_error)


@pytest.mark.parametrize("impossible", [np.nan, np.inf, -np.inf])
def test_places_without_a_statistic_are_impossible_and_noted(impossible):
    objective = Objective(
        names=["x"], start=[1], limits=[[-5, 5]],
        stat=lambda x: float(x[0] ** 2) if x[0] > 0 else impossible,
    )  # fmt: skip
    result = Nested(live_points=60, bound="single").fit(objective)
    assert result.samples.min() > 0
    expected = np.log(np.sqrt(2 * np.pi) / 2 * erf(5 / np.sqrt(2)) / 10)
    # dynesty knows the possible part of the prior by the live points only
    assert result.evidence == pytest.approx(expected, abs=3 * result.evidence_error + 0.2)
    assert any("was not finite at" in note for note in result.notes)


def test_a_statistic_that_is_nowhere_finite_is_an_error():
    objective = Objective(names=["x"], start=[1], limits=[[0, 1]], stat=lambda x: np.nan)
    with pytest.raises(FitError, match="finite at none of 200 places"):
        Nested(live_points=10).fit(objective)


def test_parameters_that_cannot_be_sampled_are_all_named_before_any_call():
    def stat(x):
        raise AssertionError("was called")

    objective = Objective(
        names=["a", "b", "c"],
        start=[0, 0, 0],
        stat=stat,
        limits=[[0, np.inf], [0, 1], [-1, np.nan]],
    )
    with pytest.raises(FitError, match="without a prior or two limits: 'a', 'c'"):
        Nested().fit(objective)


def test_too_few_live_points_are_refused():
    objective = quadratic(np.eye(8), np.zeros(8), limits=[[-1, 1]] * 8)
    with pytest.raises(FitError, match="10 live points are too few for 8 parameters: 17 do"):
        Nested(live_points=10).fit(objective)


def test_an_interruption_comes_through_without_a_word(capfd):
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


def sums(seed):
    """Give the sum of all bytes of a run."""
    objective = quadratic([[1, 0.5], [0.5, 1]], [1, 2], limits=[[-5, 7], [-4, 8]])
    result = Nested(live_points=50, bound="single", seed=seed).fit(objective)
    return hashlib.sha256(result.samples.tobytes() + result.weights.tobytes()).hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process_and_another_seed_others():
    program = "import test_nested_sampling as here; print(here.sums(1))"
    path = [
        str(Path(__file__).parent),
        str(Path(__file__).parents[3] / "tests" / "helpers"),
        *sys.path,
    ]
    there = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert there.stdout.strip() == sums(1)
    assert sums(1) != sums(2)
