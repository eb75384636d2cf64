"""Requirements for the datasets that stackers return: types, names, and no lost data."""

from __future__ import annotations

from skyred.interfaces.dataset_names import matches_any
from skyred.testing.case import ComponentCase
from skyred.testing.copies import duplicate
from skyred.testing.requirement import require, requirement
from skyred.testing.stacker_inputs import accepted_inputs


@requirement(
    "returns Datasets, and a total from each method that adds to it",
    "stacker",
    fix="Return the new total from add and merge, also if it was changed in place, and gammapy's "
    "Datasets from result.",
)
def returns_totals_and_datasets(case: ComponentCase) -> None:
    """Check the types of what the methods of the stacker return.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    from gammapy.datasets import Datasets

    for inputs in accepted_inputs(case):
        total = inputs.total(0)
        require(total is not None, "add returns None")
        total = inputs.stacker.merge(inputs.zero(), total)
        require(total is not None, "merge returns None")
        datasets = inputs.stacker.result(total)
        is_valid = isinstance(datasets, Datasets)
        require(is_valid, f"result returns {type(datasets).__name__}, not Datasets")


@requirement(
    "returns datasets with unique names",
    "stacker",
    fix="Begin names with geometry.name, and append a suffix that is unique to the dataset.",
)
def returns_unique_names(case: ComponentCase) -> None:
    """Check that names are unique, because models find datasets by name.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    for inputs in accepted_inputs(case):
        names = [dataset.name for dataset in inputs.result(inputs.total(*range(len(inputs.runs))))]
        require(len(set(names)) == len(names), f"names are not unique: {', '.join(names)}")


@requirement(
    "returns datasets with names that match name_pattern",
    "stacker",
    fix="Return a pattern from name_pattern(name) that all names match, such as f'{name}-*', or do "
    "not override it: the names in the option datasets of estimators are checked against it.",
)
def returns_matching_names(case: ComponentCase) -> None:
    """Check that the names of the datasets match the pattern that is known before the reduction.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    for inputs in accepted_inputs(case):
        # of the component, because estimators are checked before the stacker is prepared
        pattern = case.component.name_pattern(inputs.geometry.name)
        for dataset in inputs.result(inputs.total(*range(len(inputs.runs)))):
            require(
                matches_any(dataset.name, [pattern]),
                f"it returns {dataset.name}, but name_pattern is {pattern!r}",
            )


@requirement(
    "keeps all data if datasets are of two types",
    "stacker",
    fix="Raise TypeError if a dataset's type is not that of the total, or keep both types: gammapy "
    "silently stacks an on-off spectrum onto a plain one, and drops the off counts.",
)
def keeps_mixed_types(case: ComponentCase) -> None:
    """Check that spectra with and without off counts are rejected, or that both are kept.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    for inputs in accepted_inputs(case):
        dataset, run = duplicate(inputs.runs[0])
        if not dataset.tag.endswith("OnOff"):
            continue
        dataset_without_off = dataset.to_spectrum_dataset(name=f"{dataset.name}-plain")
        for first, second in ((dataset, dataset_without_off), (dataset_without_off, dataset)):
            try:
                total = inputs.stacker.add(
                    inputs.stacker.add(inputs.zero(), first, run), second, run
                )
                datasets = inputs.result(total)
            except Exception:  # any exception rejects the dataset
                continue
            message = f"a {type(second).__name__} is added to a total of a {type(first).__name__}"
            require(len(datasets) == 2, f"{message}, and {len(datasets)} of 2 datasets remain")
            has_off = any(getattr(item, "counts_off", None) is not None for item in datasets)
            require(has_off, f"{message}, and the off counts are lost")


@requirement(
    "has a chunk of at least one run",
    "stacker",
    fix="Keep the declaration of `chunk` by Stacker, or change only its default.",
)
def has_positive_chunk(case: ComponentCase) -> None:
    """Check that the number of runs in a chunk is a positive integer.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    chunk = case.component.chunk
    require(isinstance(chunk, int) and chunk >= 1, f"chunk is {chunk!r}")
