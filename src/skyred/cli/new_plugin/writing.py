"""Write the files of a new plugin, without replacing existing ones or leaving half of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from skyred.cli.new_plugin.example import example_yaml
from skyred.cli.new_plugin.package import Metadata, package_files
from skyred.cli.new_plugin.source import Draft, module_source
from skyred.errors import OutputError
from skyred.io.publish import create_folder


def write_file(path: Path, drafts: Sequence[Draft]) -> Path:
    """Write a one-file plugin, and an example configuration next to it.

    Parameters
    ----------
    path : Path
        The file of the plugin.
    drafts : sequence of Draft
        The components, and at most one archive and one observer.

    Returns
    -------
    Path
        The file of the plugin.

    Raises
    ------
    OutputError
        If one of the files exists, or cannot be written.
    """
    contents = {path: module_source(drafts), path.with_suffix(".yaml"): example_yaml(drafts)}
    _raise_if_existing(*contents)
    with _reported_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_all_or_none(contents)
    return path


def write_package(parent: Path, name: str, drafts: Sequence[Draft], metadata: Metadata) -> Path:
    """Write a distribution with a package, tests, documentation and workflows.

    Parameters
    ----------
    parent : Path
        The folder in which the folder of the distribution is created.
    name : str
        The name of the distribution.
    drafts : sequence of Draft
        The components, archives, observers and commands.
    metadata : Metadata
        The metadata of the distribution.

    Returns
    -------
    Path
        The folder of the distribution.

    Raises
    ------
    OutputError
        If the folder exists, or cannot be written.
    """
    folder = parent / name
    _raise_if_existing(folder)
    with _reported_errors(folder), create_folder(folder) as staging:
        for path, content in package_files(name, drafts, metadata).items():
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            (staging / path).write_text(content, encoding="utf-8")
    return folder


def _write_all_or_none(contents: Mapping[Path, str]) -> None:
    created: list[Path] = []
    try:
        for path, content in contents.items():
            with path.open("x", encoding="utf-8") as file:  # fails if the file exists
                created.append(path)
                file.write(content)
    except BaseException:
        for path in created:
            path.unlink(missing_ok=True)
        raise


@contextmanager
def _reported_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def _raise_if_existing(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise OutputError(f"{path} already exists; choose another name, or remove it")
