"""Stackers with one defect each, and the valid stackers that they derive from."""

from __future__ import annotations

from typing import Any

from skyred import Stacker, component, option
from skyred.interfaces import value


@value
class ListStacker(Stacker):
    """Keep a copy of each dataset; base class of the stackers in this module."""

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
class ValidList(ListStacker):
    """A valid stacker."""

    kind = "planted-valid-list"


@component
class Aliases(ListStacker):
    """A stacker that does not copy datasets."""

    kind = "planted-aliases"

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        if total and type(total[0]) is not type(dataset):
            raise TypeError("datasets of two types")
        return [*total, dataset]


@component
class MergesInReverse(ListStacker):
    """A stacker that merges in reverse order."""

    kind = "planted-merges-in-reverse"

    def merge(self, left: Any, right: Any) -> Any:
        return [*right, *left]


@component
class DropsRightTotal(ListStacker):
    """A stacker that drops the right total if the left one is empty."""

    kind = "planted-drops-right-total"

    def merge(self, left: Any, right: Any) -> Any:
        return [*left, *right] if left else []


@component
class ReturnsList(ListStacker):
    """A stacker that returns a list instead of datasets."""

    kind = "planted-returns-list"

    def result(self, total: Any) -> Any:
        return total


@component
class DoublesCounts(ListStacker):
    """A stacker that doubles counts when merging."""

    kind = "planted-doubles-counts"

    def merge(self, left: Any, right: Any) -> Any:
        for dataset in right if left else []:
            dataset.counts.data *= 2
        return [*left, *right]


@component
class KeepsAnyType(ListStacker):
    """Keep each dataset, of any type: a valid stacker."""

    kind = "planted-keeps-any-type"

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        return [*total, dataset.copy(name=dataset.name)]


@component
class ConvertsType(KeepsAnyType):
    """A stacker that converts datasets to the type of the first."""

    kind = "planted-converts-type"

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        if total and type(total[0]) is not type(dataset) and dataset.tag.endswith("OnOff"):
            dataset = dataset.to_spectrum_dataset(name=dataset.name)
        return super().add(total, dataset, observation)


@component
class DropsOtherType(KeepsAnyType):
    """A stacker that drops datasets whose type differs from that of the first."""

    kind = "planted-drops-other-type"

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        mixed = total and type(total[0]) is not type(dataset)
        return total if mixed else super().add(total, dataset, observation)


@component
class ChangesDataset(ListStacker):
    """A stacker that masks the counts of added datasets."""

    kind = "planted-changes-dataset"

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        dataset.counts.data *= dataset.mask_safe.data
        return super().add(total, dataset, observation)


@component
class CannotBePickled(ListStacker):
    """A stacker with totals that cannot be pickled."""

    kind = "planted-cannot-be-pickled"

    def zero(self, geometry: Any) -> Any:
        return UnpicklableList()

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        return UnpicklableList(super().add(total, dataset, observation))

    def merge(self, left: Any, right: Any) -> Any:
        return UnpicklableList([*left, *right])


class UnpicklableList(list[Any]):
    """A list that cannot be pickled."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("cannot pickle a handle")


@component
class OtherNames(ListStacker):
    """A stacker that names its datasets differently from its pattern."""

    kind = "planted-other-names"

    def name_pattern(self, name: str) -> str:
        return f"{name}-night-*"


@component
class OtherPatternAfterPrepare(ListStacker):
    """A stacker with a pattern that is wrong before it is prepared."""

    kind = "planted-other-pattern-after-prepare"
    prefix: str = option("x", doc="Start of the pattern of the names.")

    def prepare(self, table: Any) -> Any:
        return self.evolve(prefix="")

    def name_pattern(self, name: str) -> str:
        return f"{self.prefix}*"


@component
class SameNames(ListStacker):
    """A stacker that gives all datasets the same name."""

    kind = "planted-same-names"

    def result(self, total: Any) -> Any:
        return [dataset.copy(name="all") for dataset in total]
