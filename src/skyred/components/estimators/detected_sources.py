"""Detected sources: their table, regions, models and plot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
from astropy import units as u

from skyred.components.estimators.flux_maps import draw_significance
from skyred.components.estimators.ts_map_input import get_amplitude
from skyred.interfaces import Product
from skyred.products.fits_tables import read_tables, write_tables
from skyred.products.flux_io import read_maps, write_maps

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import Table
    from gammapy.estimators import FluxMaps
    from gammapy.modeling.models import Models, SkyModel
    from matplotlib.axes import Axes

DESCRIPTIONS = {
    "name": "Name, derived from the position (ICRS)",
    "ra": "Right ascension (ICRS) of the centre of the pixel",
    "dec": "Declination (ICRS) of the centre of the pixel",
    "glon": "Galactic longitude",
    "glat": "Galactic latitude",
    "x": "Column of the pixel, from 0",
    "y": "Row of the pixel, from 0",
    "sqrt_ts": "Significance, in sigma",
    "flux": "Integral flux in the energy range of the map",
    "flux_err": "Error of the flux",
    "at_edge": "Whether a NaN or the edge of the map is within the minimum distance",
}


@attrs.define(eq=False)
class DetectionProduct(Product):
    """Detected sources, and the maps of the detection.

    Parameters
    ----------
    sources : astropy.table.Table
        One row per source, the most significant first.
    maps : gammapy.estimators.FluxMaps
        Maps of the significance and the flux.
    """

    sources: Table
    maps: FluxMaps

    def write(self, folder: Path) -> list[Path]:
        """Write the table, regions, models and maps.

        ``NAME.fits`` and ``NAME.ecsv`` contain the table, ``NAME.reg`` circles for DS9 and for
        `exclude`, ``NAME.yaml`` models for gammapy and for the model `file`, ``NAME.map.fits`` and
        ``NAME.map.yaml`` the maps and the model of the search.

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.

        Returns
        -------
        list of pathlib.Path
            The files written.
        """
        fits, ecsv, reg, yaml = (
            folder / f"{self.name}.{suffix}" for suffix in ("fits", "ecsv", "reg", "yaml")
        )
        write_tables(fits, [self.sources])
        self.sources.write(ecsv, format="ascii.ecsv", overwrite=True)
        reg.write_text(self.regions(), encoding="utf-8")
        self.models().write(yaml, overwrite=True, write_covariance=False)
        return [fits, ecsv, reg, yaml, *write_maps(self.maps, folder / f"{self.name}.map.fits")]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read the table and the maps.

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.
        name : str
            Name of the product, without suffix.
        models : gammapy.modeling.models.Models or None
            Fitted models of the run.

        Returns
        -------
        DetectionProduct
            The sources.
        """
        maps = read_maps(folder / f"{name}.map.fits")
        return cls(name, read_tables(folder / f"{name}.fits")[0], maps)

    def table(self) -> Table:
        """Return the sources.

        Returns
        -------
        astropy.table.Table
            One row per source.
        """
        return self.sources

    @property
    def distance(self) -> u.Quantity:
        """Minimum distance between sources, in deg."""
        return self.sources.meta["DISTANCE"] * u.deg

    @property
    def positions(self) -> SkyCoord:
        """Positions of the sources, in ICRS."""
        from astropy.coordinates import SkyCoord

        return SkyCoord(self.sources["ra"].quantity, self.sources["dec"].quantity, frame="icrs")

    def regions(self) -> str:
        """Return the sources as DS9 regions: circles with the minimum distance as radius.

        Returns
        -------
        str
            The text of the region file.
        """
        lines = [
            f'circle({row["ra"]:.6f},{row["dec"]:.6f},{self.distance.to_value("arcsec"):.2f}")'
            f" # text={{{row['name']}}}"
            for row in self.sources
        ]
        return "\n".join(["# Region file format: DS9 version 4.1", "icrs", *lines, ""])

    def models(self) -> Models:
        """Return the sources as gammapy models.

        Shape and spectrum are those of the reference model of the map, with the amplitude scaled to
        the measured flux.

        Returns
        -------
        gammapy.modeling.models.Models
            One model per source.
        """
        from gammapy.modeling.models import Models

        return Models([self._build_model(row) for row in self.sources])

    def _build_model(self, row: Any) -> SkyModel:
        """Build the model of the source in a row."""
        from gammapy.modeling.models import PointSpatialModel, SkyModel

        model = self.maps.reference_model.copy(name=str(row["name"]))
        if model.spatial_model is None:  # the reference model of an excess map has no shape
            model = SkyModel(model.spectral_model, PointSpatialModel(), name=model.name)
        model.spatial_model.position = self.positions[row.index]
        norm = float(self.maps.norm.data[0, row["y"], row["x"]])
        get_amplitude(model.spectral_model).value *= norm
        return model

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the significance and the sources, with dashed circles at the edge of the map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        from matplotlib.patches import Circle

        plane = next(iter(self.maps.sqrt_ts.iter_by_image(keepdims=True)))
        ax = draw_significance(plane, ax, "Significance [σ]")
        radius = self.distance / plane.geom.pixel_scales.mean()
        for row in self.sources:
            linestyle = "--" if row["at_edge"] else "-"
            center, size = (row["x"], row["y"]), radius.to_value("")
            ax.add_patch(Circle(center, size, fill=False, edgecolor="black", linestyle=linestyle))
            label_position = (row["x"], row["y"] + size)
            ax.annotate(
                row["name"], label_position, (0, 3), textcoords="offset points", ha="center",
                parse_math=False,
            )  # fmt: skip
        return ax
