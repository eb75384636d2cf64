"""Settings that the method `from_dict` of a model ignores are problems of the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.modeling import Parameter
from gammapy.modeling.models import SPECTRAL_MODEL_REGISTRY, SpectralModel

from skyred.components.models.spec import build_submodel, submodel_problems


class Cut(SpectralModel):
    """A power law that ends at an energy; its `from_dict` only uses the values of parameters."""

    tag = "cut"
    amplitude = Parameter("amplitude", "4e-11 cm-2 s-1 TeV-1")
    index = Parameter("index", 2.0, max=5)

    def __init__(self, end: Any = 2 * u.TeV, **parameters: Any) -> None:
        self.last = u.Quantity(end)
        super().__init__(**parameters)

    def evaluate(self, energy: Any, amplitude: Any, index: Any) -> Any:
        """Evaluate the model."""
        return (
            np.where(energy < self.last, 1, 0) * amplitude * (energy / u.TeV).to_value("") ** -index
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any], **options: Any) -> Any:
        """Create the model without its end."""
        entries = data["spectral"]["parameters"]
        return cls(
            **{entry["name"]: u.Quantity(entry["value"], entry["unit"]) for entry in entries}
        )


class Complete(Cut):
    """Its `from_dict` uses everything."""

    tag = "complete-cut"
    amplitude, index = Cut.amplitude, Cut.index

    @classmethod
    def from_dict(cls, data: dict[str, Any], **options: Any) -> Any:
        """Create the model."""
        arguments = dict(data["spectral"])
        return SpectralModel.from_dict.__func__(cls, data, end=arguments.get("end", 2 * u.TeV))


class Inherited(Cut):
    """Its `from_dict` is gammapy's."""

    tag = "inherited-cut"
    amplitude, index = Cut.amplitude, Cut.index
    from_dict = classmethod(SpectralModel.from_dict.__func__)


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    saved_classes = list(SPECTRAL_MODEL_REGISTRY)
    SPECTRAL_MODEL_REGISTRY.extend([Cut, Complete, Inherited])
    yield
    SPECTRAL_MODEL_REGISTRY[:] = saved_classes


PRIOR = {"type": "uniform", "min": 1, "max": 3}


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"end": "8 TeV"}, "end"),
        ({"index": {"value": 2.0, "frozen": True}}, "index.frozen"),
        ({"index": {"value": 2.0, "min": 1}}, "index.min"),
        ({"index": {"max": 3}}, "index.max"),
        ({"index": {"prior": PRIOR}}, "index.prior"),
        ({"index": {"link": "shared"}}, "index.link"),
        ({"parameters": [{"name": "index", "value": 2.0, "unit": "", "min": 1}]},
         "parameters[0].min"),
    ],
)  # fmt: skip
def test_setting_that_a_model_ignores_is_a_problem_at_its_path(
    settings: dict[str, Any], path: str
) -> None:
    (problem,) = submodel_problems("spectral", {"type": "cut", **settings})
    assert problem.message.startswith("Cut.from_dict ignores")
    assert str(problem).startswith(f"spectral.{path}: ")
    for tag in ("complete-cut", "inherited-cut"):
        if tag == "complete-cut" or "end" not in settings:
            assert list(submodel_problems("spectral", {"type": tag, **settings})) == []


def test_correct_settings_are_accepted() -> None:
    spec = {"type": "cut", "index": 2.5, "amplitude": "3e-15 cm-2 s-1 GeV-1"}
    assert build_submodel("spectral", spec).index.value == 2.5
    for tag in ("complete-cut", "inherited-cut"):
        assert build_submodel("spectral", {"type": tag, "end": "8 TeV"}).last == 8 * u.TeV


def test_parts_of_compound_models_are_checked() -> None:
    part = {"type": "cut", "index": {"value": 2.0, "frozen": True}}
    spec = {"type": "compound", "operator": "mul", "model1": part, "model2": {"type": "pl-norm"}}
    (problem,) = submodel_problems("spectral", spec)
    assert str(problem).startswith("spectral.model1.index.frozen: ")
    spec["model1"] = {"type": "inherited-cut", "end": "8 TeV"}  # gammapy does not pass it on
    (problem,) = submodel_problems("spectral", spec)
    assert str(problem).startswith("spectral.model1.end: Inherited.from_dict ignores 'end'")
