"""Checks that dask workers have one thread and the same environment as this process."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, entry_points, version

from distributed import Client

from skyred import EngineError

NUMERIC = ("gammapy", "astropy", "numpy", "scipy", "regions")


def check_workers(client: Client) -> None:
    """Check that each worker has one thread, and the same versions as this process.

    Raises
    ------
    EngineError
        If a worker differs; the message contains its address and the differences.
    """
    for address, worker in client.scheduler_info(n_workers=-1)["workers"].items():
        if worker["nthreads"] != 1:
            raise EngineError(
                f"the dask worker {address} has {worker['nthreads']} threads, but gammapy is not "
                "thread-safe; start it with --nthreads 1 --nworkers N"
            )
    local_versions = versions()
    for address, worker_versions in _versions_of_workers(client).items():
        differences = [
            f"{name} {worker_versions.get(name, 'missing')} (here {local_version})"
            for name, local_version in local_versions.items()
            if worker_versions.get(name) != local_version
        ]
        if differences:
            raise EngineError(
                f"the dask worker {address} has {', '.join(differences)}; "
                "start workers in the same environment as this process"
            )


def versions() -> dict[str, str]:
    """Return the versions that affect results: Python, libraries, skyred and its plugins."""
    plugins = {point.dist.name for point in entry_points(group="skyred") if point.dist}
    installed_versions = {"python": platform.python_version()}
    for name in sorted(plugins.union(NUMERIC)):
        try:
            installed_versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed_versions


def _versions_of_workers(client: Client) -> dict[str, dict[str, str]]:
    try:
        versions_by_address: dict[str, dict[str, str]] = client.run(versions)
    except Exception as error:  # a worker without this module may raise anything
        raise EngineError(
            f"a dask worker cannot use skyred: {type(error).__name__}: {error}; install skyred "
            "and skyred-dask where the workers run"
        ) from error
    return versions_by_address
