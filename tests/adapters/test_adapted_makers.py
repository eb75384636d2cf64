"""All makers in gammapy's registry give the same results in a pipeline as in plain gammapy."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy import makers as gm
from gammapy.data import DataStore, EventList, Observation, Observations
from gammapy.datasets import MapDataset, SpectrumDataset
from gammapy.maps import MapAxis, RegionGeom, WcsGeom

from skyred import Maker, Orchestrator, Pipeline, Reduction
from skyred.adapters.makers import AdaptedMaker
from skyred.components.gammapy import EnergyAxis, Keep, MapGeometry, SpectrumGeometry
from skyred.errors import ComponentError, ConfigError, FieldError, RunsFailedError

CENTER = SkyCoord(83.633, 22.014, unit="deg")
REGION = "icrs; circle(83.633, 22.014, 0.15)"
ENERGY = {"min": "1 TeV", "max": "10 TeV", "bins": 1}
ENERGY_TRUE = {"min": "0.5 TeV", "max": "20 TeV", "bins": 4}


def create_empty_map_dataset() -> MapDataset:
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")
    geom = WcsGeom.create(skydir=CENTER, width=2, binsz=0.1, frame="icrs", axes=[energy])
    return MapDataset.create(geom, energy_axis_true=energy_true, binsz_irf=0.5 * u.deg, name="map")


def create_empty_spectrum_dataset() -> SpectrumDataset:
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")
    geom = RegionGeom.create("icrs;circle(83.633, 22.014, 0.15)", axes=[energy])
    return SpectrumDataset.create(geom, energy_axis_true=energy_true, name="spectrum")


def map_geometry() -> MapGeometry:
    return MapGeometry(
        center=CENTER,
        width="2 deg",
        bin_size="0.1 deg",
        irf_bin_size="0.5 deg",
        energy=EnergyAxis(**ENERGY),
        energy_true=EnergyAxis(**ENERGY_TRUE),
    )


def spectrum_geometry() -> SpectrumGeometry:
    return SpectrumGeometry(
        on_region=REGION, energy=EnergyAxis(**ENERGY), energy_true=EnergyAxis(**ENERGY_TRUE)
    )


@attrs.frozen
class MakerCase:
    """A sequence of gammapy's makers, and the type of their dataset."""

    makers: Callable[[], list[Any]]
    spectrum: bool = False


def safe_mask_maker() -> gm.SafeMaskMaker:
    return gm.SafeMaskMaker(methods=["offset-max"], offset_max=2 * u.deg)


def ring_maker() -> gm.RingBackgroundMaker:
    return gm.RingBackgroundMaker(r_in=0.3 * u.deg, width=0.2 * u.deg)


def adaptive_ring_maker() -> gm.AdaptiveRingBackgroundMaker:
    return gm.AdaptiveRingBackgroundMaker(
        r_in=0.3 * u.deg, r_out_max=0.9 * u.deg, width=0.2 * u.deg, stepsize=0.1 * u.deg
    )


# if a class in gammapy's registry has no case, the test fails: add one
CASES = {
    gm.MapDatasetMaker: MakerCase(lambda: [gm.MapDatasetMaker()]),
    gm.SafeMaskMaker: MakerCase(lambda: [gm.MapDatasetMaker(), safe_mask_maker()]),
    gm.FoVBackgroundMaker: MakerCase(
        lambda: [gm.MapDatasetMaker(), safe_mask_maker(), gm.FoVBackgroundMaker(method="scale")]
    ),
    gm.RingBackgroundMaker: MakerCase(
        lambda: [gm.MapDatasetMaker(), safe_mask_maker(), ring_maker()]
    ),
    gm.AdaptiveRingBackgroundMaker: MakerCase(
        lambda: [gm.MapDatasetMaker(), safe_mask_maker(), adaptive_ring_maker()]
    ),
    gm.SpectrumDatasetMaker: MakerCase(lambda: [gm.SpectrumDatasetMaker()], spectrum=True),
    gm.ReflectedRegionsBackgroundMaker: MakerCase(
        lambda: [
            gm.SpectrumDatasetMaker(),
            gm.ReflectedRegionsBackgroundMaker(
                region_finder=gm.WobbleRegionsFinder(n_off_regions=3)
            ),
        ],
        spectrum=True,
    ),
    gm.PhaseBackgroundMaker: MakerCase(
        lambda: [
            gm.SpectrumDatasetMaker(),
            gm.PhaseBackgroundMaker(on_phase=(0, 0.4), off_phase=(0.5, 1)),
        ],
        spectrum=True,
    ),
}
UNSUPPORTED_MAKERS = {gm.DatasetsMaker: lambda: gm.DatasetsMaker([gm.MapDatasetMaker()])}


@pytest.fixture(scope="module")
def observation(crab_archive: Path) -> Observation:
    """Return one run with a phase for each event."""
    run = DataStore.from_dir(crab_archive).get_observations()[0]
    table = run.events.table.copy()
    table["PHASE"] = np.linspace(0, 1, len(table))
    return run.copy(in_memory=True, events=EventList(table))


