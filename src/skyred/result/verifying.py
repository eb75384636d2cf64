"""Run folders looked at before they are read: whole, as they were written, and without code."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skyred.errors import OutputError, SkyredError, SkyredWarning
from skyred.inspection.map_headers import check_fits_file, check_models
from skyred.io.sums import SUMS, damage, stated_sums

# what is read of a run folder; beside it users may keep what they like
READ = ("config.yaml", "report.json", "observations.ecsv", "models.yaml", "fit.yaml",
        "samples.fits")  # fmt: skip
READ_BELOW = ("datasets", "estimates")
READ_ALL_THE_SAME = "Result.read(..., verify=False) reads it all the same"


def verify_folder(folder: Path) -> None:
    """Compare the files of a run folder with the sums that were written last.

    Raises
    ------
    OutputError
        If a file is missing, or not what it was.
    """
    if not (folder / SUMS).is_file():
        message = f"{folder} holds no {SUMS}: whether its files are what they were is not known"
        warnings.warn(message, SkyredWarning, stacklevel=3)
    elif wrong := damage(folder) or _unlisted(folder):
        raise OutputError(f"{folder}: {wrong}; make the run again ({READ_ALL_THE_SAME})")


def _unlisted(folder: Path) -> str | None:
    """Name a file that is read and that the sums do not state: they were cut, or it was added."""
    stated = stated_sums(folder)
    single = [folder / name for name in READ if (folder / name).is_file()]
    below = [path for name in READ_BELOW for path in (folder / name).rglob("*") if path.is_file()]
    for path in (*single, *below):
        if (name := path.relative_to(folder).as_posix()) not in stated:
            return f"{SUMS} does not state {name}: it was added, or the sums were cut"
    return None


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Turn what comes of files that are no longer what skyred writes into an `OutputError`."""
    try:
        look_at_estimates(folder)
        yield
    except SkyredError as error:
        raise OutputError(f"{folder} cannot be read: {error}") from error
    except Exception as error:  # gammapy, astropy and YAML raise whatever their parts raise
        raise OutputError(f"{folder} cannot be read: {type(error).__name__}: {error}") from error


def look_at_estimates(folder: Path) -> None:
    """Look at the maps and models of the estimates.

    Raises
    ------
    FileError
        If one is damaged, or would run code.
    """
    from gammapy.utils.scripts import read_yaml

    for path in sorted((folder / "estimates").glob("*.fits*")):
        check_fits_file(path)
    for path in sorted((folder / "estimates").glob("*.yaml")):
        check_models(read_yaml(path), path.parent)
