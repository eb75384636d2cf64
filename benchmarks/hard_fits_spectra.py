"""Hard fits of spectra: on-off counts and flux points, real and simulated."""

from __future__ import annotations

import zlib

import attrs
import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.data import DataStore
from gammapy.datasets import (
    Datasets,
    FluxPointsDataset,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)
from gammapy.estimators import FluxPoints
from gammapy.irf import EDispKernelMap
from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap
from gammapy.modeling.models import Models, SkyModel
from hard_fits_problem import Problem
from hard_fits_real import data_path
from regions import CircleSkyRegion

DNDE = "cm-2 s-1 TeV-1"
PKS = SkyCoord(329.7169, -30.2256, unit="deg")
PKS_RUNS = (33787, 33791, 33796, 33801)
EXPOSURE = 3e9  # m2 s


def create_source(tag: str, **values: float) -> SkyModel:
    """Create a source without a spatial model; amplitudes are in cm-2 s-1 TeV-1."""
    source = SkyModel.create(tag, name="source")
    for name, value in values.items():
        parameter = source.parameters[name]
        parameter.quantity = value * (u.Unit(DNDE) if name == "amplitude" else parameter.unit)
    return source


# Real data


def read_spectra(*folders: str) -> Datasets:
    """Read on-off spectra of the Crab nebula from the folders of instruments."""
    files = [
        file
        for folder in folders
        for file in sorted(data_path("joint-crab", "spectra", folder).glob("pha_*.fits"))
    ]
    return Datasets(
        [
            SpectrumDatasetOnOff.read(file).copy(name=f"spectrum-{number}")
            for number, file in enumerate(files)
        ]
    )


def hess_spectra() -> Datasets:
    return read_spectra("hess")


def joint_spectra() -> Datasets:
    return read_spectra("fermi", "fact", "hess", "magic", "veritas")


def pks_spectra() -> Datasets:
    """Reduce four runs of the flare of PKS 2155-304 with reflected regions."""
    energy = MapAxis.from_energy_bounds("0.1 TeV", "20 TeV", nbin=8, per_decade=True)
    energy_true = MapAxis.from_energy_bounds(
        "0.05 TeV", "50 TeV", nbin=12, per_decade=True, name="energy_true"
    )
    geom = RegionGeom.create(CircleSkyRegion(PKS, 0.11 * u.deg), axes=[energy])
    empty_dataset = SpectrumDataset.create(geom, energy_axis_true=energy_true)
    maker = SpectrumDatasetMaker(
        containment_correction=True, selection=["counts", "exposure", "edisp"]
    )
    safe_mask_maker = SafeMaskMaker(methods=["aeff-max"], aeff_percent=10)
    datasets = Datasets()
    store = DataStore.from_dir(data_path("hess-dl3-dr1"))
    for observation in store.get_observations(list(PKS_RUNS)):
        dataset = maker.run(empty_dataset.copy(name=f"run-{observation.obs_id}"), observation)
        dataset = ReflectedRegionsBackgroundMaker().run(dataset, observation)
        datasets.append(safe_mask_maker.run(dataset, observation))
    return datasets


def crab_points() -> Datasets:
    import likelihood_cases

    data = likelihood_cases.crab_points().copy()
    return Datasets([FluxPointsDataset(data=data, name="points")])


# Simulated data


