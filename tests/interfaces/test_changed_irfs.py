"""Makers that modify observations, against plain gammapy with the same IRFs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gammapy import makers as gm
from gammapy.data import DataStore, Observations
from gammapy.datasets import MapDataset

from scaled_area import LargestArea, ScaledArea
from skyred import (
    DatasetsMaker,
    EnergyAxis,
    Keep,
    MapData,
    MapGeometry,
    Orchestrator,
    Pipeline,
    Processes,
    Reduction,
    with_irfs,
)
from skyred.errors import ExportError
from skyred.export.exporter import export

GEOMETRY = MapGeometry(
    center=("83.633 deg", "22.014 deg"),
    width="2 deg",
    bin_size="0.1 deg",
    irf_bin_size="0.5 deg",
    energy=EnergyAxis(min="1 TeV", max="10 TeV", bins=2),
    energy_true=EnergyAxis(min="0.5 TeV", max="20 TeV", bins=4),
)


def create_orchestrator(archive: Path, *makers: Any, **options: Any) -> Orchestrator:
    engine = {"engine": options.pop("engine")} if "engine" in options else {}
    reduction = Reduction(
        archive=str(archive), geometry=GEOMETRY, make=makers, stack=Keep(chunk=1), **options
    )
    return Orchestrator(Pipeline(data={"crab": reduction}), cache=False, **engine)


def read_scaled_observations(archive: Path, factor: float, background: float) -> Observations:
    """Return the observations with scaled IRFs, without skyred."""
    observations = DataStore.from_dir(archive).get_observations()
    for observation in observations:
        for name, scale in (("aeff", factor), ("bkg", background)):
            irf = copy.deepcopy(getattr(observation, name))
            irf.data *= scale
            setattr(observation, name, irf)
    return observations


def assert_equal(datasets: Any, archive: Path, factor: float, background: float) -> None:
    maker = gm.MapDatasetMaker()
    observations = read_scaled_observations(archive, factor, background)
    assert len(datasets) == len(observations)
    for dataset, observation in zip(datasets, observations, strict=True):
        expected = maker.run(MapDataset.create(**target_options()), observation)
        for name in ("counts", "exposure", "background"):
            values = getattr(expected, name).data
            rtol = 0 if name == "counts" else 1e-6
            np.testing.assert_allclose(
                getattr(dataset, name).data, values, rtol=rtol, atol=rtol * values.max()
            )


def target_options() -> dict[str, Any]:
    target = GEOMETRY.target("crab")
    return {
        "geom": target.counts.geom,
        "energy_axis_true": target.exposure.geom.axes["energy_true"],
        "binsz_irf": 0.5,
    }


@pytest.mark.parametrize("is_first", [True, False])
def test_modified_observations_are_reduced_as_by_gammapy(
    crab_archive: Path, is_first: bool
) -> None:
    maker = ScaledArea(factor=1.1, background=0.9)
    makers = [maker, MapData()] if is_first else [MapData(), maker]
    orchestrator = create_orchestrator(crab_archive, *makers, compare_with_gammapy=True)
    assert_equal(orchestrator.reduce(), crab_archive, 1.1, 0.9)


def test_modified_observations_are_the_same_for_gammapy_makers(crab_archive: Path) -> None:
    orchestrator = create_orchestrator(crab_archive, gm.MapDatasetMaker(), ScaledArea(factor=1.2))
    assert_equal(orchestrator.reduce(), crab_archive, 1.2, 1.0)


@pytest.mark.slow
def test_observations_are_modified_in_worker_processes(crab_archive: Path) -> None:
    orchestrator = create_orchestrator(
        crab_archive, ScaledArea(factor=1.1), MapData(), engine=Processes(workers=2)
    )
    assert_equal(orchestrator.reduce(), crab_archive, 1.1, 1.0)


def test_several_makers_modify_observations_in_order(crab_archive: Path) -> None:
    makers = ScaledArea(factor=2.0), ScaledArea(factor=1.5), MapData()
    assert_equal(create_orchestrator(crab_archive, *makers).reduce(), crab_archive, 3.0, 1.0)


def test_other_makers_are_prepared_with_modified_observations(crab_archive: Path) -> None:
    makers = LargestArea(), ScaledArea(factor=2.0), MapData()
    plain, modified = (
        create_orchestrator(crab_archive, *selected).reduce()[0].exposure.meta["largest area"]
        for selected in ((MapData(), makers[0]), (makers[2], makers[0], makers[1]))
    )
    assert modified == pytest.approx(2 * plain)


@pytest.mark.slow
def test_cached_chunks_depend_on_the_options(crab_archive: Path, tmp_path: Path) -> None:
    for factor in (1.0, 2.0, 1.0):
        reduction = Reduction(
            archive=str(crab_archive),
            geometry=GEOMETRY,
            make=[ScaledArea(factor=factor), MapData()],
            stack=Keep(chunk=1),
        )
        orchestrator = Orchestrator(Pipeline(data={"crab": reduction}), cache=tmp_path / "cache")
        assert_equal(orchestrator.reduce(), crab_archive, factor, 1.0)
    assert {outcome.status for outcome in orchestrator.outcomes} == {"cached"}


def test_datasets_maker_reduces_modified_observations(crab_archive: Path) -> None:
    observations = DataStore.from_dir(crab_archive).get_observations()
    target = MapDataset.create(**target_options())
    makers = [gm.MapDatasetMaker(), LargestArea(), ScaledArea(factor=1.1)]
    maker = DatasetsMaker(makers, stack_datasets=False)
    assert_equal(maker.run(target, observations), crab_archive, 1.1, 1.0)
    with pytest.raises(TypeError, match=r"use skyred\.DatasetsMaker"):
        gm.DatasetsMaker(makers, stack_datasets=False).run(target, observations)


def test_maker_that_modifies_observations_is_not_exported_silently(crab_archive: Path) -> None:
    orchestrator = create_orchestrator(crab_archive, ScaledArea(), MapData())
    with pytest.raises(ExportError, match="test-scaled-area"):
        export(orchestrator.pipeline)
    orchestrator = create_orchestrator(crab_archive, MapData(), ScaledArea())
    with pytest.raises(ExportError, match="must come first to be exported"):
        export(orchestrator.pipeline)


class TestWithIrfs:
    def test_neither_observation_nor_irf_is_changed(self, crab_archive: Path) -> None:
        observation = DataStore.from_dir(crab_archive).get_observations()[0]
        aeff = observation.aeff
        values = aeff.data.copy()
        changed = with_irfs(observation, aeff=aeff)
        changed.aeff.data *= 3
        np.testing.assert_array_equal(aeff.data, values)
        np.testing.assert_array_equal(observation.aeff.data, values)
        np.testing.assert_array_equal(changed.aeff.data, 3 * values)
        assert changed.obs_id == observation.obs_id
        np.testing.assert_array_equal(changed.bkg.data, observation.bkg.data)

    def test_interpolators_of_earlier_values_are_not_used(self, crab_archive: Path) -> None:
        observation = DataStore.from_dir(crab_archive).get_observations()[0]
        aeff = observation.aeff
        point = {"energy_true": aeff.axes[0].center[3], "offset": aeff.axes[1].center[0]}
        expected = 2 * aeff.evaluate(**point)
        aeff.data[...] *= 2  # gammapy keeps its interpolator
        changed = with_irfs(observation, aeff=aeff)
        assert changed.aeff.evaluate(**point).value == pytest.approx(expected.value)

    @pytest.mark.parametrize("irfs", [{}, {"aeff": 2.0}, {"bkg": "none"}])
    def test_invalid_arguments_are_rejected(self, crab_archive: Path, irfs: Any) -> None:
        observation = DataStore.from_dir(crab_archive).get_observations()[0]
        with pytest.raises(TypeError, match="expected"):
            with_irfs(observation, **irfs)
