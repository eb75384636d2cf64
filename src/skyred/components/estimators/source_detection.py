"""Estimator `source-detection`: sources detected as peaks of a significance map."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.estimators.detected_sources import DESCRIPTIONS, DetectionProduct
from skyred.components.estimators.flux_maps import FluxMapsProduct
from skyred.components.estimators.ts_map import TSMap
from skyred.errors import ModelError, Problem
from skyred.fields import nested_object, option, quantity
from skyred.interfaces import SERIAL_TASKS, Estimator, Product, Tasks, component, write_estimator
from skyred.products.gammapy_product import GammapyProduct
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.estimators import FluxMaps

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script


@component
class SourceDetection(Estimator):
    """Sources detected as peaks of a map: a table, regions, and models for a fit."""

    kind = "source-detection"
    product = DetectionProduct
    on: Estimator = nested_object(
        Estimator,
        TSMap(),
        doc="Estimator of the map, with its options: ts-map, significance-map or excess-map, in "
        "one energy bin.",
    )
    threshold: float = option(5.0, doc="Minimum significance of a peak, in sigma.")
    min_distance: u.Quantity = quantity(
        "0.2 deg",
        min="1e-3 deg",
        doc="A peak is the maximum of a box around it, whose sides are at this distance.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that the estimator creates a significance map in one energy bin.

        Yields
        ------
        Problem
            An estimator without a significance map, or with more than one energy bin.
        """
        if not issubclass(self.on.product, FluxMapsProduct | GammapyProduct):
            yield Problem(
                ("on",),
                f"{self.on.kind!r} does not create a significance map",
                "expected ts-map, significance-map or excess-map",
            )
        edges = getattr(self.on, "energy_edges", None)
        if edges is not None and len(edges) > 2:
            yield Problem(
                ("on", "energy_edges"),
                f"define {len(edges) - 1} energy bins, but sources are detected in a single one",
                "expected two edges, or none",
            )

    def estimate(
        self, datasets: Datasets, fit: FitResult | None, tasks: Tasks = SERIAL_TASKS
    ) -> DetectionProduct:
        """Estimate the map, and find its peaks with gammapy's `find_peaks`.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        fit : FitResult or None
            Result of the fit, None if nothing was fitted; not used.
        tasks : Tasks
            Runs the tasks of the estimator of the map.

        Returns
        -------
        DetectionProduct
            The sources and the maps.

        Raises
        ------
        ModelError
            If a gammapy estimator does not return maps in one energy bin.
        """
        product = self.on.estimate_with(datasets, fit, tasks)
        maps = _get_maps(product)
        return DetectionProduct(self.label, self._find_sources(maps), maps)

    def write_script(self, script: Script) -> None:
        """Write the estimator of the map, and a call to gammapy's `find_peaks`.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        write_estimator(self.on.evolve(name=f"{self.label}-map"), script)
        script.use("gammapy.estimators.utils", "find_peaks")
        script.body.add(
            "",
            "pixel = maps.sqrt_ts.geom.pixel_scales.mean()",
            f'distance = ({script.quantity(self.min_distance)} / pixel).to_value("")',
            "# gammapy rounds distances below half a pixel to zero",
            f"peaks = find_peaks(maps.sqrt_ts, {literal(self.threshold)}, max(1, round(distance)))",
            "print(peaks)",
            f'peaks.write(folder / "{self.label}.ecsv", overwrite=True)',
        )

    def _find_sources(self, maps: FluxMaps) -> Table:
        """Find the peaks of a map, and return their table."""
        from gammapy.estimators.utils import find_peaks

        sqrt_ts = maps.sqrt_ts
        pixels = (self.min_distance / sqrt_ts.geom.pixel_scales.mean()).to_value("")
        # gammapy rounds distances below half a pixel to zero, and then all pixels are peaks
        distance = max(1, round(float(pixels)))
        is_finite = np.isfinite(sqrt_ts.data[0])
        # gammapy warns about maps without values, which have no peaks
        peaks = find_peaks(sqrt_ts, self.threshold, distance) if is_finite.any() else {}
        x, y = (np.array(peaks[name] if len(peaks) else [], dtype=int) for name in "xy")
        table = _create_table(maps, x, y)
        table["at_edge"] = _near_edge(is_finite, distance)[y, x]
        for name, description in DESCRIPTIONS.items():
            table[name].description = description
        table.meta |= {
            "EXTNAME": "SOURCES",
            "DISTANCE": float(self.min_distance.to_value("deg")),
            "THRESH": self.threshold,
        }
        return table


def _get_maps(product: Product) -> FluxMaps:
    """Return the maps of a product; raise an error if they are not in one energy bin."""
    from gammapy.estimators import FluxMaps

    maps = getattr(product, "maps", None) or getattr(product, "value", None)
    if not isinstance(maps, FluxMaps):
        raise ModelError(f"{product.name} has no significance maps")
    n_bins = maps.geom.axes["energy"].nbin
    if n_bins != 1:
        raise ModelError(
            f"{product.name} has maps in {n_bins} energy bins, but sources are "
            "detected in a single one: set two energy edges"
        )
    return maps


def _create_table(maps: FluxMaps, x: Any, y: Any) -> Table:
    """Create the table of the sources in pixels (x, y), without the column ``at_edge``."""
    from astropy.coordinates import SkyCoord
    from astropy.table import Table

    positions = SkyCoord.from_pixel(x, y, wcs=maps.geom.wcs)
    icrs, galactic = positions.icrs, positions.galactic
    return Table(
        {
            "name": np.array([_source_name(coordinate) for coordinate in icrs], dtype="U14"),
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


def _source_name(position: SkyCoord) -> str:
    """Return the name of a source at a position, such as J053431+220100."""
    lon = position.ra.to_string(unit="hourangle", sep="", precision=0, pad=True)
    lat = position.dec.to_string(unit="deg", sep="", precision=0, pad=True, alwayssign=True)
    return f"J{lon}{lat}"


def _near_edge(is_finite: Any, distance: int) -> Any:
    """Return a mask of the pixels within a distance, in pixels, of the edge or of NaN."""
    from scipy.ndimage import binary_erosion

    size = 2 * distance + 1
    return ~binary_erosion(is_finite, np.ones((size, size)))
