"""Check of the reduced datasets of a configuration: each file is read as in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from skyred.errors import ArchiveError, SkyredError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gammapy.datasets import Dataset

    from skyred.interfaces import ReducedData
    from skyred.pipeline import Pipeline


def check_datasets(pipeline: Pipeline) -> float:
    """Read the reduced datasets of all data entries, and print their number.

    Parameters
    ----------
    pipeline : Pipeline
        The pipeline.

    Returns
    -------
    float
        The size of the datasets in memory, in bytes.

    Raises
    ------
    ArchiveError
        If datasets cannot be read or have the same name, or a fit range contains none of their
        bins; the message lists the problems of all data entries.
    """
    from skyred.interfaces import ReducedData
    from skyred.result.load_datasets import check_unique_names
    from skyred.run.disk_space import size_of

    datasets: list[tuple[str, Dataset]] = []
    errors: list[str] = []
    for name, entry in pipeline.entries():
        if isinstance(entry, ReducedData):
            try:
                datasets += [(name, dataset) for dataset in _read_datasets(name, entry)]
            except SkyredError as error:
                errors.append(str(error))
    try:
        check_unique_names(datasets)
    except ArchiveError as error:
        errors.append(str(error))
    if errors:
        raise ArchiveError("\n".join(errors))
    return size_of(dataset for _, dataset in datasets)


def _read_datasets(name: str, entry: ReducedData) -> Iterator[Dataset]:
    from skyred.result.load_datasets import load_datasets

    loaded = load_datasets(name, entry)
    for dataset in loaded.datasets:
        if entry.fit_range is not None:
            entry.fit_range.apply(dataset)
        yield dataset
    n_datasets = len(loaded.datasets)
    click.echo(f"data.{name}: {n_datasets} dataset{'' if n_datasets == 1 else 's'} can be read")
