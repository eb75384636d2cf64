"""The maker `spectrum`: counts and IRFs in the on region."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from astropy import units as u

from skyred.components.makers.checks import on_regions
from skyred.errors import ArchiveError, Problem, SkipObservation
from skyred.fields import option
from skyred.interfaces import Chain, Maker, component, geometry_problems, reductions_using
from skyred.interfaces.reference import run_with_reference
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import SpectrumDataset
    from gammapy.maps import RegionGeom

    from skyred.scripting import Script

PARTS = ("counts", "exposure", "edisp", "background")
RADIUS_TOLERANCE = 1e-3  # relative; as in gammapy


@component
class SpectrumData(Maker):
    """Counts, exposure and energy dispersion in the on region, and the background template."""

    kind = "spectrum"
    parts: tuple[str, ...] = option(
        PARTS[:-1],
        choices=PARTS,
        many=True,
        doc="The parts to create. The background template is for data without off counts.",
    )
    containment_correction: bool = option(
        False,
        doc="Whether the exposure is multiplied by the fraction of the PSF inside the on region. "
        "An on region larger than the PSF table is assumed to contain the whole PSF.",
    )
    background_oversampling: int | None = option(
        None, type=int, min=1, doc="Oversampling factor in energy for the background."
    )
    use_region_center: bool = option(
        True,
        doc="Whether IRFs are evaluated at the centre of the on region; if false, they are "
        "averaged over the region.",
    )
    no_background: bool = option(
        False,
        doc="Whether no background is subtracted, so that all counts are attributed to the "
        "sources; if false, the absence of a background is an error.",
    )

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The effective area, and the IRFs that the selected parts need."""
        psf = ("psf",) if self.containment_correction else ()
        irf_by_part = {"edisp": "edisp", "background": "bkg"}
        return ("aeff", *(irf for part, irf in irf_by_part.items() if part in self.parts), *psf)

    @property
    def makes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The selected parts."""
        return self.parts

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Check the geometry and its on region, and that a maker creates a background.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            Each problem, with the path of the option.
        """
        yield from geometry_problems(self, "spectrum", pipeline)
        yield from self._region_problems(pipeline)
        for entry_name, reduction in reductions_using(self, pipeline):
            parts_by_maker = [maker.makes for maker in reduction.make]
            if not self.no_background and all(
                parts is not None and not {"background", "off"} & set(parts)
                for parts in parts_by_maker
            ):
                yield Problem(
                    (),
                    f"no maker of data.{entry_name} creates a background",
                    "add a maker such as reflected-regions, or background to the parts; or "
                    "set no_background, to attribute all counts to the sources",
                )

    def _region_problems(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with on regions that are incompatible with the options."""
        from regions import CircleSkyRegion, PointSkyRegion

        for entry_name, region in on_regions(self, pipeline):
            region_name = f"the on region of data.{entry_name}"
            if self.containment_correction and not isinstance(region, CircleSkyRegion):
                region_type = type(region).__name__
                yield Problem(
                    ("containment_correction",),
                    f"needs a circle, but {region_name} is a {region_type}",
                )
            if not self.use_region_center and isinstance(region, PointSkyRegion):
                yield Problem(("use_region_center",), f"must be true: {region_name} is a point")

    def make(self, dataset: SpectrumDataset, observation: Observation) -> SpectrumDataset:
        """Fill the spectrum, with the numbers of gammapy's `SpectrumDatasetMaker`.

        Parameters
        ----------
        dataset : gammapy.datasets.SpectrumDataset
            The spectrum of the run, as returned by the previous maker.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        gammapy.datasets.SpectrumDataset
            The spectrum of the run.

        Raises
        ------
        ArchiveError
            If the on region is incompatible with the IRFs.
        SkipObservation
            If the on region lies outside the offsets of the IRFs.
        """
        from gammapy.makers import SpectrumDatasetMaker

        from skyred.components.projection.makers import SpectrumProjection

        geom = dataset.counts.geom
        self._check_irfs(geom, observation)
        beyond_psf = self.containment_correction and _is_beyond_psf(geom, observation.psf)
        maker, reference = (
            maker_class(
                selection=list(self.parts),
                containment_correction=self.containment_correction and not beyond_psf,
                background_oversampling=self.background_oversampling,
                use_region_center=self.use_region_center,
            )
            for maker_class in (SpectrumProjection, SpectrumDatasetMaker)
        )
        dataset = run_with_reference(maker, reference, dataset, observation)
        if beyond_psf and dataset.exposure is not None:
            _correct_for_whole_psf(dataset, observation)
        return dataset

    def write_script(self, script: Script) -> None:
        """Write code that runs gammapy's `SpectrumDatasetMaker`.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.makers", "SpectrumDatasetMaker")
        options = [f"selection={literal(self.parts)}"]
        for name in ("containment_correction", "background_oversampling", "use_region_center"):
            if not self._is_default(name, setting := getattr(self, name)):
                options.append(f"{name}={literal(setting)}")
        maker = script.local("spectrum_maker")
        script.body.add(f"{maker} = SpectrumDatasetMaker({', '.join(options)})")
        if self.containment_correction:
            self._write_psf_check(script)
        script.loop.add(f"dataset = {maker}.run(dataset, observation)")

    @staticmethod
    def _write_psf_check(script: Script) -> None:
        """Write a check that the on region is not larger than the PSF table.

        gammapy would set the exposure of a larger region to 0.
        """
        with script.loop.inside('if "rad" in observation.psf.axes.names:'):
            script.loop.add("# beyond the PSF table, gammapy would set the exposure to 0")
            script.loop.add('psf_edges = observation.psf.axes["rad"].edges')
            with script.loop.inside("if geom.region.radius > psf_edges[-1]:"):
                script.loop.add('raise ValueError("the on region is larger than the PSF table")')

    def _check_irfs(self, geom: RegionGeom, observation: Observation) -> None:
        """Raise an error if the IRFs are incompatible with the on region or the options.

        The run is skipped if the on region is beyond the offsets of the IRFs.
        """
        aeff = observation.aeff
        _check_offset(geom, observation, aeff)
        if geom.is_all_point_sky_regions or aeff.is_pointlike:
            _check_radius(geom, observation.rad_max)
        if self.containment_correction and aeff.is_pointlike:
            raise ArchiveError(
                "the IRFs are point-like (after a cut on the direction), so the exposure must not "
                "be corrected for containment: remove containment_correction"
            )


def _is_beyond_psf(geom: RegionGeom, psf: Any) -> bool:
    """Return whether the on region is larger than the PSF table; False if there is no table."""
    return "rad" in psf.axes.names and bool(geom.region.radius > psf.axes["rad"].edges[-1])


def _correct_for_whole_psf(dataset: SpectrumDataset, observation: Observation) -> None:
    """Multiply the exposure by the integral of the whole PSF table.

    For radii beyond the table, gammapy's containment is 0, and so would be the exposure.
    """
    geom, psf = dataset.exposure.geom, observation.psf
    containment = psf.containment(
        rad=psf.axes["rad"].edges[-1] * (1 - 1e-9),
        offset=_separate(geom, observation),
        energy_true=geom.axes["energy_true"].center,
    )
    dataset.exposure.quantity *= containment.reshape(geom.data_shape)


def _check_offset(geom: RegionGeom, observation: Observation, aeff: Any) -> None:
    """Skip the run if the on region is beyond the offsets of the IRFs.

    gammapy would silently set the exposure to 0.
    """
    offsets = aeff.axes["offset"].edges
    separation = _separate(geom, observation)
    # IRFs with a single offset have no valid range
    if len(offsets) > 2 and separation > offsets[-1]:
        raise SkipObservation(
            f"the on region lies {separation.value:.2f} deg from the pointing, but the IRFs "
            f"end at {offsets[-1].to_value('deg'):.2f} deg"
        )


def _separate(geom: RegionGeom, observation: Observation) -> u.Quantity:
    """Return the distance of the centre of the on region from the pointing."""
    from skyred.components.projection.grid_cache import GRIDS
    from skyred.components.projection.pixels import Direction
    from skyred.components.projection.pointing import find_pointing

    direction = Direction.create(find_pointing(observation))
    return u.Quantity(GRIDS.find_region(geom).offsets(direction)[0], "deg")


def _check_radius(geom: RegionGeom, rad_max: Any) -> None:
    """Raise an error if the on region and the radius of point-like IRFs do not match.

    gammapy counts events in any region, and reports a mismatch only if it searches for off regions.
    """
    from regions import CircleSkyRegion

    is_point = geom.is_all_point_sky_regions
    if rad_max is None:
        if is_point:
            raise ArchiveError(
                "the on region is a point, but the IRFs have no radius (RAD_MAX): "
                "use a circle, such as on_region: 'icrs; circle(83.63, 22.01, 0.11)'"
            )
    elif not is_point and not rad_max.is_fixed_rad_max:
        raise ArchiveError(
            "the IRFs are for a radius that depends on energy (RAD_MAX): "
            "use a point, such as on_region: 'icrs; point(83.63, 22.01)'"
        )
    elif not is_point:
        expected = rad_max.quantity.to_value("deg").item()
        is_circle = isinstance(geom.region, CircleSkyRegion)
        radius = geom.region.radius.to_value("deg") if is_circle else 0.0
        if abs(radius - expected) > RADIUS_TOLERANCE * expected:
            raise ArchiveError(
                f"the IRFs are for a circle with a radius of {expected:.4g} deg (RAD_MAX): "
                "use this radius, or a point"
            )
