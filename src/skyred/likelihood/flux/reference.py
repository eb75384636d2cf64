"""Reference spectra of norms, with positive fluxes.

A norm is a flux in units of a reference flux. If the reference flux is negative, as after a fit
with a negative best-fit amplitude, all signs are reversed: errors are negative, and upper limits
are below the estimate. Therefore the reference is the absolute value of the model's flux, and the
norm has the sign of the flux.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from gammapy.datasets.flux_points import _get_reference_model
from gammapy.maps import MapAxis
from gammapy.modeling.models import SpectralModel

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.modeling.models import SkyModel

N_ENERGIES = 21  # in a bin, at which the sign of the flux is checked
FACTORS = ("amplitude", "norm")  # parameters that multiply gammapy's spectral models


class AbsoluteValueSpectralModel(SpectralModel):  # type: ignore[misc]
    """The absolute value of another spectrum.

    It is the reference if some fluxes are negative and do not all become positive when an amplitude
    or norm is negated. Integrals are the absolute values of the other spectrum's integrals, which
    is exact unless the sign changes within the energy range.

    Parameters
    ----------
    model : gammapy.modeling.models.SpectralModel
        The other spectrum.
    """

    tag = ("AbsoluteValueSpectralModel", "absolute-value")

    def __init__(self, model: SpectralModel) -> None:
        self.model = model
        super().__init__()

    def evaluate(self, energy: u.Quantity) -> u.Quantity:
        """Evaluate the absolute value of the differential flux.

        Parameters
        ----------
        energy : Quantity
            Energies.

        Returns
        -------
        Quantity
            Differential fluxes, of the shape of the energies.
        """
        return np.abs(self.model(energy))

    def integral(self, energy_min: u.Quantity, energy_max: u.Quantity, **options: Any) -> Any:
        """Return the absolute value of the integral flux.

        Parameters
        ----------
        energy_min, energy_max : Quantity
            Edges of the energy ranges.
        **options
            Options of the other spectrum's method.

        Returns
        -------
        Quantity
            The absolute value of the integral flux, of the shape of the edges.
        """
        return np.abs(self.model.integral(energy_min, energy_max, **options))

    def energy_flux(self, energy_min: u.Quantity, energy_max: u.Quantity, **options: Any) -> Any:
        """Return the absolute value of the energy flux.

        Parameters
        ----------
        energy_min, energy_max : Quantity
            Edges of the energy ranges.
        **options
            Options of the other spectrum's method.

        Returns
        -------
        Quantity
            The absolute value of the energy flux, of the shape of the edges.
        """
        return np.abs(self.model.energy_flux(energy_min, energy_max, **options))


def positive_spectrum(spectral: SpectralModel, edges: u.Quantity) -> SpectralModel:
    """Return a spectrum with the absolute values of another spectrum's fluxes.

    Parameters
    ----------
    spectral : gammapy.modeling.models.SpectralModel
        The spectrum.
    edges : Quantity
        Edges of the energy bins of the flux points, shape (n + 1,).

    Returns
    -------
    gammapy.modeling.models.SpectralModel
        The spectrum itself if its flux is not negative at any edge or centre of the bins; a copy
        with a negated amplitude if it is not positive at any, and proportional to an amplitude;
        otherwise a `AbsoluteValueSpectralModel`.
    """
    energies = np.sort(u.Quantity([*edges, *MapAxis.from_energy_edges(edges).center]))
    with np.errstate(all="ignore"):
        values = spectral(energies)
    if not np.any(values.value < 0):
        return spectral
    if not np.any(values.value > 0):
        for name in FACTORS:
            negated = _negate_parameter(spectral, name)
            if negated is not None and u.allclose(negated(energies), -values, equal_nan=True):
                return negated
    return AbsoluteValueSpectralModel(spectral)


def _negate_parameter(spectral: SpectralModel, name: str) -> SpectralModel | None:
    """Return a copy with one parameter negated; None if there is no such parameter."""
    if name not in spectral.parameters.names:
        return None
    negated = spectral.copy()
    parameter = negated.parameters[name]
    low, high = parameter.min, parameter.max
    parameter.min = parameter.max = np.nan  # limits that would exclude the new value
    parameter.value = -parameter.value
    parameter.min, parameter.max = -high, -low
    signs = np.where([member is parameter for member in negated.parameters], -1.0, 1.0)
    negated.covariance = spectral.covariance.data * np.outer(signs, signs)
    return negated


def positive_model(model: SkyModel, edges: u.Quantity) -> SkyModel:
    """Return a source model with the absolute values of the fluxes of another model.

    See `positive_spectrum`.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source.
    edges : Quantity
        Edges of the energy bins, shape (n + 1,).

    Returns
    -------
    gammapy.modeling.models.SkyModel
        The source itself if its flux is not negative; otherwise a copy with another spectrum.
    """
    spectral = positive_spectrum(model.spectral_model, edges)
    if spectral is model.spectral_model:
        return model
    positive_source = model.copy(name=model.name)
    positive_source.spectral_model = spectral
    return positive_source


def reference_spectrum(model: SkyModel, edges: u.Quantity) -> SpectralModel:
    """Return the reference spectrum for the flux points of a source.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source. A spatial template that depends on energy is summed over its pixels, as in
        gammapy.
    edges : Quantity
        Edges of the energy bins, shape (n + 1,).

    Returns
    -------
    gammapy.modeling.models.SpectralModel
        The spectrum, with positive fluxes.
    """
    return _get_reference_model(positive_model(model, edges), edges)


def stored_reference(model: SkyModel, table: Table) -> SpectralModel:
    """Return the reference spectrum of the norms in a table of flux points.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source, as it was fitted.
    table : astropy.table.Table
        Table of norms as written by gammapy, with a row for each energy bin, time interval or
        distance.

    Returns
    -------
    gammapy.modeling.models.SpectralModel
        The spectrum of the source. Its fluxes are positive, unless the reference fluxes in the
        table are negative, as in files of older versions.
    """
    low, high = (table[name].quantity for name in ("e_min", "e_max"))
    if low.ndim > 1:  # one row per time interval or distance, all with the same energies
        low, high = low[0], high[0]
    edges = u.Quantity([*low, high[-1]])
    if np.any(table["ref_dnde"].quantity.value < 0):
        return _get_reference_model(model, edges)
    return reference_spectrum(model, edges)


def reference_fluxes(
    spectral: SpectralModel, ranges: Sequence[u.Quantity], unit: u.UnitBase
) -> dict[str, u.Quantity]:
    """Return the reference fluxes between the lowest and highest energy of several ranges.

    Parameters
    ----------
    spectral : gammapy.modeling.models.SpectralModel
        The spectrum of the source.
    ranges : sequence of Quantity
        Lowest and highest energy of each range, shape (2,) each.
    unit : Unit
        The unit of the requested edges; the axes of OGIP spectra are in keV.

    Returns
    -------
    dict of Quantity
        Reference fluxes by column.
    """
    edges = u.Quantity([u.Quantity(ranges).min(), u.Quantity(ranges).max()])
    axis = MapAxis.from_energy_edges(edges.to(unit))
    with np.errstate(invalid="ignore", divide="ignore"):
        fluxes = positive_spectrum(spectral, axis.edges).reference_fluxes(energy_axis=axis)
    return {name: value.item() for name, value in fluxes.items()}


def flux_sign(spectral: SpectralModel, low: u.Quantity, high: u.Quantity) -> int:
    """Return the sign of a spectrum's flux in an energy bin.

    Parameters
    ----------
    spectral : gammapy.modeling.models.SpectralModel
        The spectrum.
    low, high : Quantity
        Edges of the bin.

    Returns
    -------
    int
        1 or -1; 0 if the differential flux changes sign in the bin, or is zero or not finite in the
        whole bin.
    """
    energies = np.geomspace(low.to_value("TeV"), high.to_value("TeV"), N_ENERGIES) * u.TeV
    with np.errstate(all="ignore"):
        signs = np.sign(spectral(energies).value)
    signs = signs[np.abs(signs) == 1]
    return int(signs[0]) if len(signs) and np.all(signs == signs[0]) else 0
