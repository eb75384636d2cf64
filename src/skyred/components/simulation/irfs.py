"""The simulated instrument: full-enclosure IRFs like those of H.E.S.S. I, from simple formulae.

Normalisations and shapes follow run 23523 of the H.E.S.S. DL3 DR1, whose files are not needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from gammapy.irf import (
    PSF3D,
    Background3D,
    EffectiveAreaTable2D,
    EnergyDispersion2D,
    FoVAlignment,
)
from gammapy.maps import MapAxes, MapAxis

if TYPE_CHECKING:
    from gammapy.irf import IRF

META = {
    "TELESCOP": "HESS",
    "INSTRUME": "SIMULATED H.E.S.S.-like",
    "ORIGIN": "skyred simulation",
}
ENERGY_RANGE = ("0.3 TeV", "120 TeV")
FIELD_RADIUS = 3.0
"""Half the width of the field of view, in degrees."""


def create_irfs() -> dict[str, IRF]:
    """Create all four IRFs.

    Returns
    -------
    dict of str to gammapy.irf.IRF
        The IRFs, with gammapy's names as keys (aeff, edisp, psf, bkg).
    """
    return {
        "aeff": effective_area(),
        "edisp": energy_dispersion(),
        "psf": point_spread_function(),
        "bkg": background(),
    }


def effective_area() -> EffectiveAreaTable2D:
    """Build the effective area, in m2, over true energy (32 bins) and offset (6 bins).

    The effective area is 1.9 times gammapy's parametrisation of the H.E.S.S. array, which does not
    depend on the offset, multiplied by the acceptance of the camera. The header contains the limits
    of the safe energy range, 0.6 and 100 TeV.

    Returns
    -------
    gammapy.irf.EffectiveAreaTable2D
        The effective area.

    References
    ----------
    Abramowski et al. (2010), MNRAS 402, 1342, appendix B, for the parametrisation.
    """
    energy, offset = _energy_true_axis(), _offset_axis()
    on_axis = EffectiveAreaTable2D.from_parametrization(energy_axis_true=energy, instrument="HESS")
    area = 1.9 * on_axis.quantity[:, :1] * acceptance(offset.center)[np.newaxis, :]
    return EffectiveAreaTable2D(
        axes=MapAxes([energy, offset]),
        data=_to_single_precision(area.to_value("m2")),
        unit="m2",
        meta={**META, "LO_THRES": 0.6, "HI_THRES": 100.0},
    )


def energy_dispersion() -> EnergyDispersion2D:
    """Build the energy dispersion, per unit migra: a Gaussian with a sigma of 15 % and no bias.

    The axes are true energy (32 bins), migra (80 bins from 0.2 to 2.2) and offset (6 bins).

    Returns
    -------
    gammapy.irf.EnergyDispersion2D
        The energy dispersion.
    """
    response = EnergyDispersion2D.from_gauss(
        energy_axis_true=_energy_true_axis(),
        migra_axis=MapAxis.from_edges(np.linspace(0.2, 2.2, 81), name="migra"),
        offset_axis=_offset_axis(),
        bias=0.0,
        sigma=0.15,
    )
    return EnergyDispersion2D(
        axes=response.axes,
        data=_to_single_precision(response.data),
        unit=response.unit,
        meta=dict(META),
    )


def point_spread_function() -> PSF3D:
    """Build the PSF, in sr-1, over true energy, offset and angular separation.

    The axes are true energy (32 bins), offset (6 bins) and separation (132 bins up to 0.66 deg).

    The PSF has a Gaussian core with 80 % of the events, and a Gaussian tail 2.2 times as wide. The
    sigma of the core is 0.055 deg at 1 TeV on axis; it decreases as energy**-0.12, and increases
    with the offset.

    Returns
    -------
    gammapy.irf.PSF3D
        The PSF.
    """
    rad = MapAxis.from_edges(np.linspace(0, 0.66, 133) * u.deg, name="rad")
    axes = MapAxes([_energy_true_axis(), _offset_axis(), rad])
    coords = axes.get_coord()
    energy, offset = coords["energy_true"].to_value("TeV"), coords["offset"].to_value("deg")
    core = 0.055 * u.deg * energy**-0.12 * (1 + 0.08 * offset**2)
    profile = 0.8 * _gauss(coords["rad"], core) + 0.2 * _gauss(coords["rad"], 2.2 * core)
    psf = PSF3D(axes=axes, data=profile.to_value("sr-1"), unit="sr-1", meta=dict(META))
    psf.normalize()
    return PSF3D(axes=axes, data=_to_single_precision(psf.data), unit=psf.unit, meta=dict(META))


def background() -> Background3D:
    """Build the background rate, in s-1 MeV-1 sr-1, over energy and field-of-view coordinates.

    The axes are energy (21 bins) and field-of-view coordinates (24 x 24 bins). The rate is a power
    law with index 2.7, multiplied by the camera acceptance. It is radially symmetric, so that the
    alignment of the field of view has no effect.

    Returns
    -------
    gammapy.irf.Background3D
        The background rate.
    """
    energy = MapAxis.from_energy_bounds(*ENERGY_RANGE, nbin=8, per_decade=True, name="energy")
    edges = np.linspace(-FIELD_RADIUS, FIELD_RADIUS, 25) * u.deg
    axes = MapAxes(
        [energy, *(MapAxis.from_edges(edges, name=name) for name in ("fov_lon", "fov_lat"))]
    )
    coords = axes.get_coord()
    shape = acceptance(np.hypot(coords["fov_lon"], coords["fov_lat"]))
    rate = 4.7e-4 * coords["energy"].to_value("TeV") ** -2.7 * shape
    return Background3D(
        axes=axes,
        data=_to_single_precision(rate),
        unit="s-1 MeV-1 sr-1",
        fov_alignment=FoVAlignment.RADEC,
        meta={**META, "FOVALIGN": "RADEC"},
    )


def acceptance(offset: u.Quantity) -> Any:
    """Return the camera acceptance relative to that at the centre.

    Parameters
    ----------
    offset : astropy.units.Quantity
        The offsets from the centre, any shape.

    Returns
    -------
    numpy.ndarray
        The acceptance, in the shape of `offset`.
    """
    return np.exp(-0.25 * (offset / (1.6 * u.deg)).to_value("") ** 4)


def _gauss(separation: u.Quantity, sigma: u.Quantity) -> u.Quantity:
    """Return a two-dimensional Gaussian, normalised over the plane.

    Parameters
    ----------
    separation : astropy.units.Quantity
        The angular separations from the centre, any shape.
    sigma : astropy.units.Quantity
        The standard deviations, in a shape that broadcasts with `separation`.

    Returns
    -------
    astropy.units.Quantity
        The densities, per solid angle, in the broadcast shape.
    """
    return np.exp(-0.5 * (separation / sigma).to_value("") ** 2) / (2 * np.pi * sigma**2)


def _energy_true_axis() -> MapAxis:
    return MapAxis.from_energy_bounds(*ENERGY_RANGE, nbin=12, per_decade=True, name="energy_true")


def _offset_axis() -> MapAxis:
    return MapAxis.from_edges(np.linspace(0, FIELD_RADIUS, 7) * u.deg, name="offset")


def _to_single_precision(values: Any) -> Any:
    """Convert values to float32, so that IRFs in memory equal those read back from FITS files."""
    return np.asarray(values, dtype=np.float32)
