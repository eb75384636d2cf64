"""Plugins are loaded by entry points, and faulty plugins do not affect others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import Distribution, distributions
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest
from astropy.table import Table

import toys
from distributions import install_distribution
from skyred import Orchestrator, Pipeline, __version__, hookimpl
from skyred.errors import ArchiveError, FieldError, PluginError, SkyredWarning
from skyred.hookspecs import API_VERSION
from skyred.interfaces.records import Owner
from skyred.plugins import BLOCK_VARIABLE, LoadedPlugin, Plugins
from toys import ToyMaker, ToySum, toy_pipeline, toy_plugins

HEAD = "from skyred import Maker, component, hookimpl, option\n"
VALID = """
@component
class ValidMaker(Maker):
    '''A maker that does nothing.'''
    kind = "valid-maker"
    size = option(1, doc="A size.")
    def make(self, dataset, observation):
        return dataset

@hookimpl
def skyred_components():
    return [ValidMaker]
"""
FAULTS = {
    "raises on import": ("raise RuntimeError('no libfoo')",
                         "cannot be imported: RuntimeError: no libfoo"),
    "exits on import": ("raise SystemExit('bye')", "cannot be imported: SystemExit: bye"),
    "syntax error": ("def f(:", "cannot be imported: SyntaxError"),
    "misspelt hook": (VALID.replace("skyred_components", "skyred_componets"),
                      "unknown hook 'skyred_componets' (did you mean 'skyred_components'?)"),
    "undecorated hook": (VALID.replace("@hookimpl", ""), "skyred_components is not decorated: "
                         "decorate it with @hookimpl"),
    "undecorated component": (VALID.replace("@component", ""), "ValidMaker is not decorated: "
                              "decorate it with @component"),
    "abstract component": (VALID.replace("def make", "def other"),
                             "ValidMaker does not implement make: write the method"),
    "wrong argument of a hook": ("@hookimpl\ndef skyred_run_started(rnu):\n    pass\n",
                                 "the hook skyred_run_started has no argument 'rnu'"),
    "duplicate kind": (VALID.replace("[ValidMaker]", "[ValidMaker, ValidMaker]"),
                            "the maker 'valid-maker' is already provided by "),
    "components that raise": (VALID.replace("return [ValidMaker]", "return 1 / 0"),
                              "skyred_components() failed: ZeroDivisionError"),
    "components that exit": (VALID.replace("return [ValidMaker]", "raise SystemExit(4)"),
                             "skyred_components() failed: SystemExit: 4"),
    "attributes that exit": ("class Hooks:\n    @property\n    def SKYRED_API(self):\n"
                             "        raise SystemExit(5)\nimport sys\n"
                             "sys.modules[__name__] = Hooks()",
                             "cannot be loaded: SystemExit: 5"),
    "commands": ("@hookimpl\ndef skyred_commands(cli):\n    pass\n",
                 "skyred_commands() is not allowed in this module: move it to its own module, with "
                 "an entry point in the group skyred.commands"),
    "components that are not classes": (VALID.replace("[ValidMaker]", "[ValidMaker, 5]"),
                                        "5 is not a component class"),
}  # fmt: skip

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Return a function that installs a distribution with one module."""

    def install_module(name: str, code: str, **options: str) -> Path:
        return install_distribution(tmp_path, name, HEAD + dedent(code), **options)

    return install_module


def load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """Load the plugins of skyred and those in a folder."""
    monkeypatch.syspath_prepend(str(folder))
    all_distributions = [
        *Distribution.discover(path=[str(folder)]),
        *distributions(name="skyred"),
    ]
    return Plugins.load(
        [
            point
            for distribution in all_distributions
            for point in distribution.entry_points.select(group="skyred")
        ]
    )


