"""One or more instances of every spatial model of gammapy, by class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.maps import Map, MapAxis, MapCoord, WcsGeom
from gammapy.modeling.models import (
    ConstantFluxSpatialModel,
    ConstantSpatialModel,
    DiskSpatialModel,
    GaussianSpatialModel,
    GeneralizedGaussianSpatialModel,
    PiecewiseNormSpatialModel,
    PointSpatialModel,
    Shell2SpatialModel,
    ShellSpatialModel,
    SpatialModel,
    TemplateNDSpatialModel,
    TemplateSpatialModel,
)

LonLat = tuple[float, float]
Spatial = Callable[[LonLat, str], SpatialModel]


def _centred(cls: type[SpatialModel], **options: Any) -> Spatial:
    def make(lonlat: LonLat, frame: str) -> SpatialModel:
        position = SkyCoord(*lonlat, unit="deg", frame="icrs").transform_to(frame)
        return cls(lon_0=position.data.lon, lat_0=position.data.lat, frame=frame, **options)

    return make


def _peak_map(lonlat: LonLat, frame: str, axes: list[MapAxis], unit: str = "sr-1") -> Map:
    """Return an asymmetric peak with an integral of about 1, and a different width in each bin."""
    position = SkyCoord(*lonlat, unit="deg", frame="icrs").transform_to(frame)
    geom = WcsGeom.create(skydir=position, width=0.8, binsz=0.05, frame=frame, axes=axes)
    y, x = np.mgrid[-1:1:16j, -1:1:16j]
    width = 0.3 + 0.1 * np.arange(np.prod([1, *(axis.nbin for axis in axes)]))
    shape = [*(axis.nbin for axis in reversed(axes)), 1, 1]
    peak = 2e4 * np.exp(-(x**2 + 2 * y**2 + 0.5 * x) / width.reshape(shape)) + 100
    return Map.from_geom(geom, data=peak.reshape(geom.data_shape), unit=unit)


TEMPLATE_ENERGY = MapAxis.from_energy_bounds("0.4 TeV", "25 TeV", nbin=4, name="energy_true")
EXTENSION = MapAxis.from_nodes([0.5, 1, 2], name="extension", unit="")


def _template(lonlat: LonLat, frame: str) -> SpatialModel:
    return TemplateSpatialModel(_peak_map(lonlat, frame, []), filename="template.fits")


def _template_cube(lonlat: LonLat, frame: str) -> SpatialModel:
    cube = _peak_map(lonlat, frame, [TEMPLATE_ENERGY])
    return TemplateSpatialModel(cube, filename="template.fits", normalize=False)


def _template_nd(lonlat: LonLat, frame: str) -> SpatialModel:
    return TemplateNDSpatialModel(_peak_map(lonlat, frame, [EXTENSION]), filename="template.fits")


def _template_nd_cube(lonlat: LonLat, frame: str) -> SpatialModel:
    cube = _peak_map(lonlat, frame, [TEMPLATE_ENERGY, EXTENSION])
    return TemplateNDSpatialModel(cube, filename="template.fits")


def _piecewise(lonlat: LonLat, frame: str) -> SpatialModel:
    position = SkyCoord(*lonlat, unit="deg", frame="icrs").transform_to(frame)
    lon, lat = np.meshgrid(np.linspace(-2, 2, 3), np.linspace(-2, 2, 3))
    coords = MapCoord.create({"lon": (lon.ravel() + position.data.lon.deg) * u.deg,
                              "lat": (lat.ravel() + position.data.lat.deg) * u.deg})  # fmt: skip
    return PiecewiseNormSpatialModel(coords, norms=np.linspace(0.6, 1.5, 9), frame=frame)


SPATIAL: dict[type[SpatialModel], dict[str, Spatial]] = {
    PointSpatialModel: {"point": _centred(PointSpatialModel)},
    GaussianSpatialModel: {
        "gauss": _centred(GaussianSpatialModel, sigma="0.12 deg"),
        "gauss-narrow": _centred(GaussianSpatialModel, sigma="0.011 deg"),
        "gauss-elongated": _centred(GaussianSpatialModel, sigma="0.16 deg", e=0.8, phi="30 deg"),
    },
    GeneralizedGaussianSpatialModel: {
        "gauss-general": _centred(
            GeneralizedGaussianSpatialModel, r_0="0.1 deg", eta=0.6, e=0.5, phi="70 deg"
        )
    },
    DiskSpatialModel: {
        "disk": _centred(DiskSpatialModel, r_0="0.2 deg"),
        "disk-elongated": _centred(
            DiskSpatialModel, r_0="0.2 deg", e=0.7, phi="-40 deg", edge_width=0.2
        ),
    },
    ShellSpatialModel: {"shell": _centred(ShellSpatialModel, radius="0.2 deg", width="0.07 deg")},
    Shell2SpatialModel: {"shell2": _centred(Shell2SpatialModel, r_0="0.25 deg", eta=0.3)},
    ConstantSpatialModel: {"const": lambda lonlat, frame: ConstantSpatialModel(value="3000 sr-1")},
    ConstantFluxSpatialModel: {"const-flux": lambda lonlat, frame: ConstantFluxSpatialModel()},
    TemplateSpatialModel: {"template": _template, "template-cube": _template_cube},
    TemplateNDSpatialModel: {"template-nd": _template_nd, "template-nd-cube": _template_nd_cube},
    PiecewiseNormSpatialModel: {"piecewise-norm": _piecewise},
}
