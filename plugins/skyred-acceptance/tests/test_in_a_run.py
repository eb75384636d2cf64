"""The maker in pipelines: unreadable runs, and the cache."""

import shutil
from pathlib import Path

import pytest

from skyred import Orchestrator, Pipeline, Plugins

YAML = """
data:
  crab:
    archive: {archive}
    on_error: skip
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: [3 deg, 3 deg]
      bin_size: 0.1 deg
      energy: {{min: 1 TeV, max: 10 TeV, bins: 2}}
      energy_true: {{min: 0.5 TeV, max: 20 TeV, bins: 3}}
    make:
      - {{kind: map, parts: [counts, exposure]}}
      - {{kind: safe-mask, methods: [offset-max], offset_max: 2 deg}}
      - kind: acceptance
        energy: [1 TeV, 10 TeV]
        energy_bins: 2
        offset_bins: 4
        exclude: ["icrs; circle(83.633, 22.014, 0.3)"]
    stack: {{kind: sum, chunk: 1}}
"""


@pytest.fixture(scope="module")
def archive():
    """Return three short runs of the conformance checks, created once; do not change them."""
    store = Plugins.load().open_archive("sim:crab?runs=3&livetime=3min")
    return Path(store.hdu_table.meta["BASE_DIR"])


def test_unreadable_run_fails_and_the_others_are_reduced(archive, tmp_path):
    broken_archive = shutil.copytree(archive, tmp_path / "broken")
    files = sorted(path for path in broken_archive.rglob("*.fits.gz") if "index" not in path.name)
    file = files[1]
    file.write_bytes(file.read_bytes()[:-3000])
    analysis = Orchestrator(Pipeline.from_yaml(YAML.format(archive=broken_archive)))
    (dataset,) = analysis.reduce()
    statuses = [(outcome.status, outcome.maker) for outcome in analysis.outcomes]
    assert statuses == [("reduced", ""), ("failed", "inspection"), ("reduced", "")]
    assert file.name in analysis.outcomes[1].reason
    assert dataset.background.data.sum() > 10


def test_second_run_is_cached_but_not_with_another_option(archive, tmp_path, monkeypatch):
    monkeypatch.delenv("SKYRED_CACHE", raising=False)
    config = YAML.format(archive=archive)

    def statuses(config):
        analysis = Orchestrator(Pipeline.from_yaml(config), cache=tmp_path / "cache")
        analysis.reduce()
        return [outcome.status for outcome in analysis.outcomes]

    assert statuses(config) == ["reduced"] * 3
    assert statuses(config) == ["cached"] * 3
    assert statuses(config.replace("offset_bins: 4", "offset_bins: 5")) == ["reduced"] * 3
    # the rates estimated from fewer runs differ, so that cached chunks are not used
    selection = "    select: [{kind: observation-ids, ids: [900001]}]\n"
    assert statuses(config.replace("    on_error", f"{selection}    on_error")) == ["reduced"]


def test_data_outside_the_model_are_reported_before_data_are_read(archive):
    config = YAML.format(archive=archive).replace("[1 TeV, 10 TeV]", "[2 TeV, 10 TeV]")
    config = config.replace("offset_bins: 4", "offset_max: 1 deg")
    with pytest.raises(ValueError, match=r"does not cover the energies of data\.crab") as error:
        Pipeline.from_yaml(config)
    assert "is less than the largest offset" in str(error.value)


def test_missing_maximum_offset_is_reported(archive):
    config = YAML.format(archive=archive).replace(
        "      - {kind: safe-mask, methods: [offset-max], offset_max: 2 deg}\n", ""
    )
    with pytest.raises(
        ValueError, match=r"no maker of data\.crab limits the offset to 2\.5 deg"
    ) as error:
        Pipeline.from_yaml(config)
    assert "add {kind: safe-mask, methods: [offset-max], offset_max: 2.5 deg}" in str(error.value)
