"""Several distributions can provide the same kind; configurations then name the distribution."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import toys
from distributions import install_distribution
from skyred import FieldError, Maker, Orchestrator, Pipeline, Result, component
from skyred.errors import ConfigError, OldNameWarning
from skyred.interfaces.class_origin import package_of
from skyred.interfaces.records import Owner
from skyred.plugins import Catalog, Plugins
from toys import ToyEstimator, ToyMaker, toy_pipeline, toy_plugins

RINGS = """
from skyred import Estimator, Maker, component, hookimpl, option
from toys import ToyProduct

@component
class Ring(Maker):
    '''A maker of {name}.'''
    kind = "ring-counts"
    factor = option({factor}, doc="Factor of the counts.")
    def make(self, dataset, observation):
        dataset.counts.data *= self.factor
        return dataset

@component
class RingTotal(Estimator):
    '''An estimator of {name}.'''
    kind = "ring-total"
    product = ToyProduct
    def estimate(self, datasets, fit):
        return ToyProduct(self.label, {factor})

@hookimpl
def skyred_components():
    return [Ring, RingTotal]
"""


def create_maker(name: str, kind: str = "ring-counts", **attributes: Any) -> type[Maker]:
    def make(self: Any, dataset: Any, observation: Any) -> Any:
        return dataset

    body = {"__doc__": "A maker.", "__module__": name, "kind": kind, "make": make, **attributes}
    return component(type("Ring", (Maker,), body))


RED, BLUE = Owner("skyred-red", "1.0", "red"), Owner("Skyred_Blue", "2.0", "blue")


@pytest.fixture
def rings() -> tuple[Plugins, type[Maker], type[Maker]]:
    """Return plugins with two makers of the same kind, and these makers."""
    plugins, red, blue = toy_plugins(), create_maker("red"), create_maker("blue")
    assert plugins.catalog.add(red, RED) == ""
    assert plugins.catalog.add(blue, BLUE) == ""
    return plugins, red, blue


def config_with(kind: str) -> str:
    config = toy_pipeline().to_yaml()
    assert "kind: toy-fill" in config
    return config.replace("kind: toy-fill", f"kind: {kind}")


def test_qualified_kind_always_works() -> None:
    catalog, red = Catalog(), create_maker("red")
    catalog.add(red, RED)
    assert catalog.get("maker", "ring-counts") is red
    assert catalog.get("maker", "skyred-red:ring-counts") is red
    assert catalog.find("skyred-red:ring-counts")[0].cls is red
    assert red().to_plain() == {"kind": "ring-counts"}
    assert Plugins.load().catalog.get("maker", "skyred:safe-mask").kind == "safe-mask"


def test_ambiguous_kind_is_an_error_with_the_qualified_names(rings: Any) -> None:
    plugins, red, blue = rings
    with pytest.raises(ConfigError) as exc_info:
        Pipeline.from_yaml(config_with("ring-counts"), plugins=plugins)
    (line,) = exc_info.value.lines
    assert "the maker 'ring-counts' is ambiguous: it is provided by skyred-red 1.0" in line
    assert "expected one of skyred-red:ring-counts, Skyred_Blue:ring-counts" in line
    for name, cls in (
        ("skyred-red:ring-counts", red),
        ("skyred-blue:ring-counts", blue),
        ("Skyred_Blue:ring-counts", blue),
    ):
        pipeline = Pipeline.from_yaml(config_with(name), plugins=plugins)
        assert type(pipeline.data["toy"].make[0]) is cls
    Pipeline.from_yaml(config_with("toy-fill"), plugins=plugins)  # other kinds are not affected


def test_ambiguous_kind_is_written_with_its_distribution(rings: Any) -> None:
    plugins, red, blue = rings
    pipelines = [toy_pipeline(make=[ToyMaker(), cls()]) for cls in (red, blue)]
    for pipeline, name in zip(pipelines, ("skyred-red", "Skyred_Blue"), strict=True):
        assert f"kind: {name}:ring-counts" in pipeline.to_yaml()
        assert Pipeline.from_yaml(pipeline.to_yaml(), plugins=plugins) == pipeline
        assert Pipeline.from_yaml(pipeline.to_yaml(complete=True), plugins=plugins) == pipeline


def test_components_of_two_distributions_are_unequal_with_unequal_digests() -> None:
    red, blue = create_maker("red.makers"), create_maker("blue")
    assert red() != blue()
    assert red().digest() != blue().digest()
    pipelines = [toy_pipeline(make=[cls()]) for cls in (red, blue)]
    assert pipelines[0] != pipelines[1]
    assert pipelines[0].digest() != pipelines[1].digest()
    assert create_maker("red.other")().digest() == red().digest()


def test_distributions_that_share_a_namespace_package_are_unequal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("red/__init__", "red/rings", "blue"):
        module = tmp_path / "shared_rings" / f"{name}.py"
        module.parent.mkdir(parents=True, exist_ok=True)
        module.touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("red.rings", "blue"):
        importlib.import_module(f"shared_rings.{name}")
    red, blue = create_maker("shared_rings.red.rings")(), create_maker("shared_rings.blue")()
    assert red != blue
    assert red.digest() != blue.digest()
    assert package_of(type(red)) == "shared_rings.red"
    assert package_of(type(blue)) == "shared_rings.blue"
    assert package_of(create_maker("toys.rings")) == "toys"


def test_digest_does_not_depend_on_other_plugins(rings: Any) -> None:
    _, red, _ = rings
    assert create_maker("red")().digest() == red().digest()


def test_class_of_a_script_has_the_same_digest_in_a_worker() -> None:
    assert create_maker("__main__")().digest() == create_maker("__mp_main__")().digest()


def test_owner_of_an_ambiguous_component_is_that_of_its_class(rings: Any) -> None:
    catalog = rings[0].catalog
    assert [catalog.owner(cls()) for cls in rings[1:]] == [RED, BLUE]
    assert catalog.kinds("maker") == [
        "Skyred_Blue:ring-counts", "skyred-red:ring-counts", "toy-fill",
    ]  # fmt: skip
    assert {entry.owner for entry in catalog.find("ring-counts")} == {RED, BLUE}


def test_removed_plugin_makes_the_short_kind_unique_again(rings: Any) -> None:
    catalog, red = rings[0].catalog, rings[1]
    catalog.drop(BLUE)
    assert catalog.get("maker", "ring-counts") is red


def test_kind_twice_in_one_distribution_is_a_fault() -> None:
    catalog = Catalog()
    catalog.add(create_maker("red"), RED)
    other_plugin = Owner("skyred-red", "1.0", "second")
    assert "already provided by skyred-red 1.0" in catalog.add(create_maker("red"), other_plugin)


def test_kind_that_skyred_provides_too_is_ambiguous() -> None:
    plugins = Plugins.load()
    safe_mask = create_maker("red", "safe-mask")
    assert plugins.catalog.add(safe_mask, RED) == ""
    try:
        with pytest.raises(FieldError, match="expected one of skyred:safe-mask, skyred-red:safe"):
            plugins.catalog.get("maker", "safe-mask")
        assert plugins.catalog.get("maker", "skyred:safe-mask") is not safe_mask
    finally:  # of a class that other tests use
        plugins.catalog.get("maker", "skyred:safe-mask").yaml_kind = "safe-mask"


def test_default_engine_is_that_of_skyred() -> None:
    plugins = Plugins.load()
    serial = plugins.catalog.get("engine", "serial")
    namesake = type("Copy", (serial,), {"__doc__": "Another engine.", "kind": "serial"})
    assert plugins.catalog.add(component(namesake), RED) == ""
    try:
        assert plugins.catalog.default("engine", "serial") is serial
        orchestrator = Orchestrator(toy_pipeline(), plugins=plugins)
        assert type(orchestrator._steps.engine) is serial
    finally:
        serial.yaml_kind = "serial"


def test_old_kind_that_another_plugin_provides_is_ambiguous() -> None:
    catalog = Catalog()
    old = create_maker("red", "ring-sum", old_kinds=("ring-counts",))
    new = create_maker("blue", "ring-counts")
    assert catalog.add(old, RED) == ""
    assert catalog.add(new, BLUE) == ""
    with pytest.raises(FieldError, match="expected one of skyred-red:ring-sum, Skyred_Blue:ring"):
        catalog.get("maker", "ring-counts")
    with pytest.warns(OldNameWarning, match="'ring-counts' is now called 'ring-sum'"):
        assert catalog.get("maker", "skyred-red:ring-counts") is old
    assert new().to_plain() == {"kind": "Skyred_Blue:ring-counts"}
    assert old().to_plain() == {"kind": "ring-sum"}


def test_unknown_distribution_is_an_error_with_a_suggestion(rings: Any) -> None:
    with pytest.raises(FieldError, match=r"unknown maker 'green:toy-fill'.*mean 'toy-fill'\?"):
        rings[0].catalog.get("maker", "green:toy-fill")


TOYS = """
import toys
skyred_components = toys.skyred_components
skyred_archive = toys.skyred_archive
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Return a folder with three distributions, two of which provide the same kinds."""
    for name, factor in (("ring-a", 2.0), ("ring-b", 3.0)):
        install_distribution(tmp_path, name, RINGS.format(name=name, factor=factor))
    return install_distribution(tmp_path, "toy-archive", TOYS)


def run_python(packages: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    folders = [str(packages), str(Path(toys.__file__).parent), os.environ.get("PYTHONPATH", "")]
    blocked = "progress,plots"
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders), "SKYRED_BLOCK": blocked},
        cwd=packages,
        capture_output=True,
        text=True,
        check=False,
    )


def run_skyred(packages: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_python(packages, "-m", "skyred", *arguments)


READ = """
import json
from click.testing import CliRunner
from skyred import Result
from skyred.cli import main
result = Result.read('toy')
outputs = [float(result.datasets[0].counts.data.sum()), result.estimates['ring-total'].counts]
for command in (
    ["check", "toy/config.yaml", "--no-data"],
    ["plugins"],
    ["show", "ring-b:ring-counts"],
    ["run", "toy.yaml", "--set", "estimate[0].kind=ring-total"],
):
    called = CliRunner().invoke(main, command)
    outputs.append([called.exit_code, called.output])
