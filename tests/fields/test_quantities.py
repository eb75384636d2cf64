"""Quantities have checked units and bounds, and are read-only."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from astropy import units as u

from skyred.errors import FieldError
from skyred.fields import quantity
from skyred.interfaces import Fields, value


@value
class Quantities(Fields):
    """One quantity of each type."""

    size = quantity("0.02 deg", min="0.01 deg", max="600 arcmin", doc="A size.")
    edges = quantity(None, unit="TeV", many=True, min="1 GeV", doc="Edges.")
    pair = quantity("1 deg", count=2, doc="Width and height.")
    ratio = quantity("0.5", doc="A ratio.")
    bins = quantity(None, unit="any", many=True, doc="Edges of anything.")
    flux = quantity(None, unit="cm-2 s-1 TeV-1", doc="A flux.")


@pytest.mark.parametrize(
    ("invalid_value", "message"),
    [
        (
            {"bins": ["1 deg", 2]},
            "bins: invalid value ['1 deg', 2]; expected quantities of the same",
        ),
        ({"size": "1 TeV"}, "size: '1 TeV' is an energy; expected an angle such as '1 deg'"),
        ({"size": 1}, "size: '1' has no unit; expected an angle"),
        ({"size": "nan deg"}, "size: 'nan deg' is not finite"),
        ({"size": "inf deg"}, "size: 'inf deg' is not finite"),
        ({"size": "1 dge"}, "size: '1 dge' cannot be read as a quantity; expected an angle"),
        ({"size": {"value": 1}}, "size: {'value': 1} cannot be read as a quantity"),
        ({"size": "0.5 arcmin"}, "size: invalid value 0.5 arcmin; expected at least 0.01 deg"),
        ({"size": "11 deg"}, "size: invalid value 11 deg; expected at most 600 arcmin"),
        ({"edges": []}, "edges: is an empty list; expected at least one quantity"),
        ({"edges": ["1 TeV", "2 deg"]}, "edges: '2 deg' is an angle; expected an energy"),
        ({"edges": ["1 TeV", "1 MeV"]}, "edges: invalid value 1 MeV; expected at least 1 GeV"),
        ({"edges": 5}, "edges: '5' has no unit; expected an energy"),
        ({"pair": ["1 deg", "2 deg", "3 deg"]}, "pair: has 3 values; expected 2"),
        ({"pair": []}, "pair: has 0 values; expected 2"),
        ({"ratio": "0.5 m"}, "ratio: '0.5 m' is a length; expected a number without a unit"),
        ({"flux": "1 cm-2 s-1"}, "flux: '1 cm-2 s-1' is"),
    ],
)
def test_invalid_quantity_is_rejected(invalid_value: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError, match=re.escape(f"Quantities.{message}")):
        Quantities(**invalid_value)


@pytest.mark.parametrize(
    "invalid_value",
    [
        {"size": [1, 2] * u.deg},
        {"edges": [[1, 2], [3, 4]] * u.TeV},
        {"edges": {"a": "1 TeV"}},
    ],
)
def test_quantity_with_a_wrong_shape_is_rejected(invalid_value: dict[str, Any]) -> None:
    with pytest.raises(FieldError):
        Quantities(**invalid_value)


def test_bounds_are_inclusive_in_any_unit() -> None:
    assert Quantities(size="0.01 deg").size == 0.6 * u.arcmin
    assert Quantities(size="10 deg").size == 10 * u.deg


def test_single_value_is_repeated_for_a_count() -> None:
    assert Quantities(pair="2 deg") == Quantities(pair=["2 deg", "120 arcmin"])
    assert Quantities(pair="2 deg").pair.shape == (2,)


def test_list_with_mixed_units_equals_an_array() -> None:
    instance = Quantities(edges=["500 GeV", "1 TeV"])
    assert instance == Quantities(edges=[0.5, 1] * u.TeV)
    assert instance == Quantities(edges=(500 * u.GeV, "1 TeV"))


def test_single_quantity_is_accepted_for_a_list() -> None:
    assert Quantities(edges="1 TeV").edges.shape == (1,)


def test_arrays_are_read_only_copies() -> None:
    edges = np.array([1.0, 2.0]) * u.TeV
    instance = Quantities(edges=edges)
    original_digest = instance.digest()
    edges[0] = 5 * u.TeV
    assert instance.digest() == original_digest
    for array in (instance.edges, instance.size, instance.pair):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 3 * array.unit


def test_order_matters_in_a_list() -> None:
    assert Quantities(edges=["1 TeV", "2 TeV"]) != Quantities(edges=["2 TeV", "1 TeV"])


@pytest.mark.parametrize("quantity_string", ["1.2 arcmin", "0.02 deg", "72.0 arcsec"])
def test_str_keeps_the_original_unit(quantity_string: str) -> None:
    instance = Quantities(size=quantity_string)
    assert instance.to_plain(complete=True)["size"] == quantity_string
    assert str(instance.size) == quantity_string


def test_plain_quantities_are_read_back_to_the_last_digit() -> None:
    number = 0.1 + 0.2  # 0.30000000000000004
    yaml_data = Quantities(size=number * u.deg).to_plain()
    assert yaml_data == {"size": "0.30000000000000004 deg"}
    assert Quantities(**yaml_data).size.value == number


def test_unit_with_a_scale_is_read_back() -> None:
    instance = Quantities(size=2 * u.Unit("0.1 deg"))
    assert Quantities(**instance.to_plain()) == instance


def test_declaration_without_default_and_unit_is_rejected() -> None:
    with pytest.raises((TypeError, FieldError)):
        quantity(doc="A size of nothing.")


def test_unit_of_a_list_is_that_of_its_default() -> None:
    @value
    class WithList(Fields):
        """A class with a list of energies."""

        energies = quantity(["1 TeV", "500 GeV"], many=True, doc="Energies.")

    np.testing.assert_allclose(WithList().energies.to_value("TeV"), [1, 0.5])
    with pytest.raises(FieldError, match="expected an energy such as '1 TeV'"):
        WithList(energies=["1 deg"])


@pytest.mark.parametrize("invalid_value", [True, None, object(), 3])
def test_invalid_list_is_reported_with_the_field(invalid_value: object) -> None:
    with pytest.raises(FieldError, match="pair"):
        Quantities(pair=invalid_value)
