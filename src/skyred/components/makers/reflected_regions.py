"""The maker `reflected-regions`: off counts at the same offset from the pointing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.makers.checks import on_regions
from skyred.components.makers.on_off import add_off_counts
from skyred.components.makers.scripted import write_exclusion
from skyred.errors import Problem, SkipObservation
from skyred.fields import Regions, exclusion, option, quantity
from skyred.interfaces import Chain, Maker, component, geometry_problems
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gammapy.data import Observation
    from gammapy.datasets import SpectrumDataset, SpectrumDatasetOnOff
    from gammapy.maps import RegionGeom, RegionNDMap, WcsGeom, WcsNDMap

    from skyred.scripting import Script

REFLECTED_OPTIONS = ("angle_increment", "min_distance", "min_distance_input", "max_region_number")


@component
class ReflectedRegions(Maker):
    """Off counts from copies of the on region, at the same offset from the pointing."""

    kind = "reflected-regions"
    makes = ("off",)
    finder: str = option(
        "reflected",
        choices=("reflected", "wobble"),
        doc="As many off regions as fit, or a fixed number of equally spaced ones.",
    )
    exclude: Regions = exclusion()
    angle_increment: u.Quantity = quantity(
        "0.1 rad", min="1e-4 rad", doc="Step in angle after an excluded position (reflected)."
    )
    min_distance: u.Quantity = quantity(
        "0 rad", min="0 rad", doc="Smallest angle between two off regions (reflected)."
    )
    min_distance_input: u.Quantity = quantity(
        "0.1 rad", min="0 rad", doc="Smallest angle between on and off regions (reflected)."
    )
    max_region_number: int = option(
        10000, min=1, doc="Largest number of off regions of a run (reflected)."
    )
    n_off_regions: int | None = option(
        None, type=int, min=1, doc="Number of off regions, before the exclusion (wobble)."
    )
    bin_size: u.Quantity = quantity(
        "0.01 deg", min="1e-4 deg", doc="Pixel size of the map on which off regions are placed."
    )

    def validate(self) -> Iterable[Problem]:
        """Check that `wobble` has a number of regions, and that no option is without effect.

        Yields
        ------
        Problem
            An option that is missing, or has no effect with this finder.
        """
        if self.finder == "wobble":
            if self.n_off_regions is None:
                yield Problem(("n_off_regions",), "is not set", "finder: wobble needs a number")
            for name in REFLECTED_OPTIONS:
                if not self._is_default(name, getattr(self, name)):
                    yield Problem((name,), "has no effect with finder: wobble", "remove it")
        elif self.n_off_regions is not None:
            yield Problem(
                ("n_off_regions",),
                "has no effect with finder: reflected",
                "set max_region_number, or finder: wobble",
            )

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the geometry, the on regions and the exclusion.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            Each problem, with the path of the option.
        """
        from regions import PointSkyRegion

        yield from geometry_problems(self, "spectrum", pipeline)
        for entry_name, region in on_regions(self, pipeline):
            if self.finder == "reflected" and isinstance(region, PointSkyRegion):
                message = (
                    f"invalid value 'reflected': the on region of data.{entry_name} is a point"
                )
                yield Problem(("finder",), message, "expected finder: wobble, with n_off_regions")
            if not hasattr(region, "center"):
                message = f"the on region of data.{entry_name} is a {type(region).__name__}"
                yield Problem((), message, "expected a region with a centre, such as a circle")
        yield from self.exclude.problems("exclude", self._typical_search_geom(pipeline))

    def make(self, dataset: SpectrumDataset, observation: Observation) -> SpectrumDatasetOnOff:
        """Count off events, with the numbers of gammapy's `ReflectedRegionsBackgroundMaker`.

        Parameters
        ----------
        dataset : gammapy.datasets.SpectrumDataset
            The spectrum of the run, as returned by the previous maker.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        gammapy.datasets.SpectrumDatasetOnOff
            The spectrum with off counts.

        Raises
        ------
        SkipObservation
            If there is no off region, or an off region overlaps with the on region.
        """
        from skyred.components.projection.pointing import find_pointing

        geom, pointing = dataset.counts.geom, find_pointing(observation)
        search_geom = self._search_geom(geom, pointing)
        mask = self.exclude.outside(search_geom) if self.exclude else None
        counts_off, acceptance_off = self._count_off(dataset, observation, search_geom, mask)
        if counts_off is None or self._regions_overlap(geom, counts_off.geom, search_geom):
            raise SkipObservation(self._describe_missing_regions(geom, pointing, mask))
        return add_off_counts(dataset, counts_off, acceptance=1, acceptance_off=acceptance_off)

    def _count_off(
        self,
        dataset: SpectrumDataset,
        observation: Observation,
        search_geom: WcsGeom,
        mask: WcsNDMap | None,
    ) -> tuple[RegionNDMap | None, RegionNDMap]:
        """Return off counts and the acceptance; no counts if there is no off region."""
        from gammapy.makers import ReflectedRegionsBackgroundMaker

        from skyred.components.projection.off_counts import count_off

        finder = self._create_finder()
        maps = count_off(dataset.counts.geom, observation, finder, search_geom, mask)
        if maps is None:
            maker = ReflectedRegionsBackgroundMaker(region_finder=finder, exclusion_mask=mask)
            # `run` of the maker is not used: without off regions, it computes off counts from a
            # background template
            maps = maker.make_counts_off(dataset, observation)
        return maps

    def write_script(self, script: Script) -> None:
        """Write code that runs gammapy's maker, with an exclusion mask on the map of the finder.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        finder = "WobbleRegionsFinder" if self.finder == "wobble" else "ReflectedRegionsFinder"
        script.use("gammapy.makers", "ReflectedRegionsBackgroundMaker", finder)
        options = [] if self.n_off_regions is None else [f"n_off_regions={self.n_off_regions}"]
        for name in REFLECTED_OPTIONS:
            if not self._is_default(name, setting := getattr(self, name)):
                code = literal(setting) if isinstance(setting, int) else script.quantity(setting)
                options.append(f"{name}={code}")
        options.append(f"binsz={script.quantity(self.bin_size)}")
        maker, finder_name = script.local("reflected_regions_maker"), script.local("region_finder")
        script.body.add(
            f"{finder_name} = {finder}({', '.join(options)})",
            f"{maker} = ReflectedRegionsBackgroundMaker(region_finder={finder_name})",
        )
        if self.exclude:
            self._write_exclusion_mask(script, maker)
        script.loop.add(f"dataset = {maker}.run(dataset, observation)")
        with script.loop.inside("if dataset.counts_off is None:  # no off region"):
            script.loop.add("continue")
        script.on_off = True

    def _write_exclusion_mask(self, script: Script, maker: str) -> None:
        """Write the exclusion mask, on the map that the region finder uses for a run."""
        script.use("gammapy.maps", "WcsGeom")
        script.use("astropy", "units as u")
        script.loop.add(
            "# the exclusion mask, on the map around the pointing that the region finder uses",
            "pointing = observation.get_pointing_icrs(observation.tmid)",
            "center = geom.region.center",
            "width = 4 * center.separation(pointing) + 0.3 * u.deg",
            f"search = WcsGeom.create(skydir=pointing, width=width, "
            f'binsz={script.quantity(self.bin_size)}, frame=center.frame.name, proj="TAN")',
        )
        mask = write_exclusion(script, self.exclude, "search", "loop")
        script.loop.add(f"{maker}.exclusion_mask = {mask}")

    def _create_finder(self) -> Any:
        """Create gammapy's region finder with the options of this maker."""
        from gammapy.makers import ReflectedRegionsFinder, WobbleRegionsFinder

        if self.finder == "wobble":
            return WobbleRegionsFinder(self.n_off_regions, binsz=self.bin_size)
        return ReflectedRegionsFinder(
            angle_increment=self.angle_increment,
            min_distance=self.min_distance,
            min_distance_input=self.min_distance_input,
            max_region_number=self.max_region_number,
            binsz=self.bin_size,
        )

    def _typical_search_geom(self, pipeline: Chain) -> WcsGeom | None:
        """Create a geometry like those of the runs, to check the exclusion without their pointings.

        The geometry is around the first on region with a centre; None if there is none.
        """
        from gammapy.maps import WcsGeom

        for _, region in on_regions(self, pipeline):
            if hasattr(region, "center"):
                center = region.center
                return WcsGeom.create(
                    skydir=center, binsz=self.bin_size, width=1, frame=center.frame.name, proj="TAN"
                )
        return None

    def _search_geom(self, geom: RegionGeom, pointing: SkyCoord) -> WcsGeom:
        """Create gammapy's geometry for the search for off regions, around the pointing.

        Parameters
        ----------
        geom : gammapy.maps.RegionGeom
            The geometry of the on region.
        pointing : astropy.coordinates.SkyCoord
            The pointing of the run.

        Returns
        -------
        gammapy.maps.WcsGeom
            The geometry, in TAN projection and without energy axis.
        """
        from gammapy.maps import WcsGeom

        center = geom.region.center
        width = 4 * center.separation(pointing) + 0.3 * u.deg
        return WcsGeom.create(
            skydir=pointing, binsz=self.bin_size, width=width, frame=center.frame.name, proj="TAN"
        )

    def _regions_overlap(
        self, geom: RegionGeom, geom_off: RegionGeom, search_geom: WcsGeom
    ) -> bool:
        """Return whether an off region overlaps with the on region.

        gammapy's wobble finder does not check this.

        Parameters
        ----------
        geom : gammapy.maps.RegionGeom
            The geometry of the on region.
        geom_off : gammapy.maps.RegionGeom
            The geometry of the off regions.
        search_geom : gammapy.maps.WcsGeom
            The geometry on which regions of any shape are compared.

        Returns
        -------
        bool
            Whether any off region overlaps with the on region.
        """
        from gammapy.utils.regions import compound_region_to_regions
        from regions import CircleSkyRegion

        if self.finder == "reflected" or geom.is_all_point_sky_regions:
            return False  # for points, gammapy compares the distances with the radii
        if isinstance(geom.region, CircleSkyRegion):
            center, width = geom.region.center, 2 * geom.region.radius
            off_regions = compound_region_to_regions(geom_off.region)
            return any(center.separation(region.center) < width for region in off_regions)
        on_mask, off_mask = (
            search_geom.region_mask([region_geom.region]).data for region_geom in (geom, geom_off)
        )
        return bool(np.any(on_mask & off_mask))

    def _describe_missing_regions(
        self, geom: RegionGeom, pointing: SkyCoord, mask: WcsNDMap | None
    ) -> str:
        """Describe why there are no valid off regions, for the observation log.

        Parameters
        ----------
        geom : gammapy.maps.RegionGeom
            The geometry of the on region.
        pointing : astropy.coordinates.SkyCoord
            The pointing of the run.
        mask : gammapy.maps.WcsNDMap or None
            The exclusion mask.

        Returns
        -------
        str
            The reason.
        """
        off_regions, wcs = self._create_finder().run(geom.region, pointing, mask)
        separation = geom.region.center.separation(pointing).to_value("deg")
        message = f"no off region at {separation:.2f} deg from the pointing: "
        if geom.is_all_point_sky_regions and off_regions:
            return message + (
                f"{len(off_regions)} regions would overlap for the radius (RAD_MAX) of some "
                "energies; decrease n_off_regions, or use energies with a smaller radius"
            )
        if not geom.is_all_point_sky_regions and geom.region.contains(pointing, wcs):
            return message + "the pointing is inside the on region"
        if self.finder == "wobble":
            return message + f"{self.n_off_regions} regions would overlap, or all are excluded"
        return message + "all positions overlap with the on region or are excluded"
