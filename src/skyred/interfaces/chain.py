"""The chain: all links of an analysis as one frozen value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, ClassVar

from skyred.errors import Problem
from skyred.fields import FrozenMapping, Location, chain, part, table
from skyred.interfaces.component import Component, Fields, locations, value, walk
from skyred.interfaces.data_entry import DataEntry, Reduction
from skyred.interfaces.estimator import Estimator
from skyred.interfaces.fitter import Fitter
from skyred.interfaces.model import Model

Path = tuple[str | int, ...]


@value
class Chain(Fields):
    """An analysis from archive to estimates; `skyred.Pipeline` adds YAML and running to it."""

    data: FrozenMapping = table(DataEntry, doc="What is reduced or read, by name.")
    model: tuple[Model, ...] = chain(Model, doc="The models, put together in this order.")
    fit: Fitter | None = part(
        Fitter, None, doc="How the models are fitted; not at all if left out."
    )
    estimate: tuple[Estimator, ...] = chain(Estimator, doc="What is derived.")
    #: Whether `config.load` checked this very object; copies, by `evolve` or pickle, are unchecked.
    checked: ClassVar[bool] = False

    def __getstate__(self) -> dict[str, Any]:
        return {name: state for name, state in vars(self).items() if name != "checked"}

    def _identity(self) -> tuple[str, ...]:
        return ("pipeline",)

    def entries(self) -> Iterator[tuple[str, DataEntry]]:
        """Yield the data entries with their names."""
        yield from self.data.items()

    def reductions(self) -> Iterator[tuple[str, Reduction]]:
        """Yield the data entries that are reduced from an archive, with their names."""
        for name, entry in self.entries():
            if isinstance(entry, Reduction):
                yield name, entry

    def components(self) -> Iterator[Component]:
        """Yield every component in it."""
        for _, held in walk(self):
            if isinstance(held, Component):
                yield held

    def problems(self, known: Iterable[Problem] = ()) -> list[Problem]:
        """Check the pipeline and all its parts; imports gammapy, reads no data.

        Parameters
        ----------
        known : iterable of Problem
            Problems that were found when the pipeline was built, and left some parts unset.

        Returns
        -------
        list of Problem
            The known problems, and those that the checks find. Not among them are follow-up
            problems: those in a field that has another problem already.

        Raises
        ------
        Exception
            The first exception of a check, if there are no problems that could explain it.
        """
        problems = list(known)
        failure: Exception | None = None
        for path, check in self._checks():
            earlier = [problem.path for problem in problems]
            try:
                for problem in check():
                    placed = problem.with_prefix(*path)
                    if not _is_follow_up(placed, path, earlier):
                        problems.append(placed)
            except Exception as error:  # whatever a check raises if other parts are wrong
                failure = failure or error
        if failure is not None and not problems:
            raise failure
        return problems

    def _checks(self) -> Iterator[tuple[Path, Callable[[], Iterable[Problem]]]]:
        """Yield all checks, each with the path of what it checks."""
        yield from (((), self._bad_places), ((), self._doubled_datasets))
        yield from (((), self._doubled_sources), ((), self._doubled_estimates))
        yield (), self._needless_steps
        for path, inner in walk(self):
            if inner is not self:
                yield path, partial(inner.check, self)

    def iter_locations(self) -> Iterator[tuple[Path, Location]]:
        """Yield every location in it, with its path: archives, region files, model files, ..."""
        for path, held in walk(self):
            for place, location in locations(held):
                yield (*path, *place), location

    def _bad_places(self) -> Iterator[Problem]:
        for path, location in self.iter_locations():
            unset = location.unset()
            for name in unset:
                yield Problem(
                    path,
                    f"the environment variable {name} is not set",
                    f"set it first (export {name}=...), or write the path out",
                )
            if not unset and location.is_path() and not location.matches():
                yield Problem(path, f"there is nothing at {location}", "expected a place that is")

    def _doubled_datasets(self) -> Iterator[Problem]:
        seen = dict[str, str]()
        for entry, held in self.entries():
            name = getattr(getattr(held, "geometry", None), "name", None) or entry
            if name in seen:
                message = f"the datasets are called {name!r}, as those of data.{seen[name]}"
                yield Problem(("data", entry), message, "give each its own name")
            seen[name] = entry

    def _doubled_sources(self) -> Iterator[Problem]:
        seen = set[str]()
        for index, model in enumerate(self.model):
            for name in model.source_names():
                if name in seen:
                    message = f"a second model is called {name!r}"
                    yield Problem(("model", index), message, "give each its own name")
                seen.add(name)

    def _doubled_estimates(self) -> Iterator[Problem]:
        seen: Counter[str] = Counter()
        for index, estimator in enumerate(self.estimate):
            seen[estimator.label] += 1
            if seen[estimator.label] == 2:
                yield Problem(
                    ("estimate", index),
                    f"a second estimate is called {estimator.label!r}",
                    "give each its own name: ...",
                )

    def _needless_steps(self) -> Iterator[Problem]:
        if self.fit is not None and not self.model:
            yield Problem(("fit",), "there is nothing to fit", "add a model, or leave fit out")


def _is_follow_up(problem: Problem, path: Path, earlier: Iterable[Path]) -> bool:
    """Tell whether a part's problem is in a field, or in an item of it, that has one already."""
    place = problem.path
    return len(place) > len(path) > 0 and any(other[: len(place)] == place for other in earlier)
