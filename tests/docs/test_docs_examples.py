"""Examples, reference and source tree in README and documentation agree with the code."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from gammapy.datasets import Datasets
from gammapy.modeling.models import SPECTRAL_MODEL_REGISTRY, Models, PowerLawSpectralModel, SkyModel

from skyred import Pipeline, Reduction, hookspecs
from skyred.cli import main
from skyred.config import Document
from skyred.config.structure import Structurer
from skyred.fields import specs
from skyred.interfaces import ROLES, Component
from skyred.interfaces.records import Owner
from skyred.plugins import CatalogEntry, Plugins

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLE = ROOT / "plugins" / "skyred-example"
EXAMPLES = sorted(ROOT.glob("examples/*.yaml"))


def code_blocks(language: str) -> list[object]:
    """Return the fenced blocks of a language, with page and line as ids."""
    parameters = []
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```", content, re.DOTALL | re.MULTILINE):
            line = content[: match.start()].count("\n") + 1
            parameters.append(pytest.param(match[1], id=f"{page.relative_to(ROOT)}:{line}"))
    return parameters


def code_block(page: str, start: str) -> str:
    """Return the fenced block of a page that starts with a string."""
    content = (ROOT / page).read_text(encoding="utf-8")
    (block,) = [code for code in re.findall(r"^```\w+\n(.*?)^```", content, re.S | re.M)
                if code.startswith(start)]  # fmt: skip
    return str(block)


PIPELINES = [param for param in code_blocks("yaml") if re.search(r"^data:", param.values[0], re.M)]


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    """Return the installed plugins and those in one file, and the example plugin."""
    plugins = Plugins.load(files=ROOT.glob("examples/plugins/*.py"))
    if "example" not in [plugin.owner.plugin for plugin in plugins.loaded]:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(EXAMPLE / "src")
            module = importlib.import_module("skyred_example")
        plugins.register(module, Owner("skyred-example", "0.1.0", "example"), "skyred_example")
    plugins.raise_if_faulty()
    return plugins


@pytest.fixture(autouse=True)
def create_empty_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the files and folders that examples and pages mention, empty except for models."""
    contents = [path.read_text(encoding="utf-8") for path in (*PAGES, *EXAMPLES)]
    for name in re.findall(r"\$(?:GAMMAPY_DATA|JOINT_CRAB_DL3)/([\w./*-]+)", "\n".join(contents)):
        path = tmp_path / name.replace("*", "1").rstrip(".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch() if path.suffix else path.mkdir(exist_ok=True)
    models = Models([SkyModel(spectral_model=PowerLawSpectralModel(), name="Crab Nebula")])
    path = tmp_path / "fermi-3fhl-crab" / "Fermi-LAT-3FHL_models.yaml"
    models.write(path, overwrite=True, write_covariance=False)
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path))
    monkeypatch.setenv("JOINT_CRAB_DL3", str(tmp_path))
    (tmp_path / "my-runs").mkdir()
    shutil.copytree(ROOT / "examples", tmp_path / "examples")  # with tables in relative paths
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("code", PIPELINES)
def test_every_pipeline_in_the_pages_is_valid(code: str, plugins: Plugins) -> None:
    assert Pipeline.from_yaml(code, plugins=plugins).data


def test_pages_contain_pipelines() -> None:
    assert len(PIPELINES) >= 2


FRAGMENTS = [param for param in code_blocks("yaml") if param not in PIPELINES]


@pytest.mark.parametrize("code", FRAGMENTS)
def test_every_fragment_of_a_pipeline_in_the_pages_is_valid(code: str, plugins: Plugins) -> None:
    """Check kinds, options, units and values, but not the pipeline as a whole."""
    document = Document.parse(code)
    structurer = Structurer(plugins.catalog, document.problems)
    for role, component in list_components(document.data):
        structurer.build(ROLES[role], component)
    assert structurer.problems == []


