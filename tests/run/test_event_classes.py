"""Runs with the HDUs of several event classes, compared with gammapy and one class in the index."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.fits import BinTableHDU
from astropy.table import Table, vstack
from click.testing import CliRunner
from gammapy.data import DataStore
from gammapy.datasets import MapDataset
from gammapy.makers import MapDatasetMaker
from gammapy.maps import MapAxis, WcsGeom

from fault_injection.archive_damage import Archive
from skyred import Orchestrator, Pipeline
from skyred.cli import main
from skyred.errors import ConfigError, ExportError, RunsFailedError

pytestmark = pytest.mark.slow
CONFIG = """
data:
  sim:
    archive: {archive}
    hdus: {hdus}
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: [1 deg, 1 deg]
      bin_size: 0.1 deg
      energy: {{min: 1 TeV, max: 10 TeV, bins: 2}}
      energy_true: {{min: 1 TeV, max: 10 TeV, bins: 2}}
    make: [{{kind: map}}]
    stack: {{kind: sum}}
"""


def halve_area(hdu: BinTableHDU) -> None:
    hdu.data["EFFAREA"] /= 2


def drop_half(hdu: BinTableHDU) -> None:
    hdu.data = hdu.data[::2].copy()


@pytest.fixture(scope="module")
def archive(crab_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Return an archive with two event classes: class 2 has half of the events and the area."""
    archive = Archive.copy(crab_archive, tmp_path_factory.mktemp("classes") / "archive")
    data = archive.folder / "data"
    for run in archive.runs:
        path, first = archive.path(run), archive.folder / f"first_{run}.fits.gz"
        shutil.copy(path, first)
        archive.change_hdu(run, "aeff", halve_area)
        archive.change_hdu(run, "events", drop_half)
        path.rename(data / f"class2_{path.name}")
        first.rename(path)

    def add_class(table: Table) -> Table:
        table["EVENT_CLASS"] = np.where(table["HDU_TYPE"] == "gti", 0, 1)
        second = table[table["EVENT_CLASS"] == 1]
        second["EVENT_CLASS"] = 2
        second["FILE_NAME"] = [f"class2_{str(name).strip()}" for name in second["FILE_NAME"]]
        return vstack([table, second])

    archive.change_index("hdu", add_class)
    return archive


def pipeline(archive: Archive, hdus: str) -> Pipeline:
    return Pipeline.from_yaml(CONFIG.format(archive=archive.folder, hdus=hdus))


def reduce_with_gammapy(archive: Archive, event_class: int) -> MapDataset:
    store = DataStore.from_dir(archive.folder)
    is_used = np.isin(store.hdu_table["EVENT_CLASS"], [0, event_class])
    store.hdu_table = store.hdu_table[is_used]
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    energy_true = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name="energy_true")
    centre = SkyCoord(83.633, 22.014, unit="deg")
    geom = WcsGeom.create(skydir=centre, width=1, binsz=0.1, frame="icrs", axes=[energy])
    stacked = MapDataset.create(geom, energy_axis_true=energy_true)
    for observation in store.get_observations():
        stacked.stack(MapDatasetMaker().run(stacked.cutout(centre, 1), observation))
    return stacked


@pytest.mark.parametrize("event_class", [1, 2])
def test_reduction_of_a_class_agrees_with_gammapy(archive: Archive, event_class: int) -> None:
    (dataset,) = Orchestrator(pipeline(archive, f"{{EVENT_CLASS: {event_class}}}")).reduce()
    expected = reduce_with_gammapy(archive, event_class)
    assert expected.counts.data.sum() > 0
    np.testing.assert_array_equal(dataset.counts.data, expected.counts.data)
    np.testing.assert_allclose(dataset.exposure.data, expected.exposure.data, rtol=1e-6)


def test_index_without_a_choice_is_rejected_with_the_classes(archive: Archive) -> None:
    orchestrator = Orchestrator(pipeline(archive, "{}"))
    with pytest.raises(RunsFailedError, match="EVENT_CLASS: 1, 2"):
        orchestrator.reduce()
    path = archive.folder.parent / "analysis.yaml"
    path.write_text(CONFIG.format(archive=archive.folder, hdus="{}"), encoding="utf-8")
    expected = "rows with HDU_TYPE events for this run"
    for words in ([str(path)], [str(archive.folder)]):
        outcome = CliRunner().invoke(main, ["check", *words])
        assert outcome.exit_code == 3
        assert expected in outcome.stdout
        assert "EVENT_CLASS: 1, 2" in outcome.stdout


def test_check_accepts_a_choice_in_configurations_and_archives(archive: Archive) -> None:
    path = archive.folder.parent / "chosen.yaml"
    path.write_text(CONFIG.format(archive=archive.folder, hdus="{EVENT_CLASS: 2}"), "utf-8")
    for words in ([path], [path, "--all-runs"], [archive.folder, "--hdus", "EVENT_CLASS=2"]):
        outcome = CliRunner().invoke(main, ["check", *map(str, words)])
        assert outcome.exit_code == 0, outcome.output
    outcome = CliRunner().invoke(main, ["check", str(archive.folder), "--hdus", "EVENT_CLASS"])
    assert outcome.exit_code == 2
    assert "expected KEY=PATTERN" in outcome.stderr


def test_export_rejects_the_choice(archive: Archive) -> None:
    with pytest.raises(ExportError, match="hdu_table"):
        pipeline(archive, "{EVENT_CLASS: 2}").to_script()


def test_pattern_must_be_a_string_or_a_number(archive: Archive) -> None:
    with pytest.raises(
        ConfigError, match=r"hdus.psf: invalid value .*expected a string or a number"
    ):
        pipeline(archive, "{psf: [a, b]}")
