"""Verification that run folders are complete, unchanged, and without executable code."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skyred.errors import OutputError, SkyredError, SkyredWarning
from skyred.inspection.file_checks import check_fits_file, check_models
from skyred.io.checksums import SUMS, find_damage, read_checksums

# the files that `Result.read` reads; users may add others
READ_FILES = ("config.yaml", "report.json", "observations.ecsv", "models.yaml", "fit.yaml",
        "samples.fits", "trace.ecsv")  # fmt: skip
READ_FOLDERS = ("datasets", "estimates", "observations")
VERIFY_HINT = "Result.read(..., verify=False) reads it without this check"


def verify_folder(folder: Path) -> None:
    """Compare the files of a run folder with its SHA256SUMS; if it has none, issue a warning.

    Parameters
    ----------
    folder : Path
        The run folder.

    Raises
    ------
    OutputError
        If a file is missing, was changed, or is not listed.
    """
    if not (folder / SUMS).is_file():
        message = f"{folder} has no {SUMS}: its files cannot be verified"
        warnings.warn(message, SkyredWarning, stacklevel=3)
    elif fault := find_damage(folder) or _find_unlisted(folder):
        raise OutputError(f"{folder}: {fault}; repeat the run ({VERIFY_HINT})")


def _find_unlisted(folder: Path) -> str | None:
    """Return a message about a file that is read but not listed in SHA256SUMS, or None."""
    listed_names = read_checksums(folder)
    single_files = [folder / name for name in READ_FILES if (folder / name).is_file()]
    nested_files = [
        path for name in READ_FOLDERS for path in (folder / name).rglob("*") if path.is_file()
    ]
    for path in (*single_files, *nested_files):
        if (name := path.relative_to(folder).as_posix()) not in listed_names:
            return f"{SUMS} does not list {name}: it was added, or {SUMS} was truncated"
    return None


@contextmanager
def convert_read_errors(folder: Path) -> Iterator[None]:
    """Check the estimates of a run folder, and convert errors in the context to `OutputError`.

    Parameters
    ----------
    folder : Path
        The run folder.

    Raises
    ------
    OutputError
        If the check fails, or any error is raised in the context.
    """
    try:
        check_estimates(folder)
        yield
    except SkyredError as error:
        raise OutputError(f"{folder} cannot be read: {error}") from error
    except Exception as error:  # gammapy, astropy and YAML may raise anything
        raise OutputError(f"{folder} cannot be read: {type(error).__name__}: {error}") from error


def check_estimates(folder: Path) -> None:
    """Check the FITS files and the models of the estimates.

    Parameters
    ----------
    folder : Path
        The run folder.

    Raises
    ------
    FileError
        If a file is damaged, or would execute code.
    """
    from gammapy.utils.scripts import read_yaml

    for path in sorted((folder / "estimates").glob("*.fits*")):
        check_fits_file(path)
    for path in sorted((folder / "estimates").glob("*.yaml")):
        check_models(read_yaml(path), path.parent)
