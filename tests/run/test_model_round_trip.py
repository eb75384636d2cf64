"""Models that would not survive their file stop the run, or are reported, before the fit."""

from __future__ import annotations

import logging
import operator
from pathlib import Path
from typing import Any

import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.modeling import Parameter
from gammapy.modeling.models import (
    SPECTRAL_MODEL_REGISTRY,
    CompoundSpectralModel,
    ConstantSpectralModel,
    Models,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    SpectralModel,
    TemplateSpectralModel,
)

import small_datasets as small
from skyred import Orchestrator, Pipeline, ReducedData, Result
from skyred.errors import ModelError, OutputError, SkyredWarning
from skyred.interfaces.records import Owner
from skyred.plugins import Catalog
from skyred.run.model_round_trip import check_round_trip


class Base(SpectralModel):
    """A power law with an option."""

    tag = "own-model"
    norm = Parameter("norm", "1e-11 cm-2 s-1 TeV-1")

    def __init__(self, slope: float = 2.0, **parameters: Any) -> None:
        self.slope = slope
        super().__init__(**parameters)

    def evaluate(self, energy: Any, norm: Any) -> Any:
        """Evaluate the power law."""
        return norm * (energy / (1 * energy.unit)).value ** -self.slope


class Complete(Base):
    """Its methods write and read the option."""

    norm, tag = Base.norm, "complete"

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return all parameters, and the option."""
        data: dict[str, Any] = super().to_dict(full_output)
        data["spectral"]["slope"] = self.slope
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Any:
        """Create the model with the option."""
        return super().from_dict(data, slope=data["spectral"]["slope"], **kwargs)


class Unwritable(Base):
    """A model like those of naima in older versions of gammapy."""

    norm, tag = Base.norm, "unwritable"

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Fail."""
        raise NotImplementedError("the particle distribution has no YAML")


class Unreadable(Base):
    """A model like gammapy's NaimaSpectralModel."""

    norm, tag = Base.norm, "unreadable"

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Any:
        """Fail."""
        raise NotImplementedError("cannot be read from YAML")


def catalog(*classes: Any) -> Catalog:
    """Return a catalog with model classes of a plugin."""
    catalog = Catalog()
    for cls in classes:
        assert catalog.models.add(cls, Owner("dist", "0.3", "dark")) == ""
    return catalog


def check(model: Any, *classes: Any, is_written: bool = True) -> None:
    check_round_trip([SkyModel(model, name="halo")], catalog(*classes), is_written=is_written)


@pytest.fixture(autouse=True)
def _registry() -> Any:
    saved_classes = list(SPECTRAL_MODEL_REGISTRY)
    yield
    SPECTRAL_MODEL_REGISTRY[:] = saved_classes


def test_unwritable_model_is_refused_for_a_run_with_a_folder() -> None:
    with pytest.raises(ModelError, match=r"Unwritable of 'halo' cannot be written.*no YAML"):
        check(Unwritable(), Unwritable)
    check(Unwritable(), Unwritable, is_written=False)


def test_model_that_would_be_read_with_other_options_is_refused() -> None:
    with pytest.raises(ModelError, match="with another value of slope"):
        check(Base(slope=3.0), Base)
    check(Base(), Base)  # the default of the option
    check(Complete(slope=3.0), Complete)
    with pytest.raises(ModelError, match="value of slope"):  # inside a compound model
        check(Base(slope=3.0) * PowerLawNormSpectralModel(), Base)


def test_unreadable_model_is_reported_before_the_fit(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check(Unreadable(), Unreadable)
        check(CompoundSpectralModel(ConstantSpectralModel(), ConstantSpectralModel(), operator.mod))
        check(Complete())  # not declared by a plugin
    messages = [record.getMessage() for record in caplog.records]
    assert ["Unreadable" in messages[0], "cannot be read from YAML" in messages[0]] == [True] * 2
    assert "expected one of add, mul" in messages[1]
    assert "declare it with the hook skyred_models" in messages[2]


def test_models_of_gammapy_are_not_checked(caplog: pytest.LogCaptureFixture) -> None:
    template = TemplateSpectralModel([1, 2] * u.TeV, [3, 4] * u.Unit("cm-2 s-1 TeV-1"))
    for model in (PowerLawSpectralModel(), template, template * PowerLawNormSpectralModel()):
        check(model)
    assert caplog.records == []


def test_run_with_an_unwritable_model_stops_before_the_fit(tmp_path: Path) -> None:
    Datasets([small.spectrum_dataset()]).write(tmp_path / "datasets.yaml")
    pipeline = Pipeline(
        data={"small": ReducedData(datasets=str(tmp_path / "datasets.yaml"))},
        model=[Models([SkyModel(Unwritable(), name="halo")])],
    )
    with pytest.raises(ModelError, match="cannot be written"):
        pipeline.run(tmp_path / "out")
    assert Orchestrator(pipeline).model().names == ["halo"]


def test_folder_with_an_unreadable_model_opens(tmp_path: Path) -> None:
    Datasets([small.spectrum_dataset()]).write(tmp_path / "datasets.yaml")
    SPECTRAL_MODEL_REGISTRY.append(Unreadable)
    pipeline = Pipeline(
        data={"small": ReducedData(datasets=str(tmp_path / "datasets.yaml"))},
        model=[Models([SkyModel(Unreadable(), name="halo")])],
    )
    pipeline.run(tmp_path / "out")
    with pytest.warns(SkyredWarning, match=r"models.yaml is not read: cannot be read from YAML"):
        result = Result.read(tmp_path / "out")
    assert list(result.unread) == ["models"]
    assert result.unread["models"].startswith("cannot be read from YAML")
    assert len(result.datasets or ()) == 1
    with pytest.raises(OutputError, match="cannot be read from YAML"):
        _ = result.models
