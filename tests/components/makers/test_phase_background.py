"""The maker `phase-background` on a real run with simulated phases, against gammapy."""

import copy

import numpy as np
import pytest
from gammapy.data import EventList, Observation
from gammapy.datasets import MapDataset, SpectrumDataset
from gammapy.makers import MapDatasetMaker, PhaseBackgroundMaker, SpectrumDatasetMaker

import plain_gammapy
import plain_spectra as spectra
from skyred.components.gammapy import PhaseBackground
from skyred.errors import ArchiveError

pytestmark = pytest.mark.data

ON, OFF = (0.1, 0.3), (0.5, 0.9)


@pytest.fixture(scope="session")
def observation() -> Observation:
    """Return a run on the Crab with a random phase for each event."""
    observation = plain_gammapy.observations((23523,))[0]
    table = observation.events.table.copy()
    table["PHASE"] = np.random.default_rng(7).random(len(table))
    observation._events = EventList(table)
    return observation


@pytest.fixture(scope="session")
def plain_spectrum(observation) -> SpectrumDataset:
    parts = ["counts", "exposure", "edisp"]
    return SpectrumDatasetMaker(selection=parts).run(spectra.empty_dataset("run"), observation)


@pytest.fixture
def spectrum(plain_spectrum) -> SpectrumDataset:
    return plain_spectrum.copy(name="run")


@pytest.fixture
def map_dataset(observation) -> MapDataset:
    return MapDatasetMaker(selection=["counts", "exposure"]).run(
        plain_gammapy.empty_dataset("run"), observation
    )


def count_events(observation: Observation, low: float, high: float) -> np.ndarray:
    """Count the events of the on region in a phase interval, by energy bin."""
    in_region = observation.events.radec.separation(spectra.CRAB) < spectra.ON.radius
    phase = observation.events.table["PHASE"].data
    energy = observation.events.energy[in_region & (low <= phase) & (phase < high)].to_value("TeV")
    edges = spectra.empty_dataset().counts.geom.axes["energy"].edges.to_value("TeV")
    return np.histogram(energy, edges)[0]


def replace_phases(observation: Observation, phases: np.ndarray) -> Observation:
    """Return a copy of the run with other phases."""
    table = observation.events.table.copy()
    table["PHASE"] = phases
    observation = copy.copy(observation)
    observation._events = EventList(table)
    return observation


def test_counts_of_a_map_agree_with_gammapy(observation, map_dataset):
    expected = PhaseBackgroundMaker(on_phase=[ON], off_phase=[OFF]).run(map_dataset, observation)
    on_off = PhaseBackground(on_phase=ON, off_phase=OFF).make(
        map_dataset.copy(name="run"), observation
    )
    assert on_off.tag == expected.tag == "MapDatasetOnOff"
    assert on_off.name == "run"  # gammapy's dataset has a random name
    for part in ("counts", "counts_off", "acceptance", "acceptance_off", "exposure"):
        data, expected_data = getattr(on_off, part).data, getattr(expected, part).data
        np.testing.assert_array_equal(data, expected_data, err_msg=part)
    assert on_off.counts.data.sum() > 50


def test_counts_of_a_spectrum_are_the_events_in_the_phase_intervals(observation, spectrum):
    on_off = PhaseBackground(on_phase=ON, off_phase=OFF).make(spectrum, observation)
    assert on_off.tag == "SpectrumDatasetOnOff"
    assert on_off.name == "run"
    np.testing.assert_array_equal(on_off.counts.data.ravel(), count_events(observation, *ON))
    np.testing.assert_array_equal(on_off.counts_off.data.ravel(), count_events(observation, *OFF))
    np.testing.assert_allclose(on_off.alpha.data, 0.2 / 0.4, rtol=1e-12)
    assert on_off.counts.data.sum() > 10


def test_spectrum_agrees_with_gammapy_in_bins_with_off_counts(
    observation, spectrum, plain_spectrum
):
    expected = PhaseBackgroundMaker(on_phase=[ON], off_phase=[OFF]).run(plain_spectrum, observation)
    on_off = PhaseBackground(on_phase=ON, off_phase=OFF).make(spectrum, observation)
    has_off = expected.counts_off.data > 0
    np.testing.assert_array_equal(on_off.counts.data, expected.counts.data)
    np.testing.assert_array_equal(on_off.counts_off.data, expected.counts_off.data)
    # float32
    np.testing.assert_allclose(on_off.alpha.data[has_off], expected.alpha.data[has_off], rtol=1e-6)
    # without off counts, gammapy's alpha is the largest float
    assert expected.alpha.data[~has_off].min() > 1e300
    assert on_off.alpha.data[~has_off].max() < 1


