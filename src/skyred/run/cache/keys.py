"""Keys: digests of everything that a reduced chunk depends on."""

from __future__ import annotations

import platform
from collections.abc import Hashable, Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Self

import attrs

from skyred.errors import ConfigError
from skyred.fields import Location, digest
from skyred.inspection.records import RunInput
from skyred.interfaces import Component, Fields, Maker, Reduction, locations, walk
from skyred.io.sums import sum_of
from skyred.plugins import Catalog
from skyred.run.cache.code import NoCacheError, code_digests

PACKAGES = ("skyred", "gammapy", "numpy", "scipy", "astropy", "regions")


@attrs.frozen
class Recipe:
    """All that a chunk depends on beside its observations.

    These are geometry, makers and stacker as they are prepared, with all options; whose they are,
    and their source; the files that they read; and the versions of what does the numbers. What
    is done before (selection) and after (fit range, models) plays no part.

    Parameters
    ----------
    held : tuple of Fields
        Geometry, makers and stacker, and all that they hold.
    digest : str
        The digest.
    files : Hashable
        The sha256 of the files that they read.
    code : tuple of str
        Digests of their source, and versions: where they work they are to be the same.
    """

    held: tuple[Fields, ...] = attrs.field(repr=False)
    digest: str
    files: Hashable = attrs.field(repr=False)
    code: tuple[str, ...] = attrs.field(repr=False)

    @classmethod
    def of(cls, reduction: Reduction, makers: Iterable[Maker], catalog: Catalog) -> Self:
        """Give the recipe of a reduction, as it is prepared.

        Raises
        ------
        NoCacheError
            If something of it cannot be put into a digest, with the reason.
        """
        held = links(reduction, makers)
        files = tuple(_contents(held))
        try:
            keys = tuple(link.key() for link in held)
        except ConfigError as error:
            raise NoCacheError(error.problems[0].message) from None
        code = code_of(type(each) for each in held)
        owners = tuple(_owner(each, catalog) for each in held if isinstance(each, Component))
        whole = (keys, reduction.on_fault, code, owners, files)
        return cls(held, digest(whole), files, code)

    def holds_still(self) -> bool:
        """Say whether the files that are read are what they were when the recipe was made."""
        return tuple(_contents(self.held)) == self.files


def links(reduction: Reduction, makers: Iterable[Maker]) -> tuple[Fields, ...]:
    """Give all that makes a chunk: geometry, makers, stacker, and what they hold."""
    first = (reduction.geometry, *reduction.make, *makers, reduction.stack)
    return tuple(each for link in first for _, each in walk(link))


def code_of(classes: Iterable[type[Fields]]) -> tuple[str, ...]:
    """Give digests of the source behind classes, and the versions of what does the numbers.

    Raises
    ------
    NoCacheError
        If there is no source, or it was changed after it was imported.
    """
    # without the names of modules: what is __main__ here has another one in a worker
    digests = sorted(code_digests(dict.fromkeys(classes)).values())
    versions = [f"{name} {version(name)}" for name in PACKAGES]
    return (*digests, *versions, f"python {platform.python_version()}")


def chunk_key(recipe: Recipe, runs: Iterable[RunInput], sums: Mapping[Path, str]) -> str:
    """Give the key of a chunk of runs.

    Parameters
    ----------
    recipe : Recipe
        What they are made with.
    runs : sequence of RunInput
        The runs, in order.
    sums : mapping of Path to str
        The sha256 of their files.
    """
    return digest((recipe.digest, tuple(_run(run, sums) for run in runs)))


def sums_of(files: Iterable[Path]) -> dict[Path, str]:
    """Take the sha256 of files; "" for one that cannot be read."""
    return {path: sum_of(path) for path in dict.fromkeys(files)}


def _run(run: RunInput, sums: Mapping[Path, str]) -> Hashable:
    sources = tuple((each.kind, each.form, each.name, sums[each.path]) for each in run.sources)
    row = tuple((name, repr(held)) for name, held in sorted(run.row.items()))
    return (run.obs_id, sources, row)


def _owner(component: Component, catalog: Catalog) -> Hashable:
    owner = catalog.owner(component)
    return None if owner is None else (owner.distribution, owner.version)


def _contents(held: Iterable[Fields]) -> Iterator[Hashable]:
    for each in held:
        for _, place in locations(each):
            yield tuple(sum_of(path) for path in _files(place))


def _files(place: Location) -> Iterator[Path]:
    for path in place.matches():
        yield from sorted(path.rglob("*")) if path.is_dir() else [path]
