"""Hard fits of real data, and of the public simulations of the first CTA data challenge (1DC)."""

from __future__ import annotations

import os
from pathlib import Path

from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import Datasets, MapDataset
from gammapy.makers import MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from hard_fits_problem import Problem

import plain_gammapy

DNDE = "cm-2 s-1 TeV-1"
CTA_RUNS = (110380, 111140, 111159)
CTA_CENTER = SkyCoord(0.3, 0.0, unit="deg", frame="galactic")


def data_path(*parts: str) -> Path:
    return Path(os.environ["GAMMAPY_DATA"], *parts)


def power_law(index: float, amplitude: float, reference: str = "1 TeV") -> PowerLawSpectralModel:
    return PowerLawSpectralModel(
        index=index, amplitude=amplitude * u.Unit(DNDE), reference=reference
    )


def point(lon: float, lat: float, frame: str) -> PointSpatialModel:
    return PointSpatialModel(lon_0=lon * u.deg, lat_0=lat * u.deg, frame=frame)


def background(dataset: str, norm: float) -> FoVBackgroundModel:
    model = FoVBackgroundModel(dataset_name=dataset)
    model.spectral_model.norm.value = norm
    return model


# Fermi-LAT


def fermi_gc() -> Datasets:
    path = data_path("fermi-3fhl-gc", "fermi-3fhl-gc.fits.gz")
    return Datasets([MapDataset.read(path, name="fermi-gc")])


def fermi_gc_models() -> Models:
    source = SkyModel(
        power_law(2.8, 4.2e-10, "100 GeV"), point(-0.0476, -0.0491, "galactic"), name="gc"
    )
    return Models([source, background("fermi-gc", 1.14)])


def fermi_crab_read() -> Datasets:
    folder = data_path("fermi-3fhl-crab")
    return Datasets.read(
        filename=folder / "Fermi-LAT-3FHL_datasets.yaml",
        filename_models=folder / "Fermi-LAT-3FHL_models.yaml",
    )


def fermi_crab() -> Datasets:
    return Datasets([dataset.copy(name=dataset.name) for dataset in fermi_crab_read()])


def fermi_crab_models() -> Models:
    return fermi_crab_read().models


# H.E.S.S. Crab nebula


def hess_crab() -> Datasets:
    return Datasets([plain_gammapy.reduce().copy(name="hess")])


def hess_crab_models() -> Models:
    return plain_gammapy.models("hess")


def hess_crab_gauss_models() -> Models:
    point_models = plain_gammapy.models("hess")
    spatial = GaussianSpatialModel(
        lon_0="83.63 deg", lat_0="22.014 deg", sigma="0.02 deg", frame="icrs"
    )
    source = SkyModel(point_models["crab"].spectral_model, spatial, name="crab")
    return Models([source, FoVBackgroundModel(dataset_name="hess")])


# CTA 1DC, Galactic centre


def cta_gc() -> Datasets:
    """Reduce three runs at the Galactic centre to 75 x 50 pixels."""
    energy = MapAxis.from_energy_bounds("0.2 TeV", "20 TeV", nbin=5)
    energy_true = MapAxis.from_energy_bounds("0.1 TeV", "40 TeV", nbin=10, name="energy_true")
    geom = WcsGeom.create(
        skydir=CTA_CENTER, width=(3, 2), binsz=0.04, frame="galactic", proj="CAR", axes=[energy]
    )
    stacked = MapDataset.create(geom, energy_axis_true=energy_true, name="cta-gc")
    store = DataStore.from_dir(data_path("cta-1dc", "index", "gps"))
    safe_mask_maker = SafeMaskMaker(methods=["offset-max"], offset_max=2.5 * u.deg)
    for observation in store.get_observations(list(CTA_RUNS)):
        dataset = MapDatasetMaker().run(
            stacked.cutout(CTA_CENTER, width=(3, 2) * u.deg), observation
        )
        stacked.stack(safe_mask_maker.run(dataset, observation))
    return Datasets([stacked])


