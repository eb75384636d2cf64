"""Checks of archives that plugins open, against the interface `Archive`."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from skyred.interfaces.archive import require_archive, require_observation
from skyred.plugins import Plugins
from skyred.testing.checking import ConformanceError, Violation
from skyred.testing.requirement import Requirement, RequirementViolated, require

MAX_RUNS = 3


def check_archive(
    location: str | tuple[str, ...], *, plugins: Plugins | None = None, irfs: Sequence[str] = ()
) -> None:
    """Check that an archive has the interface `Archive`, with its first three runs.

    Parameters
    ----------
    location : str or tuple of str
        The location, which the hook ``skyred_archive`` of a plugin opens.
    plugins : Plugins, optional
        The plugins; by default all installed plugins.
    irfs : sequence of str
        The IRFs that each run must have: aeff, edisp, psf, bkg, rad_max.

    Raises
    ------
    ArchiveError
        If the archive cannot be opened.
    ConformanceError
        If it violates requirements. The message lists all violations, with the ways to fix them.

    Examples
    --------
    >>> from skyred.testing import check_archive
    >>> check_archive("mine:crab", irfs=("aeff", "edisp"))  # doctest: +SKIP
    """
    plugins = plugins or Plugins.load()
    archive = plugins.open_archive(location)
    case = _Case(archive, str(location), irfs)
    violations = [Violation(requirement, str(error)) for requirement, error in case.violations()]
    if violations:
        raise ConformanceError(str(location), violations)


class _Case:
    """An archive to be checked."""

    def __init__(self, archive: Any, location: str, irfs: Sequence[str]) -> None:
        self.archive, self.source, self.irfs = archive, f"the archive {location!r}", irfs

    def violations(self) -> Iterator[tuple[Requirement, BaseException]]:
        """Yield the requirements that the archive violates, with the observation."""
        checks: tuple[tuple[str, str, Callable[[], None]], ...] = (
            (
                "has a table with unique integers OBS_ID",
                "Return an astropy Table with a row for each run.",
                self._check_table,
            ),
            (
                "opens each run of its table",
                "Return a gammapy.data.Observation with the requested obs_id.",
                self._check_runs,
            ),
            (
                "returns the same events each time",
                "Read the run again, or return a copy, if events may be changed.",
                self._check_repetition,
            ),
            (
                "opens runs that survive pickling",
                "Define classes at the top level of a module, and keep no open files: workers "
                "receive pickled observations.",
                self._check_pickling,
            ),
            (
                "raises a ValueError for a run that it does not have",
                "Raise a ValueError: only this run fails, and the message is in its log.",
                self._check_unknown_run,
            ),
        )
        for name, fix, check in checks:
            requirement = Requirement(name, ("archive",), fix, lambda case: None)
            try:
                check()
            except RequirementViolated as violation:
                yield requirement, violation
            except (Exception, SystemExit) as error:  # an archive may raise anything
                yield requirement, RuntimeError(f"{type(error).__name__}: {error}")

    def _obs_ids(self) -> list[int]:
        return [int(obs_id) for obs_id in self.archive.obs_table["OBS_ID"][:MAX_RUNS]]

    def _open(self, obs_id: int) -> Any:
        return self.archive.obs(obs_id, required_irf=list(self.irfs))

    def _check_table(self) -> None:
        require_archive(self.archive, self.source)
        obs_ids = np.asarray(self.archive.obs_table["OBS_ID"])
        require(obs_ids.dtype.kind in "iu", f"OBS_ID has the type {obs_ids.dtype}")
        require(len(obs_ids), "the table has no rows")
        require(len(np.unique(obs_ids)) == len(obs_ids), "some OBS_ID are repeated")

    def _check_runs(self) -> None:
        for obs_id in self._obs_ids():
            observation = self._open(obs_id)
            require_observation(observation, obs_id, self.source)
            missing = set(self.irfs) - set(observation.available_irfs)
            require(not missing, f"run {obs_id} has no {', '.join(sorted(missing))}")
            require(observation.gti is not None, f"run {obs_id} has no good time intervals")
            require(observation.events is not None, f"run {obs_id} has no events")

    def _check_repetition(self) -> None:
        for obs_id in self._obs_ids():
            first = self._open(obs_id).events.table
            energies = np.array(first["ENERGY"])
            first["ENERGY"][:] = 0  # as a maker that violates its requirements
            repeated = np.array(self._open(obs_id).events.table["ENERGY"])
            require(np.array_equal(energies, repeated), f"the energies of run {obs_id} differ")

    def _check_pickling(self) -> None:
        for obs_id in self._obs_ids():
            copied = pickle.loads(pickle.dumps(self._open(obs_id)))
            expected = len(self._open(obs_id).events.table)
            number = len(copied.events.table)
            require(number == expected, f"the copy of run {obs_id} has {number} events")

    def _check_unknown_run(self) -> None:
        obs_id = max(map(int, self.archive.obs_table["OBS_ID"]), default=0) + 1
        try:
            observation = self._open(obs_id)
        except ValueError:
            return
        except (Exception, SystemExit) as error:
            raise RequirementViolated(f"obs({obs_id}) raises {type(error).__name__}") from error
        raise RequirementViolated(f"obs({obs_id}) returns {type(observation).__name__}")
