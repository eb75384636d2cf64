"""gammapy's dataset makers, with the projections of this package."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from gammapy.data import Observation, PointingMode
from gammapy.irf import (
    PSF3D,
    Background2D,
    Background3D,
    EDispKernelMap,
    EDispMap,
    EffectiveAreaTable2D,
    EnergyDependentMultiGaussPSF,
    EnergyDispersion2D,
    FoVAlignment,
    PSFKing,
    PSFMap,
)
from gammapy.makers import MapDatasetMaker, SpectrumDatasetMaker
from gammapy.maps import Map, RegionGeom, WcsGeom

from skyred.components.projection.background import project_background_2d, project_background_3d
from skyred.components.projection.circles import count_in_circles, describe_region, to_pixels
from skyred.components.projection.edisp import project_kernel, project_migration
from skyred.components.projection.grid_cache import GRIDS
from skyred.components.projection.irf_values import evaluate_at_offsets, is_supported
from skyred.components.projection.map_counts import count_on_map
from skyred.components.projection.pixels import Direction, PixelGrid
from skyred.components.projection.pointing import RunValues, find_background
from skyred.components.projection.psf import project_parameters, project_table
from skyred.components.projection.rad_max import count_in_rad_max
from skyred.components.projection.rotation import project_rotating_background
from skyred.errors import SkyredWarning

if TYPE_CHECKING:
    from numpy.typing import NDArray


class MapProjection(MapDatasetMaker):  # type: ignore[misc]
    """gammapy's `MapDatasetMaker`, with the projections of this package.

    gammapy projects IRFs that are maps, or of a type that GADF does not define, and all IRFs on
    maps without WCS.
    """

    tag = "MapProjection"
    _run_values: RunValues | None = None

    @staticmethod
    def make_counts(geom: Any, observation: Any) -> Map:
        """Return the counts.

        Parameters
        ----------
        geom : gammapy.maps.Geom
            The geometry.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        gammapy.maps.Map
            The counts.
        """
        counts = count_on_map(observation.events, geom)
        return MapDatasetMaker.make_counts(geom, observation) if counts is None else counts

    def make_exposure(self, geom: Any, observation: Any, use_region_center: bool = True) -> Map:
        """Return the exposure.

        Parameters
        ----------
        geom : gammapy.maps.Geom
            The geometry, with the axis ``energy_true``.
        observation : gammapy.data.Observation
            The run.
        use_region_center : bool
            Whether the effective area is evaluated at the centre of a region, not averaged over it.

        Returns
        -------
        gammapy.maps.Map
            The exposure in m2 s.
        """
        grid = _find_grid(geom, [*geom.axes.names[:-1], "energy_true"], use_region_center)
        if grid is None or getattr(observation, "exposure", None) or not _has_area(observation):
            _warn_of_fallback("exposure", getattr(observation, "aeff", None), grid)
            return super().make_exposure(geom, observation, use_region_center=use_region_center)
        return _project_exposure(geom, grid, self._read_values(observation))

    def make_exposure_irf(self, geom: Any, observation: Any, use_region_center: bool = True) -> Map:
        """Return the exposure of an IRF map.

        Parameters
        ----------
        geom : gammapy.maps.Geom
            The geometry, with the axis ``energy_true`` and another one with a single bin.
        observation : gammapy.data.Observation
            The run.
        use_region_center : bool
            Whether the effective area is evaluated at the centre of a region, not averaged over it.

        Returns
        -------
        gammapy.maps.Map
            The exposure in m2 s.
        """
        grid = _find_grid(geom, [*geom.axes.names[:-1], "energy_true"], use_region_center)
        if grid is None or not _has_area(observation):
            return super().make_exposure_irf(geom, observation, use_region_center)
        return _project_exposure(geom, grid, self._read_values(observation))

    def make_background(self, geom: Any, observation: Any) -> Map:
        """Return the predicted background.

        Parameters
        ----------
        geom : gammapy.maps.Geom
            The geometry, with the axis ``energy``.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        gammapy.maps.Map
            The background in counts.
        """
        grid = _find_grid(geom, ["energy"], self._uses_region_center)
        irf = find_background(observation)
        if grid is None or not self._is_projectable(irf, observation):
            _warn_of_fallback("background", irf, grid)
            return super().make_background(geom, observation)
        fine = geom
        if self.background_oversampling is not None:
            fine = geom.upsample(factor=self.background_oversampling, axis_name="energy")
        rate = self._project_background(irf, grid, fine.axes["energy"], observation)
        ontime = self._read_values(observation).ontime.to_value("s")
        background = _create_map(fine, rate * (grid.solid_angle * ontime), "")
        if self.background_oversampling is None:
            return background
        return background.downsample(factor=self.background_oversampling, axis_name="energy")

    def _is_projectable(self, irf: Any, observation: Any) -> bool:
        """Return whether a background IRF is supported."""
        is_fixed = observation.pointing.mode == PointingMode.POINTING
        return is_fixed and is_supported(irf, Background2D, Background3D)

    def _project_background(
        self, irf: Any, grid: PixelGrid, energy: Any, observation: Observation
    ) -> NDArray[np.float64]:
        fill_missing = self.background_interp_missing_data
        if isinstance(irf, Background3D) and irf.fov_alignment == FoVAlignment.ALTAZ:
            step = self.fov_rotation_step
            return project_rotating_background(irf, grid, energy, observation, step, fill_missing)
        pointing = Direction.create(observation.pointing.fixed_icrs)
        if isinstance(irf, Background2D):
            if self.background_pad_offset:
                irf = irf.pad(1, mode="edge", axis_name="offset")
            return project_background_2d(irf, grid.offsets(pointing), energy, fill_missing)
        lon, lat = grid.field_of_view_coordinates(pointing)
        if irf.fov_alignment == FoVAlignment.REVERSE_LON_RADEC:
            lon = -lon
        return project_background_3d(irf, lon, lat, energy, fill_missing)

    def make_psf(self, geom: Any, observation: Any) -> PSFMap:
        """Return the PSF map.

        Parameters
        ----------
        geom : gammapy.maps.Geom
            The geometry, with the axes ``rad`` and ``energy_true``.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        gammapy.irf.PSFMap
            The PSF and its exposure.
        """
        psf, grid = observation.psf, _find_grid(geom, ["rad", "energy_true"])
        if grid is None or not is_supported(psf, PSF3D, EnergyDependentMultiGaussPSF, PSFKing):
            _warn_of_fallback("PSF", psf, grid)
            return super().make_psf(geom, observation)
        offsets = grid.offsets(self._read_values(observation).pointing)
        project = project_table if isinstance(psf, PSF3D) else project_parameters
        density = project(psf, offsets, geom.axes["rad"], geom.axes["energy_true"])
        psf_map = _create_map(geom, density, geom.axes["rad"].unit ** -2)
        return PSFMap(psf_map, self.make_exposure_irf(geom.squash(axis_name="rad"), observation))

    def make_edisp(self, geom: Any, observation: Any) -> EDispMap:
        """Return the map of the energy migration.

        Parameters
        ----------
        geom : gammapy.maps.Geom
            The geometry, with the axes ``migra`` and ``energy_true``.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        gammapy.irf.EDispMap
            The energy dispersion and its exposure.
        """
        edisp = observation.edisp
        grid = _find_grid(geom, ["migra", "energy_true"], self._uses_region_center)
        if grid is None or not is_supported(edisp, EnergyDispersion2D):
            _warn_of_fallback("energy dispersion", edisp, grid)
            return super().make_edisp(geom, observation)
        offsets = grid.offsets(self._read_values(observation).pointing)
        migra, energy_true = geom.axes["migra"], geom.axes["energy_true"]
        density = _create_map(geom, project_migration(edisp, offsets, migra, energy_true), "")
        exposure = self.make_exposure_irf(geom.squash(axis_name="migra"), observation)
        return EDispMap(density, exposure)

    def make_edisp_kernel(self, geom: Any, observation: Any) -> EDispKernelMap:
        """Return the map of energy dispersion kernels.

        Parameters
        ----------
        geom : gammapy.maps.Geom
            The geometry, with the axes ``energy`` and ``energy_true``.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        gammapy.irf.EDispKernelMap
            The energy dispersion and its exposure.
        """
        edisp = observation.edisp
        grid = _find_grid(geom, ["energy", "energy_true"], self._uses_region_center)
        if (
            grid is None
            or not is_supported(edisp, EnergyDispersion2D)
            or edisp.axes["migra"].interp != "lin"
            or not np.isfinite(edisp.data).all()  # gammapy loses the next bin too
        ):
            _warn_of_fallback("energy dispersion", edisp, grid)
            return super().make_edisp_kernel(geom, observation)
        offsets = grid.offsets(self._read_values(observation).pointing)
        energy, energy_true = geom.axes["energy"], geom.axes["energy_true"]
        kernel = _create_map(geom, project_kernel(edisp, offsets, energy, energy_true), "")
        exposure = self.make_exposure_irf(geom.squash(axis_name="energy"), observation)
        return EDispKernelMap(kernel, exposure)

    def _read_values(self, observation: Any) -> RunValues:
        """Return times and pointing of a run, which gammapy computes again for each use."""
        if self._run_values is None or self._run_values.observation is not observation:
            self._run_values = RunValues.read(observation)
        return self._run_values

    @property
    def _uses_region_center(self) -> bool:
        return bool(getattr(self, "use_region_center", True))


class SpectrumProjection(SpectrumDatasetMaker, MapProjection):  # type: ignore[misc]
    """gammapy's `SpectrumDatasetMaker`, with the projections of this package."""

    tag = "SpectrumProjection"

    @staticmethod
    def make_counts(geom: Any, observation: Any) -> Map:
        """Return the counts in the on region.

        Parameters
        ----------
        geom : gammapy.maps.RegionGeom
            The geometry.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        gammapy.maps.RegionNDMap
            The counts.
        """
        region = describe_region(geom.region)
        if region is None or region[0] != geom.frame or geom.axes.names != ["energy"]:
            return SpectrumDatasetMaker.make_counts(geom, observation)
        if geom.is_all_point_sky_regions:
            centers = geom.region.center.reshape(1)
            return count_in_rad_max(observation.events, geom, centers, observation.rad_max)
        circles = to_pixels(region, geom.wcs)
        return count_in_circles(observation.events, geom, circles, geom.wcs)