def pipeline(archive: Path, makers: list[Any], spectrum: bool = False) -> Pipeline:
    geometry = spectrum_geometry() if spectrum else map_geometry()
    reduction = Reduction(archive=str(archive), geometry=geometry, make=makers, stack=Keep())
    return Pipeline(data={"sim": reduction})


def arrays(dataset: Any) -> dict[str, np.ndarray]:
    """Return the arrays of a dataset, with the predicted background."""
    names = ("counts", "counts_off", "acceptance", "acceptance_off", "mask_safe", "exposure")
    maps = {name: getattr(dataset, name, None) for name in names}
    if dataset.stat_type == "cash":
        maps["background"] = dataset.npred_background()
    if dataset.psf is not None:
        maps["psf"] = dataset.psf.psf_map
    return {name: value_map.data for name, value_map in maps.items() if value_map is not None}


@pytest.mark.parametrize("cls", gm.MAKER_REGISTRY, ids=lambda cls: cls.__name__)
def test_every_gammapy_maker_works_in_a_pipeline_or_is_rejected(
    cls: type, crab_archive: Path, observation: Observation
) -> None:
    if cls in UNSUPPORTED_MAKERS:
        with pytest.raises(FieldError, match=r"DatasetsMaker, with run\(.*one by one"):
            pipeline(crab_archive, [UNSUPPORTED_MAKERS[cls]()])
        return
    case = CASES[cls]
    expected = create_empty_spectrum_dataset() if case.spectrum else create_empty_map_dataset()
    for maker in case.makers():
        expected = maker.run(expected, observation)
    assert any(isinstance(maker, cls) for maker in case.makers())
    orchestrator = Orchestrator(pipeline(crab_archive, case.makers(), case.spectrum))
    orchestrator.select()
    orchestrator.observations = {"sim": Observations([observation])}
    (dataset,) = orchestrator.reduce()
    assert type(dataset) is type(expected)
    actual_arrays, expected_arrays = arrays(dataset), arrays(expected)
    assert actual_arrays.keys() == expected_arrays.keys()
    for name, data in expected_arrays.items():
        # the background norm is applied to a float32 map
        np.testing.assert_allclose(actual_arrays[name], data, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
def test_adapted_makers_can_be_sent_to_workers(cls: type) -> None:
    for maker in CASES[cls].makers():
        copy = pickle.loads(pickle.dumps(Maker.adapt(maker)))
        assert type(copy.adapted) is type(maker)


def test_run_with_empty_safe_mask_is_skipped_with_the_name_of_the_maker(crab_archive: Path) -> None:
    # gammapy empties the safe mask of a run if it cannot normalise the background
    makers = [gm.MapDatasetMaker(), safe_mask_maker(), gm.FoVBackgroundMaker(min_counts=10**9)]
    orchestrator = Orchestrator(pipeline(crab_archive, makers))
    with pytest.raises(RunsFailedError, match="FoVBackgroundMaker leaves no bins in the safe mask"):
        orchestrator.reduce()
    assert {outcome.status for outcome in orchestrator.outcomes} == {"skipped"}


def test_maker_that_returns_no_dataset_is_reported_by_name(crab_archive: Path) -> None:
    class NoResultMaker:
        def run(self, dataset: Any, observation: Any) -> None:
            """Return nothing."""

    orchestrator = Orchestrator(pipeline(crab_archive, [gm.MapDatasetMaker(), NoResultMaker()]))
    with pytest.raises(
        ComponentError, match=r"adapted NoResultMaker .*returned None; it must return the dataset"
    ):
        orchestrator.reduce()


@pytest.mark.parametrize("finder", [gm.WobbleRegionsFinder(3), gm.ReflectedRegionsFinder()])
def test_object_that_is_not_a_maker_is_rejected_with_its_signature(finder: Any) -> None:
    with pytest.raises(
        FieldError, match=r"run\(region, center, exclusion_mask\); expected a maker"
    ):
        Maker.adapt(finder)


def test_class_instead_of_a_maker_is_rejected(crab_archive: Path) -> None:
    with pytest.raises(FieldError, match="expected an instance: MapDatasetMaker"):
        pipeline(crab_archive, [gm.MapDatasetMaker])


def test_pipeline_with_gammapy_makers_cannot_be_written_as_yaml(crab_archive: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"contains an object of type MapDatasetMaker.*cannot be written as YAML.*cached",
    ):
        pipeline(crab_archive, [gm.MapDatasetMaker()]).to_yaml()


def test_makers_of_skyred_are_not_adapted(crab_archive: Path) -> None:
    from skyred.components.gammapy import MapData

    (maker,) = pipeline(crab_archive, [MapData()]).data["sim"].make
    assert not isinstance(maker, AdaptedMaker)