def test_model_class_of_the_page_is_built_from_its_yaml(plugins: Plugins) -> None:
    page, names = "docs/how-to/plugin-models.md", dict[str, Any]()
    exec(code_block(page, "import numpy as np\nfrom gammapy"), names)
    SPECTRAL_MODEL_REGISTRY.append(names["DarkMatterBox"])
    try:
        (entry,) = Document.parse(code_block(page, "model:")).data["model"]
        component = Structurer(plugins.catalog, []).build(ROLES["model"], entry)
        (model,) = component.build(Datasets())
    finally:
        SPECTRAL_MODEL_REGISTRY.remove(names["DarkMatterBox"])
    assert model.spectral_model.mass.value == 8
    assert model.spatial_model.lon_0.frozen


def list_components(data: Any) -> list[tuple[str, Any]]:
    """Return the components in a fragment of a configuration, with their roles."""
    if "spectral" in data and "kind" not in data:  # a fragment of a source
        data = {"kind": "source", "name": "any", **data}
    if "kind" in data:  # a single component
        return [("model", data)]
    fields = {**specs(Pipeline), **specs(Reduction)}
    components = []
    for key, entry in data.items():
        role = fields[key].of.role
        entries = entry if isinstance(entry, list) else [entry]
        components += [(role, component) for component in entries]
    return components


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_valid(path: Path, plugins: Plugins) -> None:
    assert Pipeline.from_yaml(path, plugins=plugins).data


def test_yaml_of_the_readme_is_the_example() -> None:
    example = (ROOT / "examples" / "crab.yaml").read_text(encoding="utf-8")
    assert code_block("README.md", "# The H.E.S.S. Crab") == example


def test_python_of_the_readme_creates_the_same_pipeline(plugins: Plugins) -> None:
    names: dict[str, Pipeline] = {}
    exec(code_block("README.md", "from skyred import ("), names)
    example = Pipeline.from_yaml(ROOT / "examples" / "crab.yaml", plugins=plugins)
    assert names["pipeline"] == example
    assert names["pipeline"].digest() == example.digest()


@pytest.mark.parametrize("code", code_blocks("python"))
def test_every_python_block_compiles(code: str) -> None:
    compile(code, "<page>", "exec")


@pytest.mark.parametrize("code", [param for param in code_blocks("python")
                                  if re.search(r"^ *@(component|hookimpl)", param.values[0], re.M)
                                  and "skyred_example" not in param.values[0]])  # fmt: skip
def test_every_component_and_watcher_in_the_pages_can_be_registered(code: str) -> None:
    module = ModuleType("page")
    exec(code, module.__dict__)
    plugins = Plugins.load(points=[])
    if hasattr(module, "skyred_components"):
        plugins.register(module, Owner("page", "0", "page"))
        assert list(plugins.catalog)
    if hasattr(module, "skyred_commands"):
        group = click.Group()
        module.skyred_commands(group)
        assert group.commands
    for cls in [member for member in vars(module).values() if isinstance(member, type)]:
        if issubclass(cls, Component) and cls.kind:
            cls()
        elif any(name.startswith("skyred_") for name in vars(cls)):  # a watcher
            plugins.register(cls(), Owner("page", "0", cls.__name__))
    plugins.raise_if_faulty()


# -- the generated reference ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the content of the generated pages, by name."""
    path = ROOT / "docs" / "ext" / "catalog_pages.py"
    spec = importlib.util.spec_from_file_location("catalog_pages", path)
    assert spec is not None
    assert spec.loader is not None
    pages = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(path.parent)
        spec.loader.exec_module(pages)
    page_paths = pages.write_pages(tmp_path_factory.mktemp("generated"))
    return {page.stem: page.read_text(encoding="utf-8") for page in page_paths}


HOOKS = [name for name in vars(hookspecs) if name.startswith("skyred_")]
DISTRIBUTIONS = ["skyred", *(path.name for path in (ROOT / "plugins").iterdir())]
ENTRIES = [entry for entry in Plugins.load().catalog if entry.owner.distribution in DISTRIBUTIONS]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_in_the_reference(hook: str, reference: dict[str, str]) -> None:
    page = reference["hooks"]
    assert re.search(rf"^``{hook}``\n~+\n\n.. autofunction:: skyred.hookspecs.{hook}$", page, re.M)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.cls.role} {entry.cls.kind}")
