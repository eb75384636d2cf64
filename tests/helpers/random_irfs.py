"""Random IRFs of each type of GADF, and observations of them at any position."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.table import Table
from astropy.time import Time
from gammapy.data import GTI, EventList, FixedPointingInfo, Observation
from gammapy.irf import (
    PSF3D,
    Background2D,
    Background3D,
    EffectiveAreaTable2D,
    EnergyDependentMultiGaussPSF,
    EnergyDispersion2D,
    FoVAlignment,
    PSFKing,
)
from gammapy.maps import MapAxis

START = Time("2020-02-03T20:00:00", scale="tt")
HESS = EarthLocation.from_geodetic(16.50022 * u.deg, -23.27178 * u.deg, 1835 * u.m)
AREAS = ("aeff_2d", "aeff_2d_point_like")
DISPERSIONS = ("edisp_2d",)
PSFS = ("psf_table", "psf_3gauss", "psf_king")
BACKGROUNDS = ("bkg_2d", "bkg_3d", "bkg_3d_reversed", "bkg_3d_altaz")


def create_irf(kind: str, seed: int = 0, max_offset: float = 2.5) -> Any:
    """Return an IRF of a type, with random values of float32, as in files."""
    rng = np.random.default_rng(seed)
    energy_true = MapAxis.from_energy_bounds("0.05 TeV", "150 TeV", nbin=19, name="energy_true")
    energy = MapAxis.from_energy_bounds("0.1 TeV", "120 TeV", nbin=15, name="energy")
    offset = MapAxis.from_edges(np.linspace(0, max_offset, 7), unit="deg", name="offset")
    if kind.startswith("aeff_2d"):
        data = _random(rng, (19, 7 - 1)) * 1e5 * np.arange(19)[:, None]  # 0 in the first bin
        return EffectiveAreaTable2D(
            [energy_true, offset], data=data, unit="m2", is_pointlike=kind.endswith("point_like")
        )
    if kind == "edisp_2d":
        return _energy_dispersion(rng, energy_true, offset)
    if kind == "psf_table":
        rad = MapAxis.from_edges(np.linspace(0, 0.6, 41), unit="deg", name="rad")
        data = _random(rng, (19, 6, 40)) * np.exp(-((rad.center.value / 0.1) ** 2))
        return PSF3D([energy_true, offset, rad], data=data.astype(np.float32), unit="sr-1")
    if kind == "psf_3gauss":
        return _multi_gauss(rng, energy_true, offset)
    if kind == "psf_king":
        data = np.empty((19, 6), dtype=[("gamma", "f4"), ("sigma", "f4")])
        # similar at all energies, because extrapolated to a sigma of 0 the profile is not defined
        data["gamma"] = 2 + _random(rng, (1, 6)) + 0.02 * _random(rng, (19, 6))
        data["sigma"] = 0.04 * _random(rng, (1, 6)) + 0.001 * _random(rng, (19, 6))
        return PSFKing([energy_true, offset], data=data, unit={"gamma": u.Unit(""), "sigma": u.deg})
    return _background(kind, rng, energy, offset, max_offset)


def _random(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.uniform(0.5, 1.5, shape).astype(np.float32)


def _energy_dispersion(rng: np.random.Generator, energy_true: MapAxis, offset: MapAxis) -> Any:
    migra = MapAxis.from_edges(np.linspace(0.2, 3, 57), name="migra")
    bias, sigma = 0.1 * (_random(rng, (19, 1, 6)) - 1), 0.2 * _random(rng, (19, 1, 6))
    data = np.exp(-(((migra.center.value[:, None] - 1 - bias) / sigma) ** 2) / 2)
    data[0] = 0  # no events at the lowest energies
    return EnergyDispersion2D([energy_true, migra, offset], data=data.astype(np.float32))


def _multi_gauss(rng: np.random.Generator, energy_true: MapAxis, offset: MapAxis) -> Any:
    names = EnergyDependentMultiGaussPSF.required_parameters
    data = np.empty((19, 6), dtype=[(name, "f4") for name in names])
    for name in names:
        data[name] = _random(rng, (19, 6)) * (0.08 if name.startswith("sigma") else 1)
    data["ampl_2"][:4] = 0
    unit = {name: u.deg if name.startswith("sigma") else u.Unit("") for name in names}
    unit["scale"] = u.Unit("sr-1")
    return EnergyDependentMultiGaussPSF([energy_true, offset], data=data, unit=unit)


def _background(
    kind: str, rng: np.random.Generator, energy: MapAxis, offset: MapAxis, max_offset: float
) -> Any:
    spectrum = (energy.center.value**-2.7).astype(np.float32)
    if kind == "bkg_2d":
        data = _random(rng, (15, 6)) * spectrum[:, None]
        axes, create = [energy, offset], Background2D
    else:
        edges = np.linspace(-max_offset, max_offset, 11)
        lon, lat = (
            MapAxis.from_edges(edges, unit="deg", name=name) for name in ("fov_lon", "fov_lat")
        )
        data = _random(rng, (15, 10, 10)) * spectrum[:, None, None]
        axes, create = [energy, lon, lat], Background3D
    data[rng.uniform(size=data.shape) < 0.1] = 0  # missing values, which gammapy interpolates
    data[:, 0, ...] *= rng.uniform(size=data[:, 0, ...].shape) < 0.5
    alignment = {
        "bkg_3d_reversed": FoVAlignment.REVERSE_LON_RADEC,
        "bkg_3d_altaz": FoVAlignment.ALTAZ,
    }.get(kind, FoVAlignment.RADEC)
    options = {} if kind == "bkg_2d" else {"fov_alignment": alignment}
    return create(axes, data=data, unit="s-1 TeV-1 sr-1", **options)


def create_observation(pointing: SkyCoord, n_events: int = 500, seed: int = 0, **irfs: Any) -> Any:
    """Return an observation of 20 minutes with a pause, with events around its pointing."""
    rng = np.random.default_rng(seed)
    gti = GTI.create([0, 700] * u.s, [650, 1200] * u.s, START)
    position = pointing.icrs.directional_offset_by(
        rng.uniform(0, 360, n_events) * u.deg, rng.uniform(0, 3, n_events) * u.deg
    )
    table = Table(
        {
            "EVENT_ID": np.arange(n_events),
            "TIME": START + rng.uniform(0, 1200, n_events) * u.s,
            "RA": u.Quantity(position.ra, "deg"),
            "DEC": u.Quantity(position.dec, "deg"),
            "ENERGY": u.Quantity(10 ** rng.uniform(-1.5, 2.5, n_events), "TeV"),
        }
    )
    table.meta.update(RA_PNT=pointing.icrs.ra.deg, DEC_PNT=pointing.icrs.dec.deg)
    return Observation(
        obs_id=seed + 1,
        gti=gti,
        events=EventList(table),
        pointing=FixedPointingInfo(fixed_icrs=pointing.icrs),
        location=HESS,
        **irfs,
    )
