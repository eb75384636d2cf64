"""Good time intervals and metadata are stacked as in gammapy."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from astropy.time import Time
from gammapy.data import GTI
from gammapy.datasets import MapDataset, SpectrumDataset
from gammapy.maps import MapAxis, RegionGeom
from hypothesis import given, strategies as st

from skyred.components.stackers.records import stack_records, unite_good_times
from skyred.components.stackers.stacking import Stack, stack_dataset

# some intervals are empty, or end before they start
INTERVALS = st.lists(st.tuples(st.integers(0, 40), st.integers(-2, 10)), max_size=8)
SCALES = st.sampled_from(["utc", "tt", "tai"])
REFERENCES = st.sampled_from(["2010-01-01", "2009-12-31T12:00:00"])


@st.composite
def good_times(draw):
    """Draw intervals on a grid, so that some touch or overlap, in one or two of three scales."""
    start, duration = np.array([(0, 0), *draw(INTERVALS)], dtype=float)[1:].T * 100 * u.s
    gti = GTI.create(start, start + duration, reference_time=draw(REFERENCES))
    for name in ("START", "STOP"):
        gti.table[name] = getattr(gti.table[name], draw(SCALES))
    return gti


@given(good_times(), good_times())
def test_union_has_the_bits_of_gammapy(first, second):
    united = unite_good_times(first, second)
    expected = first.copy()
    expected.stack(second)
    if not len(expected.table):  # gammapy raises an IndexError
        assert not len(united.table)
        return
    expected = expected.union()
    assert united.time_ref == expected.time_ref
    for name in ("START", "STOP"):
        time, expected_time = united.table[name], expected.table[name]
        assert (time.scale, time.format) == (expected_time.scale, expected_time.format)
        for part in ("jd1", "jd2"):
            np.testing.assert_array_equal(getattr(time, part), getattr(expected_time, part))


def test_times_with_a_location_are_stacked_by_gammapy():
    start = Time([55000.0], format="mjd", scale="utc", location=(0 * u.m, 0 * u.m, 6.4e6 * u.m))
    first = GTI(Table({"START": start, "STOP": start + 1 * u.h}))
    second = GTI(Table({"START": start + 2 * u.h, "STOP": start + 3 * u.h}))
    expected = first.copy()
    expected.stack(second)
    united = unite_good_times(first, second)
    assert len(united.table) == 2
    assert (united.time_start == expected.union().time_start).all()


@pytest.mark.parametrize("n_runs", [1, 3])
def test_tables_of_metadata_are_joined_as_in_gammapy(n_runs):
    actual, expected = create_spectrum(), create_spectrum()
    for number in range(n_runs):
        run = create_spectrum(number)
        stack_records(actual, run)
        expected.stack(run)
    assert actual.meta_table.colnames == expected.meta_table.colnames
    for name in expected.meta_table.colnames:
        column, expected_column = actual.meta_table[name], expected.meta_table[name]
        np.testing.assert_array_equal(column.data, expected_column.data)
        assert (column.dtype, column.unit) == (expected_column.dtype, expected_column.unit)


def test_spectra_are_stacked_with_their_records():
    stack, expected = Stack(geometry=None, dataset=create_spectrum()), create_spectrum()
    for number in range(3):
        run = create_spectrum(number)
        run.counts.data += number
        stack_dataset(stack, run)
        expected.stack(run)
    np.testing.assert_array_equal(stack.dataset.counts.data, expected.counts.data)
    assert str(stack.dataset.gti) == str(expected.gti)
    assert stack.dataset.meta_table["OBS_ID"].tolist() == [[0, 1, 2]]


class OwnDataset(SpectrumDataset):
    """A dataset that counts the good time intervals that it is stacked with."""

    n_intervals = 0

    def stack(self, dataset, **options):
        self.n_intervals += len(dataset.gti.table)
        super().stack(dataset, **options)


def test_dataset_of_a_plugin_stacks_its_own_records():
    stack = Stack(geometry=None, dataset=create_spectrum(cls=OwnDataset))
    stack_dataset(stack, create_spectrum(1, cls=OwnDataset))
    assert stack.dataset.n_intervals == 1
    assert len(stack.dataset.gti.table) == 1
    assert stack.dataset.meta_table["OBS_ID"].tolist() == [1]


def create_spectrum(number: int | None = None, cls: type[MapDataset] = SpectrumDataset):
    """Return the empty spectrum of a run, or of none."""
    axes = [MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name=name)
            for name in ("energy", "energy_true")]  # fmt: skip
    geom = RegionGeom.create("icrs;circle(83.6, 22, 0.1)", axes=axes[:1])
    dataset = cls.create(geom, energy_axis_true=axes[1], name=f"run-{number}")
    if number is not None:
        start = [number * 1000] * u.s
        dataset.gti = GTI.create(start, start + 900 * u.s, reference_time="2010-01-01")
        dataset.meta_table = Table({"TELESCOP": ["HESS"], "OBS_ID": [number], "RA_PNT": [83.6]})
        dataset.meta_table["RA_PNT"].unit = "deg"
        dataset.mask_safe.data[...] = True
    return dataset
