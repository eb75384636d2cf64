"""Tasks are passed to the estimators that have this parameter, and to no others."""

from __future__ import annotations

from typing import Any

import attrs

from estimator_tasks import scale
from skyred import SERIAL_TASKS, Estimator, Tasks, component
from toys import ToyProduct


@attrs.define
class CountingTasks(Tasks):
    """Tasks that count the calls of their method."""

    calls: int = 0

    def map(self, function: Any, shared: Any, items: Any) -> list[Any]:
        self.calls += 1
        return super().map(function, shared, items)


@component
class Divided(Estimator):
    """An estimator that divides its work into tasks."""

    kind = "divided"
    product = ToyProduct

    def estimate(self, datasets: Any, fit: Any, tasks: Tasks = SERIAL_TASKS) -> ToyProduct:
        return ToyProduct(self.label, sum(tasks.map(scale, 2.0, [1.0, 2.0])))


@component
class Undivided(Estimator):
    """An estimator that does not know tasks."""

    kind = "undivided"
    product = ToyProduct

    def estimate(self, datasets: Any, fit: Any) -> ToyProduct:
        return ToyProduct(self.label, 5.0)


@component
class Overridden(Divided):
    """A subclass that does not know tasks, although its base class does."""

    kind = "overridden"

    def estimate(self, datasets: Any, fit: Any) -> ToyProduct:
        return super().estimate(datasets, fit)


@component
class Inherited(Divided):
    """A subclass that passes the tasks to its base class by position."""

    kind = "inherited"

    def estimate(self, datasets: Any, fit: Any, tasks: Tasks = SERIAL_TASKS) -> ToyProduct:
        return super().estimate(datasets, fit, tasks)


def test_results_are_in_the_order_of_the_items():
    assert Tasks().map(scale, 2.0, [3.0, 1.0, 2.0]) == [6.0, 2.0, 4.0]


def test_tasks_are_passed_to_an_estimator_with_this_parameter():
    tasks = CountingTasks()
    assert Divided().estimate_with([], None, tasks).counts == 6.0
    assert tasks.calls == 1


def test_tasks_are_optional_when_an_estimator_is_called_directly():
    assert Divided().estimate([], None).counts == 6.0


def test_tasks_can_be_passed_by_position():
    tasks = CountingTasks()
    assert Divided().estimate([], None, tasks).counts == 6.0
    assert Inherited().estimate_with([], None, tasks).counts == 6.0
    assert tasks.calls == 2


def test_estimators_without_this_parameter_are_called_without_tasks():
    tasks = CountingTasks()
    assert Undivided().estimate_with([], None, tasks).counts == 5.0
    assert Overridden().estimate_with([], None, tasks).counts == 6.0
    assert tasks.calls == 0
