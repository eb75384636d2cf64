"""The selection of datasets before the method `estimate` of an estimator is called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skyred.fields import SPEC, FieldSpec
from skyred.interfaces.dataset_names import select_datasets

if TYPE_CHECKING:
    from gammapy.datasets import Datasets

    from skyred.interfaces.estimator import Estimator
    from skyred.interfaces.product import Product
    from skyred.interfaces.records import FitResult

    Estimate = Callable[[Estimator, Datasets, FitResult | None], Product]

_SELECTS = "_selects_datasets"


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
            f"{cls.__name__}.datasets replaces the option datasets of all estimators, "
            f"{inherited.type_name}: rename it, or declare it with "
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
    is_wrapped = getattr(estimate, _SELECTS, None) is estimate
    if not is_wrapped and not getattr(estimate, "__isabstractmethod__", False):
        cls.estimate = _with_selection(estimate)  # type: ignore[method-assign, assignment]


def _with_selection(estimate: Estimate) -> Estimate:
    """Return the method `estimate` with a selection of the datasets before it.

    The method of a parent class, called by ``super().estimate(...)``, uses the datasets as they are
    passed: the subclass has already selected them, and may have removed others.
    """

    @functools.wraps(estimate)
    def estimate_selected(self: Estimator, datasets: Datasets, fit: FitResult | None) -> Product:
        if type(self).estimate is not estimate_selected:  # a parent's method, called by super()
            return estimate(self, datasets, fit)
        return estimate(self, select_datasets(datasets, self.datasets), fit)

    setattr(estimate_selected, _SELECTS, estimate_selected)
    return estimate_selected
