"""Arrays as fields: held read-only, the same by their numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from skyred import array
from skyred.errors import FieldError
from skyred.interfaces import Fields, value

FINITE = {"allow_nan": False, "allow_infinity": False}


@value
class Held(Fields):
    """Holds an array."""

    numbers = array(doc="Some numbers.")


@given(arrays(np.float64, array_shapes(max_dims=3), elements={**FINITE}))
def test_equal_arrays_have_one_digest_and_a_change_of_any_number_another(numbers):
    instance = Held(numbers=numbers)
    assert instance == Held(numbers=numbers.tolist())
    assert instance.digest() == Held(numbers=numbers.copy()).digest()
    changed = numbers.copy()
    changed.flat[-1] = np.nextafter(changed.flat[-1], 1e9)
    assert Held(numbers=changed).digest() != instance.digest()


def test_shape_matters_and_the_sign_of_zero_does_not():
    assert Held(numbers=[[1, 2]]) != Held(numbers=[1, 2])
    assert Held(numbers=[0.0]) == Held(numbers=[-0.0])


def test_it_is_a_read_only_copy():
    original = np.ones(3)
    instance = Held(numbers=original)
    original[0] = 2
    assert instance.numbers.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        instance.numbers[0] = 2


@pytest.mark.parametrize("invalid_value", ["text", object(), [[1], [1, 2]], [np.nan]])
def test_invalid_array_is_refused_by_name(invalid_value):
    with pytest.raises(FieldError, match=r"Held\.numbers"):
        Held(numbers=invalid_value)
