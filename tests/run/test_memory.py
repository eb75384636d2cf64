"""Datasets that do not fit into memory together are rejected before runs are reduced."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from skyred import Orchestrator, Pipeline
from skyred.cli.main import main
from skyred.errors import ConfigError
from skyred.run import memory

CONFIG = """
data:
  crab:
    archive: {archive}
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: 1 deg
      bin_size: 0.1 deg
      energy: {{min: 1 TeV, max: 10 TeV, bins: 2}}
      energy_true: {{min: 0.5 TeV, max: 20 TeV, bins: 4}}
    make: [{{kind: map}}]
    stack: {{kind: {stacker}}}
"""


@pytest.fixture
def size(crab_archive: Path) -> float:
    """Return the size of the dataset of one run in bytes, as gammapy creates it."""
    pipeline = Pipeline.from_yaml(CONFIG.format(archive=crab_archive, stacker="sum"))
    dataset = pipeline.data["crab"].geometry.target("crab")
    maps = (dataset.counts, dataset.background, dataset.exposure, dataset.mask_safe,
            dataset.psf.psf_map, dataset.psf.exposure_map, dataset.edisp.edisp_map,
            dataset.edisp.exposure_map)  # fmt: skip
    return float(sum(value_map.data.nbytes for value_map in maps))


@pytest.mark.parametrize(
    ("stacker", "fraction", "rejected"),
    [
        ("keep", 1.5, True),
        ("keep", 2.5, False),
        ("sum", 1.5, False),
        ("group, by: night", 1.5, False),
    ],
)
def test_datasets_of_all_runs_are_counted_if_they_are_kept(
    stacker: str,
    fraction: float,
    rejected: bool,
    size: float,
    crab_archive: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline = Pipeline.from_yaml(CONFIG.format(archive=crab_archive, stacker=stacker))
    monkeypatch.setattr(memory, "total_memory", lambda: fraction * size)
    if rejected:
        with pytest.raises(ConfigError, match=r"data: all datasets need at least .* 2 runs"):
            Orchestrator(pipeline).reduce()
    else:
        assert Orchestrator(pipeline).reduce()


def test_datasets_of_all_entries_are_counted(
    size: float, crab_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline.from_yaml(CONFIG.format(archive=crab_archive, stacker="sum"))
    both = pipeline.evolve(data={**pipeline.data, "again": pipeline.data["crab"]})
    monkeypatch.setattr(memory, "total_memory", lambda: 1.5 * size)
    with pytest.raises(ConfigError, match="all datasets need at least"):
        Orchestrator(both).reduce()


@pytest.mark.parametrize("options", [(), ("--all-runs",)])
@pytest.mark.parametrize("stacker", ["keep", "sum"])
def test_check_reports_datasets_that_do_not_fit_into_memory(
    stacker: str,
    options: tuple[str, ...],
    size: float,
    crab_archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "crab.yaml"
    file.write_text(CONFIG.format(archive=crab_archive, stacker=stacker), encoding="utf-8")
    monkeypatch.setattr(memory, "total_memory", lambda: 1.5 * size)
    result = CliRunner().invoke(main, ["check", str(file), *options])
    assert result.exit_code == (2 if stacker == "keep" else 0)
    assert ("all datasets need at least" in result.output) is (stacker == "keep")


@pytest.mark.parametrize("options", [(), ("--all-runs",)])
@pytest.mark.parametrize(("fraction", "rejected"), [(1.5, True), (2.5, False)])
def test_check_counts_the_datasets_that_are_read(
    fraction: float,
    rejected: bool,
    options: tuple[str, ...],
    size: float,
    crab_archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = CONFIG.format(archive=crab_archive, stacker="sum")
    dataset = Pipeline.from_yaml(config).data["crab"].geometry.target("reduced")
    dataset.write(tmp_path / "reduced.fits")
    file = tmp_path / "crab.yaml"
    entry = f"  reduced: {{datasets: {tmp_path / 'reduced.fits'}}}\n"
    file.write_text(config + entry, encoding="utf-8")
    monkeypatch.setattr(memory, "total_memory", lambda: fraction * size)
    result = CliRunner().invoke(main, ["check", str(file), *options])
    assert result.exit_code == (2 if rejected else 0), result.output
    assert "none with faults" in result.output
    if rejected:
        with pytest.raises(ConfigError, match="all datasets need at least"):
            Orchestrator(Pipeline.from_yaml(file)).reduce()
