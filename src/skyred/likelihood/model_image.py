"""Images of spatial models: their integrals over the pixels of a map, as gammapy computes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u

from skyred.likelihood.contribution import RecentCache
from skyred.likelihood.pixel_positions import PixelPosition
from skyred.likelihood.spatial_formulas import SkyGrid, find_formula
from skyred.likelihood.units import PlainArray, scale_of

if TYPE_CHECKING:
    from gammapy.maps import WcsGeom
    from gammapy.modeling.models import SpatialModel
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Method = Callable[[SkyGrid, Array], Array]

MAX_CACHED_GRIDS = 8
TOLERANCE = 1e-9  # relative: methods agree if they differ only by rounding errors


class ModelImage:
    """Spatial model integrated over the pixels of an image.

    As in `SpatialModel.integrate_geom`, pixels within the evaluation radius are oversampled if the
    model has structures smaller than a pixel.

    Parameters
    ----------
    model : gammapy.modeling.models.SpatialModel
        A model with the same image at all energies, and with an evaluation radius.
    geom : gammapy.maps.WcsGeom
        The geometry of the image.
    area : array, optional
        Solid angles of its pixels in sr, shape (y, x); by default they are computed.
    """

    def __init__(self, model: SpatialModel, geom: WcsGeom, area: Array | None = None) -> None:
        self.model, self.geom = model, geom
        self.area = geom.solid_angle().to_value("sr") if area is None else area
        self.pixel_scales = geom.pixel_scales.to_value("deg")
        self.position = PixelPosition(model, geom)
        self.names = [parameter.name for parameter in model.parameters]
        self.scales = [scale_of(parameter.unit) for parameter in model.parameters]
        self.grids = RecentCache[tuple[int, ...], SkyGrid](MAX_CACHED_GRIDS)
        self.extent: tuple[bytes, int, Array] | None = None
        self.method: Method | None = None

    def __call__(self, values: Array) -> Array:
        """Return the fraction of the flux in each pixel, shape (y, x).

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,); the model must have the same values.
        """
        factor, sides = self._extent(values)
        slices = self._slices_around(values, sides)
        if factor == 1 or slices is None:
            factor, slices = 1, (slice(0, self.area.shape[0]), slice(0, self.area.shape[1]))
        image: Array = np.zeros(self.area.shape)
        image[slices] = self._average(values, factor, slices)
        return np.asarray(image * self.area)

    def _average(self, values: Array, factor: int, slices: tuple[slice, slice]) -> Array:
        """Average the model over the pixels, oversampled by a factor along both axes."""
        brightness = self._evaluate(self._grid(factor, slices), values)
        height, width = (pixels.stop - pixels.start for pixels in slices)
        brightness = np.broadcast_to(brightness, (height * factor, width * factor))
        return brightness.reshape(height, factor, width, factor).mean(axis=(1, 3))  # type: ignore[no-any-return]

    def _evaluate(self, grid: SkyGrid, values: Array) -> Array:
        """Evaluate the model in sr-1, by the fastest method that agrees with gammapy's.

        An evaluation with units takes ten times as long as one without.
        """
        if self.method is not None:
            try:
                return self.method(grid, values)
            except Exception:  # for example, if a size is zero
                return self._evaluate_with_units(grid, values)
        expected = self._evaluate_with_units(grid, values)
        self.method = self._evaluate_with_units
        for method in (self._evaluate_formula, self._evaluate_without_units):
            if _agrees(method, grid, values, expected):
                self.method = method
                break
        return expected

    def _converted_values(self, values: Array) -> dict[str, float]:
        pairs = zip(self.names, values.tolist(), self.scales, strict=True)
        return {name: value * scale for name, value, scale in pairs}

    def _evaluate_formula(self, grid: SkyGrid, values: Array) -> Array:
        formula = find_formula(self.model)
        if formula is None:
            raise NotImplementedError
        with np.errstate(all="ignore"):
            return formula(grid, self._converted_values(values))

    def _evaluate_without_units(self, grid: SkyGrid, values: Array) -> Array:
        numbers = {
            name: PlainArray.from_numbers(value)
            for name, value in self._converted_values(values).items()
        }
        result = self.model.evaluate(
            PlainArray.from_numbers(grid.lon), PlainArray.from_numbers(grid.lat), **numbers
        )
        return np.asarray(getattr(result, "value", result), dtype=float)

    def _evaluate_with_units(self, grid: SkyGrid, values: Array) -> Array:
        quantities = {parameter.name: parameter.quantity for parameter in self.model.parameters}
        try:
            brightness = self.model.evaluate(grid.lon * u.rad, grid.lat * u.rad, **quantities)
        except ZeroDivisionError:  # if a size is zero
            return np.full(np.broadcast(grid.lon, grid.lat).shape, np.nan)
        return np.asarray(brightness.to_value("sr-1"), dtype=float)

    def _extent(self, values: Array) -> tuple[int, Array]:
        """Return the oversampling factor, and the size (x, y) of the evaluated region in pixels.

        They do not depend on the position, and are cached for the last values of the other
        parameters.
        """
        others = np.delete(values, [self.position.lon_index, self.position.lat_index]).tobytes()
        if self.extent is None or self.extent[0] != others:
            radius = self.model.evaluation_radius.to_value("deg")
            sides = np.round(
                np.clip(2 * max(radius, np.max(self.pixel_scales)) / self.pixel_scales, 1, None)
            )
            self.extent = others, self._oversampling(), sides
        return self.extent[1:]

    def _oversampling(self) -> int:
        from gammapy.modeling.models.spatial import MAX_OVERSAMPLING

        bin_size = self.model.evaluation_bin_size_min
        if bin_size is None:
            return 1
        with np.errstate(divide="ignore"):
            factor = np.ceil(np.max(self.pixel_scales) / np.float64(bin_size.to_value("deg")))
        return int(min(factor, MAX_OVERSAMPLING)) if factor > 0 else MAX_OVERSAMPLING

    def _slices_around(self, values: Array, sides: Array) -> tuple[slice, slice] | None:
        """Return the slices around the position of the model; None if it is outside the image."""
        from astropy.nddata.utils import NoOverlapError, overlap_slices

        x, y = self.position(values)
        size = (int(sides[1]), int(sides[0]))
        try:
            return overlap_slices(self.area.shape, size, (y, x), mode="trim")[0]  # type: ignore[no-any-return]
        except (NoOverlapError, ValueError):
            return None

    def _grid(self, factor: int, slices: tuple[slice, slice]) -> SkyGrid:
        """Return the directions of the oversampled pixels in the frame of the model."""
        from gammapy.maps import WcsGeom

        key = factor, slices[0].start, slices[0].stop, slices[1].start, slices[1].stop
        grid = self.grids.get(key)
        if grid is None:
            geom = WcsGeom(self.geom.wcs[slices], npix=(key[4] - key[3], key[2] - key[1]))
            geom = geom.upsample(factor) if factor > 1 else geom
            coordinates = geom.get_coord(frame=self.model.frame, sparse=True)
            lon, lat = coordinates.lon.to_value("rad"), coordinates.lat.to_value("rad")
            grid = self.grids.store(key, SkyGrid(lon, lat))
        return grid


def _agrees(method: Method, grid: SkyGrid, values: Array, expected: Array) -> bool:
    try:
        result = method(grid, values)
    except Exception:  # a model may need quantities, and raise any error without them
        return False
    scale = np.max(np.abs(expected), initial=0)
    return bool(np.allclose(result, expected, rtol=TOLERANCE, atol=TOLERANCE * scale))
