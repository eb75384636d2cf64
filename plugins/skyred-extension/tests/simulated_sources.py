"""Simulated maps of a source of known size, made with plain gammapy."""

import numpy as np
from astropy import units as u
from gammapy.datasets import Datasets, MapDataset
from gammapy.irf import EDispKernelMap, PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

PSF = 0.05 * u.deg
CENTRE = (83.63, 22.01)


def empty_dataset(name="maps", width=1.4):
    """Return maps with a Gaussian PSF of 0.05 deg and a flat background."""
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
    energy_true = MapAxis.from_energy_bounds("0.7 TeV", "15 TeV", nbin=2, name="energy_true")
    options = {"skydir": CENTRE, "width": width, "frame": "icrs"}
    geom = WcsGeom.create(binsz=0.04, axes=[energy], **options)
    geom_true = WcsGeom.create(binsz=0.04, axes=[energy_true], **options)
    exposure = Map.from_geom(geom_true, unit="m2 s")
    exposure.data += 2e9
    background = Map.from_geom(geom)
    background.data += 1.0
    return MapDataset(
        counts=Map.from_geom(geom),
        exposure=exposure,
        background=background,
        psf=PSFMap.from_gauss(energy_true, sigma=PSF),
        edisp=EDispKernelMap.from_diagonal_response(energy, energy_true),
        mask_safe=Map.from_geom(geom, data=np.ones(geom.data_shape, dtype=bool), dtype=bool),
        name=name,
    )


def create_models(spatial_model, amplitude=2e-11):
    """Return the models of a source and a background."""
    spectral_model = PowerLawSpectralModel(
        index=2.3, amplitude=amplitude * u.Unit("cm-2 s-1 TeV-1"), reference="1 TeV"
    )
    spectral_model.index.frozen = True  # there is only one bin of energy
    source = SkyModel(spectral_model, spatial_model, name="source")
    background = FoVBackgroundModel(dataset_name="maps")
    return [source, background]


def simulate(spatial_model, seed, amplitude=2e-11, width=1.4):
    """Return simulated datasets, with models of a point source at the true position."""
    dataset = empty_dataset(width=width)
    dataset.models = create_models(spatial_model, amplitude)
    dataset.fake(random_state=seed)
    datasets = Datasets([dataset])
    point = PointSpatialModel(lon_0=CENTRE[0] * u.deg, lat_0=CENTRE[1] * u.deg, frame="icrs")
    datasets.models = create_models(point, amplitude)
    return datasets
