"""The maker `map`: counts and responses on a sky map."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from skyred.errors import Problem
from skyred.fields import option
from skyred.interfaces import Chain, Maker, component, geometry_problems
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset

    from skyred.scripting import Script

PARTS = ("counts", "exposure", "background", "psf", "edisp")
RESPONSES = {"exposure": "aeff", "background": "bkg", "psf": "psf", "edisp": "edisp"}


@component
class MapData(Maker):
    """Counts, exposure, background, PSF and energy dispersion, projected onto the map."""

    kind = "map"
    parts: tuple[str, ...] = option(PARTS, choices=PARTS, many=True, doc="What is made.")
    background_oversampling: int | None = option(
        None, type=int, min=1, doc="Oversampling of the background in energy."
    )

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Responses that the chosen parts are made of."""
        return tuple(RESPONSES[part] for part in self.parts if part in RESPONSES)

    @property
    def makes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Its parts."""
        return self.parts

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """The geometry must be a map."""
        yield from geometry_problems(self, "map", pipeline)

    def make(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        """Fill the maps with gammapy's `MapDatasetMaker`."""
        from gammapy.makers import MapDatasetMaker

        maker = MapDatasetMaker(
            selection=list(self.parts), background_oversampling=self.background_oversampling
        )
        return maker.run(dataset, observation)

    def write_script(self, script: Script) -> None:
        """Run the same maker."""
        script.use("gammapy.makers", "MapDatasetMaker")
        options = [] if self.parts == PARTS else [f"selection={literal(self.parts)}"]
        if self.background_oversampling is not None:
            options.append(f"background_oversampling={self.background_oversampling}")
        maker = script.local("map_maker")
        script.body.add(f"{maker} = MapDatasetMaker({', '.join(options)})")
        script.loop.add(f"dataset = {maker}.run(dataset, observation)")
