"""The datasets that estimators select: checks of their names, and code for exported scripts."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from skyred.errors import Problem, nearest
from skyred.fields import FrozenMapping
from skyred.interfaces.component import write_component
from skyred.interfaces.dataset_names import has_wildcard, may_match
from skyred.interfaces.estimator import Estimator
from skyred.interfaces.traversal import walk
from skyred.interfaces.value_class import Fields
from skyred.scripting import literal

if TYPE_CHECKING:
    from skyred.interfaces.chain import Chain
    from skyred.scripting import Script, ScriptDatasets

Path = tuple[str | int, ...]


def unknown_datasets(pipeline: Chain) -> Iterator[Problem]:
    """Yield a problem for each name or pattern in an estimator that no dataset can match.

    Parameters
    ----------
    pipeline : Chain
        The pipeline.

    Yields
    ------
    Problem
        The unknown name, with the names of the datasets, or patterns if they are not known yet.
    """
    expected = [entry.name_pattern(name) for name, entry in pipeline.entries()]
    for path, inner in walk(pipeline):
        if path[:1] != ("estimate",) or not isinstance(inner, Estimator):
            continue
        for index, pattern in enumerate(dataset_patterns(inner)):
            if not any(may_match(name, pattern) for name in expected):
                yield Problem(
                    (*path, "datasets", index),
                    f"no dataset is named {pattern!r}",
                    f"available: {', '.join(expected)}",
                    nearest(pattern, expected),
                )


def pipeline_used_by(pipeline: Chain, path: Path, inner: Fields) -> Chain:
    """Return the pipeline with only those data entries that the estimators at a path may use.

    Parameters
    ----------
    pipeline : Chain
        The pipeline.
    path : tuple of (str or int)
        The path of a part of the pipeline.
    inner : Fields
        The part: an estimator, an object in an estimator, or any other.

    Returns
    -------
    Chain
        A copy with these entries; the pipeline itself if the part is not in an estimator, or if
        these are all entries or none.
    """
    if path[0] != "estimate":
        return pipeline
    estimators = [pipeline.estimate[int(path[1])]]
    if isinstance(inner, Estimator):
        estimators.append(inner)
    entries = {
        name: entry
        for name, entry in pipeline.entries()
        if all(_may_use(estimator, entry.name_pattern(name)) for estimator in estimators)
    }
    if not entries or len(entries) == len(pipeline.data):
        return pipeline
    # the pipeline may have invalid parts, with which a new one cannot be created
    selected = copy.copy(pipeline)
    object.__setattr__(selected, "data", FrozenMapping(entries))
    return selected


def dataset_patterns(estimator: Estimator) -> tuple[str, ...]:
    """Return the option `datasets` of an estimator; () if its value is invalid.

    Parameters
    ----------
    estimator : Estimator
        The estimator, possibly with invalid options.

    Returns
    -------
    tuple of str
        Names and patterns.
    """
    return getattr(estimator, "datasets", ())


def _may_use(estimator: Estimator, expected: str) -> bool:
    """Return whether an estimator may use datasets with an expected name or pattern of names."""
    patterns = dataset_patterns(estimator)
    return not patterns or any(may_match(expected, pattern) for pattern in patterns)


def write_estimator(estimator: Estimator, script: Script) -> None:
    """Write the code of an estimator into a script, preceded by the selection of its datasets.

    Parameters
    ----------
    estimator : Estimator
        The estimator.
    script : Script
        The script to write to.

    Raises
    ------
    ExportError
        If the estimator has no equivalent in plain gammapy.
    """
    if not estimator.datasets:
        write_component(estimator, script)
        return
    script.body.add(
        f"datasets = {_write_selection(script)}(datasets, {literal(estimator.datasets)})"
    )
    all_datasets = script.all_datasets
    script.all_datasets = list(_selected_datasets(all_datasets, estimator.datasets))
    try:
        write_component(estimator, script)
    finally:
        script.all_datasets = all_datasets


def _write_selection(script: Script) -> str:
    """Write the function that selects datasets, and return its name."""
    script.use("fnmatch", "fnmatchcase")
    script.use("gammapy.datasets", "Datasets")
    return script.shared(
        "select_datasets(datasets, patterns)",
        "Return the datasets with one of the names, or with a name that matches a pattern.",
        "selected = [",
        "    dataset",
        "    for dataset in datasets",
        "    if dataset.name in patterns",
        "    or any(fnmatchcase(dataset.name, pattern) for pattern in patterns)",
        "]",
        "selection = Datasets(selected)",
        "selection._penalties = datasets._penalties  # penalties of the models",
        "return selection",
    )


def _selected_datasets(
    datasets: Sequence[ScriptDatasets], patterns: Sequence[str]
) -> Iterator[ScriptDatasets]:
    """Yield the datasets that patterns may select; a single dataset for each exact name."""
    single_names = {dataset.name for dataset in datasets if dataset.single}
    for dataset in datasets:
        matching = [pattern for pattern in patterns if may_match(dataset.name, pattern)]
        if not dataset.single:
            matching = [pattern for pattern in matching if pattern not in single_names]
        if dataset.single or any(map(has_wildcard, matching)):
            yield from [dataset] if matching else []
        else:
            for name in dict.fromkeys(matching):
                yield attrs.evolve(dataset, name=name, single=True)
