"""Small datasets of all types for tests of the likelihood, in plain gammapy.

The IRFs vary with energy, and some with position, so that tests detect mixed-up values.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.data import GTI
from gammapy.datasets import (
    FluxPointsDataset,
    MapDataset,
    MapDatasetOnOff,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)
from gammapy.estimators import FluxPoints
from gammapy.irf import EDispKernelMap, EDispMap, EnergyDispersion2D, PSFMap
from gammapy.makers.utils import make_edisp_map
from gammapy.maps import Map, MapAxis, RegionGeom, WcsGeom

CRAB = (83.633, 22.014)
REFERENCE = "2020-01-01T00:00:00"
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")
PSF_SIGMA = [0.12, 0.1, 0.08, 0.06] * u.deg


def centre(frame: str = "icrs", lonlat: tuple[float, float] = CRAB) -> SkyCoord:
    """Return the centre of the maps in a frame."""
    return SkyCoord(*lonlat, unit="deg", frame="icrs").transform_to(frame)


def image_geom(
    frame: str = "icrs", proj: str = "CAR", lonlat: tuple[float, float] = CRAB
) -> WcsGeom:
    """Return the geometry of the maps, without energy axis."""
    return WcsGeom.create(
        skydir=centre(frame, lonlat), npix=(20, 20), binsz=0.05, frame=frame, proj=proj
    )


def gti() -> GTI:
    """Return good time intervals of 1 h and 1.5 h, with a gap."""
    return GTI.create([0, 3] * u.h, [1, 4.5] * u.h, reference_time=REFERENCE)


def _gradient(geom: Any) -> np.ndarray:
    """Return factors between 1 and 2 that differ in all bins."""
    size = np.prod(geom.data_shape)
    return 1 + np.linspace(0, 1, size).reshape(geom.data_shape)


def _exposure(geom: Any) -> Map:
    energy = geom.axes["energy_true"].center.to_value("TeV")[:, None, None]
    return Map.from_geom(geom, data=3e9 * energy**0.3 * _gradient(geom), unit="m2 s")


def _fill(dataset: MapDataset, seed: int, scale: float) -> None:
    """Set a background that decreases with energy, and draw counts with a 30 % higher mean."""
    spectrum = scale * np.array([1.5, 0.5, 0.2])[:, None, None]
    dataset.background.data = spectrum * _gradient(dataset.background.geom)
    random = np.random.default_rng(seed)
    dataset.counts.data = random.poisson(1.3 * dataset.background.data).astype(float)
    dataset.mask_safe.data[...] = True
    dataset.gti = gti()


def migra_map(geom: WcsGeom) -> EDispMap:
    """Return an energy dispersion by true energy and migra that varies over the field of view."""
    offset = MapAxis.from_edges([0, 0.3, 0.6, 2], unit="deg", name="offset")
    migra = MapAxis.from_edges(np.linspace(0.2, 3, 60), name="migra")
    edisp = EnergyDispersion2D.from_gauss(
        energy_axis_true=ENERGY_TRUE, migra_axis=migra, offset_axis=offset, bias=0.1, sigma=0.3
    )
    pointing = geom.center_skydir.directional_offset_by(30 * u.deg, 0.2 * u.deg)
    coarse = geom.to_binsz(0.25).to_cube([migra, ENERGY_TRUE])
    return make_edisp_map(edisp, pointing, coarse)


def psf_map(geom: WcsGeom, varying: bool = False) -> PSFMap:
    """Return a Gaussian PSF, which is wider in the east if `varying`."""
    if not varying:
        return PSFMap.from_gauss(ENERGY_TRUE, sigma=PSF_SIGMA)
    psf = PSFMap.from_gauss(ENERGY_TRUE, sigma=PSF_SIGMA, geom=geom.to_binsz(0.25))
    narrow = PSFMap.from_gauss(ENERGY_TRUE, sigma=0.7 * PSF_SIGMA, geom=geom.to_binsz(0.25))
    weight = np.linspace(0, 1, psf.psf_map.data.shape[-1])
    psf.psf_map.data = weight * psf.psf_map.data + (1 - weight) * narrow.psf_map.data
    return psf


@cache
def _map_dataset(
    frame: str, proj: str, lonlat: tuple[float, float], psf: str, edisp: str, seed: int
) -> MapDataset:
    geom = image_geom(frame, proj, lonlat)
    dataset = MapDataset.create(geom.to_cube([ENERGY]), energy_axis_true=ENERGY_TRUE, name="map")
    dataset.exposure = _exposure(geom.to_cube([ENERGY_TRUE]))
    dataset.psf = None if psf == "none" else psf_map(geom, psf == "varying")
    dataset.edisp = None
    if edisp == "kernel":
        dataset.edisp = EDispKernelMap.from_gauss(ENERGY, ENERGY_TRUE, sigma=0.2, bias=0.05)
    elif edisp == "migra":
        dataset.edisp = migra_map(geom)
    _fill(dataset, seed, 1)
    return dataset


def map_dataset(
    name: str = "map",
    frame: str = "icrs",
    proj: str = "CAR",
    lonlat: tuple[float, float] = CRAB,
    psf: str = "same",
    edisp: str = "kernel",
    seed: int = 1,
) -> MapDataset:
    """Return a map of 20 x 20 pixels in 3 energy bins.

    Parameters
    ----------
    name, frame, proj : str
        Name, frame and projection.
    lonlat : tuple of float
        ICRS coordinates of the centre, in deg.
    psf : {"same", "varying", "none"}
        PSF: the same everywhere, varying with the position, or none.
    edisp : {"kernel", "migra", "none"}
        Energy dispersion: the same everywhere, varying with the position, or none.
    seed : int
        Seed of the counts.
    """
    return _map_dataset(frame, proj, lonlat, psf, edisp, seed).copy(name=name)


@cache
def _spectrum_dataset(region: str, psf: bool, unit: str, seed: int) -> SpectrumDataset:
    energy = MapAxis.from_energy_edges(ENERGY.edges.to(unit))
    energy_true = MapAxis.from_energy_edges(ENERGY_TRUE.edges.to(unit), name="energy_true")
    geom = RegionGeom.create(region, axes=[energy], binsz_wcs="0.05 deg")
    dataset = SpectrumDataset.create(geom, energy_axis_true=energy_true, name="spectrum")
    dataset.exposure = _exposure(geom.to_cube([energy_true]).drop("energy"))
    dataset.psf = PSFMap.from_gauss(energy_true, sigma=PSF_SIGMA) if psf else None
    dataset.edisp = EDispKernelMap.from_gauss(energy, energy_true, sigma=0.2, bias=0.05)
    _fill(dataset, seed, 40)
    return dataset


CIRCLE = f"icrs;circle({CRAB[0]}, {CRAB[1]}, 0.2)"


def spectrum_dataset(
    name: str = "spectrum",
    region: str = CIRCLE,
    psf: bool = False,
    unit: str = "TeV",
    seed: int = 2,
) -> SpectrumDataset:
    """Return a spectrum with 3 energy bins, by default without PSF."""
    return _spectrum_dataset(region, psf, unit, seed).copy(name=name)


def spectrum_on_off(
    name: str = "on-off", region: str = CIRCLE, psf: bool = False, seed: int = 3
) -> SpectrumDatasetOnOff:
    """Return on and off counts in 3 energy bins; the last one has no off counts."""
    spectrum = spectrum_dataset("source", region, psf, seed=seed)
    off = spectrum.counts.copy(data=np.array([200.0, 61.0, 0.0]).reshape(3, 1, 1))
    return SpectrumDatasetOnOff.from_spectrum_dataset(
        dataset=spectrum, acceptance=1, acceptance_off=4, counts_off=off, name=name
    )


def map_on_off(name: str = "map-on-off", seed: int = 4) -> MapDatasetOnOff:
    """Return maps of on and off counts, with some pixels without acceptance."""
    dataset = map_dataset("source", seed=seed)
    geom, random = dataset.counts.geom, np.random.default_rng(seed)
    acceptance = Map.from_geom(geom, data=np.ones(geom.data_shape))
    acceptance_off = Map.from_geom(geom, data=5.0 * _gradient(geom))
    acceptance.data[:, :2, :2] = acceptance_off.data[:, :2, :2] = 0
    off = Map.from_geom(geom, data=random.poisson(4 * dataset.background.data).astype(float))
    off.data[:, :2, :2] = 0
    dataset.mask_safe.data[:, :2, :2] = False
    return MapDatasetOnOff.from_map_dataset(
        dataset, acceptance, acceptance_off, counts_off=off, name=name
    )


def flux_points(name: str = "points", asymmetric: bool = False) -> FluxPointsDataset:
    """Return six flux points around a power law; the last one is an upper limit."""
    energy = np.geomspace(0.7, 20, 6) * u.TeV
    dnde = 4e-11 * energy.value**-2.6 * [1.1, 0.9, 1.0, 1.2, 0.8, 1.0] * u.Unit("TeV-1 s-1 cm-2")
    table = Table({"e_ref": energy, "dnde": dnde, "dnde_ul": 2 * dnde}, meta={"SED_TYPE": "dnde"})
    if asymmetric:
        table["dnde_errn"], table["dnde_errp"] = 0.1 * dnde, 0.2 * dnde
    else:
        table["dnde_err"] = 0.15 * dnde
    table["is_ul"] = [False] * 5 + [True]
    points = FluxPoints.from_table(table, gti=gti())
    return FluxPointsDataset(data=points, name=name)
