"""The maker in pipelines: runs that cannot be read, and the cache."""

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
    """Give three short runs: those of the conformance kit, made once; to be copied, not changed."""
    store = Plugins.load().open_archive("sim:crab?runs=3&livetime=3min")
    return Path(store.hdu_table.meta["BASE_DIR"])


def test_a_run_that_cannot_be_read_is_in_the_ledger_and_the_others_are_made(archive, tmp_path):
    broken = shutil.copytree(archive, tmp_path / "broken")
    file = sorted(path for path in broken.rglob("*.fits.gz") if "index" not in path.name)[1]
    file.write_bytes(file.read_bytes()[:-3000])
    analysis = Orchestrator(Pipeline.from_yaml(YAML.format(archive=broken)))
    (dataset,) = analysis.reduce()
    statuses = [(each.status, each.maker) for each in analysis.outcomes]
    assert statuses == [("reduced", ""), ("failed", "inspection"), ("reduced", "")]
    assert file.name in analysis.outcomes[1].reason
    assert dataset.background.data.sum() > 10


def test_a_second_run_is_cached_and_another_option_is_not(archive, tmp_path, monkeypatch):
    monkeypatch.delenv("SKYRED_CACHE", raising=False)
    text = YAML.format(archive=archive)

    def statuses(text):
        analysis = Orchestrator(Pipeline.from_yaml(text), cache=tmp_path / "cache")
        analysis.reduce()
        return [each.status for each in analysis.outcomes]

    assert statuses(text) == ["reduced"] * 3
    assert statuses(text) == ["cached"] * 3
    assert statuses(text.replace("offset_bins: 4", "offset_bins: 5")) == ["reduced"] * 3
    # one run less teaches other rates: what was made of the others is not used
    fewer = "    select: [{kind: observation-ids, ids: [900001]}]\n    on_error"
    assert statuses(text.replace("    on_error", fewer)) == ["reduced"]


def test_what_lies_beyond_the_model_is_named_before_anything_is_read(archive):
    text = YAML.format(archive=archive).replace("[1 TeV, 10 TeV]", "[2 TeV, 10 TeV]")
    text = text.replace("offset_bins: 4", "offset_max: 1 deg")
    with pytest.raises(ValueError, match=r"does not cover the energies of data\.crab") as error:
        Pipeline.from_yaml(text)
    assert "less than that of the masks" in str(error.value)


def test_a_chain_that_keeps_to_no_offset_is_told_to(archive):
    text = YAML.format(archive=archive).replace(
        "      - {kind: safe-mask, methods: [offset-max], offset_max: 2 deg}\n", ""
    )
    with pytest.raises(ValueError, match=r"no maker of data\.crab keeps to 2\.5 deg") as error:
        Pipeline.from_yaml(text)
    assert "add {kind: safe-mask, methods: [offset-max], offset_max: 2.5 deg}" in str(error.value)
