"""Checks that the products of estimators can be read back from a run folder."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from skyred.errors import ComponentError
from skyred.interfaces.product import Product

if TYPE_CHECKING:
    from skyred.interfaces.estimator import Estimator

_REMEDY = "a run folder is read with the class in `product`"


def check_product_class(cls: type) -> None:
    """Check that an estimator declares the class of its product.

    Parameters
    ----------
    cls : type
        The class of the estimator; abstract classes are not checked.

    Raises
    ------
    TypeError
        If `product` is missing, or not a subclass of `Product` that implements all methods.
    """
    if inspect.isabstract(cls):
        return
    product = getattr(cls, "product", None)
    if not (isinstance(product, type) and issubclass(product, Product)):
        problem = "has no `product`" if product is None else f"has the `product` {product!r}"
        raise TypeError(
            f"{cls.__name__} {problem}; expected a subclass of Product, such as "
            f"product = TableProduct: {_REMEDY}"
        )
    if inspect.isabstract(product):
        methods = ", ".join(sorted(product.__abstractmethods__))
        raise TypeError(
            f"{cls.__name__} has the `product` {product.__name__}, which does not implement "
            f"{methods}: {_REMEDY}"
        )


def check_product(estimator: Estimator, product: Any) -> None:
    """Check that the product of an estimator can be read by the class that it declares.

    Parameters
    ----------
    estimator : Estimator
        The estimator.
    product : object
        The object that `estimate` returned.

    Raises
    ------
    ComponentError
        If it is not a product, has another class or reader, or another name than the estimate.
    """
    cls, declared_class = type(product), type(estimator).product
    if not isinstance(product, Product):
        raise ComponentError(
            f"the estimate {estimator.label} returned {cls.__name__}, not a Product; return "
            f"self.product(self.label, ...)"
        )
    if not isinstance(product, declared_class) or _reader(cls) is not _reader(declared_class):
        raise ComponentError(
            f"the estimate {estimator.label} is a {cls.__name__}, but the `product` of the "
            f"estimator is {declared_class.__name__}: {_REMEDY}; set product = {cls.__name__}"
        )
    if product.name != estimator.label:
        raise ComponentError(
            f"the product of the estimate {estimator.label} has the name {product.name!r}, under "
            "which it is not read; return self.product(self.label, ...)"
        )


def _reader(cls: type[Product]) -> object:
    return getattr(cls.read, "__func__", cls.read)
