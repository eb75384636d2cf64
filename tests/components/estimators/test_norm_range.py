"""Tests of the option `norm` of flux estimators."""

from __future__ import annotations

from typing import Any

import pytest

from skyred import FluxPoints, NormRange
from skyred.errors import FieldError

EDGES = ["1 TeV", "10 TeV"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min": 2, "max": 1}, r"NormRange.min: 2.0 is not below max \(1.0\)"),
        ({"scan_min": 6}, r"NormRange.scan_min: 6.0 is not below scan_max \(5.0\)"),
        ({"scan_min": -1}, "NormRange.scan_min: -1.0 is not above 0; expected a positive norm"),
    ],
)
def test_invalid_range_is_an_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError, match=message):
        NormRange(**settings)


def test_settings_are_those_that_differ_from_the_defaults_of_gammapy() -> None:
    norm = NormRange(min=0, scan_min=0.2, scan_values=[0.5, 2])
    assert norm.settings() == {"min": 0.0, "scan_values": [0.5, 2.0]}
    points = FluxPoints(source="crab", energy_edges=EDGES, norm=NormRange(min=0))
    assert points.to_plain()["norm"] == {"min": 0.0}