def test_interval_can_include_phase_zero(observation, spectrum, plain_spectrum):
    wrapped_interval = PhaseBackground(on_phase=[0.95, 0.05], off_phase=OFF).make(
        spectrum, observation
    )
    expected = count_events(observation, 0.95, 1) + count_events(observation, 0, 0.05)
    np.testing.assert_array_equal(wrapped_interval.counts.data.ravel(), expected)
    np.testing.assert_allclose(wrapped_interval.acceptance.data, 0.1, rtol=1e-12)
    maker = PhaseBackground(on_phase=[[0.95, 1], [0, 0.05]], off_phase=OFF)
    two_intervals = maker.make(plain_spectrum.copy(name="run"), observation)
    np.testing.assert_array_equal(two_intervals.counts.data, wrapped_interval.counts.data)


def test_makers_with_the_same_phases_are_equal():
    wrapped_interval = PhaseBackground(on_phase=[0.95, 0.05], off_phase=[0.5, 0.6])
    two_intervals = PhaseBackground(on_phase=[[0, 0.05], [0.95, 1]], off_phase=[[0.5, 0.6]])
    assert wrapped_interval == two_intervals
    assert wrapped_interval.digest() == two_intervals.digest()


def test_other_data_are_not_changed(observation, spectrum, plain_spectrum):
    on_off = PhaseBackground(on_phase=ON, off_phase=OFF).make(spectrum, observation)
    np.testing.assert_array_equal(on_off.exposure.data, plain_spectrum.exposure.data)
    np.testing.assert_array_equal(on_off.mask_safe.data, plain_spectrum.mask_safe.data)
    np.testing.assert_array_equal(on_off.edisp.edisp_map.data, plain_spectrum.edisp.edisp_map.data)
    assert on_off.exposure.meta == plain_spectrum.exposure.meta
    assert str(on_off.gti) == str(plain_spectrum.gti)
    assert on_off.meta.obs_info[0].obs_id == 23523


def test_missing_column_is_reported_with_the_available_columns(observation, spectrum):
    maker = PhaseBackground(on_phase=ON, off_phase=OFF, column="PULSE_PHASE")
    with pytest.raises(ArchiveError, match=r"no column 'PULSE_PHASE'.*EVENT_ID.*PHASE"):
        maker.make(spectrum, observation)


def test_other_column_is_read(observation, spectrum):
    table = observation.events.table.copy()
    table.rename_column("PHASE", "ORBIT")
    renamed_column = copy.copy(observation)
    renamed_column._events = EventList(table)
    maker = PhaseBackground(on_phase=ON, off_phase=OFF, column="ORBIT")
    on_off = maker.make(spectrum, renamed_column)
    np.testing.assert_array_equal(on_off.counts.data.ravel(), count_events(observation, *ON))


@pytest.mark.parametrize("shift", [0.5, 1.0, -17.0], ids=["centred", "from one", "17 periods"])
def test_phases_are_folded(observation, plain_spectrum, shift):
    expected = PhaseBackground(on_phase=ON, off_phase=OFF).make(
        plain_spectrum.copy(name="run"), observation
    )
    phase = observation.events.table["PHASE"].data
    shifted_phase = np.where(phase >= 0.5, phase - 1, phase) if shift == 0.5 else phase + shift
    observation = replace_phases(observation, shifted_phase)
    maker = PhaseBackground(on_phase=ON, off_phase=OFF)
    on_off = maker.make(plain_spectrum.copy(name="run"), observation)
    for name in ("counts", "counts_off"):
        np.testing.assert_array_equal(getattr(on_off, name).data, getattr(expected, name).data)
    np.testing.assert_array_equal(observation.events.table["PHASE"].data, shifted_phase)


def test_phase_one_is_phase_zero(observation, plain_spectrum):
    phase = observation.events.table["PHASE"].data.copy()
    indices = np.flatnonzero(phase < 0.5)
    phase[indices] = 1
    # slightly below 0: folding rounds the phase to 1
    phase[indices[::2]] = np.nextafter(np.float64(0), -1)
    maker = PhaseBackground(on_phase=[0, 0.1], off_phase=OFF)
    counts = maker.make(
        plain_spectrum.copy(name="run"), replace_phases(observation, phase)
    ).counts.data
    np.testing.assert_array_equal(counts.ravel(), count_events(observation, 0, 0.5))


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
def test_invalid_phases_are_rejected(observation, spectrum, change, message):
    observation = replace_phases(observation, change(observation.events.table["PHASE"].data))
    with pytest.raises(ArchiveError, match=message):
        PhaseBackground(on_phase=ON, off_phase=OFF).make(spectrum, observation)
