"""Errors about unknown types of models, with the types that plugins add."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from skyred.errors import Problem, nearest
from skyred.interfaces import Fields, walk
from skyred.plugins.catalog import Catalog
from skyred.plugins.model_classes import types_in


def add_plugin_types(problems: Iterable[Problem], root: Fields, catalog: Catalog) -> list[Problem]:
    """Add the types of plugins to problems with unknown types of models.

    gammapy's registry, which components check, contains only those types of plugins that are used.

    Parameters
    ----------
    problems : iterable of Problem
        The problems of a pipeline.
    root : Fields
        The pipeline.
    catalog : Catalog
        The catalog with the model classes of all plugins.

    Returns
    -------
    list of Problem
        The problems. Those with an unknown type list the types of plugins too, suggest one of them
        if it is the most similar, and name plugins that are faulty or blocked.
    """
    problems = list(problems)
    if not any(problem.message.startswith("unknown ") for problem in problems):
        return problems
    types = {
        ((*path, *type_path), f"unknown {submodel} model {tag!r}"): (submodel, tag)
        for path, inner in walk(root)
        for type_path, submodel, tag in types_in(inner)
    }
    return [
        _add_types(problem, *types[problem.path, problem.message], catalog)
        if (problem.path, problem.message) in types
        else problem
        for problem in problems
    ]


def _add_types(problem: Problem, submodel: str, tag: str, catalog: Catalog) -> Problem:
    types = sorted(
        {
            name
            for entry in catalog.models
            if entry.declaration.submodel == submodel
            for name in entry.declaration.tag
        }
    )
    short_types = [name for name in types if name == name.lower()]
    expected = ", ".join([problem.expected, *short_types])
    names = [*types, problem.suggestion] if problem.suggestion else types
    return attrs.evolve(
        problem,
        expected=expected + catalog.describe_unavailable_plugins(),
        suggestion=nearest(tag, names),
    )
