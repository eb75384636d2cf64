"""The option compare_with_gammapy: the compared runs, refused datasets, and the summary."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from fault_injection.inexact_makers import InexactMapData, OwnMapData, ScaledMapData
from plain_gammapy import EXAMPLE
from skyred import Orchestrator, Pipeline, Processes, RunsFailedError, Serial
from skyred.run import comparisons
from skyred.run.worker import dataset_comparison

YAML = """
data:
  crab:
    archive: {archive}
    compare_with_gammapy: {compare}
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: [1 deg, 1 deg]
      bin_size: 0.25 deg
      energy: {{min: 1 TeV, max: 10 TeV, bins: 3}}
      energy_true: {{min: 0.6 TeV, max: 15 TeV, bins: 4}}
    make:
      - kind: map
      - {{kind: safe-mask, methods: [offset-max], offset_max: 2 deg}}
      - {{kind: fov-background, method: scale}}
    stack: {{kind: sum, chunk: {chunk}}}
"""
SPECTRUM = """
data:
  crab:
    archive: {archive}
    compare_with_gammapy: true
    geometry:
      kind: spectrum
      on_region: icrs; circle(83.633, 22.014, 0.1)
      energy: {{min: 1 TeV, max: 10 TeV, bins: 3}}
      energy_true: {{min: 0.6 TeV, max: 15 TeV, bins: 4}}
    make: [{{kind: spectrum, containment_correction: true}}, {{kind: reflected-regions}}]
    stack: {{kind: sum}}
"""


def create_orchestrator(
    archive: Path, maker: Any = None, compare: bool = True, chunk: int = 1, **options: Any
) -> Orchestrator:
    pipeline = Pipeline.from_yaml(
        YAML.format(archive=archive, compare=str(compare).lower(), chunk=chunk)
    )
    entry = pipeline.data["crab"]
    if maker is not None:
        pipeline = pipeline.evolve(data={"crab": entry.evolve(make=[maker, *entry.make[1:]])})
    return Orchestrator(pipeline, **options)


def summary(orchestrator: Orchestrator) -> str:
    (record,) = (record for record in orchestrator.steps if record.name == "reduce")
    return record.summary


def arrays(orchestrator: Orchestrator) -> dict[str, Any]:
    (dataset,) = orchestrator.reduce()
    maps = {
        name: getattr(dataset, name) for name in ("counts", "background", "exposure", "mask_safe")
    }
    maps |= {"psf": dataset.psf.psf_map, "edisp": dataset.edisp.edisp_map}
    return {name: sky_map.data for name, sky_map in maps.items()}


@pytest.fixture(scope="module")
def two_types(crab_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive in which the energies of an effective area are in GeV for one run."""
    archive = Path(shutil.copytree(crab_archive, tmp_path_factory.mktemp("types") / "archive"))
    path = max(path for path in archive.rglob("*.fits.gz") if "index" not in path.name)
    with fits.open(path) as hdus:
        area = next(hdu for hdu in hdus if hdu.header.get("HDUCLAS2") == "EFF_AREA")
        for name in ("ENERG_LO", "ENERG_HI"):
            area.columns[name].unit = "GeV"
            area.data[name] *= 1e3
        hdus.writeto(archive / "changed.fits.gz", checksum=True)
    (archive / "changed.fits.gz").replace(path)
    (archive / "SHA256SUMS").unlink()
    return archive


