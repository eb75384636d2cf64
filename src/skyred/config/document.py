"""A YAML text as plain data that knows its lines: every key and value has line and column."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import attrs
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from skyred.errors import ConfigError, Problem, path_text

Path = tuple[str | int, ...]
MAX_DEPTH = 50
MAX_NODES = 20_000
MAX_BRACKETS = 10 * MAX_DEPTH
MAX_BITS = 1024  # of a whole number: one of thousands of digits cannot even be printed
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value")
}
_TEXTS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"}


@attrs.define
class Document:
    """Plain data read from YAML.

    Parameters
    ----------
    data : object
        Dicts, lists, texts, numbers, booleans and None.
    name : str
        The file's name, for messages.
    marks : dict
        From path to (line, column) of the key, counted from 1.
    problems : list of Problem
        What is wrong with the text itself: duplicate keys, tags.
    places : dict
        Line and column of problems that are not where their path says.
    nodes : int
        How many values it may hold.
    """

    data: Any
    name: str
    marks: dict[Path, tuple[int, int]] = attrs.field(factory=dict)
    problems: list[Problem] = attrs.field(factory=list)
    places: dict[Problem, tuple[int, int]] = attrs.field(factory=dict)
    nodes: int = MAX_NODES

    @classmethod
    def parse(cls, text: str, name: str = "<text>", nodes: int = MAX_NODES) -> Document:
        """Read a YAML text of so many values at most.

        Raises
        ------
        ConfigError
            If it is no YAML at all, or holds more.
        """
        try:
            _refuse_brackets(text)  # ruamel takes seconds to find that out
            node = _yaml().compose(io.StringIO(text))
        except MarkedYAMLError as error:
            raise _unreadable(error, name) from None
        except YAMLError as error:
            raise ConfigError([Problem((), f"{name} is no YAML: {error}")]) from None
        except RecursionError:
            raise ConfigError(
                [Problem((), f"{name} is nested too deeply", "expected a few levels")]
            ) from None
        document = cls(None, name, nodes=nodes)
        document.data = document._build(node, ()) if node is not None else None
        return document

    def set(self, path: Path, text: str) -> None:
        """Put a value, written as YAML, in the place of what is at a path."""
        place: Any = self.data
        above: Path = ()
        for step in path[:-1]:
            above = (*above, _as_key(place, step))
            inner = _get(place, above[-1])
            if not isinstance(inner, (dict, list)):
                raise _no_such_place(above, place)
            place = inner
        last = _as_key(place, path[-1])
        path = (*above, last)
        known = isinstance(place, dict) or (
            isinstance(place, list) and _get(place, last) is not None
        )
        if not known:
            raise _no_such_place(path, place)
        value = Document.parse(text, f"the value of {path_text(path)}")
        self.problems += [problem.with_prefix(*path) for problem in value.problems]
        place[last] = value.data
        self.marks = {known: at for known, at in self.marks.items() if known[: len(path)] != path}

    def line(self, problem: Problem) -> str:
        """Write a problem as ``file:line:column: path: what``."""
        line, column = self.place(problem)
        return f"{self.name}:{line}:{column}: {problem}"

    def place(self, problem: Problem) -> tuple[int, int]:
        """Give line and column of a problem's path, or of the nearest thing that holds it."""
        if problem in self.places:
            return self.places[problem]
        path = problem.path
        for length in range(len(path), -1, -1):
            if path[:length] in self.marks:
                return self.marks[path[:length]]
        return (1, 1)

    def _build(self, node: Node, path: Path) -> Any:
        self.marks.setdefault(path, _place(node))
        if len(self.marks) > self.nodes:  # aliases of aliases grow without bound
            raise ConfigError([Problem((), f"{self.name} holds too much", "expected a few pages")])
        if len(path) > MAX_DEPTH:
            self.problems.append(Problem(path[:3], "is nested too deeply", "expected a few levels"))
            return None
        if str(node.tag) not in _PLAIN_TAGS:
            self.problems.append(
                Problem(path, f"has the YAML tag {node.tag}", "expected no tags: only plain data")
            )
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._build(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            return _scalar(node)
        except (ValueError, KeyError, YAMLError):  # !!int abc, or a number of thousands of digits
            self.problems.append(Problem(path, f"cannot be read: {node.value[:40]!r}"))
            return node.value

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, held in node.value:
            name = str(key.value)
            below = (*path, name)
            if name in data:
                self._second(name, below, _place(key))
                continue
            self.marks[below] = _place(key)
            data[name] = self._build(held, below)
        return data

    def _second(self, name: str, path: Path, place: tuple[int, int]) -> None:
        problem = Problem(
            path,
            f"the key {name!r} is here a second time",
            f"it is on line {self.marks[path][0]} already; keep one",
        )
        self.problems.append(problem)
        self.places[problem] = place


def _refuse_brackets(text: str) -> None:
    depth = 0
    for bracket in re.findall(r"[\[{}\]]", text):  # those in texts and comments come in pairs
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_BRACKETS:
            raise RecursionError


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True  # reported by us, all at once, with both lines
    return yaml


def _place(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _scalar(node: Node) -> Any:
    # the constructor of YAML 1.2: 1e-11 is a number, yes and no are texts, dates stay texts
    if str(node.tag) in _TEXTS or str(node.tag) not in _PLAIN_TAGS:
        return node.value
    value = _yaml().constructor.construct_object(node)
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ValueError("too large")
    return value


def _unreadable(error: MarkedYAMLError, name: str) -> ConfigError:
    mark = error.problem_mark
    what = " ".join(str(part) for part in (error.context, error.problem) if part)
    problem = Problem((), f"this is no YAML: {what}")
    at = f"{name}:{mark.line + 1}:{mark.column + 1}: " if mark else f"{name}: "
    return ConfigError([problem], [f"{at}{problem}"])


def _get(place: Any, step: str | int) -> Any:
    try:
        return place[step]
    except (KeyError, IndexError, TypeError):
        return None


def _as_key(place: Any, step: str | int) -> str | int:
    return str(step) if isinstance(place, dict) else step  # a name may consist of digits


def _no_such_place(path: Path, place: Any) -> ConfigError:
    if not isinstance(place, (dict, list)):
        return ConfigError([Problem(path, f"cannot be set: what holds it is {place!r:.60}")])
    names = ", ".join(place) if isinstance(place, dict) else f"0 to {len(place) - 1}"
    return ConfigError([Problem(path, "there is nothing here to set", f"expected one of {names}")])


def split_path(text: str) -> Path:
    """Read a path such as ``data.hess.make[1].methods`` or ``data.hess.make.1.methods``."""

    def steps() -> Iterator[str | int]:
        for step in text.replace("[", ".").replace("]", "").split("."):
            yield int(step) if step.isascii() and step.isdecimal() else step

    return tuple(steps())
