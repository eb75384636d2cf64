"""A model component with declared parameters."""

from __future__ import annotations

from typing import Any

from skyred import Model, ModelParameter, build_parameters, component, parameter


@component
class Halo(Model):
    """A power law with declared parameters."""

    kind = "test-halo"
    index: ModelParameter = parameter(2.0, min=0, max=5, doc="The index.")
    amplitude: ModelParameter = parameter(
        "1e-11 cm-2 s-1 TeV-1", min="0 cm-2 s-1 TeV-1", doc="The amplitude."
    )
    reference: ModelParameter = parameter("1 TeV", frozen=True, doc="The reference energy.")

    def source_names(self) -> list[str]:
        """Return the name."""
        return ["halo"]

    def build(self, datasets: Any) -> Any:
        """Build the model."""
        from gammapy.modeling.models import Models, PowerLawSpectralModel, SkyModel

        spectrum = PowerLawSpectralModel(**build_parameters(self))
        return Models([SkyModel(spectrum, name="halo")])