def _find_grid(
    geom: Any, axis_names: list[str], use_region_center: bool = True
) -> PixelGrid | None:
    """Return the pixels of a geometry; None if it is not supported, or has other axes."""
    if geom.axes.names != axis_names:
        return None
    if isinstance(geom, RegionGeom):
        return GRIDS.find_region(geom) if use_region_center else None
    if isinstance(geom, WcsGeom) and geom.is_regular:
        return GRIDS.find(geom)
    return None


def _warn_of_fallback(quantity: str, irf: Any, grid: PixelGrid | None) -> None:
    """Warn that gammapy projects an IRF, which the report then lists as a note on the run."""
    if grid is None or irf is None:  # because of the options, the geometry, or a missing IRF
        return
    message = f"the {quantity} ({type(irf).__name__}) is projected by gammapy, which takes longer"
    warnings.warn(message, SkyredWarning, stacklevel=4)


def _has_area(observation: Any) -> bool:
    return is_supported(observation.aeff, EffectiveAreaTable2D)


def _project_exposure(geom: Any, grid: PixelGrid, values: RunValues) -> Map:
    aeff, livetime = values.observation.aeff, values.livetime
    offsets = grid.offsets(values.pointing)
    energy_true = geom.axes["energy_true"].center.to_value(aeff.axes["energy_true"].unit)
    area = evaluate_at_offsets(aeff, offsets, {"energy_true": energy_true})
    area *= (u.Unit(aeff.unit) * u.Quantity(livetime)).to_value("m2 s")
    exposure = _create_map(geom, area, "m2 s")
    exposure.meta.update({"livetime": livetime, "is_pointlike": aeff.is_pointlike})
    return exposure


def _create_map(geom: Any, values: NDArray[np.float64], unit: Any) -> Map:
    # sums over the data must not depend on their order in memory, which pickling changes
    data = np.ascontiguousarray(values).reshape(geom.data_shape)
    return Map.from_geom(geom=geom, data=data, unit=unit)
