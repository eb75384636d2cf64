"""Makers, stackers and geometries that violate rules are stopped, with their plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gammapy.data import GTI, DataStore, EventList, Observation
from gammapy.datasets import SpectrumDataset

from misbehaving_reductions import (
    CHANGES,
    GEOMETRY_FAULTS,
    MAKER_FAULTS,
    ORIGIN,
    OWN_ARRAYS,
    SELECTOR_FAULTS,
    STACKER_FAULTS,
    BadMaker,
    BadSelector,
    BadStacker,
    create_orchestrator,
    create_pipeline,
)
from skyred import Maker, Processes, component
from skyred.components.stackers import Sum
from skyred.errors import ComponentError, RunsFailedError, SkyredError
from skyred.run.worker.component_calls import run_maker
from skyred.run.worker.observation_guard import ObservationGuard, protect_observation


def reduce(archive: Path, *makers: Any, engine: Any = None, **options: Any) -> Any:
    return create_orchestrator(create_pipeline(archive, *makers, **options), engine).reduce()


def describe(error: BaseException) -> str:
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


@pytest.mark.parametrize("change", CHANGES)
def test_maker_that_changes_the_observation_is_stopped(crab_archive: Path, change: str) -> None:
    with pytest.raises(ComponentError) as excinfo:
        reduce(crab_archive, BadMaker(fault=change))
    message = str(excinfo.value)
    assert f"the maker bad-maker {ORIGIN}" in message
    assert CHANGES[change] in message
    assert "modify_observation" in message


@pytest.mark.parametrize("fault", MAKER_FAULTS)
def test_maker_with_a_fault_is_stopped(crab_archive: Path, fault: str) -> None:
    with pytest.raises(ComponentError) as excinfo:
        reduce(crab_archive, BadMaker(fault=fault))
    assert MAKER_FAULTS[fault].format(ORIGIN) in str(excinfo.value)


@pytest.mark.parametrize("fault", OWN_ARRAYS)
def test_maker_that_writes_to_other_read_only_arrays_fails(crab_archive: Path, fault: str) -> None:
    with pytest.raises(RunsFailedError, match=r"2 of 2 runs failed") as excinfo:
        reduce(crab_archive, BadMaker(fault=fault))
    assert f"maker bad-maker {ORIGIN}: ValueError: " in str(excinfo.value)


def test_axes_that_runs_share_are_restored(crab_archive: Path) -> None:
    (first, _) = reduce(crab_archive)
    for change in ("unit of an axis", "edges of an axis"):
        with pytest.raises(ComponentError, match=r"\(axes\)"):
            reduce(crab_archive, BadMaker(fault=change))
    (second, _) = reduce(crab_archive)
    for name in ("exposure", "background"):
        expected = getattr(first, name).data
        np.testing.assert_array_equal(getattr(second, name).data, expected)
    np.testing.assert_array_equal(second.edisp.edisp_map.data, first.edisp.edisp_map.data)


def test_geometry_cannot_change_the_maps_of_other_runs(crab_archive: Path) -> None:
    with pytest.raises(RunsFailedError, match=r"geometry bad-geometry .*read-only") as excinfo:
        reduce(crab_archive, geometry_fault="changes the target")
    assert ORIGIN in str(excinfo.value)
    assert len(reduce(crab_archive, geometry_fault="")) == 2


@pytest.mark.parametrize("fault", STACKER_FAULTS)
def test_stacker_with_a_fault_is_stopped(crab_archive: Path, fault: str) -> None:
    with pytest.raises((ComponentError, KeyError)) as excinfo:
        reduce(crab_archive, stack=BadStacker(fault=fault, chunk=1))
    assert STACKER_FAULTS[fault].format(ORIGIN) in describe(excinfo.value)


@pytest.mark.parametrize("fault", GEOMETRY_FAULTS)
def test_geometry_with_a_fault_is_stopped(crab_archive: Path, fault: str) -> None:
    with pytest.raises((ComponentError, KeyError)) as excinfo:
        reduce(crab_archive, geometry_fault=fault)
    assert GEOMETRY_FAULTS[fault].format(ORIGIN) in describe(excinfo.value)


@pytest.mark.parametrize("chunk", [1, 5])
@pytest.mark.parametrize("fault", ["cached target", "IRFs of the target"])
def test_geometries_may_cache_the_target_and_share_irfs_that_makers_replace(
    crab_archive: Path, fault: str, chunk: int
) -> None:
    expected, dataset = (
        reduce(crab_archive, geometry_fault=name, stack=Sum(chunk=chunk))[0] for name in ("", fault)
    )
    np.testing.assert_array_equal(dataset.counts, expected.counts)
    np.testing.assert_array_equal(dataset.psf.psf_map, expected.psf.psf_map)


def test_good_time_may_be_rounded_to_milliseconds(crab_archive: Path) -> None:
    expected = reduce(crab_archive)
    datasets = reduce(crab_archive, select=[BadSelector(fault="milliseconds")])
    assert [dataset.counts.data.sum() for dataset in datasets] == [
        dataset.counts.data.sum() for dataset in expected
    ]


@component
class Counts(Maker):
    """Count all runs first."""

    kind = "counts-runs"

    def prepare(self, observations: Any) -> Any:
        assert len(list(observations)) == 2
        return self

    def make(self, dataset: Any, observation: Any) -> Any:
        return dataset


@pytest.mark.parametrize("fault", SELECTOR_FAULTS)
def test_selector_of_good_time_with_a_fault_is_named(crab_archive: Path, fault: str) -> None:
    message = SELECTOR_FAULTS[fault].format(ORIGIN)
    with pytest.raises(SkyredError) as excinfo:
        reduce(crab_archive, select=[BadSelector(fault=fault)])
    assert message in str(excinfo.value)
    with pytest.raises(SkyredError) as excinfo:
        reduce(crab_archive, Counts(), select=[BadSelector(fault=fault)])
    assert message.split(":")[0] in str(excinfo.value)
    assert len(reduce(crab_archive, Counts(), select=[BadSelector()])) == 2


def test_error_of_a_stacker_names_its_plugin(crab_archive: Path) -> None:
    with pytest.raises(ZeroDivisionError) as excinfo:
        reduce(crab_archive, stack=BadStacker(fault="merge raises"))
    assert excinfo.value.__notes__ == [f"raised in the stacker bad-stacker {ORIGIN}"]


def test_components_without_a_fault_are_not_stopped(crab_archive: Path) -> None:
    datasets = reduce(crab_archive, BadMaker(), stack=BadStacker())
    expected = reduce(crab_archive)
    assert [dataset.name for dataset in datasets] == [dataset.name for dataset in expected]
    for dataset, expected_dataset in zip(datasets, expected, strict=True):
        np.testing.assert_array_equal(dataset.exposure.data, expected_dataset.exposure.data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("components", "message"),
    [
        ({"makers": [BadMaker(fault="small array")]}, CHANGES["small array"]),
        ({"makers": [BadMaker(fault="large array")]}, "writes to a read-only array"),
        ({"makers": [BadMaker(fault="exit")]}, "exits Python (code 0)"),
        ({"makers": [BadMaker(fault="None")]}, "returned None; it must return the dataset"),
        ({"stack": BadStacker(fault="add exits")}, "exits Python (code 4)"),
        ({"stack": BadStacker(fault="add returns None")}, "returned None in place of the total"),
    ],
)
def test_fault_in_a_worker_process_is_stopped(
    crab_archive: Path, components: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    makers = components.pop("makers", [])
    with pytest.raises(ComponentError) as excinfo:
        reduce(crab_archive, *makers, **components, engine=Processes(workers=1))
    assert message in str(excinfo.value)
    assert ORIGIN in str(excinfo.value)
    assert "a worker died" not in caplog.text


def test_gammapy_maker_that_changes_irfs_is_stopped_by_name(crab_archive: Path) -> None:
    class HalfArea:
        def run(self, dataset: Any, observation: Any) -> Any:
            observation.aeff.data *= 0.5
            return dataset

    with pytest.raises(ComponentError, match=r"adapted HalfArea .*changed the effective area"):
        reduce(crab_archive, HalfArea())


@pytest.mark.parametrize("change", CHANGES)
def test_observations_in_memory_are_neither_changed_nor_read_only(
    crab_archive: Path, change: str
) -> None:
    read = DataStore.from_dir(crab_archive).get_observations()[0]
    observation = Observation(
        obs_id=read.obs_id,
        gti=GTI(read.gti.table.copy(), read.gti.time_ref),
        events=EventList(read.events.table.copy()),
        pointing=read.pointing,
        meta=read.meta,
        **{name: getattr(read, name) for name in ("aeff", "edisp", "psf", "bkg")},
    )
    arrays = {name: getattr(observation, name).data for name in ("aeff", "edisp", "psf", "bkg")}
    arrays["energy"] = observation.events.table["ENERGY"]
    copies = {name: np.array(array) for name, array in arrays.items()}
    guard = ObservationGuard.create(protect_observation(observation))
    with pytest.raises(ComponentError, match=r"changed the|read-only"):
        run_maker(BadMaker(fault=change), SpectrumDataset(), guard, "maker bad-maker")
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, copies[name])
        assert array.flags.writeable
