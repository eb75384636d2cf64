"""The command `new-plugin`: its plugins can be loaded and run, and pass the conformance checks."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from importlib.metadata import Distribution, distribution, metadata
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from skyred import Pipeline, TableProduct
from skyred.cli import main
from skyred.cli.new_plugin.command import LICENSES, ROLES
from skyred.cli.new_plugin.package import LICENSES as LICENSE_TEMPLATES
from skyred.cli.new_plugin.source import (
    COMPONENT_ROLES,
    IMPORTED_NAMES,
    ROLES as DRAFT_ROLES,
    Draft,
)
from skyred.interfaces import ROLES as INTERFACE_ROLES
from skyred.plugins import Plugins
from skyred.result import Result as RunResult
from skyred.testing import check

ROOT = Path(__file__).parents[2]
SLOW_ROLES = {"geometry", "maker", "engine"}  # their conformance checks take more than a second
ALL_ROLES = [arg for role in ROLES for arg in (f"--{role}", f"my-{role}")]
FILE_ROLES = [arg for arg in ALL_ROLES if arg not in ("--command", "my-command")]
CITED_AUTHOR = 'Ada "Dust" Smith'
DESCRIPTION = "Removes dust: |b| < 5* in 10 % of runs_."  # with characters of reStructuredText


def new_plugin(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["new-plugin", *args, "-o", str(folder)])


def count_code_lines(code: str) -> int:
    return sum(bool(line.strip()) for line in code.splitlines())


def test_package_of_a_maker_has_few_lines(
    tmp_path: Path,
) -> None:
    assert new_plugin(tmp_path, "skyred-dust", "--maker", "dust-veto").exit_code == 0
    folder = tmp_path / "skyred-dust"
    assert count_code_lines((folder / "src/skyred_dust/__init__.py").read_text()) <= 15


def test_every_role_can_be_created() -> None:
    assert set(COMPONENT_ROLES) == set(INTERFACE_ROLES)
    assert ROLES == DRAFT_ROLES
    assert set(LICENSES) == set(LICENSE_TEMPLATES)


def test_package_is_loaded_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # write the metadata of pyproject.toml next to the package, as an installation does
    assert new_plugin(tmp_path, "skyred-dust", "--maker", "dust-veto").exit_code == 0
    folder = tmp_path / "skyred-dust"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / "src" / "skyred_dust-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = project["entry-points"]["skyred"]
    (info / "entry_points.txt").write_text(
        "[skyred]\n" + "".join(f"{name} = {module}\n" for name, module in points.items())
    )
    monkeypatch.syspath_prepend(str(folder / "src"))
    (distribution,) = Distribution.discover(path=[str(folder / "src")])
    plugins = Plugins.load(distribution.entry_points)
    plugins.raise_if_faulty()
    assert plugins.catalog.kinds("maker") == ["dust-veto"]


@pytest.mark.parametrize(
    "role",
    [
        pytest.param(role, marks=[pytest.mark.slow] if role in SLOW_ROLES else [])
        for role in COMPONENT_ROLES
    ],
)
def test_created_components_pass_the_conformance_checks(role: str, tmp_path: Path) -> None:
    result = new_plugin(tmp_path, "mine.py", f"--{role}", f"my-{role}")
    assert result.exit_code == 0, result.output
    check(Plugins.load(files=[tmp_path / "mine.py"]).catalog.get(role, f"my-{role}"))


@pytest.mark.slow
def test_file_with_components_of_all_roles_runs_with_the_printed_command(tmp_path: Path) -> None:
    result = new_plugin(tmp_path, "mine.py", *FILE_ROLES)
    assert result.exit_code == 0, result.output
    command = result.output.partition("try: ")[2].split()
    assert command[0] == "skyred"
    run = subprocess.run(
        [sys.executable, "-m", *command, "-o", str(tmp_path / "out")],
        env=dict(os.environ, SKYRED_BLOCK="progress"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    run_result = RunResult.read(
        tmp_path / "out", plugins=Plugins.load(files=[tmp_path / "mine.py"])
    )
    table = run_result.estimates["my-estimator"].table()
    assert table["counts"].sum() == sum(outcome.counts for outcome in run_result.outcomes)
    assert (tmp_path / "out" / "plots" / "my-estimator.png").is_file()
    lines = (tmp_path / "out" / "my-observer.csv").read_text(encoding="utf-8").split("\n")
    assert lines[0] == "obs_id,status,counts"
    assert len(lines) == 6


@pytest.mark.parametrize(
    "args",
    [
        ALL_ROLES,
        ["--engine", "e"],
        ["--model", "m", "--maker", "k", "--maker", "n"],
        ["--command", "c"],
        ["--observer", "o"],
        ["--spectral-model", "table"],
        ["--archive", "a", "--command", "c"],
    ],
)
def test_created_source_passes_ruff(args: list[str], tmp_path: Path) -> None:
    assert new_plugin(tmp_path, "skyred-mine", *args).exit_code == 0
    run_in(tmp_path / "skyred-mine", "ruff", "check", "--no-cache")
    run_in(tmp_path / "skyred-mine", "ruff", "format", "--check", "--no-cache")


def run_in(folder: Path, module: str, *args: str, python_path: Path | None = None) -> str:
    """Run a Python module in a folder, and return its output."""
    paths = [str(python_path)] * (python_path is not None) + [os.environ.get("PYTHONPATH", "")]
    result = subprocess.run(
        [sys.executable, "-m", module, *args],
        cwd=folder,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(paths)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
def test_package_of_all_roles_builds_and_passes_its_tests_and_has_documentation(
    tmp_path: Path,
) -> None:
    pytest.importorskip("hatchling")
    pytest.importorskip("pydata_sphinx_theme")
    metadata_args = ["--author", CITED_AUTHOR, "--url", "https://example.org/mine"]
    metadata_args += ["--description", DESCRIPTION]
    assert new_plugin(tmp_path, "skyred-mine", *ALL_ROLES, *metadata_args).exit_code == 0
    folder, site = tmp_path / "skyred-mine", tmp_path / "site"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    run_in(folder, "hatchling", "build")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    assert sdist_files(sdist) == files | {"PKG-INFO"}
    options = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    run_in(folder, "pip", "install", *options, "--target", str(site), str(wheel))

    output = run_in(folder, "skyred", "plugins", "--format", "markdown", python_path=site)
    section = output[output.index("## skyred-mine 0.1.0") :]
    for role in (*COMPONENT_ROLES, "command"):
        assert f"| mine | {role} | `my-{role}` |" in section
    assert "| mine | hook | `skyred_archive` | Open ``my-archive:LOCATION``" in section
    run_in(folder, "mypy")
    # the conformance checks of all roles are run above
    run_in(folder, "pytest", "-q", "-k", "not test_component or selector", python_path=site)
    run_in(folder, "sphinx", "-W", "-q", "docs", "docs/_build", python_path=site)
    page = (folder / "docs" / "_build" / "reference.html").read_text(encoding="utf-8")
    for name in ALL_ROLES[1::2]:
        assert name in page


def test_package_without_components_has_no_conformance_tests(tmp_path: Path) -> None:
    args = ("--archive", "my-archive", "--command", "my-command")
    assert new_plugin(tmp_path, "skyred-mine", *args).exit_code == 0
    folder = tmp_path / "skyred-mine"
    assert not (folder / "tests" / "test_conformance.py").exists()
    reference = (folder / "docs" / "reference.rst").read_text(encoding="utf-8")
    assert "skyred-components" not in reference
    assert ".. autofunction:: skyred_mine.skyred_archive" in reference
    assert "$ skyred my-command --help" in reference


def sdist_files(path: Path) -> set[str]:
    """Return the names of the files in an sdist, relative to its folder."""
    import tarfile

    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_metadata_are_in_all_files(tmp_path: Path) -> None:
    args = ["--email", "ada@example.org", "--url", "https://example.org/mine/", "--license", "MIT"]
    args += ["--author", CITED_AUTHOR, "--description", DESCRIPTION, "--model", "dusty-model"]
    result = new_plugin(tmp_path, "skyred-mine", *args)
    assert result.exit_code == 0, result.output
    folder = tmp_path / "skyred-mine"
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["authors"] == [{"name": CITED_AUTHOR, "email": "ada@example.org"}]
    assert project["description"] == DESCRIPTION.rstrip(".")
    assert (project["license"], project["license-files"]) == ("MIT", ["LICENSE"])
    assert project["urls"]["Issues"] == "https://example.org/mine/issues"
    assert project["dependencies"] == ["skyred>=0.1,<0.2"]
    assert project["requires-python"] == metadata("skyred")["Requires-Python"]
    citation = read_yaml(folder / "CITATION.cff")
    assert citation["authors"] == [{"name": CITED_AUTHOR}]
    assert citation["abstract"] == DESCRIPTION.rstrip(".")
    assert (citation["license"], citation["version"]) == ("MIT", project["version"])
    year = datetime.now(UTC).year
    assert f"(c) {year} {CITED_AUTHOR}\n" in (folder / "LICENSE").read_text("utf-8")
    readme = (folder / "README.md").read_text("utf-8")
    assert readme.startswith(f"# skyred-mine\n\n{DESCRIPTION} It is a plugin")
    page = (folder / "docs" / "index.rst").read_text("utf-8")
    assert r"Removes dust: \|b\| \< 5\* in 10 % of runs\_." in page


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def test_workflows_test_the_supported_versions_of_python_and_publish_tags(tmp_path: Path) -> None:
    assert new_plugin(tmp_path, "skyred-mine", "--maker", "dust-veto").exit_code == 0
    folder = tmp_path / "skyred-mine"
    tests = read_yaml(folder / ".github/workflows/ci.yml")["jobs"]["test"]
    matrix = tests["strategy"]["matrix"]
    classifiers = metadata("skyred").get_all("Classifier") or []
    names = [f"Programming Language :: Python :: {version}" for version in matrix["python"]]
    assert names == [line for line in classifiers if " :: Python :: 3." in line]
    assert matrix["include"] == [{"python": matrix["python"][0], "resolution": "lowest-direct"}]
    commands = [step["run"] for step in tests["steps"] if "run" in step]
    assert "--resolution ${{ matrix.resolution }} " in commands[1]
    publish = read_yaml(folder / ".github/workflows/publish.yml")
    assert publish["on"]["push"]["tags"] == ["v*"]
    job = publish["jobs"]["publish"]
    assert (job["environment"], job["permissions"]) == ("pypi", {"id-token": "write"})
    for name in (".readthedocs.yaml", ".pre-commit-config.yaml", ".github/dependabot.yml"):
        assert read_yaml(folder / name)


def test_package_without_licence_has_a_warning_in_its_readme(
    tmp_path: Path,
) -> None:
    assert new_plugin(tmp_path, "skyred-mine", "--maker", "a", "--license", "none").exit_code == 0
    folder = tmp_path / "skyred-mine"
    assert not (folder / "LICENSE").exists()
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not {"license", "license-files"} & project.keys()
    assert "license" not in read_yaml(folder / "CITATION.cff")
    assert "It has no licence yet" in (folder / "README.md").read_text(encoding="utf-8")


def words_of_license(content: str) -> list[str]:
    """Return the words of a licence after the copyright notice."""
    return content.partition("Copyright (c)")[2].partition("\n\n")[2].split()


@pytest.mark.parametrize("name", ["BSD-3-Clause", "MIT"])
def test_licence_has_the_exact_words(name: str, tmp_path: Path) -> None:
    expected = {
        "BSD-3-Clause": (ROOT / "LICENSE").read_text(encoding="utf-8"),
        "MIT": distribution("attrs").read_text("licenses/LICENSE"),
    }[name]
    assert expected
    assert new_plugin(tmp_path, "skyred-mine", "--maker", "a", "--license", name).exit_code == 0
    content = (tmp_path / "skyred-mine" / "LICENSE").read_text(encoding="utf-8")
    assert words_of_license(content) == words_of_license(expected)
    assert "The skyred-mine developers" in content


INVALID_ARGS = {
    "no component": (["skyred-dust"], "no component is requested; add one: --maker"),
    "name with capitals": (["Dust", "--maker", "a"], "'Dust' is not a valid plugin name"),
    "path as name": (["../dust", "--maker", "a"], "'../dust' is not a valid plugin name"),
    "invalid kind": (["dust", "--maker", "DustVeto"], "'DustVeto' is not a valid kind"),
    "kind already used by skyred": (
        ["dust", "--maker", "safe-mask"],
        "'safe-mask' is provided by skyred",
    ),
    "type of gammapy": (
        ["dust", "--spectral-model", "pl"],
        "--spectral-model: 'pl' is provided by gammapy; choose another type",
    ),
    "class of gammapy": (
        ["dust", "--spectral-model", "power-law"],
        "--spectral-model: 'power-law' is provided by gammapy; choose another type",
    ),
    "two classes of one name": (
        ["dust", "--maker", "dust-2", "--model", "dust2"],
        "--model: 'dust2' has the class name of 'dust-2'; rename one of them",
    ),
    "keyword as name": (
        ["class", "--maker", "a"],
        "'class' is a Python keyword or an installed module",
    ),
    "installed package": (
        ["numpy", "--maker", "a"],
        "'numpy' is a Python keyword or an installed module",
    ),
    "keyword as name of a file": (
        ["class.py", "--maker", "a"],
        "'class.py' is a Python keyword or an installed module",
    ),
    "file with the name of a standard module": (
        ["json.py", "--maker", "a"],
        "'json.py' is a Python keyword or an installed module",
    ),
    "file with the name of an installed package": (
        ["numpy.py", "--maker", "a"],
        "'numpy.py' is a Python keyword or an installed module",
    ),
    "scheme of skyred": (
        ["dust.py", "--archive", "sim"],
        "--archive: 'sim' is provided by the plugin simulation; choose another scheme",
    ),
    "kind for two roles": (["dust", "--maker", "a", "--model", "a"], "'a' is repeated"),
    "two archives": (
        ["dust", "--archive", "a", "--archive", "b"],
        "--archive: is set twice; a plugin has at most one archive",
    ),
    "command in a file": (
        ["dust.py", "--command", "a"],
        "--command: is not possible for a file; create a package: NAME without .py",
    ),
    "command of skyred": (["dust", "--command", "run"], "'run' is provided by skyred"),
    "command of a plugin": (["dust", "--command", "export"], "'export' is provided by skyred 0"),
    "invalid e-mail address": (
        ["dust", "--maker", "a", "--email", "ada"],
        "--email: 'ada' is not an e-mail address; expected name@example.org",
    ),
    "invalid address": (
        ["dust", "--maker", "a", "--url", "example.org"],
        "--url: 'example.org' is not an address",
    ),
    "line break": (
        ["dust", "--maker", "a", "--author", "Ada\nSmith"],
        "--author: 'Ada\\nSmith' contains control characters",
    ),
    "metadata of a file": (
        ["dust.py", "--maker", "a", "--license", "MIT"],
        "--license: has no effect for a file",
    ),
    "unknown licence": (["dust", "--maker", "a", "--license", "GPL"], "'GPL' is not one of"),
    "duplicated kind": (["dust", "--maker", "a", "--maker", "a"], "'a' is repeated"),
}


@pytest.mark.parametrize("case", INVALID_ARGS)
def test_invalid_arguments_are_reported_and_no_file_is_written(case: str, tmp_path: Path) -> None:
    args, message = INVALID_ARGS[case]
    result = new_plugin(tmp_path, *args)
    assert result.exit_code == 2
    assert message in result.output
    assert not list(tmp_path.iterdir())


def test_file_with_a_spectral_model_declares_its_class(tmp_path: Path) -> None:
    result = new_plugin(tmp_path, "mine.py", "--spectral-model", "dust-spectrum")
    assert result.exit_code == 0, result.output
    plugins = Plugins.load(files=[tmp_path / "mine.py"])
    plugins.raise_if_faulty()
    (entry,) = plugins.catalog.models.find("dust-spectrum")
    assert entry.load().__name__ == "DustSpectrum"
    Pipeline.from_yaml(tmp_path / "mine.yaml", plugins=plugins)


def test_imported_names_include_all_imports_of_the_templates() -> None:
    folder = files("skyred.cli.new_plugin") / "templates"
    imported: set[str] = set()
    for path in (path for name in ("components", "tests") for path in (folder / name).iterdir()):
        source = Template(path.read_text(encoding="utf-8")).substitute(
            name="Draft", kind="draft", function="draft", module="draft_module"
        )
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom):
                imported |= {alias.name for alias in node.names}
    assert {name for name in imported if name[0].isupper()} - {"Draft"} <= IMPORTED_NAMES
    assert Draft("maker", "none").name == "NoneMaker"


def test_class_name_does_not_clash_with_imported_names(tmp_path: Path) -> None:
    result = new_plugin(tmp_path, "mine.py", "--estimator", "table-product")
    assert result.exit_code == 0, result.output
    estimator = Plugins.load(files=[tmp_path / "mine.py"]).catalog.get("estimator", "table-product")
    assert estimator.__name__ == "TableProductEstimator"
    assert estimator.product is TableProduct  # type: ignore[attr-defined]


def test_existing_files_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "dust.yaml").write_text("mine", encoding="utf-8")
    for name in ("dust.py", "skyred-sand"):
        (tmp_path / "skyred-sand").mkdir(exist_ok=True)
        result = new_plugin(tmp_path, name, "--maker", "dust-veto")
        assert result.exit_code == 2
        assert "already exists; choose another name" in result.output
    assert (tmp_path / "dust.yaml").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "dust.py").exists()


def test_failed_write_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text = Path.write_text

    def fail(path: Path, *args: Any, **kwargs: Any) -> int:
        if path.name == "README.md":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_text(path, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", fail)
    result = new_plugin(tmp_path, "skyred-sand", "--maker", "dust-veto")
    assert result.exit_code == 2
    assert "skyred-sand cannot be written: No space left on device" in result.output
    assert not list(tmp_path.iterdir())


def test_file_is_removed_if_its_example_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dust.yaml").symlink_to(tmp_path / "missing" / "dust.yaml")  # `exists` is False
    result = new_plugin(tmp_path, "dust.py", "--maker", "dust-veto")
    assert result.exit_code == 2
    assert "cannot be written" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["dust.yaml"]
