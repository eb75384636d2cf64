"""Errors for runs from which rates cannot be estimated, and their effect on other runs."""

from copy import copy

import pytest

from skyred import Pipeline, Problem, Reduction
from skyred_acceptance import Acceptance

OPTIONS = {"energy": ["0.9 TeV", "12 TeV"], "offset_max": "2.4 deg"}


def test_too_few_counts_are_reported_with_bin_energies_and_a_hint(runs):
    maker = Acceptance(**OPTIONS, zenith_edges=["40 deg", "60 deg"], min_counts=1000)
    message = r"TeV in the zenith bin 40 to 60 deg \(4 runs\), ex"
    with pytest.raises(ValueError, match=message) as error:
        maker.prepare(runs)
    assert "use fewer energy_bins" in str(error.value)


def test_bins_that_are_always_excluded_are_reported(runs):
    region = "icrs; circle(83.63, 22.01, 1.5)"
    maker = Acceptance(**OPTIONS, model="3d", exclude=[region])
    with pytest.raises(ValueError, match=r"bins of the field of view are excluded in \(nearly\)"):
        maker.prepare(runs[:1])


def test_run_without_events_fails_and_rates_are_estimated_from_others(runs):
    empty_run = copy(runs[0])
    empty_run.obs_id, empty_run._events = 77, None
    maker = Acceptance(**OPTIONS).prepare([empty_run, *runs])
    assert maker.rates.tolist() == Acceptance(**OPTIONS).prepare(runs).rates.tolist()
    with pytest.raises(ValueError, match="this run could not be used to estimate the acceptance: "):
        maker.make(type("Empty", (), {"models": None})(), empty_run)


def test_unknown_target_is_reported(runs):
    maker = Acceptance(**OPTIONS, target_radius="0.3 deg")
    prepared_maker = maker.prepare(runs[:1])
    assert "has no target position" in prepared_maker.failures["0"]


def test_unprepared_maker_is_rejected(runs):
    with pytest.raises(TypeError, match="must be prepared"):
        Acceptance(**OPTIONS).make(None, runs[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"energy": ["5 TeV", "1 TeV"]}, "energy: invalid range"),
        ({"offset_max": "0 deg"}, "offset_max: invalid value 0"),
        ({"zenith_edges": ["40 deg", "20 deg"]}, "expected increasing angles"),
    ],
)
def test_invalid_options_are_rejected(options, message):
    with pytest.raises(ValueError, match=message):
        Acceptance(**OPTIONS | options)


def test_check_yields_problems():
    pipeline = Pipeline(data={"other": Reduction(datasets=["other.yaml"])})
    problems = list(Acceptance(**OPTIONS, exclude=["icrs; circle(1, 2)"]).check(pipeline))
    assert problems
    assert all(isinstance(problem, Problem) for problem in problems)
