"""Simulated datasets for the likelihood benchmark: a Gaussian, and five sources for two arrays.

Counts are Poisson distributed, with a fixed seed. Start values differ from true values by a few
errors of the fit, and no point source is at a pixel centre, where the likelihood is not
differentiable. Positions have limits, because otherwise the fit of gammapy moves a source off the
map in its first steps, and fails.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import attrs
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import FixedPointingInfo, Observation, observatory_locations
from gammapy.datasets import MapDataset
from gammapy.irf import load_irf_dict_from_file
from gammapy.makers import MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling.models import FoVBackgroundModel, Models, SkyModel

SEED = 20240601
CENTER = SkyCoord(266.4, -29.0, unit="deg")
AMPLITUDE_UNIT = "cm-2 s-1 TeV-1"
MAX_SHIFT = 0.5  # largest distance of a position from its start value, in deg


@attrs.frozen
class Value:
    """A parameter: its true value, the difference of its start value from it, and its unit."""

    true: float
    start_offset: float = 0.0
    unit: str = ""
    frozen: bool = False


@attrs.frozen
class Source:
    """A source: the tags of its models in gammapy, and their parameters."""

    name: str
    spatial: str
    spectral: str
    parameters: dict[str, Value]

    def model(self, *, start: bool) -> SkyModel:
        """Build the model at its true values, or at the start values of the fit."""
        model = SkyModel.create(self.spectral, self.spatial, name=self.name)
        model.spatial_model.frame = "icrs"
        for name, value in self.parameters.items():
            parameter = model.parameters[name]
            parameter.quantity = (value.true + start * value.start_offset) * u.Unit(value.unit)
            parameter.frozen = value.frozen
            if name in ("lon_0", "lat_0"):
                parameter.min = parameter.value - MAX_SHIFT
                parameter.max = parameter.value + MAX_SHIFT
        return model


def position(lon: float, lat: float, start_offset: float) -> dict[str, Value]:
    return {"lon_0": Value(lon, start_offset, "deg"), "lat_0": Value(lat, -start_offset, "deg")}


def power_law(index: float, amplitude: float) -> dict[str, Value]:
    return {
        "index": Value(index, 0.1),
        "amplitude": Value(amplitude, -0.15 * amplitude, AMPLITUDE_UNIT),
    }


def log_parabola(alpha: float, beta: float, amplitude: float) -> dict[str, Value]:
    return {
        "alpha": Value(alpha, 0.1),
        "beta": Value(beta, -0.05),
        "amplitude": Value(amplitude, -0.15 * amplitude, AMPLITUDE_UNIT),
        "reference": Value(1.0, unit="TeV", frozen=True),
    }


EXTENDED = Source(
    "nebula",
    "gauss",
    "lp",
    position(83.65, 22.03, 0.03)
    | {"sigma": Value(0.12, 0.02, "deg")}
    | log_parabola(2.4, 0.2, 6e-11),
)

FIVE = (
    Source(
        "pulsar",
        "point",
        "ecpl",
        position(266.417, -29.007, 0.004)
        | power_law(2.0, 2.5e-12)
        | {"lambda_": Value(0.1, 0.02, "TeV-1")},
    ),
    Source(
        "nebula",
        "gauss",
        "lp",
        position(266.6, -28.9, 0.01)
        | {"sigma": Value(0.2, 0.02, "deg")}
        | log_parabola(2.2, 0.1, 6e-12),
    ),
    # a soft edge, because the likelihood of a sharp one has non-differentiable points
    Source(
        "remnant",
        "disk",
        "pl",
        position(266.1, -29.25, 0.02)
        | {"r_0": Value(0.3, 0.02, "deg"), "edge_width": Value(0.3, frozen=True)}
        | power_law(2.3, 5e-12),
    ),
    Source("blazar", "point", "pl", position(266.833, -29.187, 0.004) | power_law(2.6, 1.5e-12)),
    Source(
        "halo",
        "gauss",
        "pl",
        position(266.35, -29.1, 0.03) | {"sigma": Value(0.5, 0.05, "deg")} | power_law(2.4, 1e-11),
    ),
)
ARRAYS = {
    "north": ("cta_north", "Prod5-North-20deg-AverageAz-4LSTs09MSTs.180000s-v0.1.fits.gz"),
    "south": ("cta_south", "Prod5-South-20deg-AverageAz-14MSTs37SSTs.180000s-v0.1.fits.gz"),
}


def models(sources: tuple[Source, ...], datasets: tuple[str, ...], *, start: bool) -> Models:
    """Build the models of sources, and a background norm for each dataset."""
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets]
    if start:
        for background in backgrounds:
            background.spectral_model.norm.value = 1.02
    return Models([*(source.model(start=start) for source in sources), *backgrounds])


def simulate_counts(dataset: MapDataset, sources: tuple[Source, ...], seed: int) -> MapDataset:
    """Simulate Poisson counts of the true models in a dataset."""
    dataset.models = models(sources, (dataset.name,), start=False)
    dataset.fake(random_state=seed)
    dataset.models = None
    return dataset


@functools.cache
def extended_dataset() -> MapDataset:
    """Simulate the Gaussian with the IRFs and the background of the H.E.S.S. Crab runs."""
    import plain_gammapy

    dataset = plain_gammapy.reduce().copy(name="gaussian")
    return simulate_counts(dataset, (EXTENDED,), SEED)


@functools.cache
def five_datasets() -> tuple[MapDataset, ...]:
    """Simulate the field of five sources for both CTA arrays, with offsets of half a degree."""
    return tuple(
        simulate_counts(create_cta_dataset(name, number, shift), FIVE, SEED + number)
        for number, (name, shift) in enumerate({"north": 0.5, "south": -0.5}.items(), start=1)
    )


def create_cta_dataset(name: str, number: int, shift: float) -> MapDataset:
    """Create IRFs and background for five hours of observation with one of the CTA arrays."""
    observatory, file = ARRAYS[name]
    path = Path(os.environ["GAMMAPY_DATA"], "cta-caldb", file)
    pointing = CENTER.directional_offset_by(90 * u.deg, shift * u.deg)
    observation = Observation.create(
        pointing=FixedPointingInfo(fixed_icrs=pointing.icrs),
        location=observatory_locations[observatory],
        obs_id=number,
        livetime=5 * u.h,
        irfs=load_irf_dict_from_file(path),
    )
    energy_true = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=15, name="energy_true")
    energy = MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=9)
    geom = WcsGeom.create(
        skydir=CENTER, width=4, binsz=0.03, frame="icrs", proj="CAR", axes=[energy]
    )
    empty_dataset = MapDataset.create(geom, energy_axis_true=energy_true, name=name)
    maker = MapDatasetMaker(selection=["exposure", "background", "psf", "edisp"])
    dataset = maker.run(empty_dataset, observation)
    return SafeMaskMaker(methods=["offset-max"], offset_max=2.8 * u.deg).run(dataset, observation)