print(json.dumps(outputs))
"""


@pytest.mark.slow
def test_run_with_two_distributions_of_one_kind(packages: Path) -> None:
    makers = [ToyMaker(), create_maker("b")()]
    config = toy_pipeline(2, make=makers).to_yaml().replace("ring-counts", "ring-b:ring-counts")
    assert "kind: ring-b:ring-counts" in config
    config += "estimate:\n  - kind: ring-a:ring-total\n"
    (packages / "toy.yaml").write_text(config, encoding="utf-8")
    engine = ("--engine", "processes", "--workers", "2", "--no-cache")
    process = run_skyred(packages, "run", "toy.yaml", *engine)
    assert process.returncode == 0, process.stderr
    report = json.loads((packages / "toy" / "report.json").read_text("utf-8"))
    assert report["estimates"] == {"ring-total": "ring-a:ring-total"}
    assert {"ring-a", "ring-b"} <= {owner["distribution"] for owner in report["plugins"]}
    assert "ring-b:ring-counts" in (packages / "toy" / "config.yaml").read_text("utf-8")
    # one process, because an import of skyred takes a second
    process = run_python(packages, "-c", READ)
    assert process.returncode == 0, process.stderr
    counts, total, *called = json.loads(process.stdout)
    assert counts == pytest.approx(3.0 * 2 * 1.5)
    assert total == 2.0, "the product of the other distribution"
    assert [exit_code for exit_code, _ in called] == [0, 0, 0, 2]
    again, plugin_list, description, ambiguous = [output for _, output in called]
    assert report["digest"][:16] in again
    assert "maker ring-a:ring-counts" in plugin_list
    assert "FAULTY" not in plugin_list
    assert description.startswith("maker ring-b:ring-counts    (ring-b 1.2")
    assert "A maker of ring-a." not in description
    assert "expected one of ring-a:ring-total, ring-b:ring-total" in ambiguous


def test_folder_from_before_the_second_distribution_is_read(tmp_path: Path) -> None:
    plugins = toy_plugins()
    toy_pipeline(2, estimate=[ToyEstimator()]).run(tmp_path / "run", plugins=plugins, cache=False)
    assert "kind: toy-total" in (tmp_path / "run" / "config.yaml").read_text("utf-8")
    body = {"__doc__": "Another total.", "kind": "toy-total"}
    namesake = component(type("Other", (ToyEstimator,), body))
    assert plugins.catalog.add(namesake, RED) == ""
    try:
        result = Result.read(tmp_path / "run", plugins=plugins)
        assert type(result.estimates["toy-total"]).__name__ == "ToyProduct"
    finally:
        ToyEstimator.yaml_kind = "toy-total"


def test_estimate_of_an_old_kind_is_read(tmp_path: Path) -> None:
    plugins = toy_plugins()
    toy_pipeline(2, estimate=[ToyEstimator()]).run(tmp_path / "run", plugins=plugins, cache=False)
    body = {"__doc__": "A renamed total.", "kind": "toy-sum-of", "old_kinds": ("toy-total",)}
    renamed = component(type("Renamed", (ToyEstimator,), body))
    newer = Plugins.load(points=[])
    newer.catalog.add(renamed, RED)
    with pytest.warns(OldNameWarning):
        result = Result.read(tmp_path / "run", plugins=newer)
    assert "toy-total" in result.estimates
