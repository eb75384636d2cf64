"""Versions of installed distributions."""

from functools import lru_cache
from importlib.metadata import version


@lru_cache(maxsize=64)  # the metadata of a distribution are parsed at each access
def installed_version(distribution: str) -> str:
    """Return the version of a distribution, which is read once per process.

    Parameters
    ----------
    distribution : str
        The name of the distribution.

    Returns
    -------
    str
        The version.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If the distribution is not installed.
    """
    return version(distribution)
