"""The key of a chunk depends on all inputs that affect its content, and on no others."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table, vstack
from hypothesis import HealthCheck, given, settings, strategies as st

import skyred.run.cache.keys
from skyred import Pipeline, Reduction
from skyred.fields import specs
from skyred.interfaces.records import Owner
from skyred.plugins import Plugins
from skyred.run.cache import Cache
from skyred.run.cached_chunks import EntryCache
from skyred.run.reduce import _EntryReduction, _iter_chunks
from skyred.run.select import select

RUNS = (1, 2, 3)
KINDS = ("events", "gti", "aeff", "edisp", "psf", "bkg")
ALL, NONE = frozenset(RUNS), frozenset[int]()

PLUGIN = '''
from skyred import Maker, component, hookimpl, option


@component
class UnchangedDataset(Maker):
    """Return the dataset unchanged."""

    kind = "{kind}"
    label = option("left", doc="A label without effect.")

    def make(self, dataset, observation):
        return dataset


@hookimpl
def skyred_components():
    return [UnchangedDataset]
'''

PIPELINE = """
data:
  hess:
    archive: $SKYRED_TEST_INPUTS/archive
    select: [{kind: observation-ids, ids: [1, 2, 3]}]
    geometry:
      kind: map
      center: {ra: 83.633 deg, dec: 22.014 deg}
      width: 2 deg
      energy: {min: 1 TeV, max: 10 TeV, bins: 4}
      energy_true: {min: 0.5 TeV, max: 20 TeV, bins: 10}
    make:
      - {kind: map}
      - {kind: safe-mask, methods: [offset-max], offset_max: 2.5 deg}
      - {kind: fov-background, exclude: [$SKYRED_TEST_INPUTS/sources.reg]}
      - {kind: mine}
    stack: {kind: sum, chunk: 1}
    on_error: skip