def cta_gc_models() -> Models:
    source = SkyModel(power_law(2.3, 2.3e-12), point(-0.051, -0.052, "galactic"), name="gc")
    return Models([source, background("cta-gc", 1.64)])


def cta_gc_two_models() -> Models:
    second = SkyModel(power_law(2.2, 9.4e-13), point(0.865, 0.085, "galactic"), name="g09")
    return Models([second, *cta_gc_models()])


# H.E.S.S. MSH 15-52

MSH_RUNS = (20282, 20283, 20301, 20302, 20303, 20322, 20323, 20324, 20325, 20343)


def msh() -> Datasets:
    """Reduce ten runs to 60 x 60 pixels in three energy bins."""
    import plain_msh

    return Datasets([plain_msh.reduce(MSH_RUNS, width=1.8).template.copy(name="msh")])


def msh_ring() -> Datasets:
    """Reduce the runs to one energy bin, with off counts from a ring around each pixel."""
    import plain_msh

    return Datasets([plain_msh.reduce(MSH_RUNS, width=1.8).ring.copy(name="msh-ring")])


def msh_source(*, elongated: bool) -> SkyModel:
    spatial = GaussianSpatialModel(
        lon_0="228.5 deg", lat_0="-59.17 deg", sigma="0.09 deg", frame="icrs"
    )
    if elongated:
        spatial.e.value, spatial.phi.quantity = 0.87, 131 * u.deg
        spatial.e.frozen = spatial.phi.frozen = False
    return SkyModel(power_law(2.5, 8.3e-12), spatial, name="msh")


def msh_models() -> Models:
    return Models([msh_source(elongated=False), FoVBackgroundModel(dataset_name="msh")])


def msh_elongated_models() -> Models:
    return Models([msh_source(elongated=True), FoVBackgroundModel(dataset_name="msh")])


def msh_ring_models() -> Models:
    source = msh_source(elongated=False)
    source.spectral_model.index.frozen = True  # there is only one energy bin
    return Models([source])


PROBLEMS = (
    Problem(
        "fermi-gc",
        "Fermi-LAT 3FHL, Galactic centre: point",
        fermi_gc,
        fermi_gc_models,
        starts=16,
        gammapy=True,
        version="2",
    ),
    Problem(
        "fermi-crab",
        "Fermi-LAT 3FHL, Crab: 3FHL models",
        fermi_crab,
        fermi_crab_models,
        starts=12,
        gammapy=True,
    ),
    Problem(
        "hess-crab",
        "H.E.S.S. Crab, map: point",
        hess_crab,
        hess_crab_models,
        starts=16,
        gammapy=True,
    ),
    Problem(
        "cta-gc",
        "CTA 1DC, Galactic centre: point",
        cta_gc,
        cta_gc_models,
        starts=16,
        gammapy=True,
        version="2",
    ),
    Problem(
        "cta-gc-two",
        "CTA 1DC, Galactic centre and G0.9+0.1: two points",
        cta_gc,
        cta_gc_two_models,
        starts=12,
        gammapy=True,
        version="2",
    ),
    Problem(
        "msh",
        "H.E.S.S. MSH 15-52, map: Gaussian",
        msh,
        msh_models,
        gammapy=True,
        version="3",
    ),
    Problem(
        "msh-elongated",
        "H.E.S.S. MSH 15-52, map: elongated Gaussian",
        msh,
        msh_elongated_models,
        gammapy=True,
        version="3",
        starts=10,
    ),
    Problem(
        "msh-ring",
        "H.E.S.S. MSH 15-52, on-off map: Gaussian",
        msh_ring,
        msh_ring_models,
        gammapy=True,
        version="3",
        starts=8,
    ),
    Problem(
        "hess-crab-gauss",
        "H.E.S.S. Crab, map: Gaussian",
        hess_crab,
        hess_crab_gauss_models,
        gammapy=True,
        constrained=False,  # the extension is only 1.3 times its error
        starts=10,
    ),
)
