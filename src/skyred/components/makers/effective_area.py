"""The method `aeff-max` of the safe mask, with a fix for a first energy bin above the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from gammapy.makers import SafeMaskMaker
from gammapy.maps import WcsGeom
from scipy.optimize import brentq

from skyred.components.projection.grid_cache import GRIDS
from skyred.components.projection.pixels import Direction
from skyred.components.projection.pointing import find_pointing
from skyred.scripting import Script, literal

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from numpy.typing import NDArray

N_SEARCH_POINTS = 101  # as in gammapy's `find_roots`


class AreaMaskMaker(SafeMaskMaker):  # type: ignore[misc]
    """gammapy's maker, except that `aeff-max` does not always mask the first energy bin.

    gammapy searches for the energy at which the projected effective area crosses the limit between
    two bin centres. If the first bin is already above the limit, there is no such energy, or only
    one at high energies, and gammapy masks at least the first bin.
    """

    tag = "AreaMaskMaker"

    @staticmethod
    def make_mask_bkg_invalid(dataset: Any) -> Any:
        """Return the mask of the pixels with a valid background.

        Parameters
        ----------
        dataset : gammapy.datasets.MapDataset or gammapy.datasets.SpectrumDataset
            The dataset, with a background or off counts.

        Returns
        -------
        numpy.ndarray of bool
            The mask.
        """
        if dataset.stat_type == "wstat":  # without gammapy's copies of the geometry
            return np.isfinite(dataset.alpha.data * dataset.counts_off.data)
        return SafeMaskMaker.make_mask_bkg_invalid(dataset)

    def make_mask_offset_max(self, dataset: Any, observation: Any) -> Any:
        """Return the mask of the pixels within the largest offset.

        Parameters
        ----------
        dataset : gammapy.datasets.MapDataset or gammapy.datasets.SpectrumDataset
            The dataset.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        numpy.ndarray of bool
            The mask, shape (latitude, longitude).
        """
        geom = dataset._geom
        if not isinstance(geom, WcsGeom) or not geom.is_regular:
            return super().make_mask_offset_max(dataset, observation)
        pointing = Direction.create(find_pointing(observation))
        offsets = GRIDS.find(geom).offsets(pointing)
        return (offsets < self.offset_max.to_value("deg")).reshape(geom.data_shape[-2:])

    def make_mask_energy_aeff_max(self, dataset: Any, observation: Any = None) -> Any:
        """Return the mask of the energies above the first at which the area exceeds the limit.

        Parameters
        ----------
        dataset : gammapy.datasets.MapDataset or gammapy.datasets.SpectrumDataset
            The dataset.
        observation : gammapy.data.Observation, optional
            The run.

        Returns
        -------
        gammapy.maps.Map
            The mask.
        """
        if self.irfs == "DL4":
            position = self._get_position(observation, dataset._geom)
            values = _area_at(dataset.exposure, position)
            limit = self.aeff_percent / 100 * values.max()
            bins = np.flatnonzero(values > 0)
            axis = dataset.exposure.geom.axes["energy_true"]
            if bins.size and values[bins[0]] >= limit:
                return dataset._geom.energy_mask(energy_min=axis.edges[bins[0]])
            if bins.size:
                energy = _find_crossing(axis.center.to_value("TeV"), values, limit)
                return dataset._geom.energy_mask(energy_min=energy * u.TeV)
        return super().make_mask_energy_aeff_max(dataset, observation)


def _area_at(exposure: Any, position: SkyCoord) -> NDArray[np.float64]:
    """Return the exposure of the pixel at a position, shape (energies,)."""
    if not isinstance(exposure.geom, WcsGeom):
        return np.asarray(exposure.get_spectrum(position).data.ravel(), dtype=float)
    pixel = [float(np.ravel(index)[0]) for index in exposure.geom.to_image().coord_to_pix(position)]
    # a position between two pixels belongs to the first, and beyond the map to the last pixel
    sizes = exposure.geom.data_shape[:-3:-1]
    column, row = (
        int(np.clip(np.ceil(value - 0.5), 0, size - 1))
        for value, size in zip(pixel, sizes, strict=True)
    )
    return np.asarray(exposure.data[:, row, column], dtype=float)


def _find_crossing(energy: NDArray[Any], values: NDArray[Any], limit: float) -> float:
    """Return the first energy at which values cross a limit, as gammapy finds it.

    Parameters
    ----------
    energy, values : numpy.ndarray
        Energies, and the values that are interpolated between them, on logarithmic scales.
    limit : float
        The limit.

    Returns
    -------
    float
        The energy; the first one with a positive value if the limit is not crossed.
    """
    log_energy = np.log(energy)
    log_values = np.log(np.clip(values, np.finfo(float).tiny, None))
    first = int(np.flatnonzero(values > 0)[0])

    def difference(x: Any) -> Any:
        return np.interp(x, log_energy, log_values) - np.log(limit)

    points = np.linspace(log_energy[first], log_energy[-1], N_SEARCH_POINTS)
    signs = np.sign(difference(points))
    crossings = np.flatnonzero(signs[:-1] != signs[1:])
    if not crossings.size:
        return float(energy[first])
    low, high = points[crossings[0]], points[crossings[0] + 1]
    return float(np.exp(brentq(difference, low, high)))


def write_area_mask(script: Script, maker: str, percent: float) -> None:
    """Write the correction of `AreaMaskMaker` in a script.

    Parameters
    ----------
    script : Script
        The script to add code to.
    maker : str
        The name of the variable of gammapy's `SafeMaskMaker`.
    percent : float
        The limit, in percent of the largest effective area.
    """
    script.use("numpy as np")
    function = script.local("area_mask")
    script.body.add(f"gammapy_{function} = {maker}.make_mask_energy_aeff_max", "")
    with script.body.inside(f"def {function}(dataset, observation=None):"):
        script.body.add(
            "# gammapy masks the first energy bin, even if its area is above the limit",
            f"position = {maker}._get_position(observation, dataset._geom)",
            "exposure = dataset.exposure.get_spectrum(position)",
            "values = exposure.data.ravel()",
            "bins = np.flatnonzero(values > 0)",
        )
        limit = f"{literal(percent)} / 100 * values.max()"
        with script.body.inside(f"if bins.size and values[bins[0]] >= {limit}:"):
            script.body.add(
                'energy_min = exposure.geom.axes["energy_true"].edges[bins[0]]',
                "return dataset._geom.energy_mask(energy_min=energy_min)",
            )
        script.body.add(f"return gammapy_{function}(dataset, observation)")
    script.body.add("", f"{maker}.make_mask_energy_aeff_max = {function}")
