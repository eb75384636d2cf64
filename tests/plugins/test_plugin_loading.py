"""Plugins: loading by entry point, and errors that do not affect other plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import Distribution, distributions
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest

from distributions import install_distribution
from skyred import hookimpl
from skyred.errors import ArchiveError, FieldError, PluginError
from skyred.interfaces.records import Owner
from skyred.plugins import BLOCK, Plugins
from toys import ToyMaker, ToySum

HEAD = "from skyred import Maker, component, hookimpl, option\n"
GOOD = """
@component
class Good(Maker):
    '''A maker that does nothing.'''
    kind = "good-maker"
    size = option(1, doc="A size.")
    def make(self, dataset, observation):
        return dataset

@hookimpl
def skyred_components():
    return [Good]
"""
FAULTS = {
    "raises on import": ("raise RuntimeError('no libfoo')",
                         "cannot be imported: RuntimeError: no libfoo"),
    "exits on import": ("raise SystemExit('bye')", "cannot be imported: SystemExit: bye"),
    "syntax error": ("def f(:", "cannot be imported: SyntaxError"),
    "misspelt hook": (GOOD.replace("skyred_components", "skyred_componets"),
                      "unknown hook 'skyred_componets'; did you mean 'skyred_components'?"),
    "undecorated hook": (GOOD.replace("@hookimpl", ""), "skyred_components is not decorated: "
                         "put @hookimpl above it"),
    "undecorated component": (GOOD.replace("@component", ""), "Good is not decorated: put "
                              "@component above the class"),
    "unfinished component": (GOOD.replace("def make", "def other"),
                             "Good does not implement make: write the method"),
    "wrong argument of a hook": ("@hookimpl\ndef skyred_run_started(rnu):\n    pass\n",
                                 "the hook skyred_run_started has no argument 'rnu'"),
    "claims a kind of ours": (GOOD.replace('"good-maker"', '"safe-mask"'),
                              "the maker 'safe-mask' is already provided by skyred "),
    "claims a kind twice": (GOOD.replace("[Good]", "[Good, Good]"),
                            "the maker 'good-maker' is already provided by "),
    "components that raise": (GOOD.replace("return [Good]", "return 1 / 0"),
                              "skyred_components() failed: ZeroDivisionError"),
    "commands": ("@hookimpl\ndef skyred_commands(cli):\n    pass\n",
                 "skyred_commands() is ignored in this module: move it to its own module, with an "
                 "entry point in the group skyred.commands"),
    "components that are none": (GOOD.replace("[Good]", "[Good, 5]"), "5 is not a component class"),
}  # fmt: skip

Distribute = Callable[..., Path]


@pytest.fixture
def distribute(tmp_path: Path) -> Distribute:
    """Return a function that installs a distribution of one module with its metadata."""

    def install(name: str, code: str, *, plugin: str = "", version: str = "1.2") -> Path:
        return install_distribution(
            tmp_path, name, HEAD + dedent(code), plugin=plugin, version=version
        )

    return install


def load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """Load the plugins of skyred and those in a folder."""
    monkeypatch.syspath_prepend(str(folder))
    found_distributions = [
        *Distribution.discover(path=[str(folder)]),
        *distributions(name="skyred"),
    ]
    return Plugins.load(
        [
            point
            for dist in found_distributions
            for point in dist.entry_points.select(group="skyred")
        ]
    )


def skyred(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from skyred.cli import main; main()", *words],
        env={**os.environ, "PYTHONPATH": str(folder), **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_plugin_is_reported_with_a_fix_and_does_not_affect_others(
    fault: str, distribute: Distribute, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, message = FAULTS[fault]
    module = f"faulty_{fault.replace(' ', '_')}"  # modules stay imported between tests
    name = module.replace("_", "-")
    distribute(name, code, version="3.4")
    folder = distribute(f"sound-{name}", GOOD.replace("good-maker", "sound-maker"))
    plugins = load(folder, monkeypatch)
    (sentence,) = plugins.faults()
    assert sentence.startswith(f"plugin '{name}' of {name} 3.4 ({module}): {message}")
    assert sentence.endswith(f"fix or remove it, or block it with SKYRED_BLOCK={name}")
    with pytest.raises(PluginError, match=name):
        plugins.raise_if_faulty()
    assert "sound-maker" in plugins.catalog.kinds("maker")
    assert "safe-mask" in plugins.catalog.kinds("maker")
    assert "good-maker" not in plugins.catalog.kinds("maker"), "all of a plugin, or nothing"
    monkeypatch.setenv(BLOCK, f"other, {name}")
    blocked = load(folder, monkeypatch)
    blocked.raise_if_faulty()
    assert [
        loaded_plugin.owner.plugin for loaded_plugin in blocked.loaded if loaded_plugin.blocked
    ] == [name]


def test_two_plugins_with_the_same_name_are_blocked_by_distribution(
    distribute: Distribute, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribute("twin-one", GOOD.replace("good-maker", "one"), plugin="twin", version="1.0")
    folder = distribute("twin-two", GOOD.replace("good-maker", "two"), plugin="twin", version="2.0")
    plugins = load(folder, monkeypatch)
    (sentence,) = plugins.faults()
    assert sentence.startswith("plugin 'twin' of twin-two 2.0 (twin_two): twin-one 1.0 ")
    assert "has the same name" in sentence
    assert "one" in plugins.catalog.kinds("maker")


def test_kind_of_skyred_in_another_plugin_is_refused(
    distribute: Distribute, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = distribute("aaa-first", GOOD.replace("good-maker", "aaa"), plugin="gammapy")
    plugins = load(folder, monkeypatch)
    (sentence,) = plugins.faults()
    assert sentence.startswith("plugin 'gammapy' of aaa-first 1.2")
    assert "safe-mask" in plugins.catalog.kinds("maker")


def test_faulty_plugins_cannot_stop_the_list_of_plugins(distribute: Distribute) -> None:
    distribute("breaks", "raise RuntimeError('no libfoo')")
    distribute("leaves", "raise SystemExit(3)")
    folder = distribute("works", GOOD)
    plugin_list = skyred(folder, "plugins")
    assert plugin_list.returncode == 0
    assert "works  works 1.2  works\n    maker good-maker" in plugin_list.stdout
    assert "A maker that does nothing." in plugin_list.stdout
    assert "breaks  breaks 1.2  breaks FAULTY" in plugin_list.stdout
    assert "maker safe-mask" in plugin_list.stdout
    assert "plugin 'breaks' of breaks 1.2 (breaks): cannot be imported" in plugin_list.stderr
    assert "SKYRED_BLOCK=breaks" in plugin_list.stderr
    assert "SKYRED_BLOCK=leaves" in plugin_list.stderr


@pytest.mark.slow
def test_check_and_run_with_a_faulty_plugin_exit_with_2(
    distribute: Distribute, tmp_path: Path
) -> None:
    folder = distribute("breaks", "raise RuntimeError('no libfoo')")
    config = tmp_path / "some.yaml"
    config.write_text("data: {}\n")
    for command in ("check", "run"):
        process = skyred(folder, command, str(config))
        assert process.returncode == 2
        assert "plugin 'breaks' of breaks 1.2" in process.stderr
        assert "Traceback" not in process.stderr
        allowed = skyred(folder, command, str(config), SKYRED_BLOCK="breaks")
        assert allowed.returncode == 2
        assert "breaks" not in allowed.stderr, "only the configuration is invalid"
    plugin_list = skyred(folder, "plugins", SKYRED_BLOCK="breaks")
    assert "breaks (blocked by SKYRED_BLOCK)" in plugin_list.stdout
    assert plugin_list.stderr == ""


def test_owner_of_a_component_is_its_distribution(
    distribute: Distribute, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = distribute("gives-owner", GOOD, plugin="nice", version="0.3")
    catalog = load(folder, monkeypatch).catalog
    instance = catalog.get("maker", "good-maker")()
    assert catalog.owner(instance) == Owner("gives-owner", "0.3", "nice")
    assert catalog.owner(ToyMaker()) is None


def empty(*plugins: tuple[str, object]) -> Plugins:
    instance = Plugins.load(points=[])
    for name, plugin in plugins:
        instance.register(plugin, Owner(f"{name}-package", "1.0", name))
    return instance


def plugin_with(*classes: type) -> SimpleNamespace:
    return SimpleNamespace(skyred_components=hookimpl(lambda: classes))


def test_plugin_with_a_duplicate_name_does_not_replace_the_first() -> None:
    plugins = empty(("same", plugin_with(ToyMaker)))
    plugins.register(plugin_with(ToySum), Owner("other", "2", "same"))
    assert len(plugins.faults()) == 1
    assert plugins.catalog.kinds("maker") == ["toy-fill"]
    assert plugins.catalog.kinds("stacker") == []
    assert plugins.manager.has_plugin("same")


class TestCatalog:
    def test_unknown_kind_is_reported_with_a_suggestion(self) -> None:
        catalog = empty(("toys", plugin_with(ToyMaker, ToySum))).catalog
        with pytest.raises(
            FieldError, match=r"unknown maker 'toy-fil'; .* did you mean 'toy-fill'\?"
        ):
            catalog.get("maker", "toy-fil")
        with pytest.raises(FieldError, match=r"unknown maker 'toy-sum' \('toy-sum' is a stacker\)"):
            catalog.get("maker", "toy-sum")
        with pytest.raises(FieldError, match="no plugin provides a"):
            catalog.get("fitter", "minuit")

    def test_kind_can_have_two_roles(self) -> None:
        plugins = Plugins.load()
        roles = {entry.cls.role for entry in plugins.catalog.find("map")}
        assert roles == {"geometry", "maker"}


def archive(name: str, scheme: str) -> tuple[str, SimpleNamespace]:
    def claim(location: object) -> object:
        return f"the store of {name}" if str(location).startswith(scheme) else None

    def skyred_archive(location: object) -> object:
        return claim(location)

    return name, SimpleNamespace(skyred_archive=hookimpl(skyred_archive))


class TestArchives:
    def test_plugin_of_the_scheme_opens_the_archive(self) -> None:
        plugins = empty(archive("red", "red:"), archive("blue", "blue:"))
        assert plugins.open_archive("blue:1") == "the store of blue"

    def test_two_plugins_for_one_location_are_an_error(self) -> None:
        plugins = empty(archive("red", "x:"), archive("blue", "x:"), archive("green", "y:"))
        with pytest.raises(
            ArchiveError, match=r"opened by the plugins blue and red;.*SKYRED_BLOCK"
        ):
            plugins.open_archive("x:1")

    def test_location_without_a_plugin_is_an_error_with_a_hint(self) -> None:
        with pytest.raises(ArchiveError, match="no plugin can open 'x:1'; expected"):
            empty(archive("red", "red:")).open_archive("x:1")

    def test_failing_plugin_is_reported(self) -> None:
        def skyred_archive(location: object) -> object:
            raise ValueError("bad options")

        plugins = empty(("red", SimpleNamespace(skyred_archive=hookimpl(skyred_archive))))
        with pytest.raises(ArchiveError, match="plugin 'red' cannot open 'x:1': bad options"):
            plugins.open_archive("x:1")

    def test_location_that_is_not_a_path_can_be_opened_by_a_plugin(self) -> None:
        plugins = Plugins.load()
        plugins.register(archive("names", "my-")[1], Owner("names", "1", "names"))
        assert plugins.open_archive("my-observations") == "the store of names"

    def test_misspelt_simulation_is_a_user_error(self) -> None:
        with pytest.raises(ArchiveError, match="did you mean 'crab'") as caught:
            Plugins.load().open_archive("sim:carb")
        assert caught.value.exit_code == 2
