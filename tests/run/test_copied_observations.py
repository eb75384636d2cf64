"""Makers may change copies of observations, as in plain gammapy."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from gammapy.data import DataStore, EventList

from misbehaving_reductions import create_orchestrator, create_pipeline
from skyred import Maker, component, option
from skyred.errors import ComponentError


def scale_irfs(observation: Any) -> Any:
    copied = copy.deepcopy(observation)
    for irf in (copied.aeff, copied.edisp, copied.bkg, copied.psf):
        irf.data *= 1.1
    return copied


def scale_used_irfs(observation: Any) -> Any:
    assert observation.aeff is not None
    assert observation.edisp is not None
    assert len(observation.events.table)
    return scale_irfs(observation)


def scale_copied_irfs(observation: Any) -> Any:
    copied = observation.copy(in_memory=True)
    copied.aeff.data *= 1.1
    copied.bkg.data *= 1.1
    return copied


def exchange_irf(observation: Any) -> Any:
    copied = copy.copy(observation)
    copied.aeff = copy.deepcopy(observation.aeff)
    copied.aeff.data *= 1.1
    copied.aeff.meta = OrderedDict(copied.aeff.meta or {}, HISTORY="scaled")
    return copied


def scale_energies(observation: Any) -> Any:
    copied = copy.deepcopy(observation)
    copied.events.table["ENERGY"] *= 1.1
    copied.events.table["ENERGY"].unit = u.GeV
    return copied


def exchange_events(observation: Any) -> Any:
    copied = copy.copy(observation)
    table = observation.events.table[::2]
    table.meta = OrderedDict(table.meta)
    copied.events = EventList(table)
    return copied


def select_time(observation: Any) -> Any:
    return observation.select_time(observation.gti.time_start[0] + [0, 60] * u.s)


def copy_used_times(observation: Any) -> Any:
    assert observation.gti.time_sum > 0 * u.s
    assert observation.meta is not None
    assert observation.pointing is not None
    return copy.deepcopy(observation)


def filter_energies(observation: Any) -> Any:
    copied = copy.deepcopy(observation)
    energies = {"parameter": "ENERGY", "values": (1 * u.TeV, 3 * u.TeV)}
    copied.obs_filter.event_filters.append({"type": "custom", "opts": energies})
    return copied


CHANGES: dict[str, Callable[[Any], Any]] = {
    function.__name__: function
    for function in (
        scale_irfs,
        scale_used_irfs,
        scale_copied_irfs,
        exchange_irf,
        scale_energies,
        exchange_events,
        select_time,
        copy_used_times,
        filter_energies,
    )
}
SUMMARIES: dict[str, Any] = {}


def summarise(observation: Any) -> dict[str, Any]:
    return {
        "events": np.sort(observation.events.energy.to_value("TeV")),
        "time": observation.observation_live_time_duration.to_value("s"),
        **{name: getattr(observation, name).data for name in ("aeff", "edisp", "bkg")},
        "psf": observation.psf.containment(
            rad=0.1 * u.deg, energy_true=1 * u.TeV, offset=1 * u.deg
        ),
    }


@component
class ChangesCopies(Maker):
    """Change copies of the observation."""

    kind = "changes-copies"
    change: str = option(doc="The change.")
    during: str = option("modify", doc="The method that changes it.")

    def modify_observation(self, observation: Any) -> Any:
        return CHANGES[self.change](observation) if self.during == "modify" else observation

    def make(self, dataset: Any, observation: Any) -> Any:
        if self.during == "make":
            observation = CHANGES[self.change](observation)
        SUMMARIES[str(observation.obs_id)] = summarise(observation)
        return dataset


@component
class InPlace(Maker):
    """Change the observation in place."""

    kind = "in-place"

    def make(self, dataset: Any, observation: Any) -> Any:
        observation.aeff.data *= 2
        return dataset


@pytest.mark.parametrize("during", ["modify", "make"])
@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_those_of_gammapy(crab_archive: Path, change: str, during: str) -> None:
    SUMMARIES.clear()
    maker = ChangesCopies(change=change, during=during)
    create_orchestrator(create_pipeline(crab_archive, maker)).reduce()
    observations = DataStore.from_dir(crab_archive).get_observations()
    assert set(SUMMARIES) == {str(observation.obs_id) for observation in observations}
    for observation in observations:
        # observations that read files read their IRFs again at each use
        expected = summarise(CHANGES[change](observation.copy(in_memory=True)))
        for name, values in SUMMARIES[str(observation.obs_id)].items():
            np.testing.assert_allclose(values, expected[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("change", CHANGES)
def test_modified_copies_are_protected(crab_archive: Path, change: str) -> None:
    pipeline = create_pipeline(crab_archive, ChangesCopies(change=change), InPlace())
    with pytest.raises(ComponentError, match=r"in-place .* changed the effective area \(values\)"):
        create_orchestrator(pipeline).reduce()
