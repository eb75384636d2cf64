"""The norm model `piecewise-norm`: energies in units, and norms by name."""

from typing import Any

import astropy.units as u
import pytest
from gammapy.modeling.models import PiecewiseNormSpectralModel

from skyred.components.models.spec import build_submodel, submodel_problems


@pytest.mark.parametrize(
    "energies", [["1 TeV", "3 TeV", "10 TeV"], {"data": [1, 3, 10], "unit": "TeV"}]
)
@pytest.mark.parametrize(
    "norms",
    [
        {"norm_2": 0.5, "norm_0": {"value": 2, "max": 4}},
        {"parameters": [{"name": "norm_2", "value": 0.5}, {"name": "norm_0", "value": 2}]},
    ],
    ids=["mapping", "list"],
)
def test_norms_belong_to_energies_by_name(energies: Any, norms: dict[str, Any]) -> None:
    model = build_submodel("spectral", {"type": "piecewise-norm", "energy": energies} | norms)
    nodes = [1, 3, 10] * u.TeV
    assert model.parameters.names == ["norm_0", "norm_1", "norm_2"]
    assert model(nodes).value == pytest.approx([2, 1, 0.5])
    plain = PiecewiseNormSpectralModel(nodes, norms=[2, 1, 0.5])
    energy = [0.5, 2, 5, 20] * u.TeV
    assert model(energy).value == pytest.approx(plain(energy).value, rel=1e-12)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "missing key 'energy'"),
        ({"energy": ["1 TeV"]}, "at least two increasing energies"),
        ({"energy": ["3 TeV", "1 TeV"]}, "at least two increasing energies"),
        ({"energy": ["1 TeV", "2 m"]}, "energy"),
        ({"energy": ["1 TeV", "3 TeV"], "norm_2": 1}, "norm_2"),
    ],
)
def test_invalid_energies_and_norms_are_reported(spec: dict[str, Any], message: str) -> None:
    (problem,) = submodel_problems("spectral", {"type": "piecewise-norm"} | spec)
    assert message in str(problem)
