"""Sameness: workers that would give other numbers than this process are refused."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, entry_points, version

from distributed import Client

from skyred import EngineError

NUMERIC = ("gammapy", "astropy", "numpy", "scipy", "regions")


def require_same(client: Client) -> None:
    """Look at the workers there are: one thread each, and the versions of this process.

    Raises
    ------
    EngineError
        Naming the worker and what is different.
    """
    for address, worker in client.scheduler_info(n_workers=-1)["workers"].items():
        if worker["nthreads"] != 1:
            raise EngineError(
                f"the dask worker {address} has {worker['nthreads']} threads, and gammapy is not "
                "made for several at once; start it with --nthreads 1 --nworkers N"
            )
    ours = versions()
    for address, theirs in _versions_of_workers(client).items():
        other = [
            f"{name} {theirs.get(name, 'missing')} (here {held})"
            for name, held in ours.items()
            if theirs.get(name) != held
        ]
        if other:
            raise EngineError(
                f"the dask worker {address} has {', '.join(other)}: "
                "give workers the environment of this process"
            )


def versions() -> dict[str, str]:
    """Give the versions that numbers depend on: Python, libraries, skyred and its plugins."""
    plugins = {point.dist.name for point in entry_points(group="skyred") if point.dist}
    found = {"python": platform.python_version()}
    for name in sorted(plugins.union(NUMERIC)):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _versions_of_workers(client: Client) -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = client.run(versions)
    except Exception as error:  # whatever a worker that lacks this module raises
        raise EngineError(
            f"a dask worker cannot use skyred: {type(error).__name__}: {error}; install skyred "
            "and skyred-dask where the workers run"
        ) from error
    return found
