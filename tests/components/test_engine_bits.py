"""Bit-identical reductions with any engine and number of workers."""

import numpy as np
import pytest

from plain_gammapy import EXAMPLE, arrays
from skyred import Orchestrator, Pipeline
from skyred.components.engines import Processes, Serial

pytestmark = [pytest.mark.data, pytest.mark.slow]

# few pixels and no fits, since these tests are about the order of sums
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
def reductions(request, serial):
    """Return a reduction by `serial` and by `processes`, for a chunk size and number of workers."""
    chunk, workers = request.param
    return serial[chunk], reduce(chunk, Processes(workers=workers))


def assert_bit_identical(dataset, expected):
    expected_arrays = arrays(expected)
    for name, array in arrays(dataset).items():
        assert array.dtype == expected_arrays[name].dtype
        np.testing.assert_array_equal(array, expected_arrays[name], err_msg=name)
    assert dataset.exposure.meta["livetime"] == expected.exposure.meta["livetime"]
    for column in ("START", "STOP"):
        np.testing.assert_array_equal(
            dataset.gti.table[column].tt.mjd, expected.gti.table[column].tt.mjd
        )


def test_datasets_of_processes_and_serial_are_bit_identical(reductions):
    (expected, _), (dataset, _) = reductions
    assert_bit_identical(dataset, expected)


def test_outcomes_of_processes_and_serial_are_equal(reductions):
    (_, expected), (_, outcomes) = reductions
    names = ("obs_id", "status", "reason", "maker", "counts", "background_norm")
    assert [[getattr(outcome, name) for name in names] for outcome in outcomes] == [
        [getattr(outcome, name) for name in names] for outcome in expected
    ]


def test_serial_is_reproducible(serial):
    assert_bit_identical(reduce(2, Serial())[0], serial[2][0])


def test_chunk_size_changes_only_rounding_errors(serial):
    # float32 sums in another order agree to 1e-6
    for chunk in (1, 2):
        expected = arrays(serial[8][0])
        for name, array in arrays(serial[chunk][0]).items():
            scale = np.abs(expected[name]).max()
            np.testing.assert_allclose(array, expected[name], rtol=1e-6, atol=1e-7 * scale)
