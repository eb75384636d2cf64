"""Files of products, which are checked as soon as they are written."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.errors import ComponentError
from skyred.interfaces import Product

if TYPE_CHECKING:
    from gammapy.modeling.models import Models

log = logging.getLogger(__name__)

FOLDER = "estimates"


def write_products(
    folder: Path,
    products: Mapping[str, Product],
    models: Models | None,
    sources: Mapping[str, str],
) -> None:
    """Write products into ``estimates/``; if one cannot be written, the others are.

    Parameters
    ----------
    folder : Path
        The run folder.
    products : mapping of str to Product
        The products by name.
    models : Models or None
        The fitted models.
    sources : mapping of str to str
        The estimators with their plugins, by name of the product, for error messages.

    Raises
    ------
    Exception
        The first error; raised after all products have been written.
    """
    (folder / FOLDER).mkdir(exist_ok=True)
    errors: list[Exception] = []
    for name, product in products.items():
        try:
            _write(folder / FOLDER, product, models)
        except Exception as error:
            prefix = "" if isinstance(error, ComponentError) else f"the estimate {name}: "
            log.error("%s%s", prefix, error)
            if name in sources:
                error.add_note(f"raised in the {sources[name]}")
            errors.append(error)
    if errors:
        raise errors[0]


def _write(folder: Path, product: Product, models: Models | None) -> None:
    """Write a product and check its files; if that fails, remove the files that were created."""
    existing_files = _files(folder)
    try:
        _write_and_check(folder, product, models)
    except BaseException:
        for path in _files(folder) - existing_files:
            path.unlink(missing_ok=True)
        raise


def _write_and_check(folder: Path, product: Product, models: Models | None) -> None:
    cls = type(product)
    source = f"the estimate {product.name} cannot be saved: {cls.__name__}.write"
    try:
        paths: Any = product.write(folder)
    except SystemExit as error:
        raise ComponentError(
            f"{source} exits Python (code {error.code}); it must raise an error instead"
        ) from error
    if fault := _find_fault(paths):
        raise ComponentError(f"{source} returned {fault}; expected the paths of all its files")
    if not has_files(folder, product.name):
        raise ComponentError(
            f"{source} wrote no file {product.name}.*, which is read back; derive all file names "
            "from self.name"
        )
    if cls.__module__.startswith("skyred."):  # their files are tested
        return
    try:
        loaded_product = cls.read(folder, product.name, models)
    except (Exception, SystemExit) as error:
        raise ComponentError(
            f"the estimate {product.name} cannot be read back: {cls.__name__}.read raised "
            f"{type(error).__name__}: {error}; it must read the files of {cls.__name__}.write"
        ) from error
    if not isinstance(loaded_product, Product):
        raise ComponentError(
            f"the estimate {product.name} cannot be read back: {cls.__name__}.read "
            f"returned {type(loaded_product).__name__}, not a Product"
        )


def _find_fault(paths: Any) -> str:
    """Return what is wrong with the return value of `Product.write`, or ""."""
    if not isinstance(paths, list | tuple):
        return f"{type(paths).__name__}, not a list"
    for path in paths:
        if not isinstance(path, str | os.PathLike):
            return f"a list with {type(path).__name__}"
        if not Path(path).is_file():
            return f"{path}, which is no file"
    return ""


def has_files(folder: Path, name: str) -> bool:
    """Return whether a product was written.

    Parameters
    ----------
    folder : Path
        The folder of the products.
    name : str
        The name of the product.

    Returns
    -------
    bool
        Whether there is a file ``NAME.*``.
    """
    return any(folder.glob(f"{name}.*"))


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_dir()}