def run_skyred(folder: Path | str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", "from skyred.cli import main; main()", *arguments],
        env={**os.environ, "PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_plugin_is_reported_with_a_fix_and_does_not_affect_others(
    fault: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, message = FAULTS[fault]
    # another name in each test, since modules stay imported
    module = f"faulty_{fault.replace(' ', '_')}"
    name = module.replace("_", "-")
    install(name, code, version="3.4")
    folder = install(f"other-{name}", VALID.replace("valid-maker", "other-maker"))
    plugins = load(folder, monkeypatch)
    (sentence,) = plugins.faults()
    assert sentence.startswith(f"plugin '{name}' of {name} 3.4 ({module}): {message}")
    assert sentence.endswith(f"fix or remove the plugin, or block it with SKYRED_BLOCK={name}")
    with pytest.raises(PluginError, match=name):
        plugins.raise_if_faulty()
    assert "other-maker" in plugins.catalog.kinds("maker")
    assert "safe-mask" in plugins.catalog.kinds("maker")
    assert "valid-maker" not in plugins.catalog.kinds("maker"), (
        "a faulty plugin provides no components"
    )
    monkeypatch.setenv(BLOCK_VARIABLE, f"other, {name}")
    blocked = load(folder, monkeypatch)
    blocked.raise_if_faulty()
    assert [plugin.owner.plugin for plugin in blocked.loaded if plugin.blocked] == [name]
    with pytest.raises(FieldError, match=f"provided by .*{name}.* which is blocked by SKYRED_BLOC"):
        blocked.catalog.get("maker", "no-such-kind")


def test_two_plugins_with_the_same_name_are_blocked_by_distribution(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("twin-one", VALID.replace("valid-maker", "one"), plugin="twin", version="1.0")
    folder = install("twin-two", VALID.replace("valid-maker", "two"), plugin="twin", version="2.0")
    plugins = load(folder, monkeypatch)
    (sentence,) = plugins.faults()
    assert sentence.startswith("plugin 'twin' of twin-two 2.0 (twin_two): twin-one 1.0 ")
    assert "has the same name" in sentence
    assert "one" in plugins.catalog.kinds("maker")


def test_plugin_with_the_name_of_a_skyred_plugin_is_rejected(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install("aaa-first", VALID.replace("valid-maker", "aaa"), plugin="gammapy")
    plugins = load(folder, monkeypatch)
    (sentence,) = plugins.faults()
    assert sentence.startswith("plugin 'gammapy' of aaa-first 1.2")
    assert "safe-mask" in plugins.catalog.kinds("maker")


def test_faulty_plugins_cannot_stop_the_list_of_plugins(install: Install) -> None:
    install("breaks", "raise RuntimeError('no libfoo')")
    install("leaves", "raise SystemExit(3)")
    folder = install("works", VALID)
    plugin_list = run_skyred(folder, "plugins")
    assert plugin_list.returncode == 0
    assert "works  works 1.2  works\n    maker valid-maker" in plugin_list.stdout
    assert "A maker that does nothing." in plugin_list.stdout
    assert "breaks  breaks 1.2  breaks FAULTY" in plugin_list.stdout
    assert "maker safe-mask" in plugin_list.stdout
    assert "plugin 'breaks' of breaks 1.2 (breaks): cannot be imported" in plugin_list.stderr
    assert "SKYRED_BLOCK=breaks" in plugin_list.stderr
    assert "SKYRED_BLOCK=leaves" in plugin_list.stderr


TOY_CONFIG = toy_pipeline(2).to_yaml()


@pytest.mark.slow
def test_run_without_a_faulty_plugin_warns_and_one_that_may_need_it_stops(
    install: Install, tmp_path: Path
) -> None:
    install("breaks", "raise RuntimeError('no libfoo')")
    code = "import toys\nskyred_components = toys.skyred_components\n"
    folder = install("toy-parts", f"{code}skyred_archive = toys.skyred_archive\n")
    (tmp_path / "toy.yaml").write_text(TOY_CONFIG, encoding="utf-8")
    path = f"{folder}{os.pathsep}{Path(toys.__file__).parent}"
    process = run_skyred(path, "run", str(tmp_path / "toy.yaml"), "-o", str(tmp_path / "out"))
    assert process.returncode == 0, process.stderr
    fault = "plugin 'breaks' of breaks 1.2 (breaks): cannot be imported: RuntimeError: no libfoo"
    assert process.stderr.count(f"WARNING: {fault}") == 1
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["watchers"][0].startswith(fault)
    assert report["state"] == "finished"
    (tmp_path / "other.yaml").write_text(TOY_CONFIG.replace("toy-fill", "from-breaks"))
    for command in ("check", "run"):
        process = run_skyred(path, command, str(tmp_path / "other.yaml"))
        assert process.returncode == 2
        assert "unknown maker 'from-breaks'" in process.stderr
        reason = "may be provided by breaks 1.2 (plugin 'breaks'), which is faulty: cannot be imp"
        assert reason in process.stderr
        assert "Traceback" not in process.stderr
    blocked = run_skyred(path, "check", str(tmp_path / "toy.yaml"), SKYRED_BLOCK="breaks")
    assert "breaks" not in blocked.stderr
    plugin_list = run_skyred(folder, "plugins", SKYRED_BLOCK="breaks")
    assert "breaks (blocked by SKYRED_BLOCK)" in plugin_list.stdout


def test_warning_of_a_faulty_plugin_is_shown_once() -> None:
    plugins = toy_plugins()
    plugins.register(SimpleNamespace(skyred_nothing=1), Owner("wrong-hooks", "1", "wrong"))
    with pytest.warns(SkyredWarning, match="unknown hook 'skyred_nothing'.* is not used") as record:
        pipeline = Pipeline.from_yaml(TOY_CONFIG, plugins=plugins)
    assert len(record) == 1
    orchestrator = Orchestrator(pipeline, plugins=plugins)  # would raise another warning
    assert "wrong-hooks" in orchestrator.report("finished").watchers[0]


def test_faulty_plugin_of_skyred_stops_a_run() -> None:
    plugins = toy_plugins()
    plugins.register(SimpleNamespace(skyred_nothing=1), Owner("skyred", "1", "provenance-2"))
    with pytest.raises(PluginError, match="unknown hook 'skyred_nothing'"):
        Pipeline.from_yaml(TOY_CONFIG, plugins=plugins)


def test_archive_that_a_faulty_plugin_may_open_names_the_plugin() -> None:
    plugins = toy_plugins()
    plugins.register(SimpleNamespace(skyred_nothing=1), Owner("wrong-hooks", "1", "wrong"))
    with pytest.raises(
        ArchiveError, match=r"(?s)no plugin can open 'tape:3'.*supported by wrong-hooks"
    ):
        plugins.open_archive("tape:3")


REQUIREMENTS = """
Requires-Dist: skyred>=99
Requires-Dist: numpy>=1.0
Requires-Dist: no-such-package<2
Requires-Dist: no-such-extra; extra == "all"
Requires-Dist: no-such-platform; sys_platform == "amiga"
"""
UNMET = [
    f"plugin 'needy' of needy 1.2 requires skyred>=99, but skyred {__version__} is installed",
    "plugin 'needy' of needy 1.2 requires no-such-package<2, which is not installed",
]


def test_unmet_requirements_are_listed(install: Install) -> None:
    folder = install("needy", VALID, requires=REQUIREMENTS)
    plugin_list = run_skyred(folder, "plugins")
    assert plugin_list.returncode == 0
    assert plugin_list.stderr.splitlines() == UNMET


def test_unmet_requirements_of_a_plugin_in_use_cause_a_warning(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install("needy", VALID, requires=REQUIREMENTS)
    needy = load(folder, monkeypatch)
    plugins = toy_plugins()
    for entry in needy.catalog:
        if entry.owner.distribution == "needy":
            plugins.catalog.add(entry.cls, entry.owner)
            plugins.loaded.append(LoadedPlugin(entry.owner, "needy"))
    Pipeline.from_yaml(TOY_CONFIG, plugins=plugins)  # does not use it
    config = TOY_CONFIG.replace("kind: toy-fill", "kind: valid-maker")
    with pytest.warns(SkyredWarning) as record:
        pipeline = Pipeline.from_yaml(config, plugins=plugins)
    Orchestrator(pipeline, plugins=plugins)  # would raise other warnings
    assert [str(warning.message) for warning in record] == UNMET


def test_failed_import_names_the_unmet_requirement(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install("too-new", "from skyred import Future", requires="Requires-Dist: skyred>=99\n")
    (fault,) = load(folder, monkeypatch).faults()
    assert f"; it requires skyred>=99, but skyred {__version__} is installed" in fault


class TestApiVersion:
    def test_plugin_for_a_newer_version_is_faulty(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # its hook would be reported as misspelt
        code = f"SKYRED_API = {API_VERSION + 1}\n" + VALID.replace("_components", "_new_hook")
        folder = install("newer-api", code)
        (fault,) = load(folder, monkeypatch).faults()
        assert f"it is made for version {API_VERSION + 1} of the plugin API" in fault
        assert "update skyred (python -m pip install --upgrade skyred)" in fault

    @pytest.mark.parametrize("version", range(1, API_VERSION + 1))
    def test_older_version_works(self, version: int) -> None:
        plugin = plugin_with(ToyMaker)
        plugin.SKYRED_API = version
        plugins = plugins_of(("old", plugin))
        assert plugins.catalog.kinds("maker") == ["toy-fill"]
        assert plugins.faults() == []

    @pytest.mark.parametrize("version", ["1", 0, True, 1.5])
    def test_invalid_version_is_a_fault(self, version: object) -> None:
        plugins = plugins_of(("odd", SimpleNamespace(SKYRED_API=version)))
        assert "expected an integer such as 1" in plugins.faults()[0]

    def test_version_in_the_module_of_a_class_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Watcher:
            """A watcher without hooks."""

        monkeypatch.setattr(sys.modules[__name__], "SKYRED_API", API_VERSION + 1, raising=False)
        assert "is made for version" in plugins_of(("watcher", Watcher())).faults()[0]


def test_owner_of_a_component_is_its_distribution(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install("new-makers", VALID, plugin="makers", version="0.3")
    catalog = load(folder, monkeypatch).catalog
    instance = catalog.get("maker", "valid-maker")()
    assert catalog.owner(instance) == Owner("new-makers", "0.3", "makers")
    assert catalog.owner(ToyMaker()) is None


def plugins_of(*named_plugins: tuple[str, object]) -> Plugins:
    """Return plugins without those of skyred."""
    plugins = Plugins.load(points=[])
    for name, plugin in named_plugins:
        plugins.register(plugin, Owner(f"{name}-package", "1.0", name))
    return plugins


def plugin_with(*classes: type) -> SimpleNamespace:
    return SimpleNamespace(skyred_components=hookimpl(lambda: classes))


def test_plugin_with_a_duplicate_name_does_not_replace_the_first() -> None:
    plugins = plugins_of(("same", plugin_with(ToyMaker)))
    plugins.register(plugin_with(ToySum), Owner("other", "2", "same"))
    assert len(plugins.faults()) == 1
    assert plugins.catalog.kinds("maker") == ["toy-fill"]
    assert plugins.catalog.kinds("stacker") == []
    assert plugins.manager.has_plugin("same")


class TestCatalog:
    def test_unknown_kind_is_reported_with_a_suggestion(self) -> None:
        catalog = plugins_of(("toys", plugin_with(ToyMaker, ToySum))).catalog
        with pytest.raises(
            FieldError, match=r"unknown maker 'toy-fil'; .* did you mean 'toy-fill'\?"
        ):
            catalog.get("maker", "toy-fil")
        with pytest.raises(
            FieldError, match=r"unknown maker 'toy-sum' \('toy-sum' is a kind of stacker\)"
        ):
            catalog.get("maker", "toy-sum")
        with pytest.raises(
            FieldError, match="no plugin provides a component with the role 'fitter'"
        ):
            catalog.get("fitter", "minuit")

    def test_kind_can_have_two_roles(self) -> None:
        plugins = Plugins.load()
        roles = {entry.cls.role for entry in plugins.catalog.find("map")}
        assert roles == {"geometry", "maker"}


def archive_plugin(name: str, scheme: str) -> tuple[str, SimpleNamespace]:
    """Return the name of a plugin, and the plugin that opens locations with a scheme."""

    def skyred_archive(location: object) -> object:
        store = SimpleNamespace(
            name=name, obs_table=Table({"OBS_ID": [1]}), hdu_table=Table(), obs=lambda obs_id: None
        )
        return store if str(location).startswith(scheme) else None

    return name, SimpleNamespace(skyred_archive=hookimpl(skyred_archive))


class TestArchives:
    def test_plugin_of_the_scheme_opens_the_archive(self) -> None:
        plugins = plugins_of(archive_plugin("red", "red:"), archive_plugin("blue", "blue:"))
        assert plugins.open_archive("blue:1").name == "blue"

    def test_two_plugins_for_one_location_are_an_error(self) -> None:
        plugins = plugins_of(
            archive_plugin("red", "x:"), archive_plugin("blue", "x:"), archive_plugin("green", "y:")
        )
        with pytest.raises(
            ArchiveError, match=r"opened by the plugins blue and red;.*SKYRED_BLOCK"
        ):
            plugins.open_archive("x:1")

    def test_location_without_a_plugin_is_an_error_with_a_hint(self) -> None:
        with pytest.raises(ArchiveError, match="no plugin can open 'x:1'; expected"):
            plugins_of(archive_plugin("red", "red:")).open_archive("x:1")

    def test_failing_plugin_is_reported(self) -> None:
        def skyred_archive(location: object) -> object:
            raise ValueError("bad options")

        plugins = plugins_of(("red", SimpleNamespace(skyred_archive=hookimpl(skyred_archive))))
        with pytest.raises(ArchiveError, match="plugin 'red' cannot open 'x:1': bad options"):
            plugins.open_archive("x:1")

    @pytest.mark.parametrize("error", [ValueError("bad options"), SystemExit(3)])
    def test_failing_plugin_does_not_stop_the_others(self, error: BaseException) -> None:
        def skyred_archive(location: object) -> object:
            raise error

        plugins = plugins_of(archive_plugin("red", "red:"))
        broken = SimpleNamespace(skyred_archive=hookimpl(skyred_archive))
        plugins.register(broken, Owner("broken-archives", "1.2", "broken"))
        message = r"plugin 'broken' cannot open 'red:1': .*raised by broken-archives 1\.2; block .*"
        with pytest.warns(SkyredWarning, match=message + "SKYRED_BLOCK=broken"):
            assert plugins.open_archive("red:1").name == "red"
        with pytest.raises(ArchiveError, match=message.replace("red:1", "x:1")):
            plugins.open_archive("x:1")

    def test_location_that_is_not_a_path_can_be_opened_by_a_plugin(self) -> None:
        plugins = Plugins.load()
        plugins.register(archive_plugin("names", "my-")[1], Owner("names", "1", "names"))
        assert plugins.open_archive("my-observations").name == "names"

    def test_misspelt_simulation_is_a_user_error(self) -> None:
        with pytest.raises(ArchiveError, match="did you mean 'crab'") as exc_info:
            Plugins.load().open_archive("sim:carb")
        assert exc_info.value.exit_code == 2
