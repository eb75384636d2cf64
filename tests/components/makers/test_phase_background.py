"""The maker `phase-background` on a real run with simulated phases, against gammapy."""

import copy

import numpy as np
import pytest
from gammapy.data import EventList, Observation
from gammapy.datasets import MapDataset, SpectrumDataset
from gammapy.makers import MapDatasetMaker, PhaseBackgroundMaker, SpectrumDatasetMaker

import plain_gammapy as plain
import plain_spectra as spectra
from skyred.components.gammapy import PhaseBackground
from skyred.errors import ArchiveError

pytestmark = pytest.mark.data

ON, OFF = (0.1, 0.3), (0.5, 0.9)


@pytest.fixture(scope="session")
def pulsar() -> Observation:
    """Return a run of the Crab with random phases of its events."""
    observation = plain.observations((23523,))[0]
    table = observation.events.table.copy()
    table["PHASE"] = np.random.default_rng(7).random(len(table))
    observation._events = EventList(table)
    return observation


@pytest.fixture(scope="session")
def filled(pulsar) -> SpectrumDataset:
    parts = ["counts", "exposure", "edisp"]
    return SpectrumDatasetMaker(selection=parts).run(spectra.target("run"), pulsar)


@pytest.fixture
def spectrum(filled) -> SpectrumDataset:
    return filled.copy(name="run")


@pytest.fixture
def sky(pulsar) -> MapDataset:
    return MapDatasetMaker(selection=["counts", "exposure"]).run(plain.target("run"), pulsar)


def count_events(pulsar: Observation, low: float, high: float) -> np.ndarray:
    """Return the number of events of a phase interval in the on region, by energy."""
    in_region = pulsar.events.radec.separation(spectra.CRAB) < spectra.ON.radius
    phase = pulsar.events.table["PHASE"].data
    energy = pulsar.events.energy[in_region & (low <= phase) & (phase < high)].to_value("TeV")
    edges = spectra.target().counts.geom.axes["energy"].edges.to_value("TeV")
    return np.histogram(energy, edges)[0]


def with_phases(pulsar: Observation, phases: np.ndarray) -> Observation:
    """Return the run with other phases."""
    table = pulsar.events.table.copy()
    table["PHASE"] = phases
    changed = copy.copy(pulsar)
    changed._events = EventList(table)
    return changed


def test_counts_of_a_map_agree_with_gammapy(pulsar, sky):
    expected = PhaseBackgroundMaker(on_phase=[ON], off_phase=[OFF]).run(sky, pulsar)
    on_off = PhaseBackground(on_phase=ON, off_phase=OFF).make(sky.copy(name="run"), pulsar)
    assert on_off.tag == expected.tag == "MapDatasetOnOff"
    assert on_off.name == "run"  # gammapy's has a random name
    for part in ("counts", "counts_off", "acceptance", "acceptance_off", "exposure"):
        ours, theirs = getattr(on_off, part).data, getattr(expected, part).data
        np.testing.assert_array_equal(ours, theirs, err_msg=part)
    assert on_off.counts.data.sum() > 50


def test_counts_of_a_spectrum_are_the_events_of_the_phases(pulsar, spectrum):
    on_off = PhaseBackground(on_phase=ON, off_phase=OFF).make(spectrum, pulsar)
    assert on_off.tag == "SpectrumDatasetOnOff"
    assert on_off.name == "run"
    np.testing.assert_array_equal(on_off.counts.data.ravel(), count_events(pulsar, *ON))
    np.testing.assert_array_equal(on_off.counts_off.data.ravel(), count_events(pulsar, *OFF))
    np.testing.assert_allclose(on_off.alpha.data, 0.2 / 0.4, rtol=1e-12)
    assert on_off.counts.data.sum() > 10


def test_spectrum_agrees_with_gammapy_in_bins_with_off_counts(pulsar, spectrum, filled):
    expected = PhaseBackgroundMaker(on_phase=[ON], off_phase=[OFF]).run(filled, pulsar)
    on_off = PhaseBackground(on_phase=ON, off_phase=OFF).make(spectrum, pulsar)
    has_off = expected.counts_off.data > 0
    np.testing.assert_array_equal(on_off.counts.data, expected.counts.data)
    np.testing.assert_array_equal(on_off.counts_off.data, expected.counts_off.data)
    # float32
    np.testing.assert_allclose(on_off.alpha.data[has_off], expected.alpha.data[has_off], rtol=1e-6)
    # without off counts, gammapy's alpha is the largest float
    assert expected.alpha.data[~has_off].min() > 1e300
    assert on_off.alpha.data[~has_off].max() < 1


