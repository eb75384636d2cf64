"""The selection of datasets before the method `estimate` of an estimator is called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from skyred.fields import SPEC, FieldSpec
from skyred.interfaces.dataset_names import select_datasets

if TYPE_CHECKING:
    from gammapy.datasets import Datasets

    from skyred.interfaces.estimator import Estimator
    from skyred.interfaces.product import Product
    from skyred.interfaces.records import FitResult

    Estimate = Callable[..., Product]

_WRAPPER = "_selection_wrapper"  # attribute of a wrapper that refers to the wrapper itself
# the ids of the estimators whose datasets are selected, while their methods run
_RUNNING: ContextVar[frozenset[int]] = ContextVar("_RUNNING", default=frozenset())


def check_declaration(cls: type[Estimator], inherited: FieldSpec) -> None:
    """Check that a class does not redefine `datasets`, except as an option of the same type.

    Parameters
    ----------
    cls : type
        A subclass of `Estimator`.
    inherited : FieldSpec
        The declaration of the option in `Estimator`.

    Raises
    ------
    TypeError
        If the class declares `datasets` with another type, or not as an option.
    """
    if "datasets" not in vars(cls) and "datasets" not in vars(cls).get("__annotations__", {}):
        return
    spec = getattr(vars(cls).get("datasets"), "metadata", {}).get(SPEC)
    if spec is None or spec.type_name != inherited.type_name or spec.optional:
        raise TypeError(
            f"{cls.__name__}.datasets conflicts with the option datasets that all estimators have "
            "(a list of strings): rename it, or declare it with "
            "option((), type=str, many=True, doc=...)"
        )


def add_selection(cls: type[Estimator]) -> None:
    """Add the selection of datasets to the method `estimate` of a class.

    Parameters
    ----------
    cls : type
        A subclass of `Estimator`; its method may be inherited from any class, such as a mixin.
    """
    estimate: Any = cls.estimate
    # functools.wraps copies the attribute, so a true value is not enough
    is_wrapped = getattr(estimate, _WRAPPER, None) is estimate
    if not is_wrapped and not getattr(estimate, "__isabstractmethod__", False):
        cls.estimate = _with_selection(estimate)  # type: ignore[method-assign]


def _with_selection(estimate: Estimate) -> Estimate:
    """Return the method `estimate` with a selection of the datasets before it.

    Nested calls of `estimate` on the same estimator, such as ``super().estimate(...)``, use the
    datasets that are passed to them: they are already selected, and the subclass may have removed
    others.
    """

    @functools.wraps(estimate)
    def estimate_selected(
        self: Estimator, datasets: Datasets, fit: FitResult | None, *args: Any, **options: Any
    ) -> Product:
        running = _RUNNING.get()
        if id(self) in running:
            return estimate(self, datasets, fit, *args, **options)
        token = _RUNNING.set(running | {id(self)})
        try:
            selected_datasets = select_datasets(datasets, self.datasets)
            return estimate(self, selected_datasets, fit, *args, **options)
        finally:
            _RUNNING.reset(token)

    setattr(estimate_selected, _WRAPPER, estimate_selected)
    return estimate_selected