model: [{kind: fov-background}]
estimate: [{kind: excess-map}]
"""

# a non-default value of each option of the components of the reduction
OPTIONS = {
    "geometry.name": "other",
    "geometry.center": "[83.7 deg, 22.014 deg]",
    "geometry.width": "3 deg",
    "geometry.bin_size": "0.05 deg",
    "geometry.energy.min": "2 TeV",
    "geometry.energy.max": "11 TeV",
    "geometry.energy.bins": "5",
    "geometry.energy_true.bins": "12",
    "geometry.frame": "galactic",
    "geometry.projection": "TAN",
    "geometry.cutout_width": "4 deg",
    "geometry.irf_bin_size": "0.1 deg",
    "geometry.psf_max": "0.5 deg",
    "geometry.psf_bins": "60",
    "make.0.parts": "[counts, exposure, background]",
    "make.0.background_oversampling": "2",
    "make.0.background_interp_missing_data": "false",
    "make.0.background_pad_offset": "false",
    "make.0.fov_rotation_step": "2 deg",
    "make.1.methods": "[aeff-max]",
    "make.1.aeff_percent": "12",
    "make.1.bias_percent": "12",
    "make.1.position": "[83.63 deg, 22.01 deg]",
    "make.1.fixed_offset": "0.5 deg",
    "make.1.irfs": "DL3",
    "make.1.offset_max": "2 deg",
    "make.1.energy_min": "1.5 TeV",
    "make.1.energy_max": "8 TeV",
    "make.2.method": "scale",
    "make.2.exclude": "['icrs; circle(83, 22, 0.2)']",
    "make.2.spectral": "lp-norm",
    "make.2.spatial": "{type: gauss, sigma: 3 deg}",
    "make.2.sources": "[{name: a, spectral: {type: pl}, spatial: {type: point}}]",
    "make.2.min_counts": "3",
    "make.2.min_background": "2.5",
    "make.3.label": "right",
    "stack.chunk": "2",
    "stack.kind": "keep",
    "make.3.kind": "other-mine",
    "on_fault": "note",
    "select": "[{kind: observation-ids, ids: [1, 2, 3]}, {kind: time-window, start: 1990-01-01}]",
}
# options that do not affect the content of the chunks: selection, required IRFs, treatment of
# failed runs, and later steps
UNRELATED_OPTIONS = {
    "data.hess.select": "[]",
    "data.hess.on_error": "stop",
    "data.hess.fit_range": "{energy: [1 TeV, 5 TeV]}",
    "data.hess.irfs": "full-enclosure",
    "model": "[]",
    "fit": "{kind: minuit}",
    "estimate": "[]",
}


@attrs.define
class Inputs:
    """All inputs of a reduction: the archive, the source of plugins and the configuration."""

    folder: Path
    version: str = "1.0"
    overrides: list[str] = attrs.field(factory=list)

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    def run_file(self, number: int) -> Path:
        return self.archive / f"run{number}.fits"

    def pipeline(self, plugins: Plugins) -> Pipeline:
        # the key contains the path before the variable is expanded
        os.environ["SKYRED_TEST_INPUTS"] = str(self.folder)
        return Pipeline.from_yaml(PIPELINE, overrides=self.overrides, plugins=plugins)

    def keys(self) -> dict[int, str]:
        """Return the key of the chunk of each run."""
        plugins = _load_plugins(self)
        pipeline = self.pipeline(plugins)
        ((entry, reduction),) = pipeline.entries()
        selection = select(entry, reduction, plugins)
        plan = _create_plan(self, entry, reduction, plugins)
        chunks = _iter_chunks(plan, selection, {}, {})
        return {
            int(observation.obs_id): plan.entry_cache.key(chunk)
            for chunk in chunks
            for observation in chunk.observations
        }


def _create_plan(
    inputs: Inputs, entry: str, reduction: Reduction, plugins: Plugins
) -> _EntryReduction:
    reduction = reduction.with_name(entry)
    entry_cache = EntryCache.from_reduction(
        Cache(inputs.folder, b""), reduction, reduction.make, plugins.catalog
    )
    return _EntryReduction(entry, reduction, reduction.make, (), entry_cache, None)


def _load_plugins(inputs: Inputs) -> Plugins:
    from skyred.components import engines, gammapy
    from skyred.components.fitters import minuit

    plugins = Plugins.load(points=[])
    for name, module in (("gammapy", gammapy), ("minuit", minuit), ("engines", engines)):
        plugins.register(module, Owner("skyred", "0.1.0", name))
    for kind, name in (("mine", "mine"), ("other-mine", "other_mine")):
        version = inputs.version if kind == "mine" else "1.0"
        plugins.register(_import_plugin(inputs, name), Owner(name, version, name))
    plugins.raise_if_faulty()
    return plugins


def _import_plugin(inputs: Inputs, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, inputs.folder / name / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # replaces the module of other inputs
    module.__path__ = [str(inputs.folder / name)]
    spec.loader.exec_module(module)
    return module


def _write_inputs(folder: Path) -> Inputs:
    inputs = Inputs(folder)
    inputs.archive.mkdir(parents=True)
    rows = [
        (run, kind, kind, ".", f"run{run}.fits", kind.upper()) for run in RUNS for kind in KINDS
    ]
    names = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
    Table(rows=rows, names=names).write(inputs.archive / "hdu-index.fits.gz")
    pointings = {"OBS_ID": RUNS, "RA_PNT": [83.0, 84.0, 83.5], "DEC_PNT": [22.0, 22.0, 22.5]}
    Table(pointings).write(inputs.archive / "obs-index.fits.gz")
    for run in RUNS:
        inputs.run_file(run).write_bytes(bytes(range(256)) * (run + 4))
    (folder / "sources.reg").write_text("icrs\ncircle(83.63, 22.01, 0.2)\n")
    for name, kind in (("mine", "mine"), ("other_mine", "other-mine")):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(PLUGIN.format(kind=kind))
        (folder / name / "helper.py").write_text("FACTOR = 1\n")
    return inputs


@pytest.fixture(scope="module")
def inputs_and_keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Inputs, dict[int, str]]:
    inputs = _write_inputs(tmp_path_factory.mktemp("inputs"))
    return inputs, inputs.keys()


def _flip_bit(run: int, bit: int) -> Callable[[Inputs], Any]:
    def change(inputs: Inputs) -> None:
        content = bytearray(inputs.run_file(run).read_bytes())
        content[bit % len(content)] ^= 1 << bit % 8
        inputs.run_file(run).write_bytes(content)

    return change


def _append_comment(name: str) -> Callable[[Inputs], Any]:
    def change(inputs: Inputs) -> None:
        path = inputs.folder / name
        path.write_text(path.read_text() + "# changed\n")
        os.utime(path, (0, 0))  # older than the import; otherwise caching is disabled

    return change


def _change_observation_row(run: int) -> Callable[[Inputs], Any]:
    def change(inputs: Inputs) -> None:
        path = inputs.archive / "obs-index.fits.gz"
        table = Table.read(path)
        table["RA_PNT"][RUNS.index(run)] += 0.1
        table.write(path, overwrite=True)

    return change


def _change_hdu_row(run: int) -> Callable[[Inputs], Any]:
    def change(inputs: Inputs) -> None:
        path = inputs.archive / "hdu-index.fits.gz"
        table = Table.read(path)
        is_aeff = (table["OBS_ID"] == run) & (table["HDU_TYPE"] == "aeff")
        table["HDU_NAME"][is_aeff] = "BKG"
        table.write(path, overwrite=True)

    return change


def _change_version(inputs: Inputs) -> None:
    inputs.version = "1.1"


def _override(path: str, value: str) -> Callable[[Inputs], Any]:
    return lambda inputs: inputs.overrides.append(f"{path}={value}")


def _change_file_times(inputs: Inputs) -> None:
    os.utime(inputs.run_file(1), (1, 1))


def _add_run(inputs: Inputs) -> None:
    """Add run 4 to the folder and both indexes; the pipeline selects runs 1 to 3."""
    inputs.run_file(4).write_bytes(b"4")
    for name in ("hdu-index.fits.gz", "obs-index.fits.gz"):
        path = inputs.archive / name
        table = Table.read(path)
        added = table[table["OBS_ID"] == 1]
        added["OBS_ID"] = 4
        if "FILE_NAME" in added.colnames:
            added["FILE_NAME"] = "run4.fits"
        vstack([table, added]).write(path, overwrite=True)


def _add_comment_to_index(inputs: Inputs) -> None:
    with fits.open(inputs.archive / "obs-index.fits.gz", mode="update") as hdus:
        hdus[1].header["COMMENT"] = "a comment"


Change = Callable[[Inputs], Any]

CHANGES: dict[str, tuple[Change, frozenset[int]]] = {
    **{path: (_override(f"data.hess.{path}", value), ALL) for path, value in OPTIONS.items()},
    **{path: (_override(path, value), NONE) for path, value in UNRELATED_OPTIONS.items()},
    **{f"row of run {run}": (_change_observation_row(run), frozenset({run})) for run in RUNS},
    **{f"HDU of run {run}": (_change_hdu_row(run), frozenset({run})) for run in RUNS},
    "region file": (_append_comment("sources.reg"), ALL),
    "source of a component": (_append_comment("mine/__init__.py"), ALL),
    "source of its helper": (_append_comment("mine/helper.py"), ALL),
    "version of a plugin": (_change_version, ALL),
    "source of an unused plugin": (_append_comment("other_mine/__init__.py"), NONE),
    "times of a file": (_change_file_times, NONE),
    "run that is not selected": (_add_run, NONE),
    "comment in the index": (_add_comment_to_index, NONE),
    "location only": (lambda inputs: None, NONE),
}


def changed_runs(
    inputs_and_keys: tuple[Inputs, dict[int, str]], change: Change, factory: pytest.TempPathFactory
) -> set[int]:
    """Return the runs whose chunk key differs after a change."""
    inputs, keys = inputs_and_keys
    copy = Inputs(factory.mktemp("changed") / "inputs")
    shutil.copytree(inputs.folder, copy.folder)  # the location must have no effect
    change(copy)
    changed_keys = copy.keys()
    shutil.rmtree(copy.folder)
    assert all(keys.values())
    return {run for run in RUNS if changed_keys[run] != keys[run]}


@pytest.mark.parametrize("change_name", CHANGES)
def test_change_affects_only_the_keys_of_its_chunks(
    change_name: str,
    inputs_and_keys: tuple[Inputs, dict[int, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    change, expected = CHANGES[change_name]
    assert changed_runs(inputs_and_keys, change, tmp_path_factory) == expected


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(run=st.sampled_from(RUNS), bit=st.integers(0, 10_000))
def test_flipped_bit_of_a_run_affects_only_the_key_of_its_chunk(
    run: int,
    bit: int,
    inputs_and_keys: tuple[Inputs, dict[int, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    assert changed_runs(inputs_and_keys, _flip_bit(run, bit), tmp_path_factory) == {run}


def test_all_options_of_the_reduction_are_tested(
    inputs_and_keys: tuple[Inputs, dict[int, str]],
) -> None:
    inputs, _ = inputs_and_keys
    reduction = inputs.pipeline(_load_plugins(inputs)).data["hess"]
    components = {"geometry": reduction.geometry, "stack": reduction.stack}
    components |= {f"make.{index}": maker for index, maker in enumerate(reduction.make)}
    options = {
        f"{path}.{name}"
        for path, component in components.items()
        for name in specs(type(component))
    }
    tested_paths = {
        ".".join(path.split(".")[: 3 if path.startswith("make") else 2]) for path in OPTIONS
    }
    assert options <= tested_paths


@pytest.mark.parametrize("package", ["gammapy", "numpy", "astropy"])
def test_versions_of_numerical_packages_change_all_keys(
    package: str, inputs_and_keys: tuple[Inputs, dict[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, keys = inputs_and_keys
    real_version = skyred.run.cache.keys.installed_version
    monkeypatch.setattr(
        skyred.run.cache.keys,
        "installed_version",
        lambda name: "9" if name == package else real_version(name),
    )
    changed_keys = inputs.keys()
    assert all(changed_keys[run] != keys[run] for run in RUNS)


def test_cache_is_disabled_if_a_source_file_changed_after_its_import(tmp_path: Path) -> None:
    inputs = _write_inputs(tmp_path / "inputs")
    plugins = _load_plugins(inputs)
    path = inputs.folder / "mine" / "helper.py"
    path.write_text("FACTOR = 2\n")
    os.utime(path, (2**33, 2**33))
    reduction = inputs.pipeline(plugins).data["hess"].with_name("hess")
    entry_cache = EntryCache.from_reduction(
        Cache(tmp_path, b""), reduction, reduction.make, plugins.catalog
    )
    assert entry_cache.recipe is None


def test_chunks_are_not_stored_if_a_file_changes_during_the_reduction(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from skyred.interfaces.records import Outcome
    from skyred.run.worker import PartialStack

    inputs = _write_inputs(tmp_path / "inputs")
    plugins = _load_plugins(inputs)
    reduction = inputs.pipeline(plugins).data["hess"].with_name("hess")
    (tmp_path / "chunks").mkdir()
    entry_cache = EntryCache.from_reduction(
        Cache(tmp_path / "chunks", b"s"), reduction, reduction.make, plugins.catalog
    )
    _append_comment("sources.reg")(inputs)
    entry_cache.put("ab" * 32, PartialStack(np.ones(3), (Outcome("hess", 1, "reduced"),)))
    assert not entry_cache.contains("ab" * 32)
    assert "has changed" in caplog.text