@attrs.frozen
class Simulated:
    """Simulated spectra of a source.

    The cached datasets of a problem depend on the name of the class and on its fields.

    Parameters
    ----------
    name : str
        The name of the problem; the seed of the counts depends on it.
    tag : str
        The tag of the spectral model of gammapy.
    values : dict of str to float
        The values of its parameters.
    runs : int
        Number of on-off spectra; 0 for one set of flux points.
    """

    name: str
    tag: str
    values: dict[str, float]
    runs: int = 1

    def models(self) -> Models:
        return Models([create_source(self.tag, **self.values)])

    def datasets(self) -> Datasets:
        """Simulate the spectra."""
        random = np.random.default_rng(zlib.crc32(self.name.encode()))
        if not self.runs:
            return Datasets([self.flux_points(random)])
        return Datasets([self.on_off(number, random) for number in range(self.runs)])

    def on_off(self, number: int, random: np.random.Generator) -> SpectrumDatasetOnOff:
        """Simulate one run."""
        energy = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=6, per_decade=True)
        energy_true = MapAxis.from_energy_bounds(
            "0.2 TeV", "50 TeV", nbin=8, per_decade=True, name="energy_true"
        )
        region = CircleSkyRegion(PKS, 0.1 * u.deg)
        geom = RegionGeom.create(region, axes=[energy])
        dataset = SpectrumDataset.create(geom, energy_axis_true=energy_true, name=f"run-{number}")
        dataset.exposure.quantity = EXPOSURE * np.ones(dataset.exposure.data.shape) * u.Unit("m2 s")
        dataset.edisp = EDispKernelMap.from_gauss(energy, energy_true, sigma=0.15, bias=0)
        dataset.mask_safe.data[...] = True
        center = energy.center.to_value("TeV")
        background = RegionNDMap.from_geom(geom, data=(30 * center**-1.7)[:, None, None])
        on_off = SpectrumDatasetOnOff.from_spectrum_dataset(
            dataset=dataset, acceptance=1, acceptance_off=5, name=dataset.name
        )
        on_off.models = self.models()
        on_off.fake(npred_background=background, random_state=int(random.integers(2**31)))
        on_off.models = None
        return on_off

    def flux_points(self, random: np.random.Generator) -> FluxPointsDataset:
        """Simulate flux points with Gaussian errors of 5 to 25 %."""
        energy = np.geomspace(0.3, 30, 14) * u.TeV
        flux = self.models()["source"].spectral_model(energy).to(DNDE)
        error = flux * np.linspace(0.05, 0.25, len(energy))
        table = Table(
            {"e_ref": energy, "dnde": flux + error * random.normal(size=len(energy)),
             "dnde_err": error},
            meta={"SED_TYPE": "dnde"},
        )  # fmt: skip
        return FluxPointsDataset(data=FluxPoints.from_table(table), name="points")


def problem(spec: Simulated, title: str) -> Problem:
    return Problem(
        spec.name, title, spec.datasets, spec.models, gammapy=True, version=repr(spec), starts=10
    )


POWER_LAW = {"index": 2.4, "amplitude": 2e-11}
CUTOFF = {"index": 1.9, "amplitude": 2e-11, "lambda_": 0.15}
CURVED = {"alpha": 2.3, "beta": 0.15, "amplitude": 2e-11, "reference": 2.0}
FLARE = {"index": 3.5, "amplitude": 7.4e-11}
CRAB = {"alpha": 2.6, "beta": 0.15, "amplitude": 3.8e-11, "reference": 1.0}

PROBLEMS = (
    Problem(
        "pks-pl",
        "H.E.S.S. PKS 2155-304, 4 on-off spectra: power law",
        pks_spectra,
        lambda: Models([create_source("pl", **FLARE)]),
        gammapy=True,
        version="2",
    ),
    Problem(
        "pks-lp",
        "H.E.S.S. PKS 2155-304, 4 on-off spectra: log parabola",
        pks_spectra,
        lambda: Models([create_source("lp", alpha=4.0, beta=0.45, amplitude=8e-11, reference=1.0)]),
        gammapy=True,
        version="2",
    ),
    Problem(
        "hess-crab-onoff",
        "H.E.S.S. Crab, 4 on-off spectra: log parabola",
        hess_spectra,
        lambda: Models([create_source("lp", **CRAB)]),
        gammapy=True,
    ),
    Problem(
        "joint-crab",
        "Crab, on-off spectra of 5 instruments: log parabola",
        joint_spectra,
        lambda: Models([create_source("lp", **CRAB)]),
        gammapy=True,
    ),
    Problem(
        "crab-points",
        "H.E.S.S. Crab, flux points: log parabola",
        crab_points,
        lambda: Models([create_source("lp", **CRAB)]),
        gammapy=True,
        starts=10,
    ),
    problem(Simulated("onoff-pl", "pl", POWER_LAW), "on-off spectrum: power law"),
    problem(Simulated("onoff-lp", "lp", CURVED, 3), "3 on-off spectra: log parabola"),
    problem(Simulated("onoff-ecpl", "ecpl", CUTOFF, 5), "5 on-off spectra: exponential cutoff"),
    problem(Simulated("points-lp", "lp", CURVED, 0), "flux points: log parabola"),
    problem(Simulated("points-ecpl", "ecpl", CUTOFF, 0), "flux points: exponential cutoff"),
)
