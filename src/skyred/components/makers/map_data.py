"""The maker `map`: counts and IRFs on a sky map."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from skyred.errors import Problem
from skyred.fields import option
from skyred.interfaces import Chain, Maker, component, geometry_problems
from skyred.interfaces.reference import run_with_reference
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset

    from skyred.scripting import Script

PARTS = ("counts", "exposure", "background", "psf", "edisp")
IRF_BY_PART = {"exposure": "aeff", "background": "bkg", "psf": "psf", "edisp": "edisp"}


@component
class MapData(Maker):
    """Counts, exposure, background, PSF and energy dispersion, projected onto the map."""

    kind = "map"
    parts: tuple[str, ...] = option(PARTS, choices=PARTS, many=True, doc="The maps to create.")
    background_oversampling: int | None = option(
        None, type=int, min=1, doc="Oversampling factor in energy for the background."
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

        options = list(self.parts), self.background_oversampling
        makers = MapProjection(*options), MapDatasetMaker(*options)
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
        if self.background_oversampling is not None:
            options.append(f"background_oversampling={self.background_oversampling}")
        maker = script.local("map_maker")
        script.body.add(f"{maker} = MapDatasetMaker({', '.join(options)})")
        script.loop.add(f"dataset = {maker}.run(dataset, observation)")
