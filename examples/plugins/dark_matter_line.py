"""The model `dark-matter-line`: a point source of a line, from the annihilation of dark matter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from skyred import Model, Position, component, hookimpl, option, position, quantity

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


@component
class DarkMatterLine(Model):
    """A point source of photons with the mass of the dark matter particle."""

    kind = "dark-matter-line"
    name: str = option("dark-matter", doc="Name of the source.")
    mass: Quantity = quantity(unit="TeV", min="10 GeV", max="1 PeV", doc="Mass of the particle.")
    width: float = option(
        0.05, min=0.005, max=0.5, doc="Standard deviation of the line, divided by the mass."
    )
    flux: Quantity = quantity("1e-12 cm-2 s-1", doc="Start of the flux; it may become negative.")
    center: Position = position(doc="Position, which is fixed.")

    def build(self, datasets: Datasets) -> Models:
        """Return the source; only the flux, the parameter `amplitude`, is free."""
        from gammapy.modeling.models import (
            GaussianSpectralModel,
            Models,
            PointSpatialModel,
            SkyModel,
        )

        spectrum = GaussianSpectralModel(
            amplitude=self.flux, mean=self.mass, sigma=self.width * self.mass
        )
        spectrum.mean.frozen = spectrum.sigma.frozen = True
        point = PointSpatialModel.from_position(self.center.skycoord)
        point.freeze()
        return Models([SkyModel(spectrum, point, name=self.name)])

    def source_names(self) -> Iterable[str]:
        """Return the name of the source."""
        return (self.name,)


@hookimpl
def skyred_components() -> list[type]:
    """Return the model."""
    return [DarkMatterLine]
