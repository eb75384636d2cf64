"""Base classes of estimators of flux and significance maps, and of their products."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.checks import (
    edge_problems,
    map_problems,
    order_problems,
)
from skyred.components.estimators.flux_options import energy_edges_option
from skyred.errors import Problem
from skyred.interfaces import Chain, Estimator, Product, value
from skyred.products.flux_io import read_maps, write_maps
from skyred.products.maps import as_image
from skyred.products.plotting import (
    SEQUENTIAL,
    draw_map,
    draw_significance_image,
    format_energy_range,
    format_unit,
)

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.estimators import FluxMaps
    from gammapy.maps import WcsNDMap
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes

COLUMNS = {
    "e_min": "Lower edge of the energy bin",
    "e_max": "Upper edge of the energy bin",
    "sqrt_ts_max": "Highest significance, in sigma",
    "lon": "Longitude of the pixel with the highest significance, in the frame of the map",
    "lat": "Latitude of the pixel with the highest significance, in the frame of the map",
    "flux": "Integral flux in the pixel with the highest significance",
    "flux_err": "Error of the flux",
}
OPTIONAL_COLUMNS = {
    "flux_errn": "Error of the flux, downwards",
    "flux_errp": "Error of the flux, upwards",
    "flux_ul": "Upper limit of the flux",
    "flux_sensitivity": "Sensitivity: flux with the expected significance n_sigma_sensitivity",
    "alpha": "Ratio of the acceptances of the on and off counts",
    "acceptance_on": "Acceptance of the on counts in the pixel",
    "acceptance_off": "Acceptance of the off counts in the pixel",
}
# suffix and label of the plots of maps
PLOTS = {
    "flux": ("-flux", "Flux"),
    "flux_ul": ("-ul", "Upper limit of the flux"),
    "flux_sensitivity": ("-sensitivity", "Sensitivity (flux)"),
    "alpha": ("-alpha", "Alpha"),
    "acceptance_on": ("-acceptance-on", "Acceptance of the on counts"),
    "acceptance_off": ("-acceptance-off", "Acceptance of the off counts"),
}


@attrs.define(eq=False)
class FluxMapsProduct(Product):
    """Maps of the flux of a source, its errors and its significance.

    Parameters
    ----------
    maps : gammapy.estimators.FluxMaps
        The maps, as returned by gammapy's estimators.
    """

    maps: FluxMaps
    significance_label: ClassVar[str] = "Significance [σ]"

    def write(self, folder: Path) -> list[Path]:
        """Write the maps as ``NAME.fits``, and the reference model as ``NAME.yaml``.

        The maps can be read with gammapy's `FluxMaps.read`.

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.

        Returns
        -------
        list of pathlib.Path
            The files written.
        """
        return write_maps(self.maps, folder / f"{self.name}.fits")

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read the maps and the reference model.

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
        FluxMapsProduct
            The maps.
        """
        return cls(name, read_maps(folder / f"{name}.fits"))

    def table(self) -> Table:
        """Return the highest significance in each energy bin, with its position and flux.

        Returns
        -------
        astropy.table.Table
            One row per energy bin, with the values of the optional maps in the same pixel.
        """
        from astropy.table import QTable, Table

        optional = {name: OPTIONAL_COLUMNS[name] for name in optional_maps(self.maps)}
        rows = [_peak_row(self.maps, plane, optional) for plane in self.planes]
        columns = COLUMNS | optional
        table = Table(QTable(rows=rows, names=list(columns)))
        for column, description in columns.items():
            table[column].description = description
        table.meta["frame"] = self.maps.geom.frame
        return table

    def sky_maps(self) -> Mapping[str, WcsNDMap]:
        """Return the maps for the sky viewer, with one image for each energy bin.

        Returns
        -------
        mapping of str to WcsNDMap
            Significance and flux, and the optional maps.
        """
        names = [name for name in optional_maps(self.maps) if name in PLOTS]
        labels = {name: plot_label for name, (_, plot_label) in PLOTS.items()}
        labels["sqrt_ts"] = self.significance_label.split(" [")[0]

        def label(name: str, plane: WcsNDMap) -> str:
            return f"{labels[name]}, {format_energy_range(plane.geom.axes['energy'].edges)}"

        return {
            label(name, plane): as_image(plane)
            for name in ("sqrt_ts", "flux", *names)
            for plane in getattr(self.maps, name).iter_by_image(keepdims=True)
        }

    @property
    def planes(self) -> list[WcsNDMap]:
        """Significance maps, one per energy bin."""
        return list(self.maps.sqrt_ts.iter_by_image(keepdims=True))

    @property
    def strongest_plane(self) -> WcsNDMap:
        """Significance map of the energy bin with the highest significance."""
        return max(self.planes, key=_max_significance)

    def optional_plots(self) -> dict[str, Callable[[], Axes]]:
        """Return the functions that draw the optional maps: limits, sensitivity and acceptances.

        Returns
        -------
        dict of str to callable
            Functions that draw a plot; keys are appended to the name of the product.
        """
        names = [name for name in optional_maps(self.maps) if name in PLOTS]
        return {PLOTS[name][0]: partial(self.plot_quantity, name) for name in names}

    def plot_quantity(self, name: str, ax: Axes | None = None) -> Axes:
        """Draw a map in the energy bin with the highest significance.

        Parameters
        ----------
        name : str
            Name of the map in `maps`, such as ``flux_ul``.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        axis = self.strongest_plane.geom.axes["energy"]
        sky_map = getattr(self.maps, name)
        index = int(sky_map.geom.axes["energy"].coord_to_idx(axis.center)[0])
        unit = format_unit(sky_map.unit)
        label = PLOTS[name][1] + (f" [{unit}]" if unit else "")
        image = sky_map.slice_by_idx({"energy": index})
        ax = draw_map(image, ax, label, cmap=SEQUENTIAL, interpolation="none")
        ax.set_title(format_energy_range(axis.edges))
        return ax

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the significance in the energy bin with the highest significance.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        return draw_significance(self.strongest_plane, ax, self.significance_label)


@value
class MapEstimator(Estimator):
    """Base class of estimators of maps in energy bins."""

    energy_edges: u.Quantity | None = energy_edges_option("one bin of the whole energy axis")

    def validate(self) -> Iterable[Problem]:
        """Check that the energy edges increase.

        Yields
        ------
        Problem
            Energy edges that do not increase.
        """
        yield from order_problems(self.energy_edges)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield a problem if there is no map, and problems with the energy edges.

        Parameters
        ----------
        pipeline : Chain
            The pipeline, with its data entries and models.

        Yields
        ------
        Problem
            Data without maps, or invalid energy edges.
        """
        yield from map_problems(pipeline)
        if self.energy_edges is not None:
            yield from edge_problems(self.energy_edges, pipeline)


