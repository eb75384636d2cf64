"""The estimator `source-detection`: sources found as peaks of a map of significance."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.flux_maps import FluxMapsProduct, draw_significance
from skyred.components.estimators.ts_map import TSMap, amplitude
from skyred.errors import ModelError, Problem
from skyred.fields import option, part, quantity
from skyred.interfaces import Estimator, Product, component, write_component
from skyred.products.fits_tables import read_tables, write_tables
from skyred.products.flux_io import read_maps, write_maps
from skyred.products.gammapy_product import GammapyProduct
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.estimators import FluxMaps
    from gammapy.modeling.models import Models, SkyModel
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script

DESCRIPTIONS = {
    "name": "Name by position (ICRS)",
    "ra": "Right ascension (ICRS) of the centre of the pixel",
    "dec": "Declination (ICRS) of the centre of the pixel",
    "glon": "Galactic longitude",
    "glat": "Galactic latitude",
    "x": "Column of the pixel, the first is 0",
    "y": "Row of the pixel, the first is 0",
    "sqrt_ts": "Significance, in sigma",
    "flux": "Integral flux in the energies of the map",
    "flux_err": "Its error",
    "at_edge": "Whether the map ends closer by than the minimal distance",
}


@attrs.define(eq=False)
class DetectionProduct(Product):
    """Sources that were found, and the maps that they were found in.

    Parameters
    ----------
    found : Table
        One row a source, the most significant first.
    maps : gammapy.estimators.FluxMaps
        Where they were found.
    """

    found: Table
    maps: FluxMaps

    def write(self, folder: Path) -> list[Path]:
        """Write the table, regions, models and maps.

        ``NAME.fits`` and ``NAME.ecsv`` hold the table, ``NAME.reg`` circles for DS9 and for
        `exclude`, ``NAME.yaml`` models for gammapy and for the model `file`; ``NAME.map.fits`` and
        ``NAME.map.yaml`` the maps, and what was looked for.
        """
        fits, ecsv, reg, yaml = (
            folder / f"{self.name}.{end}" for end in ("fits", "ecsv", "reg", "yaml")
        )
        write_tables(fits, [self.found])
        self.found.write(ecsv, format="ascii.ecsv", overwrite=True)
        reg.write_text(self.regions(), encoding="utf-8")
        self.models().write(yaml, overwrite=True, write_covariance=False)
        return [fits, ecsv, reg, yaml, *write_maps(self.maps, folder / f"{self.name}.map.fits")]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read the table and the maps."""
        maps = read_maps(folder / f"{name}.map.fits")
        return cls(name, read_tables(folder / f"{name}.fits")[0], maps)

    def table(self) -> Table:
        """Give the sources."""
        return self.found

    @property
    def distance(self) -> u.Quantity:
        """The minimal distance of sources."""
        return self.found.meta["DISTANCE"] * u.deg

    @property
    def positions(self) -> SkyCoord:
        """Where the sources are."""
        from astropy.coordinates import SkyCoord

        return SkyCoord(self.found["ra"].quantity, self.found["dec"].quantity, frame="icrs")

    def regions(self) -> str:
        """Give the sources as DS9 regions: circles of their minimal distance."""
        lines = [
            f'circle({row["ra"]:.6f},{row["dec"]:.6f},{self.distance.to_value("arcsec"):.2f}")'
            f" # text={{{row['name']}}}"
            for row in self.found
        ]
        return "\n".join(["# Region file format: DS9 version 4.1", "icrs", *lines, ""])

    def models(self) -> Models:
        """Give the sources as gammapy models: shape and spectrum of the map, flux as found."""
        from gammapy.modeling.models import Models

        return Models([self._model(row) for row in self.found])

    def _model(self, row: Any) -> SkyModel:
        from gammapy.modeling.models import PointSpatialModel, SkyModel

        model = self.maps.reference_model.copy(name=str(row["name"]))
        if model.spatial_model is None:  # an excess map knows no shape
            model = SkyModel(model.spectral_model, PointSpatialModel(), name=model.name)
        model.spatial_model.position = self.positions[row.index]
        amplitude(model.spectral_model).value *= float(self.maps.norm.data[0, row["y"], row["x"]])
        return model

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the significance, and the sources with their names; broken circles at the edge."""
        from matplotlib.patches import Circle

        plane = next(iter(self.maps.sqrt_ts.iter_by_image(keepdims=True)))
        ax = draw_significance(plane, ax, r"Significance [$\sigma$]")
        radius = self.distance / plane.geom.pixel_scales.mean()
        for row in self.found:
            line = "--" if row["at_edge"] else "-"
            place, size = (row["x"], row["y"]), radius.to_value("")
            ax.add_patch(Circle(place, size, fill=False, edgecolor="black", linestyle=line))
            above = (row["x"], row["y"] + size)
            ax.annotate(row["name"], above, (0, 3), textcoords="offset points", ha="center")
        return ax


@component
class SourceDetection(Estimator):
    """Sources found as peaks of a map: a table, regions, and models ready to be fitted."""

    kind = "source-detection"
    product = DetectionProduct
    on: Estimator = part(
        Estimator,
        TSMap(),
        doc="What the map is made with: ts-map, significance-map or excess-map, in one bin of "
        "energy, with its options.",
    )
    threshold: float = option(5.0, doc="Significance that a peak must be above, in sigma.")
    min_distance: u.Quantity = quantity(
        "0.2 deg", min="1e-3 deg", doc="A peak is the highest within this distance (of a box)."
    )

    def validate(self) -> Iterable[Problem]:
        """The map must be one of significance, in one bin of energy."""
        if not issubclass(self.on.product, FluxMapsProduct | GammapyProduct):
            yield Problem(
                ("on",),
                f"{self.on.kind} gives no map of significance",
                "expected ts-map, significance-map or excess-map",
            )
        edges = getattr(self.on, "energy_edges", None)
        if edges is not None and len(edges) > 2:
            yield Problem(
                ("on", "energy_edges"),
                f"make {len(edges) - 1} maps, and sources are looked for in one",
                "expected two edges, or none",
            )

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> DetectionProduct:
        """Make the map, and find its peaks with gammapy's `find_peaks`.

        Raises
        ------
        ModelError
            If a gammapy estimator gave something else than maps in one bin of energy.
        """
        product = self.on.estimate(datasets, fit)
        maps = _maps_of(product)
        return DetectionProduct(self.label, self._found(maps), maps)

    def write_script(self, script: Script) -> None:
        """Make the map as its estimator says, and find its peaks with gammapy's `find_peaks`."""
        write_component(self.on.evolve(name=f"{self.label}-map"), script)
        script.use("gammapy.estimators.utils", "find_peaks")
        script.body.add(
            "",
            "pixel = maps.sqrt_ts.geom.pixel_scales.mean()",
            f'distance = ({script.quantity(self.min_distance)} / pixel).to_value("")',
            "# gammapy takes what is below half a pixel for no distance at all",
            f"peaks = find_peaks(maps.sqrt_ts, {literal(self.threshold)}, max(1, round(distance)))",
            "print(peaks)",
            f'peaks.write(folder / "{self.label}.ecsv", overwrite=True)',
        )

    def _found(self, maps: FluxMaps) -> Table:
        from gammapy.estimators.utils import find_peaks

        sqrt_ts = maps.sqrt_ts
        pixels = (self.min_distance / sqrt_ts.geom.pixel_scales.mean()).to_value("")
        # gammapy rounds to no distance at all what is below half a pixel: all pixels are peaks then
        distance = max(1, round(float(pixels)))
        known = np.isfinite(sqrt_ts.data[0])
        # it knows of no peaks in a map without values either, and says so by a warning
        peaks = find_peaks(sqrt_ts, self.threshold, distance) if known.any() else {}
        x, y = (np.array(peaks[name] if len(peaks) else [], dtype=int) for name in "xy")
        table = _table(maps, x, y)
        table["at_edge"] = _near_edge(known, distance)[y, x]
        for name, description in DESCRIPTIONS.items():
            table[name].description = description
        table.meta |= {
            "EXTNAME": "SOURCES",
            "DISTANCE": float(self.min_distance.to_value("deg")),
            "THRESH": self.threshold,
        }
        return table


