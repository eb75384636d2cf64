"""Expansion of environment variables in the paths of run folders."""

from __future__ import annotations

import os
import re
from pathlib import Path

from skyred.errors import OutputError


def expand_folder(folder: str | Path) -> Path:
    """Return the path of a run folder with expanded environment variables and ``~``.

    gammapy expands the paths that it writes to; without this function, the files of a run would be
    written to two folders.

    Parameters
    ----------
    folder : str or Path
        The path.

    Returns
    -------
    Path
        The path without variables.

    Raises
    ------
    OutputError
        If a variable is not set.
    """
    expanded = Path(os.path.expandvars(folder)).expanduser()
    if missing := re.search(r"\$(\w+|\{\w+\})", str(expanded)):
        name = missing[1].strip("{}")
        raise OutputError(
            f"the folder {str(folder)!r} uses the environment variable {name}, which is not set; "
            f"set it (export {name}=...)"
        )
    return expanded
