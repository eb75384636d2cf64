"""Sessions of nox: tests with the newest and lowest dependencies, lint, docs, distributions."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import nox

nox.options.error_on_missing_interpreters = False  # sessions without an interpreter are skipped
nox.options.sessions = ["tests-newest", "tests-lowest", "lint", "docs", "build"]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)  # the versions in the classifiers
LANGUAGE = ["tests/test_language.py", "tests/test_public_names.py"]
PLUGINS = sorted(Path("plugins").glob("*/"))


def add_pyenv_interpreters() -> None:
    """Put all of pyenv's interpreters on PATH, because its shims run only the selected ones."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for version in PYTHONS:
        for folder in sorted(root.glob(f"versions/{version}.*/bin")):
            os.environ["PATH"] = os.pathsep.join([str(folder), os.environ["PATH"]])


add_pyenv_interpreters()


def install(session: nox.Session, constraints: str, extra: str) -> None:
    """Install skyred with an extra, and its plugins, from the source tree."""
    plugins = [argument for plugin in PLUGINS for argument in ("-e", str(plugin))]
    session.install("-c", constraints, "-e", f".[{extra}]", *plugins)


def run_quick_tests(session: nox.Session, *options: str) -> None:
    """Run the quick tests with options, or pytest with the arguments of the session."""
    session.run("python", "-m", "pytest", *(session.posargs or ["-m", "not slow", *options]))


@nox.session(python=PYTHONS, name="tests-newest")
def test_newest(session: nox.Session) -> None:
    """Run the quick tests with the newest dependencies, or pytest with the arguments after `--`."""
    install(session, "constraints.txt", "test")
    run_quick_tests(session)


@nox.session(python=PYTHONS, name="tests-lowest")
def test_lowest(session: nox.Session) -> None:
    """Run the quick tests with the lowest dependencies, or pytest with the arguments after `--`."""
    install(session, "constraints-lowest.txt", "test")
    # names and docstrings do not depend on the dependencies
    run_quick_tests(session, *(f"--ignore={path}" for path in LANGUAGE))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, imports, names and docstrings."""
    install(session, "constraints.txt", "test")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    for plugin in PLUGINS:
        session.run("mypy", str(plugin / "src"))
    session.run("lint-imports")
    session.run("python", "-m", "pytest", "-q", *LANGUAGE)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into docs/_build/html, and run its tutorials."""
    install(session, "constraints.txt", "docs")
    session.run(
        "python", "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html",
        "docs", "docs/_build/html",
    )  # fmt: skip


@nox.session
def build(session: nox.Session) -> None:
    """Build sdist and wheel into dist/, check their contents, and queue the session `wheel`."""
    shutil.rmtree("dist", ignore_errors=True)
    session.install("-c", "constraints.txt", "build", "hatchling", "twine")
    session.run("python", "-m", "build", "--no-isolation")  # builds the wheel from the sdist
    [sdist], [wheel] = Path("dist").glob("*.tar.gz"), Path("dist").glob("*.whl")
    session.run("twine", "check", "--strict", str(sdist), str(wheel))
    check_contents(session, sdist, wheel)
    session.notify("wheel")


def check_contents(session: nox.Session, sdist: Path, wheel: Path) -> None:
    """Compare the files in the distributions with those that git tracks."""
    tracked = set(session.run("git", "ls-files", external=True, silent=True).splitlines())
    sources = {path.removeprefix("src/") for path in tracked if path.startswith("src/")}
    with zipfile.ZipFile(wheel) as archive:
        packed_files = {name for name in archive.namelist() if ".dist-info/" not in name}
    if difference := packed_files ^ sources:
        session.error(f"{wheel.name} and git ls-files src differ: {sorted(difference)}")
    with tarfile.open(sdist) as archive:
        packed_files = {name.partition("/")[2] for name in archive.getnames()}
    if difference := packed_files ^ tracked ^ {"PKG-INFO"}:
        session.error(f"{sdist.name} and git ls-files differ: {sorted(difference)}")


@nox.session
def wheel(session: nox.Session) -> None:
    """Install the wheel in dist/ into a fresh environment, and run skyred outside the source."""
    [wheel] = Path("dist").glob("*.whl")
    session.install("-c", "constraints.txt", str(wheel))
    session.chdir(session.create_tmp())
    session.run("python", "-c", "import skyred; skyred.Pipeline; print(skyred.__file__)")
    session.run("skyred", "--help")
    session.run("skyred", "plugins")
    session.run("skyred", "demo", "-o", "demo", "--overwrite")
