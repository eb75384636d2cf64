"""Files of flux points and flux maps: the bytes of gammapy, with additional cards."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.time import Time
from gammapy.data import GTI
from gammapy.estimators import FluxMaps, FluxPoints
from gammapy.maps import Map, MapAxis, RegionGeom, WcsGeom
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

from fits_comparison import in_any_order
from skyred.products.flux_io import write_maps, write_points

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
TIMES = Time([53343.9, 53344.9], format="mjd")
GEOMS = {
    "map": WcsGeom.create(npix=3, axes=[ENERGY]),
    "points": RegionGeom.create("icrs;circle(83.63, 22.01, 0.1)", axes=[ENERGY]),
}


def create_flux(cls: Any, name: str) -> Any:
    norms = Map.from_geom(GEOMS[name], data=np.float64(1.3), unit="")
    errors = Map.from_geom(GEOMS[name], data=np.float64(0.2), unit="")
    gti = GTI.create([0] * u.s, [1687] * u.s, TIMES[0])
    model = SkyModel(PowerLawSpectralModel(), name="crab")
    return cls({"norm": norms, "norm_err": errors}, model, gti=gti,
               meta={"sed_type_init": "likelihood", "n_sigma": 1, "n_sigma_ul": 2})  # fmt: skip


def written_by_astropy(hdulist: fits.HDUList) -> bytes:
    buffer = BytesIO()
    hdulist.writeto(buffer)
    return buffer.getvalue()


def test_bytes_of_flux_maps_are_those_of_gammapy(tmp_path: Path) -> None:
    maps = create_flux(FluxMaps, "map")
    expected = maps.to_hdulist("flux")
    expected[0].header.update({"NSIGMA": 1, "NSIGMAUL": 2})
    write_maps(maps, tmp_path / "maps.fits")
    content = (tmp_path / "maps.fits").read_bytes()
    assert in_any_order(content) == in_any_order(written_by_astropy(expected))


@pytest.mark.parametrize("sed_type", ["likelihood", "dnde"])
def test_bytes_of_flux_points_are_those_of_gammapy(tmp_path: Path, sed_type: str) -> None:
    points = create_flux(FluxPoints, "points")
    points.meta["sed_type_init"] = sed_type
    points.write(tmp_path / "expected.fits")
    with fits.open(tmp_path / "expected.fits", mode="update") as hdulist:
        hdulist["FLUXPOINTS"].header.update({"SED_TYPE": sed_type, "NSIGMA": 1, "NSIGMAUL": 2})
    write_points(points, tmp_path / "points.fits")
    content = (tmp_path / "points.fits").read_bytes()
    assert in_any_order(content) == in_any_order((tmp_path / "expected.fits").read_bytes())
