"""Stackers with one defect each; a sound one they come from."""

from __future__ import annotations

from typing import Any

from skyred import Stacker, component
from skyred.interfaces import value


@value
class Listing(Stacker):
    """Keep a copy of each dataset: what the others come from."""

    def zero(self, geometry: Any) -> Any:
        return []

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        if total and type(total[0]) is not type(dataset):
            raise TypeError("datasets of two types")
        return [*total, dataset.copy(name=dataset.name)]

    def merge(self, left: Any, right: Any) -> Any:
        return [*left, *right]

    def result(self, total: Any) -> Any:
        from gammapy.datasets import Datasets

        return Datasets(total)


@component
class SoundList(Listing):
    """Keep each dataset: a sound stacker."""

    kind = "planted-list"


@component
class Aliases(Listing):
    """Holds on to the datasets."""

    kind = "planted-aliases"

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        if total and type(total[0]) is not type(dataset):
            raise TypeError("datasets of two types")
        return [*total, dataset]


@component
class Backwards(Listing):
    """Merges the wrong way round."""

    kind = "planted-backwards"

    def merge(self, left: Any, right: Any) -> Any:
        return [*right, *left]


@component
class LosesRight(Listing):
    """Forgets the right total if the left one is empty."""

    kind = "planted-loses-right"

    def merge(self, left: Any, right: Any) -> Any:
        return [*left, *right] if left else []


@component
class Twice(Listing):
    """Counts datasets twice when it merges."""

    kind = "planted-doubles"

    def merge(self, left: Any, right: Any) -> Any:
        for dataset in right if left else []:
            dataset.counts.data *= 2
        return [*left, *right]


@component
class EachAlone(Listing):
    """Keeps each dataset on its own, of whatever type: a sound stacker."""

    kind = "planted-each-alone"

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        return [*total, dataset.copy(name=dataset.name)]


@component
class ForgetsOff(EachAlone):
    """Takes datasets of two types, as those of the first."""

    kind = "planted-forgets-off"

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        if total and type(total[0]) is not type(dataset) and dataset.tag.endswith("OnOff"):
            dataset = dataset.to_spectrum_dataset(name=dataset.name)
        return super().add(total, dataset, observation)


@component
class ForgetsDataset(EachAlone):
    """Leaves out datasets of another type than the first."""

    kind = "planted-forgets-dataset"

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        mixed = total and type(total[0]) is not type(dataset)
        return total if mixed else super().add(total, dataset, observation)


@component
class SpoilsDataset(Listing):
    """Masks the counts of the dataset that it adds."""

    kind = "planted-spoils-dataset"

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        dataset.counts.data *= dataset.mask_safe.data
        return super().add(total, dataset, observation)


@component
class Generates(Listing):
    """Has totals that cannot be pickled."""

    kind = "planted-generates"

    def zero(self, geometry: Any) -> Any:
        return Unsendable()

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        return Unsendable(super().add(total, dataset, observation))

    def merge(self, left: Any, right: Any) -> Any:
        return Unsendable([*left, *right])


class Unsendable(list[Any]):
    """A list that stays where it is."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("cannot pickle a handle")


@component
class OneName(Listing):
    """Calls all datasets the same."""

    kind = "planted-one-name"

    def result(self, total: Any) -> Any:
        return [dataset.copy(name="all") for dataset in total]