def draw_significance(plane: WcsNDMap, ax: Axes | None, label: str) -> Axes:
    """Draw the significance in one energy bin, with colours symmetric about zero.

    Parameters
    ----------
    plane : gammapy.maps.WcsNDMap
        The significance in one energy bin.
    ax : matplotlib.axes.Axes or None
        Axes to draw on; those of a new figure if None.
    label : str
        Label of the colour bar.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    image = plane.sum_over_axes(keepdims=False)
    absolute_values = np.where(np.isfinite(image.data), np.abs(image.data), 0)
    limit = max(5.0, float(absolute_values.max()))
    ax = draw_significance_image(image, ax, label, limit)
    ax.set_title(format_energy_range(plane.geom.axes["energy"].edges))
    return ax


def _is_finite(plane: WcsNDMap) -> Any:
    """Return the mask of the finite values, with the shape of the map."""
    return np.isfinite(plane.data)


def _max_significance(plane: WcsNDMap) -> float:
    """Return the highest finite significance in an energy bin."""
    return float(np.max(plane.data, where=_is_finite(plane), initial=-np.inf))


def optional_maps(maps: FluxMaps) -> list[str]:
    """Return the names of the optional maps that exist, with fluxes instead of norms.

    Parameters
    ----------
    maps : gammapy.estimators.FluxMaps
        The maps.

    Returns
    -------
    list of str
        The names, in the order of `OPTIONAL_COLUMNS`.
    """
    available = {name.replace("norm_", "flux_") for name in maps.available_quantities}
    return [name for name in OPTIONAL_COLUMNS if name in available]


def _peak_row(maps: FluxMaps, plane: WcsNDMap, optional: Iterable[str]) -> tuple[Any, ...]:
    """Return the row of an energy bin, with the columns of `COLUMNS` and optional ones."""
    axis = plane.geom.axes["energy"]
    edges = axis.edges.to("TeV")
    quantities = [getattr(maps, name) for name in ("flux", "flux_err", *optional)]
    if not _is_finite(plane).any():
        missing = (np.nan * quantity.unit for quantity in quantities)
        return (*edges, np.nan, *[np.nan * u.deg] * 2, *missing)
    data = np.where(_is_finite(plane), plane.data, -np.inf)[0]
    pixel = np.unravel_index(np.argmax(data), data.shape)
    lon, lat = (
        coordinate.to("deg") for coordinate in plane.geom.to_image().pix_to_coord(pixel[::-1])
    )
    index = maps.geom.axes["energy"].coord_to_idx(axis.center)[0]
    values = (quantity.data[(index, *pixel)] * quantity.unit for quantity in quantities)
    return (*edges, data[pixel], lon, lat, *values)
