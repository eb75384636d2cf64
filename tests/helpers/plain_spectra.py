"""One-dimensional analyses in plain gammapy, as in its tutorials.

skyred is compared with these results, so it is not used here.
"""

import os
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore, Observation
from gammapy.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.makers import (
    ReflectedRegionsBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
    WobbleRegionsFinder,
)
from gammapy.maps import MapAxis, RegionGeom, WcsGeom, WcsNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import Models, PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion, PointSkyRegion, SkyRegion

CRAB = SkyCoord(83.633, 22.014, unit="deg")
ON = CircleSkyRegion(CRAB, 0.11 * u.deg)
EXCLUDED = CircleSkyRegion(CRAB, 0.5 * u.deg)
EDGES = [0.7, 1, 2, 4, 10, 30] * u.TeV


def empty_dataset(name: str = "plain", region: SkyRegion = ON) -> SpectrumDataset:
    """Return an empty spectrum with the axes of ``examples/spectrum.yaml``, in a region."""
    energy = MapAxis.from_energy_bounds("0.1 TeV", "40 TeV", nbin=10, per_decade=True)
    energy_true = MapAxis.from_energy_bounds(
        "0.05 TeV", "100 TeV", nbin=20, per_decade=True, name="energy_true"
    )
    geom = RegionGeom.create(region, axes=[energy])
    return SpectrumDataset.create(geom, energy_axis_true=energy_true, name=name)


def exclusion_mask() -> WcsNDMap:
    """Return a mask with small pixels that is False in a circle around the Crab nebula."""
    geom = WcsGeom.create(skydir=CRAB, width=1.2, binsz=0.002, frame="icrs", proj="TAN")
    return ~geom.region_mask([EXCLUDED])


def make_run(observation: Observation) -> SpectrumDatasetOnOff:
    """Return the spectrum of one run, as in ``examples/spectrum.yaml``."""
    dataset = empty_dataset(f"run-{observation.obs_id}")
    selection = ["counts", "exposure", "edisp"]
    maker = SpectrumDatasetMaker(containment_correction=True, selection=selection)
    dataset = maker.run(dataset, observation)
    dataset = ReflectedRegionsBackgroundMaker(exclusion_mask=exclusion_mask()).run(
        dataset, observation
    )
    return SafeMaskMaker(methods=["aeff-max"], aeff_percent=10).run(dataset, observation)


def magic_archive() -> Path:
    """Return the folder of the MAGIC runs of gammapy's tutorial."""
    return Path(os.environ.get("GAMMAPY_DATA", ""), "magic", "rad_max", "data")


def magic_observations() -> list[Observation]:
    """Return the MAGIC runs, which have point-like IRFs."""
    store = DataStore.from_dir(magic_archive())
    return list(store.get_observations(required_irf="point-like"))


def empty_magic_dataset(name: str = "plain", low: str = "50 GeV") -> SpectrumDataset:
    """Return an empty spectrum at the position of the Crab nebula, above an energy."""
    energy = MapAxis.from_energy_bounds(low, "100 TeV", nbin=5, per_decade=True)
    energy_true = MapAxis.from_energy_bounds(
        "10 GeV", "100 TeV", nbin=10, per_decade=True, name="energy_true"
    )
    point = PointSkyRegion(SkyCoord(83.63, 22.01, unit="deg"))
    geom = RegionGeom.create(point, axes=[energy])
    return SpectrumDataset.create(geom, energy_axis_true=energy_true, name=name)


def make_magic(observation: Observation) -> SpectrumDatasetOnOff:
    """Return the spectrum of one MAGIC run, as in gammapy's tutorial on energy-dependent cuts."""
    selection = ["counts", "exposure", "edisp"]
    name = f"run-{observation.obs_id}"
    dataset = SpectrumDatasetMaker(selection=selection).run(empty_magic_dataset(name), observation)
    finder = WobbleRegionsFinder(n_off_regions=3)
    dataset = ReflectedRegionsBackgroundMaker(region_finder=finder).run(dataset, observation)
    dataset = SafeMaskMaker(methods=["aeff-default"]).run(dataset, observation)
    dataset.mask_fit = dataset.counts.geom.energy_mask(80 * u.GeV, 20 * u.TeV)
    return dataset


def power_law() -> Models:
    """Return a power law that is close to the spectrum of the Crab nebula."""
    spectral = PowerLawSpectralModel(index=2.6, amplitude="4e-11 cm-2 s-1 TeV-1", reference="1 TeV")
    return Models([SkyModel(spectral, name="crab")])


def fit(datasets: list[SpectrumDatasetOnOff], models: Models) -> tuple[np.ndarray, float]:
    """Fit models with gammapy; return the values of the free parameters and the statistic."""
    all_datasets = Datasets(datasets)
    all_datasets.models = models
    stat = float(Fit().run(all_datasets).total_stat)
    return np.array([parameter.value for parameter in models.parameters.free_parameters]), stat


def arrays(dataset: SpectrumDatasetOnOff) -> dict[str, np.ndarray]:
    """Return all arrays of a spectrum."""
    maps = {"counts": dataset.counts, "mask_safe": dataset.mask_safe, "exposure": dataset.exposure}
    if dataset.edisp is not None:
        maps |= {"edisp": dataset.edisp.edisp_map, "edisp_exposure": dataset.edisp.exposure_map}
    if dataset.tag == "SpectrumDatasetOnOff":
        names = ("counts_off", "acceptance", "acceptance_off")
        maps |= {name: getattr(dataset, name) for name in names}
    elif dataset.background is not None:
        maps["background"] = dataset.background
    return {name: value_map.data for name, value_map in maps.items() if value_map is not None}
