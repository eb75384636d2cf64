"""The reference spectrum of flux points from the columns of their file, if there is no model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from gammapy.modeling.models import SpectralModel

if TYPE_CHECKING:
    from astropy.table import Table

COLUMNS = ("e_ref", "e_min", "e_max", "ref_dnde", "ref_flux", "ref_eflux")
SLOPE = -2.0  # of the spectrum outside the energies of the table


class TabulatedReference(SpectralModel):  # type: ignore[misc]
    """The reference fluxes in a table of flux points: exact at its energies and for its bins.

    Between the energies it is a power law, and outside them proportional to E^-2.

    Parameters
    ----------
    columns : dict of str to astropy.units.Quantity
        The columns e_ref, e_min, e_max, ref_dnde, ref_flux and ref_eflux, one value for each bin.
    """

    tag = ("TabulatedReference", "tabulated-reference")

    def __init__(self, columns: dict[str, u.Quantity]) -> None:
        self.columns = columns
        super().__init__()

    @classmethod
    def from_table(cls, table: Table) -> TabulatedReference | None:
        """Read the reference fluxes from a table of flux points.

        Parameters
        ----------
        table : astropy.table.Table
            A table as written by gammapy, with a row for each energy bin, time interval or
            distance.

        Returns
        -------
        TabulatedReference or None
            The spectrum; None if the table has no reference fluxes, or not for all bins.
        """
        if not set(COLUMNS) <= set(table.colnames):
            return None
        columns = {name: u.Quantity(np.ma.filled(table[name].quantity, np.nan)) for name in COLUMNS}
        columns = {name: column[0] if column.ndim > 1 else column
                   for name, column in columns.items()}  # fmt: skip
        is_valid = all(np.all(column.value > 0) for column in columns.values())
        return cls(columns) if is_valid else None

    def evaluate(self, energy: u.Quantity) -> u.Quantity:
        """Evaluate the differential flux.

        Parameters
        ----------
        energy : Quantity
            Energies.

        Returns
        -------
        Quantity
            Differential fluxes, of the shape of the energies.
        """
        nodes, dnde = self.columns["e_ref"], self.columns["ref_dnde"]
        x = np.log(u.Quantity(energy).to_value(nodes.unit))
        x_nodes = np.log(nodes.value)
        y = np.interp(x, x_nodes, np.log(dnde.value))
        y = y + SLOPE * (x - np.clip(x, x_nodes[0], x_nodes[-1]))
        return np.exp(y) * dnde.unit

    def integral(self, energy_min: u.Quantity, energy_max: u.Quantity, **options: Any) -> Any:
        """Return the integral flux, that of the table for its bins.

        Parameters
        ----------
        energy_min, energy_max : Quantity
            Edges of the energy ranges.
        **options
            Options of gammapy's method, for other ranges.

        Returns
        -------
        Quantity
            The integral flux, of the shape of the edges.
        """
        values = super().integral(energy_min, energy_max, **options)
        return self._from_table("ref_flux", energy_min, energy_max, values)

    def energy_flux(self, energy_min: u.Quantity, energy_max: u.Quantity, **options: Any) -> Any:
        """Return the energy flux, that of the table for its bins.

        Parameters
        ----------
        energy_min, energy_max : Quantity
            Edges of the energy ranges.
        **options
            Options of gammapy's method, for other ranges.

        Returns
        -------
        Quantity
            The energy flux, of the shape of the edges.
        """
        values = super().energy_flux(energy_min, energy_max, **options)
        return self._from_table("ref_eflux", energy_min, energy_max, values)

    def _from_table(
        self, name: str, energy_min: u.Quantity, energy_max: u.Quantity, values: u.Quantity
    ) -> u.Quantity:
        """Replace the values of ranges that are bins of the table by those of the table."""
        values = u.Quantity(values)
        bins = zip(*(self.columns[key] for key in ("e_min", "e_max", name)), strict=True)
        for low, high, value in bins:
            is_bin = u.isclose(energy_min, low, rtol=1e-6) & u.isclose(energy_max, high, rtol=1e-6)
            values = np.where(is_bin, value.to(values.unit), values)
        return values
