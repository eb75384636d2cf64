"""Components of third parties stand wherever the defaults do: the interfaces are asked."""

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
class Inside(Maker):
    """Keep what lies within an offset: a mask that nobody else knows."""

    kind = "inside"
    offset_max: u.Quantity = quantity("1.2 deg", doc="Largest offset.")

    def make(self, dataset: Any, observation: Any) -> Any:
        return SafeMaskMaker(methods=["offset-max"], offset_max=self.offset_max).run(
            dataset, observation
        )


@component
class Flat(Maker):
    """A background that reaches so far, and masks nothing."""

    kind = "flat"
    makes = ("background",)
    offset_max: u.Quantity = quantity("1 deg", doc="How far it reaches.")

    def make(self, dataset: Any, observation: Any) -> Any:
        return dataset


@component
class InPixels(Flat):
    """It does not say what it makes, and its option is something else."""

    kind = "in-pixels"
    makes = None
    offset_max: float = option(3.0, doc="How far it reaches, in pixels.")


def geometry(**options: Any) -> MapGeometry:
    edges = {"min": "1 TeV", "max": "10 TeV", "bins": 2}
    true = {"min": "0.5 TeV", "max": "20 TeV", "bins": 3}
    return MapGeometry(
        center=SkyCoord("83.63 deg", "22.01 deg"),
        width="6 deg",
        bin_size="0.1 deg",
        energy=EnergyAxis(**edges),
        energy_true=EnergyAxis(**true),
        **options,
    )


@pytest.fixture(scope="module")
def observations(crab_archive: Path) -> Observations:
    return DataStore.from_dir(crab_archive).get_observations()


def pixels(mask: Any, observations: Observations) -> tuple[int, ...]:
    reduction = Reduction(archive="x", geometry=geometry(), make=[MapData(), mask], stack=Sum())
    flat_geometry = reduction.geometry
    return flat_geometry.cutout(
        flat_geometry.target("t"), observations[0], reduction
    ).counts.data.shape


def test_a_mask_of_a_third_party_gets_the_cutout_of_the_safe_mask(
    observations: Observations,
) -> None:
    shape = geometry().target("t").counts.data.shape
    expected = pixels(SafeMask(methods=["offset-max"], offset_max=OFFSET), observations)
    assert pixels(Inside(), observations) == expected
    assert np.prod(expected) < np.prod(shape) / 5
    # so does gammapy's own safe mask, as it is
    gammapys = SafeMaskMaker(methods=["offset-max"], offset_max=OFFSET)
    assert pixels(gammapys, observations) == expected


def test_an_offset_that_limits_no_events_cuts_nothing(observations: Observations) -> None:
    shape = geometry().target("t").counts.data.shape
    assert pixels(Flat(), observations) == shape
    assert pixels(InPixels(), observations) == shape
    assert pixels(SafeMask(methods=["aeff-default"], offset_max=OFFSET), observations) == shape
    assert pixels(SafeMaskMaker(methods=["aeff-default"]), observations) == shape


def test_the_datasets_maker_asks_the_makers_too() -> None:
    assert DatasetsMaker([MapData(), Inside()]).offset_max == OFFSET
    assert DatasetsMaker([MapData(), Flat()]).offset_max is None
    both = [SafeMaskMaker(methods=["offset-max"], offset_max=2 * u.deg), Inside()]
    assert DatasetsMaker(both).offset_max == OFFSET


@component
class Image(Geometry):
    """A map of a third party."""

    kind = "image"
    dataset_type = "map"

    def target(self, name: str | None = None) -> Any:
        return geometry().target(name)

    def cutout(self, target: Any, observation: Any, reduction: Reduction) -> Any:
        return target.copy(name="x")


@component
class Spectra(Image):
    """Spectra of a third party."""

    kind = "spectra"
    dataset_type = "spectrum"


@component
class Unknown(Image):
    """Neither."""

    kind = "unknown"
    dataset_type = None


def problems(**options: Any) -> str:
    pipeline = skyred.Pipeline(data={"x": Reduction(archive="x", stack=Sum(), **options)})
    return "\n".join(map(str, pipeline.problems()))


def test_geometry_of_a_third_party_is_checked_by_its_dataset_type() -> None:
    makers = [MapData(), FoVBackground()]
    assert "needs the geometry" not in problems(geometry=Image(), make=makers)
    assert "needs the geometry" not in problems(geometry=Unknown(), make=makers)
    messages = problems(geometry=Spectra(), make=makers)
    assert "the maker 'map' needs the geometry 'map', but that of data.x is 'spectra'" in messages


def test_makers_of_third_parties_are_checked_by_their_makes() -> None:
    ring = RingBackground(r_in="0.3 deg", width="0.3 deg")
    makers = [MapData(), ring, Flat()]
    assert "must be the last maker, but 'flat' follows" in problems(geometry=Image(), make=makers)
    assert "comes before" not in problems(geometry=Image(), make=[MapData(), ring, Inside()])


@component
class One(Sum):
    """A sum of a third party."""

    kind = "one"


@pytest.mark.parametrize("stacker", [Sum(), One()])
def test_a_light_curve_of_one_dataset_is_refused_whoever_sums(stacker: Stacker) -> None:
    pipeline = skyred.Pipeline(
        data={"x": Reduction(archive="x", geometry=Image(), make=[MapData()], stack=stacker)},
        estimate=[LightCurve(source="crab", by="run")],
    )
    assert any("is stacked into one dataset" in str(problem) for problem in pipeline.problems())


def test_no_core_module_compares_the_kind_of_a_component() -> None:
    # kinds of HDUs, of numpy types and of files are not kinds of components
    layers = {"inspection", "components", "products", "io"}
    imports = []
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
                texts = [side for side in sides if isinstance(side, ast.Constant | ast.Tuple)]
                if kinds and texts:
                    imports.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert not imports
