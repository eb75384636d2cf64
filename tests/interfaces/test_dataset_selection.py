"""The option `datasets` in estimators of plugins: mixins, subclasses, adapters and declarations."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from gammapy.datasets import Datasets

import small_datasets as small
from skyred import Estimator, component, option
from skyred.interfaces import adapting
from toys import ToyEstimator, ToyProduct


@pytest.fixture
def datasets() -> Datasets:
    return Datasets(
        [
            small.map_dataset("hess-1"),
            small.map_dataset("hess-2", seed=7),
            small.spectrum_dataset("magic"),
        ]
    )


class CountsOfMixin:
    """A method `estimate` outside the hierarchy of estimators."""

    def estimate(self: Any, datasets: Any, fit: Any) -> ToyProduct:
        return ToyProduct(self.label, float(sum(d.counts.data.sum() for d in datasets)))


@component
class MixedEstimator(CountsOfMixin, Estimator):
    """An estimator with the method of a mixin."""

    kind = "mixed"
    product = ToyProduct


@component
class WrappedEstimator(ToyEstimator):
    """An estimator whose method has the attributes of another method."""

    kind = "wrapped"

    @functools.wraps(ToyEstimator.estimate)
    def estimate(self, datasets: Any, fit: Any) -> ToyProduct:
        return CountsOfMixin.estimate(self, datasets, fit)


@component
class FirstDataset(ToyEstimator):
    """An estimator that uses only the first of the selected datasets."""

    kind = "first-dataset"

    def estimate(self, datasets: Any, fit: Any) -> Any:
        return super().estimate(Datasets([datasets[0]]), fit)


@pytest.mark.parametrize("estimator_class", [MixedEstimator, WrappedEstimator])
def test_inherited_methods_get_the_selected_datasets(
    estimator_class: Any, datasets: Datasets
) -> None:
    product = estimator_class(datasets=["magic"]).estimate(datasets, None)
    assert product.counts == datasets["magic"].counts.data.sum()


def test_method_of_the_parent_gets_the_datasets_that_it_is_passed(datasets: Datasets) -> None:
    estimator = FirstDataset(datasets=["hess-2", "magic"])
    for _ in range(2):  # the second call selects again
        product = estimator.estimate(datasets, None)
        assert product.counts == datasets["hess-2"].counts.data.sum()


def test_wrapper_of_the_method_gets_the_selection(datasets: Datasets) -> None:
    @component
    class Timed(ToyEstimator):
        """An estimator whose method is replaced later, as by a class decorator."""

        kind = "timed"

        def estimate(self, datasets: Any, fit: Any) -> Any:
            return super().estimate(datasets, fit)

    inner = Timed.estimate

    def estimate(self: Any, datasets: Any, fit: Any) -> Any:
        return inner(self, datasets, fit)

    Timed.estimate = estimate  # type: ignore[method-assign]
    product = Timed(datasets=["magic"]).estimate(datasets, None)
    assert product.counts == datasets["magic"].counts.data.sum()


def test_estimators_within_estimators_select_their_own_datasets(datasets: Datasets) -> None:
    inner = ToyEstimator(datasets=["magic"])

    @component
    class OuterEstimator(ToyEstimator):
        """An estimator that calls another one."""

        kind = "outer"

        def estimate(self, datasets: Any, fit: Any) -> Any:
            return inner.estimate(datasets, fit)

    product = OuterEstimator(datasets=["hess-1", "magic"]).estimate(datasets, None)
    assert product.counts == datasets["magic"].counts.data.sum()


def test_adapters_with_the_earlier_arguments_are_called(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    class EntryPoint:
        """An adapter of another package."""

        @staticmethod
        def load() -> Any:
            return lambda candidate, *, name=None, parameter=None: ToyEstimator(name=name)

    monkeypatch.setattr(adapting, "_adapters", lambda role: (EntryPoint,))
    adapted = Estimator.adapt(object(), name="a", datasets=["magic"])
    assert adapted == ToyEstimator(name="a", datasets=["magic"])
    assert Estimator.adapt(object(), datasets="hess-*") == ToyEstimator(datasets=["hess-*"])


@pytest.mark.parametrize(
    "declaration",
    [
        option(3, doc="A number."),
        option("a", doc="A name."),
        option(None, type=str, many=True, doc="Names, or None."),
        (),
    ],
    ids=["number", "string", "optional", "constant"],
)
def test_option_of_the_same_name_and_another_type_is_rejected(declaration: Any) -> None:
    members = {"kind": "own-datasets", "datasets": declaration}
    with pytest.raises(TypeError, match=r"OwnDatasets\.datasets conflicts with the option "):
        type("OwnDatasets", (ToyEstimator,), members)


def test_option_of_the_same_type_can_be_declared_again(datasets: Datasets) -> None:
    @component
    class OneDataset(ToyEstimator):
        """An estimator with another default."""

        kind = "one-dataset"
        datasets: tuple[str, ...] = option(("magic",), type=str, many=True, doc="Names.")

    assert OneDataset().estimate(datasets, None).counts == datasets["magic"].counts.data.sum()
