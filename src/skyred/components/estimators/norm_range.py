"""The option `norm` of flux estimators: limits of the norm, and the norms of the scan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from skyred.errors import Problem
from skyred.fields import option
from skyred.interfaces import Fields, value

DEFAULT_SCAN = (0.2, 5.0, 11)  # lowest and highest norm and their number, as in gammapy


@value
class NormRange(Fields):
    """Limits of the norm of a source, and the norms of the scan, as in gammapy's `Parameter`."""

    min: float | None = option(None, type=float, doc="Lowest allowed norm; by default no limit.")
    max: float | None = option(None, type=float, doc="Highest allowed norm; by default no limit.")
    scan_min: float = option(DEFAULT_SCAN[0], doc="Lowest norm of the scan.")
    scan_max: float = option(DEFAULT_SCAN[1], doc="Highest norm of the scan.")
    scan_n_values: int = option(
        DEFAULT_SCAN[2], min=2, max=10_000, doc="Number of norms of the scan."
    )
    scan_values: tuple[float, ...] = option(
        (), type=float, many=True, doc="Norms of the scan, instead of its range and number."
    )
    interp: str = option(
        "log",
        choices=("lin", "log"),
        doc="Whether the norms of the scan have equal differences (lin) or equal ratios (log).",
    )

    def validate(self) -> Iterable[Problem]:
        """Check the limits and the range of the scan.

        Yields
        ------
        Problem
            Limits or a range in the wrong order, or a range that does not suit the spacing.
        """
        if self.min is not None and self.max is not None and self.min >= self.max:
            yield Problem(
                ("min",), f"{self.min} is not below max ({self.max})", "expected min below max"
            )
        if self.scan_min >= self.scan_max:
            message = f"{self.scan_min} is not below scan_max ({self.scan_max})"
            yield Problem(("scan_min",), message, "expected scan_min below scan_max")
        if self.interp == "log" and self.scan_min <= 0 and not self.scan_values:
            yield Problem(
                ("scan_min",),
                f"{self.scan_min} is not above 0",
                "expected a positive norm, or interp: lin",
            )

    def settings(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults, as gammapy's estimators accept them.

        Returns
        -------
        dict of str to object
            The settings, by name.
        """
        return self.to_plain()

    def limits(self) -> tuple[float, float]:
        """Return the limits of the norm.

        Returns
        -------
        tuple of float
            Lowest and highest allowed norm, infinite without a limit.
        """
        low, high = self.min, self.max
        return -np.inf if low is None else low, np.inf if high is None else high

    def scan(self) -> tuple[float, ...]:
        """Return the norms of the scan.

        Returns
        -------
        tuple of float
            The norms; empty if no setting of the scan differs from its default.
        """
        if self.scan_values:
            return self.scan_values
        if not any(name not in ("min", "max") for name in self.settings()):
            return ()
        create = np.geomspace if self.interp == "log" else np.linspace
        return tuple(create(self.scan_min, self.scan_max, self.scan_n_values).tolist())
