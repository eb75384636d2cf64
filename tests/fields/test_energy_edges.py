"""Tests of fields for edges of energy bins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.maps import MapAxis
from hypothesis import given, strategies as st

from skyred import FluxPoints, Pipeline, energy_edges, value
from skyred.errors import ConfigError, FieldError
from skyred.interfaces import Fields

ENERGIES = st.floats(1e-3, 1e3)


@value
class Bins(Fields):
    """An object with energy edges."""

    edges: u.Quantity | None = energy_edges(None, doc="Edges of the bins.")


@given(ENERGIES, st.floats(1.01, 1e4), st.integers(1, 50), st.booleans())
def test_edges_of_a_range_are_those_of_gammapy(
    low: float, ratio: float, bins: int, per_decade: bool
) -> None:
    first, last = low * u.TeV, low * ratio * 1e3 * u.GeV
    edges = Bins(edges={"min": first, "max": last, "bins": bins, "per_decade": per_decade}).edges
    axis = MapAxis.from_energy_bounds(first, last, bins, per_decade=per_decade)
    assert edges is not None
    np.testing.assert_allclose(edges.to_value("TeV"), axis.edges.to_value("TeV"), rtol=1e-12)
    assert edges[0] == first
    assert edges[-1] == last.to("TeV")


def test_edges_of_a_range_are_read_again_from_yaml() -> None:
    bins = Bins(edges={"min": "1 TeV", "max": "10 TeV", "bins": 3})
    assert Bins(edges=bins.to_plain()["edges"]) == bins


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ({"min": "1 TeV", "max": "10 TeV"}, "missing key 'bins'; expected a list of energies, or"),
        ({"min": "1 TeV", "max": "10 TeV", "nbins": 3}, "unknown key 'nbins'.*'bins'"),
        ({"min": "1 TeV", "max": "1 TeV", "bins": 3}, "edges.min: 1.0 TeV is not below max"),
        ({"min": "1 deg", "max": "10 TeV", "bins": 3}, "edges.min: '1 deg' is an angle; expected"),
        ({"min": "0 TeV", "max": "10 TeV", "bins": 3}, "edges.min: invalid value 0 TeV"),
        ({"min": "1 TeV", "max": "10 TeV", "bins": 0}, "edges.bins: invalid value 0"),
        ({"min": "1 TeV", "max": "10 TeV", "bins": 2.5}, "edges.bins: invalid value 2.5"),
        ({"min": "1 TeV", "max": "10 TeV", "bins": True}, "edges.bins: invalid value True"),
        ({"min": "1 TeV", "max": "10 TeV", "bins": 10**9}, "at most 10000 bins"),
        ({"min": "1 TeV", "max": "10 TeV", "bins": 2, "per_decade": 1}, "edges.per_decade: inv"),
    ],
)
def test_invalid_range_is_an_error_at_its_key(edges: Any, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        Bins(edges=edges)


def test_error_in_yaml_has_the_line_of_the_key() -> None:
    content = """
data: {}
estimate:
  - kind: flux-points
    source: crab
    energy_edges:
      min: 1 TeV
      max: 0.5 TeV
      bins: 3
"""
    with pytest.raises(ConfigError, match=r":7:7: estimate\[0\].energy_edges.min: 1.0 TeV is not"):
        Pipeline.from_yaml(content)


def test_estimator_has_the_edges_of_a_range() -> None:
    points = FluxPoints(source="crab", energy_edges={"min": "1 TeV", "max": "16 TeV", "bins": 4})
    np.testing.assert_allclose(points.energy_edges.to_value("TeV"), [1, 2, 4, 8, 16], rtol=1e-12)
