"""Archives as other tools write them: valid ones are used, invalid ones are reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import SpectrumDataset
from gammapy.makers import SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom
from regions import CircleSkyRegion

from archive_variants import INVALID_VARIANTS, VALID_VARIANTS, read_index, set_column
from fault_injection.archive_damage import Archive
from skyred import Orchestrator, Pipeline
from skyred.components.archives import open_archive
from skyred.components.simulation.archive import CrabSimulation
from skyred.errors import ArchiveError
from skyred.inspection.index import list_run_inputs
from skyred.inspection.records import Finding
from skyred.inspection.run import inspect_run

PARTS = ["counts", "exposure", "background", "edisp"]
CONFIG = """
data:
  crab:
    archive: ARCHIVE
    geometry:
      kind: spectrum
      on_region: "icrs; circle(83.633, 22.014, 0.3)"
      energy: {min: 0.5 TeV, max: 10 TeV, bins: 4}
      energy_true: {min: 0.3 TeV, max: 20 TeV, bins: 6}
    make: [{kind: spectrum, parts: [counts, exposure, background, edisp]}]
    stack: {kind: keep}
"""


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a simulated archive of one run."""
    return CrabSimulation(runs=1, livetime=3).write(tmp_path_factory.mktemp("variants") / "archive")


def create_variant(one_run: Path, folder: Path, apply: Callable[[Archive], object]) -> Path:
    archive = Archive.copy(one_run, folder / "archive")
    apply(archive)
    return archive.folder


def inspect(folder: Path) -> list[Finding]:
    inputs = list_run_inputs(*read_index(folder))
    return [finding for run in inputs for finding in inspect_run(run).findings]


def reduce_with_gammapy(folder: Path) -> list[SpectrumDataset]:
    energy = MapAxis.from_energy_bounds("0.5 TeV", "10 TeV", nbin=4)
    energy_true = MapAxis.from_energy_bounds("0.3 TeV", "20 TeV", nbin=6, name="energy_true")
    region = CircleSkyRegion(SkyCoord(83.633, 22.014, unit="deg"), 0.3 * u.deg)
    target = SpectrumDataset.create(
        RegionGeom.create(region, axes=[energy]), energy_axis_true=energy_true
    )
    names = [next(folder.glob(f"{name}-index.fits*")).name for name in ("hdu", "obs")]
    observations = DataStore.from_dir(folder, *names).get_observations(
        required_irf=["aeff", "edisp", "bkg"]
    )
    maker = SpectrumDatasetMaker(selection=PARTS)
    return [maker.run(target, observation) for observation in observations]


@pytest.mark.parametrize("apply", VALID_VARIANTS.values(), ids=VALID_VARIANTS)
def test_valid_archive_has_no_fault(apply: Any, one_run: Path, tmp_path: Path) -> None:
    findings = inspect(create_variant(one_run, tmp_path, apply))
    assert [str(finding) for finding in findings if finding.level == "fault"] == []


@pytest.mark.parametrize("name", sorted({*VALID_VARIANTS} - {"separate files"}))
def test_valid_files_without_an_index_have_no_fault(
    name: str, one_run: Path, tmp_path: Path
) -> None:
    folder = create_variant(one_run, tmp_path, VALID_VARIANTS[name])
    store = open_archive(str(folder / "data"))
    findings = [
        finding
        for run in list_run_inputs(store.hdu_table, store.obs_table)
        for finding in inspect_run(run).findings
    ]
    assert [str(finding) for finding in findings if finding.level == "fault"] == []


@pytest.mark.slow
@pytest.mark.parametrize("apply", VALID_VARIANTS.values(), ids=VALID_VARIANTS)
def test_valid_archive_is_reduced_as_in_gammapy(apply: Any, one_run: Path, tmp_path: Path) -> None:
    folder = create_variant(one_run, tmp_path, apply)
    (expected,) = reduce_with_gammapy(folder)
    pipeline = Pipeline.from_yaml(CONFIG.replace("ARCHIVE", str(folder)))
    (dataset,) = Orchestrator(pipeline).reduce()
    assert expected.counts.data.sum() > 10
    np.testing.assert_array_equal(dataset.counts.data, expected.counts.data)
    np.testing.assert_allclose(dataset.exposure.data, expected.exposure.data, rtol=1e-6)
    np.testing.assert_allclose(dataset.background.data, expected.background.data, rtol=1e-6)


@pytest.mark.parametrize(("apply", "message"), INVALID_VARIANTS.values(), ids=INVALID_VARIANTS)
def test_invalid_archive_has_a_fault(
    apply: Any, message: str, one_run: Path, tmp_path: Path
) -> None:
    findings = inspect(create_variant(one_run, tmp_path, apply))
    faults = [str(finding) for finding in findings if finding.level == "fault"]
    assert any(message in fault for fault in faults), findings


def test_identifiers_that_are_not_numbers_are_rejected(one_run: Path, tmp_path: Path) -> None:
    archive = Archive.copy(one_run, tmp_path / "archive")
    set_column("obs", "OBS_ID", lambda table: ["run 1"] * len(table))(archive)
    with pytest.raises(ArchiveError, match=r"obs-index.* an OBS_ID is not an integer"):
        open_archive(str(archive.folder))
