"""Every example runs and writes its plots, and its run folder can be read."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from gammapy.data import DataStore

from skyred import Orchestrator, Pipeline, Result

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.yaml"))
# the examples that need no data; all others take seconds
QUICK = {"nights"}
TARGETS = {"crab": 4, "pks-2155": 21, "msh-15-52": 20, "rx-j1713": 15}
# fewer runs and larger pixels, to save time: all 60 runs of the four targets take a minute
OVERRIDES = {
    "comparison": ["estimate.1.parameters=[crab.alpha, crab.beta]"],
    "sensitivity": ["data.hess.select.0={kind: observation-ids, ids: [23523]}"],
    "spectrum": ["data.hess.select.0={kind: observation-ids, ids: [23523, 23526]}"],
    "profile": ["data.hess.geometry.bin_size=0.05 deg"],
    "groups": ["data.hess.geometry.bin_size=0.1 deg"],
    "maps": ["data.hess.geometry.bin_size=0.06 deg"],
    "nights": ["data.crab.archive=sim:crab?runs=4&livetime=10min"],
    "minutes": ["data.hess.select.1.stop=2006-07-29T21:05:00"],
    "light-curve": ["data.hess.select.1.stop=2006-07-29T22:50:00"],
    "joint-crab-events": [
        "data.fact.select=[{kind: observation-ids, ids: [20131103103, 20131103104]}]"
    ],
    "targets": [
        "data.crab.select.0={kind: observation-ids, ids: [23523, 23526]}",
        "data.pks-2155.select.0={kind: observation-ids, ids: [33787, 47802]}",
        "data.msh-15-52.select.0={kind: observation-ids, ids: [20136, 20282]}",
        "data.rx-j1713.select.0={kind: observation-ids, ids: [20326, 20898]}",
    ],
}


@pytest.fixture(
    params=[
        pytest.param(path, marks=[] if path.stem in QUICK else [pytest.mark.slow], id=path.stem)
        for path in EXAMPLES
    ]
)
def example(request: pytest.FixtureRequest) -> Path:
    content = request.param.read_text(encoding="utf-8")
    for variable in sorted(set(re.findall(r"\$(\w+)", content))):
        if not Path(os.environ.get(variable, "?")).is_dir():
            pytest.skip(f"needs ${variable}")
    if "zenith-veto" in content and not importlib.util.find_spec("skyred_example"):
        pytest.skip("needs the plugin skyred-example")
    return Path(request.param)


@pytest.mark.slow
def test_example_runs(example: Path, tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(example, overrides=OVERRIDES.get(example.stem, []))
    result = pipeline.run(tmp_path / "run")
    assert result.folder is not None
    assert result.provenance["state"] == "finished"
    assert not result.provenance["watchers"], "a plot failed"
    assert result.fit is None or result.fit.success
    assert not [outcome for outcome in result.outcomes if outcome.status == "failed"]
    _check_plots(result)
    _check_read_back(result)


@pytest.mark.parametrize(
    "example", [path for path in EXAMPLES if path.stem == "targets"], indirect=True
)
def test_all_runs_of_the_four_targets_are_selected(example: Path) -> None:
    tables = Orchestrator(Pipeline.from_yaml(example)).select()
    assert {entry: len(table) for entry, table in tables.items()} == TARGETS
    # "PKS 2155-304 (flare)" and "PKS 2155-304 (steady)" are the same target
    names = [set(map(str, table["TARGET_NAME"])) for table in tables.values()]
    assert [len({name.split(" (")[0] for name in target_names}) for target_names in names] == [
        1,
        1,
        1,
        1,
    ]
    obs_table = DataStore.from_dir(Path(os.environ["GAMMAPY_DATA"], "hess-dl3-dr1")).obs_table
    others = [
        name for name in map(str, obs_table["TARGET_NAME"]) if name not in set().union(*names)
    ]
    # the archive has 105 runs
    assert len(others) == 105 - sum(TARGETS.values())


def _check_plots(result: Result) -> None:
    plot_names = {path.stem for path in (result.folder / "plots").glob("*.png")}  # type: ignore[operator]
    for product in result.estimates.values():
        assert {product.name + suffix for suffix in product.plot_functions()} <= plot_names


def _check_read_back(result: Result) -> None:
    assert result.folder is not None
    loaded = Result.read(result.folder)
    assert list(loaded.estimates) == list(result.estimates)
    for name, product in result.estimates.items():
        _assert_same(loaded.estimates[name].table(), product.table())
    if result.datasets is not None and result.fit is not None:
        assert loaded.datasets is not None
        # maps are written as float32, and PSF kernels are computed at the fitted positions
        assert loaded.datasets.stat_sum() == pytest.approx(result.datasets.stat_sum(), abs=0.1)


def _assert_same(actual: Table, expected: Table) -> None:
    assert actual.colnames == expected.colnames
    for name in expected.colnames:
        assert actual[name].unit == expected[name].unit
        values, expected_values = _to_array(actual[name]), _to_array(expected[name])
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values, expected_values, rtol=1e-5)
        else:
            assert values.astype(str).tolist() == expected_values.astype(str).tolist()


def _to_array(column: Any) -> Any:
    return np.asarray(column.filled() if hasattr(column, "filled") else column)
