"""The maker `map`: counts and IRFs on a sky map."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from astropy import units as u

from skyred.errors import Problem
from skyred.fields import option, quantity
from skyred.interfaces import Chain, Maker, component, geometry_problems
from skyred.interfaces.reference import run_with_reference
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset

    from skyred.scripting import Script

PARTS = ("counts", "exposure", "background", "psf", "edisp")
BACKGROUND_OPTIONS = (
    "background_oversampling",
    "background_interp_missing_data",
    "background_pad_offset",
    "fov_rotation_step",
)
IRF_BY_PART = {"exposure": "aeff", "background": "bkg", "psf": "psf", "edisp": "edisp"}


@component
class MapData(Maker):
    """Counts, exposure, background, PSF and energy dispersion, projected onto the map."""

    kind = "map"
    parts: tuple[str, ...] = option(PARTS, choices=PARTS, many=True, doc="The maps to create.")
    background_oversampling: int | None = option(
        None, type=int, min=1, doc="Oversampling factor in energy for the background."
    )
    background_interp_missing_data: bool = option(
        True,
        doc="Whether values of the background IRF that are 0 or not finite are interpolated along "
        "the energy, between valid values.",
    )
    background_pad_offset: bool = option(
        True,
        doc="Whether a background that depends on the offset is extended by one bin beyond the "
        "largest offset, with the value of the last bin.",
    )
    fov_rotation_step: u.Quantity = quantity(
        "1 deg",
        min="1e-3 deg",
        doc="Largest rotation of the field of view between the times at which a background that is "
        "aligned with the horizon (ALTAZ) is evaluated.",
    )

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The IRFs that the selected parts need."""
        return tuple(IRF_BY_PART[part] for part in self.parts if part in IRF_BY_PART)

    @property
    def makes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The selected parts."""
        return self.parts

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Check that the geometry is a map.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            A geometry that is not a map.
        """
        yield from geometry_problems(self, "map", pipeline)

    def make(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        """Fill the maps, with the numbers of gammapy's `MapDatasetMaker`.

        Parameters
        ----------
        dataset : gammapy.datasets.MapDataset
            The dataset of the run, as returned by the previous maker.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        gammapy.datasets.MapDataset
            The dataset of the run.
        """
        from gammapy.makers import MapDatasetMaker

        from skyred.components.projection.makers import MapProjection

        options = {name: getattr(self, name) for name in BACKGROUND_OPTIONS}
        parts = list(self.parts)
        makers = MapProjection(parts, **options), MapDatasetMaker(parts, **options)
        return run_with_reference(*makers, dataset, observation)

    def write_script(self, script: Script) -> None:
        """Write code that runs gammapy's `MapDatasetMaker`.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.makers", "MapDatasetMaker")
        options = [] if self.parts == PARTS else [f"selection={literal(self.parts)}"]
        for name in BACKGROUND_OPTIONS:
            value = getattr(self, name)
            if not self._is_default(name, value):
                is_quantity = isinstance(value, u.Quantity)
                options.append(f"{name}={script.quantity(value) if is_quantity else value}")
        maker = script.local("map_maker")
        script.body.add(f"{maker} = MapDatasetMaker({', '.join(options)})")
        script.loop.add(f"dataset = {maker}.run(dataset, observation)")
