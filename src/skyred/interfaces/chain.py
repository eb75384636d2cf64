"""The base class of `Pipeline`: all components of an analysis as one frozen object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, ClassVar

from skyred.errors import Problem
from skyred.fields import (
    FrozenMapping,
    Location,
    find_parameters,
    nested_list,
    nested_mapping,
    nested_object,
)
from skyred.interfaces.component import Component
from skyred.interfaces.data_entry import DataEntry, Reduction
from skyred.interfaces.estimator import Estimator
from skyred.interfaces.estimator_datasets import pipeline_used_by, unknown_datasets
from skyred.interfaces.fitter import Fitter
from skyred.interfaces.hidden_secrets import hidden_secrets, hide_in_problems
from skyred.interfaces.links import link_problems
from skyred.interfaces.model import Model
from skyred.interfaces.traversal import locations, walk
from skyred.interfaces.unusable_fields import unusable_fields
from skyred.interfaces.value_class import Fields, value

Path = tuple[str | int, ...]


@value
class Chain(Fields):
    """An analysis from archive to estimates; `skyred.Pipeline` adds YAML and execution."""

    data: FrozenMapping = nested_mapping(DataEntry, doc="The data to reduce or to read, by name.")
    model: tuple[Model, ...] = nested_list(Model, doc="The models, combined in this order.")
    fit: Fitter | None = nested_object(
        Fitter, None, doc="The fitter of the models; without it, nothing is fitted."
    )
    estimate: tuple[Estimator, ...] = nested_list(
        Estimator, doc="The estimators of derived quantities."
    )
    #: Whether `config.load` checked this object; copies, by `evolve` or pickle, are unchecked.
    checked: ClassVar[bool] = False

    def __getstate__(self) -> dict[str, Any]:
        return {name: state for name, state in vars(self).items() if name != "checked"}

    def _identity(self) -> tuple[str, ...]:
        return ("pipeline",)

    def entries(self) -> Iterator[tuple[str, DataEntry]]:
        """Yield the data entries with their names.

        Yields
        ------
        name : str
            The name of the entry.
        entry : DataEntry
            The entry.
        """
        yield from self.data.items()

    def reductions(self) -> Iterator[tuple[str, Reduction]]:
        """Yield the data entries that are reduced from an archive, with their names.

        Yields
        ------
        name : str
            The name of the entry.
        reduction : Reduction
            The entry.
        """
        for name, entry in self.entries():
            if isinstance(entry, Reduction):
                yield name, entry

    def components(self) -> Iterator[Component]:
        """Yield all components of the pipeline, including nested ones.

        Yields
        ------
        Component
            The component.
        """
        for _, item in walk(self):
            if isinstance(item, Component):
                yield item

    def problems(
        self,
        earlier_problems: Iterable[Problem] = (),
        calls_of: Callable[[Component], AbstractContextManager[None]] | None = None,
    ) -> list[Problem]:
        """Check the pipeline and all its components, without reading data.

        Parameters
        ----------
        earlier_problems : iterable of Problem
            Problems that were found when the pipeline was built; the invalid fields are not set.
        calls_of : callable, optional
            Called with a component; returns the context of its check, which adds the component to
            errors.

        Returns
        -------
        list of Problem
            The earlier problems and those found by the checks, except follow-up problems of fields
            that already have one. If a location is a pipe or a device, nothing else is checked.
            The values of secrets are hidden.

        Raises
        ------
        Exception
            The first exception raised by a check, if there are no problems that may have caused it.
        """
        with hidden_secrets(self):
            return hide_in_problems(self._find_problems(list(earlier_problems), calls_of), self)

    def _find_problems(
        self,
        problems: list[Problem],
        calls_of: Callable[[Component], AbstractContextManager[None]] | None,
    ) -> list[Problem]:
        if special_files := list(self._special_files()):
            return [*problems, *special_files]  # the other checks would open these files
        components = {path: item for path, item in walk(self) if isinstance(item, Component)}
        failure: Exception | None = None
        for path, check in self._checks():
            earlier_paths = [problem.path for problem in problems]
            component = _innermost(components, path)
            try:
                with calls_of(component) if component and calls_of else nullcontext():
                    for problem in check():
                        prefixed_problem = problem.with_prefix(*path)
                        if not _is_follow_up(prefixed_problem, path, earlier_paths):
                            problems.append(prefixed_problem)
            except Exception as error:  # a check may raise anything if other fields are invalid
                failure = failure or error
        if failure is not None and not problems:
            raise failure
        return problems

    def _checks(self) -> Iterator[tuple[Path, Callable[[], Iterable[Problem]]]]:
        """Yield all checks, each with the path of the object that it checks."""
        yield from (((), self._missing_files), ((), self._duplicate_datasets))
        yield from (((), self._duplicate_sources), ((), self._duplicate_estimates))
        yield (), self._fit_without_model
        yield (), partial(unknown_datasets, self)
        yield (), partial(unusable_fields, self)
        for index, model in enumerate(getattr(self, "model", ())):  # not set if it is invalid
            if find_parameters(model):
                yield ("model", index), partial(link_problems, model, self)
        for path, inner in walk(self):
            if inner is not self:
                yield path, partial(self._check_part, path, inner)

    def _check_part(self, path: Path, inner: Fields) -> Iterable[Problem]:
        return inner.check(pipeline_used_by(self, path, inner))

    def iter_locations(self) -> Iterator[tuple[Path, Location]]:
        """Yield all locations in the pipeline, such as archives, region files and model files.

        Yields
        ------
        path : tuple of (str or int)
            The path of the field with the location.
        location : Location
            The location.
        """
        for path, item in walk(self):
            for field_path, location in locations(item):
                yield (*path, *field_path), location

    def _special_files(self) -> Iterator[Problem]:
        """Yield a problem for each pipe, socket or device, because reading it may never end."""
        for path, location in self.iter_locations():
            if location.unset_variables() or not location.is_path():
                continue
            for match in location.matches():
                if not match.is_file() and not match.is_dir():
                    yield Problem(
                        path, f"{location} is a pipe or a device", "expected a regular file"
                    )
                    break

    def _missing_files(self) -> Iterator[Problem]:
        for path, location in self.iter_locations():
            unset_variables = location.unset_variables()
            for name in unset_variables:
                yield Problem(
                    path,
                    f"the environment variable {name} is not set",
                    f"set it (export {name}=...), or write the full path",
                )
            if not unset_variables and location.is_path() and not location.matches():
                yield Problem(path, f"no such file or folder: {location}", "check the path")

    def _duplicate_datasets(self) -> Iterator[Problem]:
        entries_by_name = dict[str, str]()
        for entry_name, entry in self.entries():
            name = getattr(getattr(entry, "geometry", None), "name", None) or entry_name
            if name in entries_by_name:
                other_entry = entries_by_name[name]
                message = (
                    f"the datasets have the same name as those of data.{other_entry}: {name!r}"
                )
                yield Problem(("data", entry_name), message, "choose another name")
            entries_by_name[name] = entry_name

    def _duplicate_sources(self) -> Iterator[Problem]:
        names = set[str]()
        for index, model in enumerate(self.model):
            for name in model.source_names():
                if name in names:
                    message = f"another model has the same name, {name!r}"
                    yield Problem(("model", index), message, "choose another name")
                names.add(name)

    def _duplicate_estimates(self) -> Iterator[Problem]:
        counts: Counter[str] = Counter()
        for index, estimator in enumerate(self.estimate):
            counts[estimator.label] += 1
            if counts[estimator.label] == 2:
                yield Problem(
                    ("estimate", index),
                    f"another estimate has the same name, {estimator.label!r}",
                    "choose another name",
                )

    def _fit_without_model(self) -> Iterator[Problem]:
        if self.fit is not None and not self.model:
            yield Problem(("fit",), "there is nothing to fit", "add a model, or remove fit")


def _innermost(components: Mapping[Path, Component], path: Path) -> Component | None:
    """Return the component at a path, or the one that contains it."""
    lengths = range(len(path), 0, -1)
    return next((components[path[:n]] for n in lengths if path[:n] in components), None)


def _is_follow_up(problem: Problem, path: Path, earlier_paths: Iterable[Path]) -> bool:
    """Return whether the field of a problem, or an item in it, has an earlier problem."""
    field_path = problem.path
    return len(field_path) > len(path) > 0 and any(
        earlier_path[: len(field_path)] == field_path for earlier_path in earlier_paths
    )
