"""Fields with arrays are read-only copies, and are compared by value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from skyred import array
from skyred.errors import FieldError
from skyred.interfaces import Fields, value

FINITE = {"allow_nan": False, "allow_infinity": False}


@value
class WithArray(Fields):
    """A class with an array."""

    numbers = array(doc="Some numbers.")


@given(arrays(np.float64, array_shapes(max_dims=3), elements={**FINITE}))
def test_digest_depends_on_every_number(numbers):
    instance = WithArray(numbers=numbers)
    assert instance == WithArray(numbers=numbers.tolist())
    assert instance.digest() == WithArray(numbers=numbers.copy()).digest()
    changed = numbers.copy()
    changed.flat[-1] = np.nextafter(changed.flat[-1], 1e9)
    assert WithArray(numbers=changed).digest() != instance.digest()


def test_digest_depends_on_the_shape_but_not_on_the_sign_of_zero():
    assert WithArray(numbers=[[1, 2]]) != WithArray(numbers=[1, 2])
    assert WithArray(numbers=[0.0]) == WithArray(numbers=[-0.0])


def test_value_is_a_read_only_copy():
    original = np.ones(3)
    instance = WithArray(numbers=original)
    original[0] = 2
    assert instance.numbers.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        instance.numbers[0] = 2


@pytest.mark.parametrize("invalid_value", ["text", object(), [[1], [1, 2]], [np.nan]])
def test_invalid_array_is_rejected(invalid_value):
    with pytest.raises(FieldError, match=r"WithArray\.numbers"):
        WithArray(numbers=invalid_value)
