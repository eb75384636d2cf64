"""Components of third parties are treated like the default components."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore, Observations
from gammapy.makers import SafeMaskMaker

import skyred
from skyred import DatasetsMaker, Maker, Reduction, Stacker, component, option, quantity
from skyred.components.gammapy import (
    EnergyAxis,
    FoVBackground,
    LightCurve,
    MapData,
    MapGeometry,
    RingBackground,
    SafeMask,
    Sum,
)
from skyred.interfaces import Geometry

SOURCE = Path(skyred.__file__).parent
OFFSET = 1.2 * u.deg


@component
class OffsetMask(Maker):
    """A third-party safe mask by offset."""

    kind = "offset-mask"
    offset_max: u.Quantity = quantity("1.2 deg", doc="Largest offset.")

    def make(self, dataset: Any, observation: Any) -> Any:
        return SafeMaskMaker(methods=["offset-max"], offset_max=self.offset_max).run(
            dataset, observation
        )


@component
class FlatBackground(Maker):
    """A background with a maximum offset, which does not change masks."""

    kind = "flat-background"
    makes = ("background",)
    offset_max: u.Quantity = quantity("1 deg", doc="Largest offset.")

    def make(self, dataset: Any, observation: Any) -> Any:
        return dataset


@component
class PixelOffset(FlatBackground):
    """A maker without `makes`, and with an option that is not an angle."""

    kind = "pixel-offset"
    makes = None
    offset_max: float = option(3.0, doc="Largest distance in pixels.")


def geometry(**options: Any) -> MapGeometry:
    energy = {"min": "1 TeV", "max": "10 TeV", "bins": 2}
    energy_true = {"min": "0.5 TeV", "max": "20 TeV", "bins": 3}
    return MapGeometry(
        center=SkyCoord("83.63 deg", "22.01 deg"),
        width="6 deg",
        bin_size="0.1 deg",
        energy=EnergyAxis(**energy),
        energy_true=EnergyAxis(**energy_true),
        **options,
    )


@pytest.fixture(scope="module")
def observations(crab_archive: Path) -> Observations:
    return DataStore.from_dir(crab_archive).get_observations()


def cutout_shape(mask: Any, observations: Observations) -> tuple[int, ...]:
    """Return the shape of the counts of a run, reduced with a mask."""
    reduction = Reduction(archive="x", geometry=geometry(), make=[MapData(), mask], stack=Sum())
    target = reduction.geometry.target("target")
    dataset = reduction.geometry.cutout(target, observations[0], reduction)
    return dataset.counts.data.shape


def test_mask_of_a_third_party_sets_the_cutout(observations: Observations) -> None:
    shape = geometry().target("target").counts.data.shape
    expected = cutout_shape(SafeMask(methods=["offset-max"], offset_max=OFFSET), observations)
    assert cutout_shape(OffsetMask(), observations) == expected
    assert np.prod(expected) < np.prod(shape) / 5
    gammapy_mask = SafeMaskMaker(methods=["offset-max"], offset_max=OFFSET)
    assert cutout_shape(gammapy_mask, observations) == expected


def test_offset_that_does_not_limit_events_does_not_set_the_cutout(
    observations: Observations,
) -> None:
    shape = geometry().target("target").counts.data.shape
    assert cutout_shape(FlatBackground(), observations) == shape
    assert cutout_shape(PixelOffset(), observations) == shape
    assert (
        cutout_shape(SafeMask(methods=["aeff-default"], offset_max=OFFSET), observations) == shape
    )
    assert cutout_shape(SafeMaskMaker(methods=["aeff-default"]), observations) == shape


def test_datasets_maker_uses_the_offsets_of_its_makers() -> None:
    assert DatasetsMaker([MapData(), OffsetMask()]).offset_max == OFFSET
    assert DatasetsMaker([MapData(), FlatBackground()]).offset_max is None
    makers = [SafeMaskMaker(methods=["offset-max"], offset_max=2 * u.deg), OffsetMask()]
    assert DatasetsMaker(makers).offset_max == OFFSET


@component
class Image(Geometry):
    """A third-party map geometry."""

    kind = "image"
    dataset_type = "map"

    def target(self, name: str | None = None) -> Any:
        return geometry().target(name)

    def cutout(self, target: Any, observation: Any, reduction: Reduction) -> Any:
        return target.copy(name="x")


@component
class Spectra(Image):
    """A third-party spectrum geometry."""

    kind = "spectra"
    dataset_type = "spectrum"


@component
class Unknown(Image):
    """A geometry of another type."""

    kind = "unknown"
    dataset_type = None


def problems(**options: Any) -> str:
    pipeline = skyred.Pipeline(data={"x": Reduction(archive="x", stack=Sum(), **options)})
    return "\n".join(map(str, pipeline.problems()))


def test_geometry_of_a_third_party_is_checked_by_its_dataset_type() -> None:
    makers = [MapData(), FoVBackground()]
    assert "needs a geometry" not in problems(geometry=Image(), make=makers)
    assert "needs a geometry" not in problems(geometry=Unknown(), make=makers)
    messages = problems(geometry=Spectra(), make=makers)
    assert "needs a geometry for map datasets, but data.x has the geometry 'spectra'" in messages


def test_order_of_makers_of_third_parties_is_checked() -> None:
    ring = RingBackground(r_in="0.3 deg", width="0.3 deg")
    makers = [MapData(), ring, FlatBackground()]
    assert "must be the last maker, but 'flat-background' follows" in problems(
        geometry=Image(), make=makers
    )
    assert "comes before" not in problems(geometry=Image(), make=[MapData(), ring, OffsetMask()])


@component
class ThirdPartySum(Sum):
    """A third-party sum stacker."""

    kind = "third-party-sum"


@pytest.mark.parametrize("stacker", [Sum(), ThirdPartySum()])
def test_light_curve_of_one_dataset_is_rejected_for_any_stacker(stacker: Stacker) -> None:
    pipeline = skyred.Pipeline(
        data={"x": Reduction(archive="x", geometry=Image(), make=[MapData()], stack=stacker)},
        estimate=[LightCurve(source="crab", by="run")],
    )
    assert any("is stacked into one dataset" in str(problem) for problem in pipeline.problems())


def test_core_modules_do_not_compare_kinds_of_components() -> None:
    # kinds of HDUs, of numpy types and of files are not kinds of components
    layers = {"inspection", "components", "products", "io"}
    comparisons = []
    for path in SOURCE.rglob("*.py"):
        if path.relative_to(SOURCE).parts[0] in layers:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                kinds = [
                    side
                    for side in sides
                    if isinstance(side, ast.Attribute)
                    and side.attr == "kind"
                    and "dtype" not in ast.unparse(side.value)
                ]
                constants = [side for side in sides if isinstance(side, ast.Constant | ast.Tuple)]
                if kinds and constants:
                    comparisons.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert not comparisons
