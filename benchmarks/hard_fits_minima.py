"""The lowest known statistic of each problem, stored between runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from filelock import FileLock
from hard_fits_problem import Problem, identity
from hard_fits_run import Record, problems


@attrs.frozen
class Minima:
    """The lowest known minima, in a file of the cache.

    Parameters
    ----------
    cache : pathlib.Path
        Directory of the cache.
    """

    cache: Path

    @property
    def path(self) -> Path:
        return self.cache / "minima.json"

    def read(self) -> dict[str, dict[str, Any]]:
        """Read the minima by the identity of the problem."""
        if not self.path.exists():
            return {}
        minima: dict[str, dict[str, Any]] = json.loads(self.path.read_text(encoding="utf-8"))
        return minima

    def get(self, problem: Problem) -> dict[str, Any] | None:
        """Return the lowest minimum of a problem, or None."""
        return self.read().get(identity(problem))

    def update(self, records: list[Record]) -> dict[str, float]:
        """Update the minima with the outcomes of fits.

        Parameters
        ----------
        records : list of Record
            Outcomes of fits with any fitter, successful or not.

        Returns
        -------
        dict of str to float
            The lowest statistic by the name of the problem.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            minima = self.merge(records)
            partial = self.path.with_suffix(".partial")
            partial.write_text(json.dumps(minima, indent=1) + "\n", encoding="utf-8")
            partial.replace(self.path)
        names = {record.job.problem for record in records}
        return {name: minima[identity(problems()[name])]["stat"] for name in names}

    def merge(self, records: list[Record]) -> dict[str, dict[str, Any]]:
        """Return the known minima, replaced by the outcomes of fits that are lower."""
        minima = self.read()
        for record in records:
            key = identity(problems()[record.job.problem])
            lowest = minima.get(key, {"stat": np.inf})["stat"]
            if record.fresh_stat < lowest and np.isfinite(record.values).all():
                minima[key] = {
                    "stat": record.fresh_stat,
                    "values": record.values,
                    "names": record.names,
                    "by": [record.job.fitter, record.job.number],
                }
        return minima
