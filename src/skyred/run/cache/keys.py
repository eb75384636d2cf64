"""Cache keys, the digests of everything that a reduced chunk depends on."""

from __future__ import annotations

import platform
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

import attrs

from skyred.errors import ConfigError
from skyred.fields import Location, digest
from skyred.inspection.records import RunInput
from skyred.interfaces import (
    Component,
    Fields,
    Maker,
    Reduction,
    cutting_selectors,
    locations,
    texts_with_variables,
    walk,
)
from skyred.io.checksums import file_checksum
from skyred.io.versions import installed_version
from skyred.plugins import Catalog
from skyred.run.cache.code import NoCacheError, code_digests

PACKAGES = ("skyred", "gammapy", "numpy", "scipy", "astropy", "regions")


@attrs.frozen
class Recipe:
    """Everything that a reduced chunk depends on, except its observations.

    These are the geometry and the prepared makers and stacker with all their options, their plugins
    and source code, the files that they read, the option `on_fault`, and the versions of Python and
    the numerical packages. Earlier steps (selection, except for selectors of good time) and later
    steps (fit range, models) are not included.

    Parameters
    ----------
    components : tuple of Fields
        Geometry, makers, stacker and selectors that restrict the good time, and all objects nested
        in these.
    digest : str
        The digest of the components, their plugins and code, the files, and `on_fault`.
    files : Hashable
        The sha256 of the files that the components read.
    code : tuple of str
        Digests of the source code of the components, and versions, which must be the same in
        workers.
    """

    components: tuple[Fields, ...] = attrs.field(repr=False)
    digest: str
    files: Hashable = attrs.field(repr=False)
    code: tuple[str, ...] = attrs.field(repr=False)

    @classmethod
    def from_reduction(
        cls, reduction: Reduction, makers: Iterable[Maker], catalog: Catalog
    ) -> Self:
        """Return the recipe of a prepared reduction.

        Parameters
        ----------
        reduction : Reduction
            The data entry, with its stacker prepared.
        makers : iterable of Maker
            The prepared makers.
        catalog : Catalog
            The catalog of the components and their plugins.

        Returns
        -------
        Recipe
            The recipe.

        Raises
        ------
        NoCacheError
            If a component or its source code has no digest; the message is the reason.
        """
        components = reduction_components(reduction, makers)
        files = tuple(_iter_file_digests(components))
        try:
            keys = tuple(component.key() for component in components)
        except ConfigError as error:
            raise NoCacheError(error.problems[0].message) from None
        code = source_versions(type(component) for component in components)
        owners = tuple(
            _owner_key(component, catalog)
            for component in components
            if isinstance(component, Component)
        )
        content = (keys, reduction.on_fault, code, owners, files)
        return cls(components, digest(content), files, code)

    def files_unchanged(self) -> bool:
        """Return whether the files that components read are unchanged since the recipe was created.

        Returns
        -------
        bool
            Whether all digests are the same.
        """
        return tuple(_iter_file_digests(self.components)) == self.files


def reduction_components(reduction: Reduction, makers: Iterable[Maker]) -> tuple[Fields, ...]:
    """Return the components that produce a chunk, with all objects nested in them.

    Parameters
    ----------
    reduction : Reduction
        The data entry.
    makers : iterable of Maker
        The prepared makers.

    Returns
    -------
    tuple of Fields
        Geometry, makers, stacker, selectors that restrict the good time, and the objects nested in
        each of these.
    """
    selectors = cutting_selectors(reduction.select)
    roots = (reduction.geometry, *reduction.make, *makers, reduction.stack, *selectors)
    return tuple(component for root in roots for _, component in walk(root))


def source_versions(classes: Iterable[type[Fields]]) -> tuple[str, ...]:
    """Return the digests of the source code of classes, and versions of Python and of packages.

    Parameters
    ----------
    classes : iterable of type
        The classes.

    Returns
    -------
    tuple of str
        Digests and versions.

    Raises
    ------
    NoCacheError
        If there is no source code, or it was changed after it was imported.
    """
    # without module names: the module __main__ has a different name in a worker
    digests = sorted(code_digests(dict.fromkeys(classes)).values())
    versions = [f"{name} {installed_version(name)}" for name in PACKAGES]
    return (*digests, *versions, f"python {platform.python_version()}")


def chunk_key(recipe: Recipe, runs: Iterable[RunInput], checksums: Mapping[Path, str]) -> str:
    """Return the cache key of a chunk of runs.

    Parameters
    ----------
    recipe : Recipe
        The recipe of the reduction.
    runs : iterable of RunInput
        The runs, in order.
    checksums : mapping of Path to str
        The sha256 of the files of the runs.

    Returns
    -------
    str
        The key, a hexadecimal sha256.
    """
    return digest((recipe.digest, tuple(_run_key(run, checksums) for run in runs)))


def compute_checksums(files: Iterable[Path]) -> dict[Path, str]:
    """Compute the sha256 of files.

    Parameters
    ----------
    files : iterable of Path
        The files.

    Returns
    -------
    dict of Path to str
        The sha256 by file; "" for a file that cannot be read.
    """
    return {path: file_checksum(path) for path in dict.fromkeys(files)}


def _run_key(run: RunInput, checksums: Mapping[Path, str]) -> Hashable:
    hdus = tuple(
        (hdu.hdu_type, hdu.hdu_class, hdu.name, checksums[hdu.path]) for hdu in run.indexed_hdus
    )
    row = tuple((name, repr(value)) for name, value in sorted(run.row.items()))
    return (run.obs_id, hdus, row)


def _owner_key(component: Component, catalog: Catalog) -> Hashable:
    owner = catalog.owner(component)
    return None if owner is None else (owner.distribution, owner.version)


def _iter_file_digests(components: Iterable[Fields]) -> Iterator[Hashable]:
    for component in components:
        for _, location in locations(component):
            yield tuple(file_checksum(path) for path in _iter_files(location))
        # text is compared as it is written, but its variables may have other values
        yield from (string.expanded() for _, string in texts_with_variables(component))


def _iter_files(location: Location) -> Iterator[Path]:
    for path in location.matches():
        yield from sorted(path.rglob("*")) if path.is_dir() else [path]
