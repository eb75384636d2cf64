"""Export of subclasses of components: an inherited `write_script` is rejected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from skyred import Pipeline, Reduction, component
from skyred.components.estimators.source_detection import SourceDetection
from skyred.components.estimators.ts_map import TSMap
from skyred.components.makers.safe_mask import SafeMask
from skyred.errors import ExportError

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import Dataset

PIPELINE = """
data:
  crab:
    archive: $EXPORT_DATA
    geometry: {kind: map, center: [83.6 deg, 22 deg], width: 1 deg,
               energy: {edges: [1 TeV, 10 TeV]}, energy_true: {edges: [0.5 TeV, 20 TeV]}}
    make: [{kind: map}]
    stack: {kind: sum}
"""


@component
class ChangedMask(SafeMask):
    """A subclass that behaves differently, and inherits `write_script`."""

    kind = "changed-mask"

    def make(self, dataset: Dataset, observation: Observation) -> Dataset:
        return dataset


@component
class RenamedMask(SafeMask):
    """A subclass that behaves identically, and sets `write_script` explicitly."""

    kind = "renamed-mask"
    write_script = SafeMask.write_script


@component
class OwnMap(TSMap):
    """A subclass that inherits `write_script`."""

    kind = "own-map"


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setenv("EXPORT_DATA", str(tmp_path))
    (tmp_path / "hdu-index.fits.gz").touch()
    return Pipeline.from_yaml(PIPELINE)


def add_maker(pipeline: Pipeline, maker: SafeMask) -> Pipeline:
    reduction: Reduction = pipeline.data["crab"]
    return attrs.evolve(
        pipeline, data={"crab": attrs.evolve(reduction, make=(*reduction.make, maker))}
    )


def test_subclass_that_inherits_the_method_is_rejected(pipeline: Pipeline) -> None:
    message = (
        r"`changed-mask` has no .*, only its parent SafeMask has one: .* = SafeMask.write_script"
    )
    with pytest.raises(ExportError, match=message):
        add_maker(pipeline, ChangedMask(methods=["aeff-max"])).to_script()


def test_subclass_that_declares_the_method_is_exported(pipeline: Pipeline) -> None:
    scripts = [
        add_maker(pipeline, cls(methods=["aeff-max"])).to_script()
        for cls in (RenamedMask, SafeMask)
    ]
    assert "SafeMaskMaker(" in scripts[0]
    # identical except for the digest
    assert scripts[0].split("import", 1)[1] == scripts[1].split("import", 1)[1]


def test_subclass_within_a_component_is_rejected(pipeline: Pipeline) -> None:
    detection = SourceDetection(on=OwnMap())
    with pytest.raises(ExportError, match="parent TSMap"):
        attrs.evolve(pipeline, estimate=(detection,)).to_script()
