"""Runs that teach too little, or nothing: clear errors, and the others are not lost."""

from copy import copy

import pytest

from skyred import Pipeline, Problem, Reduction
from skyred_acceptance import Acceptance

CHOSEN = {"energy": ["0.9 TeV", "12 TeV"], "offset_max": "2.4 deg"}


def test_too_few_counts_name_zenith_bin_and_energies_and_the_way_out(runs):
    chosen = Acceptance(**CHOSEN, zenith_edges=["40 deg", "60 deg"], min_counts=1000)
    with pytest.raises(ValueError, match=r"TeV in the zenith bin 40 to 60 deg \(4 runs\), at") as e:
        chosen.prepare(runs)
    assert "take fewer energy_bins" in str(e.value)


def test_bins_that_are_always_excluded_are_named(runs):
    region = "icrs; circle(83.63, 22.01, 1.5)"
    chosen = Acceptance(**CHOSEN, model="3d", exclude=[region])
    with pytest.raises(ValueError, match=r"bins of the field of view are excluded in \(nearly\)"):
        chosen.prepare(runs[:1])


def test_a_run_that_teaches_nothing_fails_when_it_is_made_and_the_others_teach(runs):
    lost = copy(runs[0])
    lost.obs_id, lost._events = 77, None
    learnt = Acceptance(**CHOSEN).prepare([lost, *runs])
    assert learnt.rates.tolist() == Acceptance(**CHOSEN).prepare(runs).rates.tolist()
    with pytest.raises(ValueError, match="nothing could be learnt from this run: "):
        learnt.make(type("Empty", (), {"models": None})(), lost)


def test_a_target_that_is_not_known_is_told(runs):
    chosen = Acceptance(**CHOSEN, target_radius="0.3 deg")
    learnt = chosen.prepare([*runs[:1]])
    assert "does not say where its target is" in learnt.lost["0"]


def test_unprepared_it_refuses_to_make(runs):
    with pytest.raises(TypeError, match="must be prepared"):
        Acceptance(**CHOSEN).make(None, runs[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"energy": ["5 TeV", "1 TeV"]}, "energy: is"),
        ({"offset_max": "0 deg"}, "offset_max: is 0"),
        ({"zenith_edges": ["40 deg", "20 deg"]}, "must increase"),
    ],
)
def test_values_that_make_no_sense_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Acceptance(**CHOSEN | options)


def test_problem_is_what_checks_give():
    elsewhere = Pipeline(data={"other": Reduction(datasets=["other.yaml"])})
    found = list(Acceptance(**CHOSEN, exclude=["icrs; circle(1, 2)"]).check(elsewhere))
    assert found
    assert all(isinstance(each, Problem) for each in found)