def test_every_component_is_in_the_reference_with_all_its_options(
    entry: CatalogEntry, reference: dict[str, str]
) -> None:
    role, kind = entry.cls.role, entry.cls.kind
    name = "geometries" if role == "geometry" else f"{role}s"
    page = reference[name if entry.owner.distribution == "skyred" else "plugins"]
    section = re.search(rf"^{kind}\n[-~]+\n(.*?)(?=^[a-z-]+\n[-~]+\n|\Z)", page, re.S | re.M)
    assert section
    assert entry.cls.summary() in section[1]
    if role != "engine":  # engines are not in configurations
        assert f"kind: {kind}" in section[1], "the component is not in any example or page"
    for name, spec in specs(entry.cls).items():
        assert re.search(rf"^``{name}`` : {re.escape(spec.type_name)}, .*\n    .", section[1], re.M)
        assert spec.doc in section[1]


@pytest.mark.parametrize("distribution", sorted({entry.owner.distribution for entry in ENTRIES}))
def test_registry_lists_the_components_of_each_distribution(
    distribution: str, reference: dict[str, str]
) -> None:
    section = re.search(rf"^## {distribution} (.*?)(?=^## |\Z)", reference["registry"], re.S | re.M)
    assert section
    for entry in ENTRIES:
        row = f"| {entry.owner.plugin} | {entry.cls.role} | `{entry.cls.kind}` | "
        assert (row in section[1]) is (entry.owner.distribution == distribution)


@pytest.mark.parametrize(
    "page", ["selectors", "makers", "stackers", "models", "hooks", "plugins", "registry"]
)
def test_index_of_the_reference_lists_the_generated_pages(page: str) -> None:
    code = (ROOT / "docs" / "reference" / "index.md").read_text(encoding="utf-8")
    assert f"\ngenerated/{page}\n" in code


# -- pages about the code -------------------------------------------------------------------------


def test_source_tree_of_the_onboarding_page_is_up_to_date() -> None:
    sys.path.insert(0, str(ROOT / "docs" / "ext"))
    from source_tree import PAGE, with_tree

    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tree(page), "run: python docs/ext/source_tree.py"
    missing = [line.strip() for line in page.split("\n") if re.fullmatch(r"  .*(/|\.py)", line)]
    assert not missing, f"without a docstring: {missing}"


@pytest.mark.slow
def test_names_in_the_description_of_a_run_are_in_the_source() -> None:
    code = (ROOT / "docs" / "onboarding.md").read_text(encoding="utf-8")
    description = code[code.index("## How a run is executed") :]
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    modules = {path.stem for path in (ROOT / "src").rglob("*.py")}
    defined = set(re.findall(r"\b(?:def|class) (\w+)|^(\w+)\b.*=", source, re.M))
    names = {name for pair in defined for name in pair} | modules
    for name in re.findall(r"`([A-Za-z_][\w.]*)`", description):
        last = name.split(".")[-1]
        assert last in names or "/" in name or name.endswith((".json", ".yaml")), name


def options_of(command: click.Command) -> set[str]:
    return {option for parameter in command.params if isinstance(parameter, click.Option)
            for option in parameter.opts if option.startswith("--")}  # fmt: skip


def test_every_command_and_option_is_in_the_reference() -> None:
    assert isinstance(main, click.Group)
    ctx = click.Context(main)
    code = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = {name: main.get_command(ctx, name) for name in main.list_commands(ctx)}
    assert {"run", "export"} <= commands.keys()
    for name, command in commands.items():
        assert command is not None
        assert f"`skyred {name}" in code
        assert f"`skyred {name}" in readme
        section = code[code.index(f"`skyred {name}") :].split("\n\n`skyred")[0]
        assert not [option for option in options_of(command) if option not in section]
