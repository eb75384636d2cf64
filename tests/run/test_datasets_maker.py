"""skyred's makers in the `DatasetsMaker` of gammapy and of skyred agree with gammapy's makers."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy import makers as gm
from gammapy.data import DataStore, Observation, Observations
from gammapy.datasets import MapDataset
from gammapy.maps import MapAxis, WcsGeom

from plain_gammapy import arrays
from skyred import DatasetsMaker, Maker, SkipObservation, component, option, record_row
from skyred.components.gammapy import FoVBackground, MapData, SafeMask
from skyred.errors import ComponentError

OFFSET = 1.5 * u.deg


@component
class Veto(Maker):
    """Skip one run."""

    kind = "veto"
    obs_id: int = option(1, doc="The run.")

    def make(self, dataset: Any, observation: Observation) -> Any:
        if int(observation.obs_id) == self.obs_id:
            raise SkipObservation("it rained")
        return dataset


@component
class ScaleByRuns(Maker):
    """Multiply the counts by 12, and divide them by the number of runs."""

    kind = "scale-by-runs"
    runs: int = option(0, doc="Number of runs, set by `prepare`.")

    def prepare(self, observations: Iterable[Observation]) -> Maker:
        return self.evolve(runs=len(list(observations)))

    def make(self, dataset: Any, observation: Observation) -> Any:
        dataset.counts.data *= 12 / self.runs
        return dataset


@pytest.fixture(scope="module")
def observations(crab_archive: Path) -> Observations:
    return DataStore.from_dir(crab_archive).get_observations()


def empty_dataset() -> MapDataset:
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")
    center = SkyCoord(83.633, 22.014, unit="deg")
    geom = WcsGeom.create(skydir=center, width=4, binsz=0.1, frame="icrs", axes=[energy])
    return MapDataset.create(
        geom, energy_axis_true=energy_true, binsz_irf=0.5 * u.deg, name="stacked"
    )


def skyred_makers() -> list[Maker]:
    safe_mask = SafeMask(methods=["offset-max"], offset_max=OFFSET)
    return [MapData(), safe_mask, FoVBackground(method="scale")]


def gammapy_makers() -> list[gm.Maker]:
    safe_mask = gm.SafeMaskMaker(methods=["offset-max"], offset_max=OFFSET)
    return [gm.MapDatasetMaker(), safe_mask, gm.FoVBackgroundMaker(method="scale")]


@pytest.fixture(scope="module")
def expected(observations: Observations) -> dict[str, np.ndarray]:
    """Return the arrays of the dataset that gammapy's makers reduce."""
    (dataset,) = gm.DatasetsMaker(gammapy_makers()).run(empty_dataset(), observations)
    return arrays(dataset)


def assert_same(dataset: MapDataset, expected: dict[str, np.ndarray]) -> None:
    for name, data in arrays(dataset).items():
        # the background norm is summed in another precision
        np.testing.assert_allclose(data, expected[name], rtol=1e-6, err_msg=name)


def test_skyred_makers_in_the_gammapy_datasets_maker_agree_with_gammapy(
    observations: Observations, expected: dict[str, np.ndarray]
) -> None:
    (dataset,) = gm.DatasetsMaker(skyred_makers(), cutout_width=2 * OFFSET).run(
        empty_dataset(), observations
    )
    assert_same(dataset, expected)
    mixed = [skyred_makers()[0], gammapy_makers()[1], skyred_makers()[2]]
    assert_same(gm.DatasetsMaker(mixed).run(empty_dataset(), observations)[0], expected)


def test_datasets_maker_sets_the_cutout_width_from_the_safe_mask(
    observations: Observations, expected: dict[str, np.ndarray]
) -> None:
    maker = DatasetsMaker(skyred_makers())
    assert maker.cutout_width == 2 * OFFSET
    assert DatasetsMaker(gammapy_makers()).cutout_width == 2 * OFFSET
    assert DatasetsMaker([MapData(), SafeMask()]).cutout_width is None
    assert_same(maker.run(empty_dataset(), observations)[0], expected)
    assert maker.skipped == []


