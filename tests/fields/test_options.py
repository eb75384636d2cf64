"""Plain options accept and reject values, with clear error messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given, settings, strategies as st

from skyred.errors import FieldError
from skyred.fields import FrozenMapping, Location, digest, option, thaw
from skyred.interfaces import Fields, value


@value
class Options(Fields):
    """One option of each type."""

    switch = option(True, doc="A switch.")
    integer = option(3, min=1, max=9, doc="An integer.")
    number = option(1.0, min=0.5, doc="A number.")
    string = option("a", doc="A string.")
    choice = option("red", choices=("red", "green", "blue"), doc="A choice.")
    choices = option(("red",), choices=("red", "green", "blue"), many=True, doc="Choices.")
    numbers = option((), type=float, many=True, doc="Numbers.")
    mapping: Any = option(None, type=dict, doc="A mapping.")
    location: Any = option(None, type=Location, doc="A location.")
    locations = option((), type=Location, many=True, doc="Locations.")


@pytest.mark.parametrize(
    ("invalid_options", "message"),
    [
        ({"switch": 1}, "Options.switch: invalid value 1; expected true or false"),
        ({"switch": "yes"}, "Options.switch: invalid value 'yes'; expected true or false"),
        ({"integer": True}, "Options.integer: invalid value True; expected an integer"),
        ({"integer": 2.0}, "Options.integer: invalid value 2.0; expected an integer"),
        ({"integer": 0}, "Options.integer: invalid value 0; expected a number from 1 to 9"),
        ({"integer": 10}, "Options.integer: invalid value 10; expected a number from 1 to 9"),
        ({"number": "1"}, "Options.number: invalid value '1'; expected a number"),
        ({"number": 0.4}, "Options.number: invalid value 0.4; expected a number of at least 0.5"),
        ({"number": float("nan")}, "Options.number: invalid value nan"),
        ({"string": 5}, "Options.string: invalid value 5; expected a string"),
        ({"choice": "grene"},
         "Options.choice: invalid value 'grene'; expected one of red, green, blue; "
         "did you mean 'green'?"),
        ({"choices": ["red", "pink"]}, "Options.choices: invalid value 'pink'; expected one of"),
        ({"choices": object()}, "Options.choices: invalid value <object object>"),
        ({"mapping": [1]}, "Options.mapping: invalid value [1]; expected a mapping"),
        ({"mapping": {"a": object()}}, "Options.mapping: contains a value of type object; "),
        ({"location": ""}, "Options.location: invalid value ''; expected a path or a location"),
        ({"location": 3}, "Options.location: invalid value 3; expected a path or a location"),
    ],
)  # fmt: skip
def test_invalid_option_is_rejected(invalid_options: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError, match=re.escape(message)):
        Options(**invalid_options)


def test_bounds_are_inclusive() -> None:
    assert [Options(integer=number).integer for number in (1, 9)] == [1, 9]
    assert Options(number=0.5).number == 0.5


def test_numpy_integers_and_integers_for_floats_are_accepted() -> None:
    assert Options(integer=np.int64(4)) == Options(integer=4)
    assert Options(number=2) == Options(number=2.0)
    assert Options(number=2).digest() == Options(number=np.float32(2)).digest()


def test_single_value_is_accepted_for_a_list() -> None:
    assert Options(choices="blue") == Options(choices=["blue"])
    assert Options(numbers=2) == Options(numbers=[2.0])
    assert Options(locations=Path("x.fits")) == Options(locations=["x.fits"])


def test_lists_and_mappings_are_copied() -> None:
    numbers, mapping = [1.0], {"inner": [1, {"deep": 2}]}
    options = Options(numbers=numbers, mapping=mapping)
    original_digest = options.digest()
    numbers.append(2.0)
    mapping["inner"][1]["deep"] = 3  # type: ignore[index]
    assert options.digest() == original_digest
    assert options.numbers == (1.0,)
    with pytest.raises(TypeError):
        options.mapping["inner"] = ()
    assert thaw(options.mapping) == {"inner": [1, {"deep": 2}]}


@pytest.mark.parametrize("number", [float(x) for x in (0.1, 1e-300, 1e300, 1 / 3, -2.5)])
def test_numbers_that_differ_at_the_twelfth_digit_differ(number: float) -> None:
    @value
    class WithNumber(Fields):
        """A number."""

        number = option(0.0, doc="A number.")

    assert WithNumber(number=number) != WithNumber(number=number * (1 + 2e-11))
    assert WithNumber(number=number) == WithNumber(number=number * (1 + 1e-15))


class TestMappings:
    def test_order_of_keys_does_not_matter(self) -> None:
        first_value, second_value = (
            Options(mapping={"a": 1, "b": 2}),
            Options(mapping={"b": 2, "a": 1}),
        )
        assert first_value == second_value
        assert hash(first_value) == hash(second_value)
        assert first_value.digest() == second_value.digest()

    def test_strings_with_units_are_compared_as_quantities(self) -> None:
        assert Options(mapping={"x": "0.02 deg"}) == Options(mapping={"x": "1.2 arcmin"})
        assert Options(mapping={"x": "0.02 deg"}) != Options(mapping={"x": "0.02 rad"})

    def test_strings_that_are_not_quantities_are_compared_as_strings(self) -> None:
        assert Options(mapping={"x": "2004-12-06"}) != Options(mapping={"x": "2004-12-07"})
        assert Options(mapping={"x": "-"}) != Options(mapping={"x": "+"})

    @pytest.mark.parametrize(
        ("first_value", "second_value"),
        [(1, True), (0, False), (0, None), ("a", ["a"]), ([], {}), ([1], [[1]])],
    )
    def test_values_of_different_types_differ(self, first_value: Any, second_value: Any) -> None:
        assert Options(mapping={"x": first_value}) != Options(mapping={"x": second_value})
        assert (
            Options(mapping={"x": first_value}).digest()
            != Options(mapping={"x": second_value}).digest()
        )

    def test_quantity_is_stored_as_string(self) -> None:
        options = Options(mapping={"x": 0.1 * u.Unit("TeV-1 cm-2 s-1"), "y": [1, 2] * u.deg})
        assert thaw(options.mapping) == {"x": "0.1 1 / (TeV s cm2)", "y": ["1.0 deg", "2.0 deg"]}
        assert options == Options(mapping={"x": "0.1 cm-2 s-1 TeV-1", "y": ["1 deg", "120 arcmin"]})


class TestFrozenMapping:
    @settings(max_examples=20)
    @given(keys=st.permutations("abcd"), number=st.integers(0, 4))
    def test_equal_mappings_have_the_same_hash(self, keys: list[str], number: int) -> None:
        items = {key: index for index, key in enumerate(sorted(keys[:number]))}
        shuffled_items = [(key, items[key]) for key in keys[:number]]
        first_value, second_value = FrozenMapping(items), FrozenMapping(tuple(shuffled_items))
        assert first_value == second_value == items
        assert hash(first_value) == hash(second_value)


class TestLocations:
    def test_variables_are_kept_unexpanded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TOY_FOLDER", "/somewhere")
        options = Options(location="$TOY_FOLDER/a", locations=["${TOY_FOLDER}/b"])
        assert options.to_plain() == {"location": "$TOY_FOLDER/a", "locations": ["${TOY_FOLDER}/b"]}
        assert options.location.expanded() == "/somewhere/a"
        assert options.locations[0].expanded() == "/somewhere/b"

    def test_unset_variable_is_reported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("TOY_NOWHERE", raising=False)
        monkeypatch.setenv("TOY_FOLDER", "/somewhere")
        location = Location("$TOY_FOLDER/${TOY_NOWHERE}/x")
        assert location.unset_variables() == ["TOY_NOWHERE"]
        with pytest.raises(FieldError, match=r"variable TOY_NOWHERE, .*\(export TOY_NOWHERE="):
            location.expanded()

    def test_home_is_expanded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/someone")
        assert Location("~/x").path() == Path("/home/someone/x")

    @pytest.mark.parametrize(
        ("location_string", "is_path"),
        [
            ("sim:crab", False),
            ("my-archive:crab", False),
            ("a/b", True),
            ("./my-archive:crab", True),
            ("C:/x", True),
            ("~/x", True),
        ],
    )
    def test_location_with_a_scheme_is_not_a_path(
        self, location_string: str, is_path: bool
    ) -> None:
        assert Location(location_string).is_path() is is_path


@given(
    first_value=st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
        lambda inner: st.lists(inner, max_size=3).map(tuple),
    ),
    second_value=st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
        lambda inner: st.lists(inner, max_size=3).map(tuple),
    ),
)
def test_different_keys_have_different_digests(first_value: Any, second_value: Any) -> None:
    are_equal = repr(first_value) == repr(second_value)  # unlike ==, repr distinguishes 1 from True
    assert (digest(first_value) == digest(second_value)) is are_equal


def test_declaration_with_an_unknown_type_is_rejected() -> None:
    with pytest.raises(
        TypeError, match=r"unsupported type of an option: complex; expected one of .*bool"
    ):
        option(1j, doc="A complex number.")


def test_declaration_with_a_default_outside_the_choices_is_rejected() -> None:
    with pytest.raises(FieldError, match="invalid value 'pink'"):
        option("pink", choices=("red",), doc="A colour.")
