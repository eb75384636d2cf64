"""Geometries with one defect each."""

from __future__ import annotations

from typing import Any

from skyred import EnergyAxis, MapGeometry, component, nested_object, position, quantity


@component
class SmallMap(MapGeometry):
    """A small map: a valid geometry."""

    kind = "planted-small-map"
    center = position(("83.633 deg", "22.014 deg"), doc="Centre of the map.")
    width = quantity("1 deg", count=2, unit="deg", doc="Width and height.")
    bin_size = quantity("0.1 deg", doc="Size of a pixel.")
    energy = nested_object(EnergyAxis, EnergyAxis(min="1 TeV", max="9 TeV", bins=1), doc="Energy.")
    energy_true = nested_object(
        EnergyAxis, EnergyAxis(min="0.5 TeV", max="20 TeV", bins=3), doc="True energy."
    )


@component
class FilledTarget(SmallMap):
    """A geometry whose empty dataset has counts."""

    kind = "planted-filled-target"

    def target(self, name: str | None = None) -> Any:
        dataset = SmallMap.target(self, name)
        dataset.counts.data += 1
        return dataset


@component
class NoCopy(SmallMap):
    """A geometry that does not copy the target."""

    kind = "planted-no-copy"

    def cutout(self, target: Any, observation: Any, reduction: Any) -> Any:
        target._name = f"crab-{observation.obs_id}"
        return target


@component
class RandomNames(SmallMap):
    """A geometry that does not name the datasets of runs."""

    kind = "planted-random-names"

    def cutout(self, target: Any, observation: Any, reduction: Any) -> Any:
        return target.copy()


@component
class OneName(SmallMap):
    """A geometry that gives the datasets of all runs one name."""

    kind = "planted-one-name"

    def cutout(self, target: Any, observation: Any, reduction: Any) -> Any:
        return target.copy(name=target.name)