def test_first_run_of_each_irf_type_is_compared(
    two_types: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    compare_run = comparisons.compare_run

    def record_run(chunk: Any) -> Any:
        runs.extend(int(observation.obs_id) for observation in chunk.observations)
        return compare_run(chunk)

    monkeypatch.setattr(comparisons, "compare_run", record_run)
    for chunk in (1, 2):
        orchestrator = create_orchestrator(two_types, chunk=chunk)
        orchestrator.reduce()
        assert "compared with gammapy: 2 combinations of IRFs" in summary(orchestrator)
    assert runs == [900001, 900002] * 2


@pytest.mark.parametrize(
    "engine",
    [
        Serial(),
        pytest.param(Processes(workers=1), marks=pytest.mark.slow),
        pytest.param(Processes(workers=2), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_datasets_are_bit_identical_with_and_without_comparison(
    engine: Any, crab_archive: Path
) -> None:
    compared = create_orchestrator(crab_archive, engine=engine)
    expected_arrays = arrays(create_orchestrator(crab_archive, compare=False))
    for name, array in arrays(compared).items():
        np.testing.assert_array_equal(array, expected_arrays[name], err_msg=name)
    assert summary(compared).startswith(
        "1 dataset; compared with gammapy: 1 combination of IRFs; largest relative difference "
    )
    assert summary(compared).endswith("of data.crab, run 900001")
    assert [outcome.notes for outcome in compared.outcomes] == [(), ()]


@pytest.mark.parametrize(
    "quantity",
    [
        *("background", "livetime"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("exposure", "PSF", "energy dispersion")
        ),
    ],
)
def test_inexact_projection_stops_the_analysis(quantity: str, crab_archive: Path) -> None:
    orchestrator = create_orchestrator(crab_archive, InexactMapData(quantity=quantity))
    with pytest.raises(RunsFailedError) as caught:
        orchestrator.reduce()
    message = str(caught.value)
    assert message.startswith("data.crab, run 900001: the dataset of the maker inexact-map")
    difference = f"gammapy's MapDatasetMaker in the {quantity}, by 0.0001 (relative): "
    assert difference in message
    assert f"expected at most {1e-9 if quantity == 'livetime' else 1e-6}; report this" in message
    assert ("pixel (" in message) == (quantity != "livetime")


@pytest.mark.slow
@pytest.mark.parametrize("quantity", ["safe mask", "good time intervals"])
def test_inexact_mask_and_good_time_stop_the_analysis(quantity: str, crab_archive: Path) -> None:
    orchestrator = create_orchestrator(crab_archive, InexactMapData(quantity=quantity))
    with pytest.raises(RunsFailedError, match=f"in the {quantity}: .*; expected no difference"):
        orchestrator.reduce()


@pytest.mark.slow
def test_summary_does_not_depend_on_the_engine(crab_archive: Path) -> None:
    dask = pytest.importorskip("skyred_dask").Dask(workers=2)
    orchestrators = [
        create_orchestrator(crab_archive, engine=engine)
        for engine in (Serial(), Processes(workers=2), dask)
    ]
    arrays_of_engines = [arrays(orchestrator) for orchestrator in orchestrators]
    assert len({summary(orchestrator) for orchestrator in orchestrators}) == 1
    for name, array in arrays_of_engines[0].items():
        np.testing.assert_array_equal(array, arrays_of_engines[2][name], err_msg=name)


@pytest.mark.slow
def test_error_does_not_depend_on_the_engine(crab_archive: Path) -> None:
    messages = set()
    for engine in (Serial(), Processes(workers=2)):
        with pytest.raises(RunsFailedError) as caught:
            create_orchestrator(crab_archive, InexactMapData(), engine=engine).reduce()
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_inexact_projection_is_used_without_the_option(crab_archive: Path) -> None:
    orchestrator = create_orchestrator(crab_archive, InexactMapData(), compare=False)
    assert len(orchestrator.reduce()) == 1
    assert summary(orchestrator) == "1 dataset"


@pytest.mark.slow
def test_runs_from_the_cache_are_compared(crab_archive: Path, tmp_path: Path) -> None:
    create_orchestrator(crab_archive, compare=False, cache=tmp_path).reduce()
    orchestrator = create_orchestrator(crab_archive, cache=tmp_path)
    orchestrator.reduce()
    assert {outcome.status for outcome in orchestrator.outcomes} == {"cached"}
    assert "compared with gammapy: 1 combination" in summary(orchestrator)


@pytest.mark.slow
def test_inexact_run_from_the_cache_is_refused(crab_archive: Path, tmp_path: Path) -> None:
    create_orchestrator(crab_archive, InexactMapData(), compare=False, cache=tmp_path).reduce()
    with pytest.raises(RunsFailedError, match=r"in the background, by 0\.0001 "):
        create_orchestrator(crab_archive, InexactMapData(), cache=tmp_path).reduce()


@pytest.mark.slow
def test_subclass_is_compared_where_it_uses_the_projection(crab_archive: Path) -> None:
    orchestrator = create_orchestrator(crab_archive, ScaledMapData())
    orchestrator.reduce()
    assert "compared with gammapy: 1 combination" in summary(orchestrator)


@pytest.mark.slow
def test_maker_with_its_own_projection_is_reported(crab_archive: Path) -> None:
    orchestrator = create_orchestrator(crab_archive, OwnMapData())
    orchestrator.reduce()
    assert summary(orchestrator) == (
        "1 dataset; not compared with gammapy: data.crab, run 900001: none of its makers uses the "
        "projections of skyred"
    )


@pytest.mark.slow
def test_error_of_gammapy_is_reported(crab_archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gammapy.makers import MapDatasetMaker

    from skyred.components.projection.makers import MapProjection

    monkeypatch.setattr(MapProjection, "run", MapDatasetMaker.run)

    def raise_error(*args: Any) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(MapDatasetMaker, "run", raise_error)
    orchestrator = create_orchestrator(crab_archive)
    orchestrator.reduce()
    assert summary(orchestrator).endswith("gammapy's MapDatasetMaker failed: ValueError: broken")


def test_error_of_the_comparison_stops_the_analysis(
    crab_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_error(*args: Any) -> None:
        raise AttributeError("broken")

    monkeypatch.setattr(dataset_comparison, "compare_datasets", raise_error)
    with pytest.raises(RunsFailedError) as caught:
        create_orchestrator(crab_archive).reduce()
    assert "run 900001: the comparison of the dataset of the maker map" in str(caught.value)
    assert "gammapy's MapDatasetMaker failed: AttributeError: broken; " in str(caught.value)


@pytest.mark.slow
def test_spectra_are_compared(crab_archive: Path) -> None:
    orchestrator = Orchestrator(Pipeline.from_yaml(SPECTRUM.format(archive=crab_archive)))
    orchestrator.reduce()
    assert "compared with gammapy: 1 combination" in summary(orchestrator)


@pytest.mark.slow
@pytest.mark.parametrize(
    "example",
    [
        pytest.param("crab.yaml", marks=pytest.mark.data),
        pytest.param("spectrum.yaml", marks=pytest.mark.data),
        pytest.param("cta-galactic-centre.yaml", marks=pytest.mark.data("cta-1dc")),
    ],
)
def test_public_data_agree_with_gammapy(example: str) -> None:
    path = EXAMPLE.parent / example
    (name,) = Pipeline.from_yaml(path).data
    orchestrator = Orchestrator(
        Pipeline.from_yaml(path, overrides=[f"data.{name}.compare_with_gammapy=true"])
    )
    orchestrator.reduce()
    assert "; compared with gammapy: " in summary(orchestrator)
    assert "not compared" not in summary(orchestrator)