def _maps_of(product: Product) -> FluxMaps:
    """Take the maps out of a product: one of ours, or what a gammapy estimator gave."""
    from gammapy.estimators import FluxMaps

    maps = getattr(product, "maps", None) or getattr(product, "value", None)
    if not isinstance(maps, FluxMaps):
        raise ModelError(f"{product.name} gives no maps of significance to find sources in")
    bins = maps.geom.axes["energy"].nbin
    if bins != 1:
        raise ModelError(
            f"{product.name} gives maps in {bins} bins of energy, and sources are looked for in "
            "one: give it two energy edges"
        )
    return maps


def _table(maps: FluxMaps, x: Any, y: Any) -> Table:
    from astropy.coordinates import SkyCoord
    from astropy.table import Table

    positions = SkyCoord.from_pixel(x, y, wcs=maps.geom.wcs)
    icrs, galactic = positions.icrs, positions.galactic
    return Table(
        {
            "name": np.array([_name(each) for each in icrs], dtype="U14"),
            "ra": icrs.ra.to("deg"),
            "dec": icrs.dec.to("deg"),
            "glon": galactic.l.to("deg"),
            "glat": galactic.b.to("deg"),
            "x": x,
            "y": y,
            "sqrt_ts": maps.sqrt_ts.data[0, y, x],
            "flux": maps.flux.quantity[0, y, x].to("cm-2 s-1"),
            "flux_err": maps.flux_err.quantity[0, y, x].to("cm-2 s-1"),
        }
    )


def _name(position: SkyCoord) -> str:
    """Name a source by its position: J053431+220100."""
    lon = position.ra.to_string(unit="hourangle", sep="", precision=0, pad=True)
    lat = position.dec.to_string(unit="deg", sep="", precision=0, pad=True, alwayssign=True)
    return f"J{lon}{lat}"


def _near_edge(known: Any, distance: int) -> Any:
    """Tell in which pixels the map ends, or has no value, within some pixels."""
    from scipy.ndimage import binary_erosion

    size = 2 * distance + 1
    return ~binary_erosion(known, np.ones((size, size)))
