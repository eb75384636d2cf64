"""Engines: identical bits for any engine and number of workers."""

import numpy as np
import pytest

from plain_gammapy import EXAMPLE, arrays
from skyred import Orchestrator, Pipeline
from skyred.components.engines import Processes, Serial

pytestmark = [pytest.mark.data, pytest.mark.slow]

# fewer pixels and no fits: this is about the order of sums
SMALL = [
    "data.hess.geometry.width=[1 deg, 1 deg]",
    "data.hess.geometry.bin_size=0.04 deg",
    "data.hess.make.2.method=scale",
]


def reduce(chunk, engine):
    pipeline = Pipeline.from_yaml(EXAMPLE, overrides=[*SMALL, f"data.hess.stack.chunk={chunk}"])
    orchestrator = Orchestrator(pipeline, engine=engine)
    return orchestrator.reduce()["hess"], orchestrator.outcomes


@pytest.fixture(scope="module")
def serial():
    return {chunk: reduce(chunk, Serial()) for chunk in (1, 2, 8)}


@pytest.fixture(scope="module", params=[(1, 2), (2, 1)], ids=str)
def both(request, serial):
    """Return the same reduction by `serial` and by `processes`, for some chunks and workers."""
    chunk, workers = request.param
    return serial[chunk], reduce(chunk, Processes(workers=workers))


def assert_same_bits(first, second):
    expected = arrays(second)
    for name, array in arrays(first).items():
        assert array.dtype == expected[name].dtype
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    assert first.exposure.meta["livetime"] == second.exposure.meta["livetime"]
    for column in ("START", "STOP"):
        np.testing.assert_array_equal(
            first.gti.table[column].tt.mjd, second.gti.table[column].tt.mjd
        )


def test_processes_and_serial_have_identical_bits(both):
    (first, _), (second, _) = both
    assert_same_bits(second, first)


def test_processes_and_serial_have_the_same_outcomes(both):
    (_, first), (_, second) = both
    columns = ("obs_id", "status", "reason", "maker", "counts", "background_norm")
    assert [[getattr(outcome, name) for name in columns] for outcome in second] == [
        [getattr(outcome, name) for name in columns] for outcome in first
    ]


def test_serial_is_reproducible(serial):
    assert_same_bits(reduce(2, Serial())[0], serial[2][0])


def test_chunks_differ_in_rounding_only(serial):
    # float32 sums in another order: to 1e-6 of the largest summand
    for chunk in (1, 2):
        expected = arrays(serial[8][0])
        for name, array in arrays(serial[chunk][0]).items():
            scale = np.abs(expected[name]).max()
            np.testing.assert_allclose(array, expected[name], rtol=1e-6, atol=1e-7 * scale)
