"""The product of the estimator `light-curve`: its files, table and plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs

from skyred.interfaces import Chart, Product
from skyred.products.fits_text import decode_text, encode_text
from skyred.products.flux_tables import (
    flux_table,
    read_flux,
    read_header,
    write_flux,
)

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import Models, SkyModel
    from matplotlib.axes import Axes

    from skyred.likelihood.flux.variability import Variability

DETAILS = ("n_datasets", "livetime", "reason")


@attrs.define(eq=False)
class LightCurveProduct(Product):
    """A light curve.

    Parameters
    ----------
    flux : gammapy.estimators.FluxPoints
        The flux points, with axes energy and time; NaN where there is no flux.
    details : Table
        For each interval ``n_datasets``, ``livetime`` and ``reason``: the reason for a missing
        flux, or the excluded datasets.
    model : SkyModel or None
        The fitted model of the source.
    """

    flux: FluxPoints
    details: Table
    model: SkyModel | None = None

    @property
    def source(self) -> str:
        """The name of the source; "" if its model is unknown."""
        return "" if self.model is None else str(self.model.name)

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits`` (all quantities) and ``NAME.ecsv`` (fluxes, as readable text).

        gammapy's ``FluxPoints.read(format="lightcurve")`` reads both.

        Parameters
        ----------
        folder : Path
            The folder.

        Returns
        -------
        list of Path
            The files.
        """
        fits = write_flux(
            folder, self.name, self.flux, self.details, {"SOURCE": encode_text(self.source)}
        )
        ecsv = folder / f"{self.name}.ecsv"
        self.table().write(ecsv, format="ascii.ecsv", overwrite=True)
        return [fits, ecsv]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read ``NAME.fits``.

        Parameters
        ----------
        folder : Path
            The folder.
        name : str
            The name of the product.
        models : Models or None
            The fitted models.

        Returns
        -------
        LightCurveProduct
            The light curve.
        """
        source = decode_text(read_header(folder, name).get("SOURCE", ""))
        model = models[source] if models is not None and source in models.names else None
        return cls(name, *read_flux(folder, name, model, DETAILS), model)

    def table(self) -> Table:
        """Return the fluxes by time interval and energy.

        Returns
        -------
        Table
            A row for each interval, with time scale and variability in the metadata.
        """
        table = flux_table(self.flux, "flux", self.details)
        for column in table.itercols():
            if column.dtype.kind == "f" and column.name.startswith("flux"):
                column.format = ".4e"
        variability = [
            bin_variability and attrs.asdict(bin_variability)
            for bin_variability in self.variability()
        ]
        table.meta["variability"] = variability
        return table

    def variability(self) -> list[Variability | None]:
        """Compare the flux in each energy bin with a constant flux.

        Returns
        -------
        list of Variability or None
            The result for each energy bin; None if there are fewer than two fluxes.
        """
        from skyred.likelihood.flux.variability import Variability

        flux, errors = (_by_energy(getattr(self.flux, name)) for name in ("flux", "flux_err"))
        return [Variability.from_fluxes(*pair) for pair in zip(flux, errors, strict=True)]

    def charts(self) -> Sequence[Chart]:
        """Return the interactive figure of the light curve.

        Returns
        -------
        sequence of Chart
            One figure.
        """
        from skyred.products.charts.light_curve import light_curve_chart

        return [light_curve_chart(self.flux, self.variability(), self.source or self.name)]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the flux over time (UTC), with upper limits where TS is below 4.

        Parameters
        ----------
        ax : matplotlib axes, optional
            The axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib axes
            The axes.
        """
        from skyred.products.light_curve_plot import draw_light_curve

        return draw_light_curve(self.flux, self.variability(), self.source or self.name, ax)


def _by_energy(quantity: Any) -> Any:
    """Return a map along energy and time as an array, shape (energies, times)."""
    return quantity.data[:, :, 0, 0].T