def test_interval_can_include_phase_zero(pulsar, spectrum, filled):
    wrapped = PhaseBackground(on_phase=[0.95, 0.05], off_phase=OFF).make(spectrum, pulsar)
    expected = count_events(pulsar, 0.95, 1) + count_events(pulsar, 0, 0.05)
    np.testing.assert_array_equal(wrapped.counts.data.ravel(), expected)
    np.testing.assert_allclose(wrapped.acceptance.data, 0.1, rtol=1e-12)
    parts = PhaseBackground(on_phase=[[0.95, 1], [0, 0.05]], off_phase=OFF)
    again = parts.make(filled.copy(name="run"), pulsar)
    np.testing.assert_array_equal(again.counts.data, wrapped.counts.data)


def test_makers_of_the_same_phases_are_equal():
    expected_intervals = [
        PhaseBackground(on_phase=[0.95, 0.05], off_phase=[0.5, 0.6]),
        PhaseBackground(on_phase=[[0, 0.05], [0.95, 1]], off_phase=[[0.5, 0.6]]),
    ]
    assert expected_intervals[0] == expected_intervals[1]
    assert expected_intervals[0].digest() == expected_intervals[1].digest()


def test_other_data_are_not_changed(pulsar, spectrum, filled):
    on_off = PhaseBackground(on_phase=ON, off_phase=OFF).make(spectrum, pulsar)
    np.testing.assert_array_equal(on_off.exposure.data, filled.exposure.data)
    np.testing.assert_array_equal(on_off.mask_safe.data, filled.mask_safe.data)
    np.testing.assert_array_equal(on_off.edisp.edisp_map.data, filled.edisp.edisp_map.data)
    assert on_off.exposure.meta == filled.exposure.meta
    assert str(on_off.gti) == str(filled.gti)
    assert on_off.meta.obs_info[0].obs_id == 23523


def test_missing_column_is_reported_with_the_available_ones(pulsar, spectrum):
    maker = PhaseBackground(on_phase=ON, off_phase=OFF, column="PULSE_PHASE")
    with pytest.raises(ArchiveError, match=r"no column 'PULSE_PHASE'.*EVENT_ID.*PHASE"):
        maker.make(spectrum, pulsar)


def test_other_column_is_read(pulsar, spectrum):
    renamed = plain.observations((23523,))[0]
    table = pulsar.events.table.copy()
    table.rename_column("PHASE", "ORBIT")
    renamed._events = EventList(table)
    maker = PhaseBackground(on_phase=ON, off_phase=OFF, column="ORBIT")
    on_off = maker.make(spectrum, renamed)
    np.testing.assert_array_equal(on_off.counts.data.ravel(), count_events(pulsar, *ON))


@pytest.mark.parametrize("turns", [0.5, 1.0, -17.0], ids=["centred", "from one", "turns"])
def test_phases_are_folded(pulsar, filled, turns):
    expected = PhaseBackground(on_phase=ON, off_phase=OFF).make(filled.copy(name="run"), pulsar)
    phase = pulsar.events.table["PHASE"].data
    shifted = np.where(phase >= 0.5, phase - 1, phase) if turns == 0.5 else phase + turns
    folded = with_phases(pulsar, shifted)
    counts = PhaseBackground(on_phase=ON, off_phase=OFF).make(filled.copy(name="run"), folded)
    for part in ("counts", "counts_off"):
        np.testing.assert_array_equal(getattr(counts, part).data, getattr(expected, part).data)
    np.testing.assert_array_equal(folded.events.table["PHASE"].data, shifted)


def test_phase_one_is_phase_zero(pulsar, filled):
    phase = pulsar.events.table["PHASE"].data.copy()
    phase[phase < 0.5] = 1
    phase[phase == 0.5] = np.nextafter(np.float64(0), -1)  # rounded to 1 when it is folded
    maker = PhaseBackground(on_phase=[0, 0.1], off_phase=OFF)
    counts = maker.make(filled.copy(name="run"), with_phases(pulsar, phase)).counts.data
    np.testing.assert_array_equal(counts.ravel(), count_events(pulsar, 0, 0.5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda phase: phase * 0, "all .* events have the phase 0 in the column 'PHASE'"),
        (lambda phase: phase * 0 - 1, "all .* events have the phase -1 in the column 'PHASE'"),
        (lambda phase: np.where(phase < 0.2, np.nan, phase), "events have no finite phase"),
        (lambda phase: phase.astype(str), "does not contain phases"),
    ],
    ids=["zero", "constant", "NaN", "text"],
)
def test_phases_that_are_not_set_are_refused(pulsar, spectrum, change, message):
    unset = with_phases(pulsar, change(pulsar.events.table["PHASE"].data))
    with pytest.raises(ArchiveError, match=message):
        PhaseBackground(on_phase=ON, off_phase=OFF).make(spectrum, unset)
