"""Makers that record rows of observation tables, some of them with a fault."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable
from astropy.time import Time

from skyred import Maker, SkipObservation, component, option, record_row, record_table
from toys import ToySum


@component
class QualityMaker(Maker):
    """Record the quality of a run, and skip some runs."""

    kind = "quality"
    table: str = option("quality", doc="The table.")
    skip: tuple[int, ...] = option((), type=int, many=True, doc="Runs to skip.")

    def make(self, dataset: Any, observation: Any) -> Any:
        obs_id = int(observation.obs_id)
        row = {"rate": obs_id / 3 / u.s, "good": obs_id != 2, "n": obs_id, "label": f"run {obs_id}"}
        if obs_id == 3:
            row |= {"rate": (1 / u.s).to("1 / min"), "cloud": np.array([0.1, np.nan]), "n": None}
        record_row(self.table, row)
        spectrum = QTable({"e_min": [1, 2] * u.TeV, "counts": np.array([obs_id, 0], dtype="i2")})
        record_table(f"{self.table}-spectrum", spectrum[: obs_id % 3])
        if obs_id in self.skip:
            raise SkipObservation("poor quality")
        return dataset


@component
class FaultyMaker(Maker):
    """Record rows with a fault."""

    kind = "faulty"
    fault: str = option(doc="The fault.")

    def make(self, dataset: Any, observation: Any) -> Any:
        obs_id = int(observation.obs_id)
        first = obs_id == 1
        rows: dict[str, dict[str, Any]] = {
            "unit": {"x": 1 * (u.deg if first else u.TeV)},
            "no unit": {"x": 1 * u.deg if first else 1},
            "type": {"x": 1 if first else "one"},
            "shape": {"x": np.zeros(3) if first else np.zeros(2)},
            "time": {"x": Time("2026-01-01")},
            "object": {"x": object()},
            "mixed": {"x": [1, [2, 3]]},
            "quantities": {"x": [1 * u.deg, 2 * u.deg]},
            "empty": {"x": np.array([])},
            "reserved": {"OBS_ID": 1},
            "column": {3: 1},  # type: ignore[dict-item]
            "units": {"x": 1 * u.def_unit("furlongs-of-mine")},
        }
        name = {"name": "../quality", "case": "Quality" if first else "quality"}
        record_row(name.get(self.fault, "quality"), rows.get(self.fault, {"x": obs_id}))
        return dataset


@component
class RecordingSum(ToySum):
    """A stacker that records a row."""

    kind = "recording-sum"

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        record_row("quality", {"x": 1})
        return super().add(total, dataset, observation)
