"""Methods under their old names work in subclasses, in mixins, by super() and when called."""

from __future__ import annotations

from typing import Any

import pytest

from skyred.errors import OldNameWarning
from skyred.interfaces import component
from toys import ToyProduct, ToySum

pytestmark = pytest.mark.filterwarnings("default::skyred.errors.OldNameWarning")


class PlotsOfMixin:
    """A method with the old name outside the hierarchy of products."""

    def pictures(self: Any) -> Any:
        return {"-mixin": self.plot}


class NewProduct(ToyProduct):
    """A product with a plot."""

    def plot_functions(self) -> Any:
        return {"-new": self.plot}


def define_old_product() -> Any:
    class OldProduct(NewProduct):
        """A product that extends the method with the old name."""

        def pictures(self) -> Any:
            return {**super().pictures(), "-old": self.plot}

    return OldProduct


def test_old_method_of_products_works_with_a_warning() -> None:
    with pytest.warns(OldNameWarning, match=r"OldProduct\.pictures is now called"):
        product = define_old_product()("total", 1.0)
    assert list(product.plot_functions()) == ["-new", "-old"]
    assert list(product.pictures()) == ["-new", "-old"]


def test_old_method_of_a_mixin_is_used() -> None:
    with pytest.warns(OldNameWarning, match=r"MixedProduct\.pictures is now called"):

        class MixedProduct(PlotsOfMixin, NewProduct):
            """A product with the method of the mixin."""

    assert list(MixedProduct("total", 1.0).plot_functions()) == ["-mixin"]


def test_subclass_with_the_new_method_replaces_the_old_one() -> None:
    class Current(define_old_product()):  # type: ignore[misc]
        """A product with the new method."""

        def plot_functions(self) -> Any:
            return {"-current": self.plot}

    assert list(Current("total", 1.0).plot_functions()) == ["-current"]


def test_old_method_of_a_new_product_can_be_called_with_a_warning() -> None:
    with pytest.warns(OldNameWarning, match=r"Product\.pictures is now called"):
        assert list(NewProduct("total", 1.0).pictures()) == ["-new"]


def test_old_method_of_stackers_can_be_extended_and_called() -> None:
    calls = []
    with pytest.warns(OldNameWarning, match=r"OldSum\.admit is now called"):

        @component
        class OldSum(ToySum):
            """A stacker that extends the method with the old name."""

            kind = "old-sum"

            def admit(self, observation: Any) -> None:
                super().admit(observation)
                calls.append(observation)

    OldSum().check_observation(1)
    OldSum().admit(2)
    assert calls == [1, 2]
    with pytest.warns(OldNameWarning, match=r"Stacker\.admit is now called"):
        ToySum().admit(3)
