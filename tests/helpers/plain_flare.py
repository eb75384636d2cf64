"""On-off spectra of the flare of PKS 2155-304 (2006-07-29, H.E.S.S. DL3 DR1) in plain gammapy.

Light curves of skyred are compared with these results, so skyred is not used here.
"""

from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom
from gammapy.modeling.models import Models, PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion

import plain_gammapy

PKS_2155 = SkyCoord(329.71693826, -30.2255890, unit="deg", frame="icrs")
FLARE = tuple(range(33787, 33802))
STEADY = (47802, 47803, 47804, 47827, 47828, 47829)
# close to the mean spectrum of the flare
INDEX = 3.4
AMPLITUDE = "8e-11 cm-2 s-1 TeV-1"  # at 1 TeV


def empty_dataset(name: str) -> SpectrumDataset:
    """Return an empty spectrum for the on region."""
    region = CircleSkyRegion(center=PKS_2155, radius=0.11 * u.deg)
    energy = MapAxis.from_energy_bounds("0.4 TeV", "20 TeV", nbin=10)
    energy_true = MapAxis.from_energy_bounds("0.1 TeV", "40 TeV", nbin=20, name="energy_true")
    geom = RegionGeom.create(region, axes=[energy])
    return SpectrumDataset.create(geom=geom, energy_axis_true=energy_true, name=name)


def reduce(runs: tuple[int, ...]) -> Datasets:
    """Return an on-off spectrum for each run, without models."""
    spectrum = SpectrumDatasetMaker(
        selection=["counts", "exposure", "edisp"], containment_correction=True
    )
    background = ReflectedRegionsBackgroundMaker()
    safe_mask = SafeMaskMaker(methods=["aeff-max"], aeff_percent=10)
    spectra = []
    for observation in DataStore.from_dir(plain_gammapy.archive()).get_observations(list(runs)):
        dataset = spectrum.run(empty_dataset(f"run-{observation.obs_id}"), observation)
        spectra.append(safe_mask.run(background.run(dataset, observation), observation))
    return Datasets(spectra)


def models() -> Models:
    """Return a power law for all runs."""
    spectral = PowerLawSpectralModel(index=INDEX, amplitude=AMPLITUDE, reference="1 TeV")
    return Models([SkyModel(spectral_model=spectral, name="pks")])


def with_new_models(datasets: Datasets) -> Datasets:
    """Return copies of datasets, with the same names and new models."""
    copies = Datasets([dataset.copy(name=dataset.name) for dataset in datasets])
    copies.models = models()
    return copies