def test_reduction_agrees_with_gammapy_makers(
    crab_archive: Path, expected: dict[str, np.ndarray]
) -> None:
    from skyred import Orchestrator, Pipeline, Reduction
    from skyred.components.gammapy import EnergyAxis, MapGeometry, Sum

    geometry = MapGeometry(
        center=SkyCoord(83.633, 22.014, unit="deg"),
        width="4 deg",
        bin_size="0.1 deg",
        irf_bin_size="0.5 deg",
        energy=EnergyAxis(min="1 TeV", max="10 TeV", bins=2),
        energy_true=EnergyAxis(min="0.5 TeV", max="20 TeV", bins=4),
    )
    reduction = Reduction(
        archive=str(crab_archive), geometry=geometry, make=skyred_makers(), stack=Sum()
    )
    (dataset,) = Orchestrator(Pipeline(data={"stacked": reduction})).reduce()
    assert_same(dataset, expected)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_skipped_run_is_excluded_with_its_reason(
    n_jobs: int, observations: Observations, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = observations.ids
    maker = DatasetsMaker([Veto(obs_id=int(first)), *skyred_makers()], n_jobs=n_jobs)
    with caplog.at_level(logging.WARNING, "skyred"):
        (dataset,) = maker.run(empty_dataset(), observations)
    assert [(outcome.obs_id, outcome.status, outcome.reason) for outcome in maker.skipped] == [
        (int(first), "skipped", "it rained")
    ]
    assert f"run {first} is skipped: it rained" in caplog.text
    (expected,) = gm.DatasetsMaker(gammapy_makers()).run(empty_dataset(), observations[[second]])
    assert_same(dataset, arrays(expected))
    # the stack does not contain the livetime of the skipped run
    assert u.isclose(dataset.gti.time_sum, expected.gti.time_sum)
    assert maker.run(empty_dataset(), observations[[second]])[0].counts.data.sum() > 0
    assert maker.skipped == []


def test_skipped_run_in_the_gammapy_datasets_maker_raises_an_error_with_advice(
    observations: Observations,
) -> None:
    first = int(observations.ids[0])
    maker = gm.DatasetsMaker([Veto(obs_id=first), *skyred_makers()])
    with pytest.raises(SkipObservation, match=rf"run {first} .*it rained.*skyred\.DatasetsMaker"):
        maker.run(empty_dataset(), observations)


@pytest.mark.slow
def test_makers_are_prepared_with_all_runs_first(observations: Observations) -> None:
    scale_by_runs = ScaleByRuns()
    maker = DatasetsMaker([gm.MapDatasetMaker(), scale_by_runs], stack_datasets=False)
    datasets = maker.run(empty_dataset(), observations)
    expected = gm.DatasetsMaker([gm.MapDatasetMaker()], stack_datasets=False).run(
        empty_dataset(), observations
    )
    for dataset, expected_dataset in zip(datasets, expected, strict=True):
        assert (dataset.counts.data == 12 / len(observations) * expected_dataset.counts.data).all()
    assert maker.makers[1] is scale_by_runs


class HalfArea:
    """A maker of gammapy that changes the effective area."""

    tag = "half-area"

    def run(self, dataset: Any, observation: Observation) -> Any:
        observation.aeff.data *= 0.5
        return dataset


@component
class SwapsArea(Maker):
    """Exchange the effective area."""

    kind = "swaps-area"

    def make(self, dataset: Any, observation: Observation) -> Any:
        observation.aeff = observation.edisp
        return dataset


@pytest.mark.parametrize(("maker", "name"), [(HalfArea(), "HalfArea"), (SwapsArea(), "swaps-area")])
def test_maker_that_changes_observations_is_stopped(
    observations: Observations, maker: Any, name: str
) -> None:
    in_memory = Observations([run.copy(in_memory=True) for run in observations])
    area = in_memory[0].aeff.data.copy()
    with pytest.raises(ComponentError, match=rf"maker {name} changed the effective area"):
        DatasetsMaker([maker, *gammapy_makers()]).run(empty_dataset(), in_memory)
    np.testing.assert_array_equal(in_memory[0].aeff.data, area)


@component
class RecordEvents(Maker):
    """Record the number of events of each run, and skip one run."""

    kind = "record-events"
    obs_id: int = option(type=int, doc="The run to skip.")

    def make(self, dataset: Any, observation: Observation) -> Any:
        record_row("events", {"n_events": len(observation.events.table)})
        return Veto(obs_id=self.obs_id).run(dataset, observation)


@pytest.mark.parametrize("stack", [True, False])
def test_recorded_rows_are_collected(observations: Observations, stack: bool) -> None:
    maker = RecordEvents(obs_id=int(observations[1].obs_id))
    datasets_maker = DatasetsMaker([gm.MapDatasetMaker(), maker], stack_datasets=stack)
    dataset = empty_dataset()
    datasets_maker.run(dataset, observations)
    table = datasets_maker.observation_tables["events"]
    assert list(table["obs_id"]) == [int(observation.obs_id) for observation in observations]
    assert list(table["n_events"]) == [len(run.events.table) for run in observations]
    assert set(table["entry"]) == {dataset.name}
    assert [outcome.obs_id for outcome in datasets_maker.skipped] == [maker.obs_id]
