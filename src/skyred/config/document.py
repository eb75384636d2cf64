"""YAML documents as plain data, with line and column of every key and value."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import attrs
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from skyred.config.merge_keys import InvalidMergeError, MergedMappings, is_merge_key
from skyred.errors import ConfigError, Problem, format_value, path_text

Path = tuple[str | int, ...]
MAX_DEPTH = 50
MAX_NODES = 20_000
MAX_BRACKETS = 10 * MAX_DEPTH
MAX_BITS = 1024  # of an integer: Python does not print integers with thousands of digits
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value")
}
_STRING_TAGS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"}


@attrs.define
class Document:
    """A YAML document: its data, the positions of keys and values, and its problems.

    Parameters
    ----------
    data : object
        Dicts, lists, strings, numbers, booleans and None.
    name : str
        The name of the file, for error messages.
    marks : dict
        Line and column of the key or list item at each path, counted from 1.
    problems : list of Problem
        Problems with the YAML document: duplicate keys, tags, invalid merge keys and scalars, deep
        nesting.
    positions : dict
        Line and column of problems that are not at the position of their path.
    unreadable : set
        Paths of values that cannot be read, so that their types, values or keys are unknown.
    max_nodes : int
        The maximum number of values.
    """

    data: Any
    name: str
    marks: dict[Path, tuple[int, int]] = attrs.field(factory=dict)
    problems: list[Problem] = attrs.field(factory=list)
    positions: dict[Problem, tuple[int, int]] = attrs.field(factory=dict)
    unreadable: set[Path] = attrs.field(factory=set)
    max_nodes: int = MAX_NODES
    _merged: MergedMappings = attrs.field(factory=MergedMappings, repr=False, eq=False)

    @classmethod
    def parse(cls, content: str, name: str = "<string>", max_nodes: int = MAX_NODES) -> Document:
        """Parse a YAML document.

        Parameters
        ----------
        content : str
            The document.
        name : str
            The name of the file, for error messages.
        max_nodes : int
            The maximum number of values.

        Returns
        -------
        Document
            The document, with its problems.

        Raises
        ------
        ConfigError
            If the document is not valid YAML, or contains too many values.
        """
        try:
            _check_bracket_depth(content)  # ruamel takes seconds to detect deep nesting
            node = _yaml().compose(io.StringIO(content))
        except MarkedYAMLError as error:
            raise _syntax_error(error, name) from None
        except YAMLError as error:
            details = " ".join(str(error).replace('in "<file>", ', "at ").split())
            raise _document_error(name, f"invalid YAML: {details}") from None
        except RecursionError:
            raise _document_error(
                name, "is nested too deeply", f"expected at most {MAX_DEPTH} levels"
            ) from None
        document = cls(None, name, max_nodes=max_nodes)
        document.data = document._build(node, ()) if node is not None else None
        return document

    def set(self, path: Path, content: str) -> None:
        """Set the value at a path; the last key may be new.

        Parameters
        ----------
        path : tuple of (str or int)
            The path.
        content : str
            The new value, as YAML.

        Raises
        ------
        ConfigError
            If the path does not exist, except for a new last key, or the value is not valid YAML.
        """
        container: Any = self.data
        parent_path: Path = ()
        for step in path[:-1]:
            parent_path = (*parent_path, _as_key(container, step))
            item = _get(container, parent_path[-1])
            if item is None:
                raise _missing_key_error(parent_path, container)
            container = item
        key = _as_key(container, path[-1])
        path = (*parent_path, key)
        exists = isinstance(container, dict) or (
            isinstance(container, list) and _get(container, key) is not None
        )
        if not exists:
            raise _missing_key_error(path, container)
        value = Document.parse(content, f"the value of {path_text(path)}")
        self.problems += [problem.with_prefix(*path) for problem in value.problems]
        self.unreadable |= {(*path, *unreadable_path) for unreadable_path in value.unreadable}
        container[key] = value.data
        self.marks = {
            marked_path: mark
            for marked_path, mark in self.marks.items()
            if marked_path[: len(path)] != path
        }

    def format_problem(self, problem: Problem) -> str:
        """Format a problem as ``file:line:column: path: message``.

        Parameters
        ----------
        problem : Problem
            The problem.

        Returns
        -------
        str
            The line.
        """
        line, column = self.position(problem)
        return f"{self.name}:{line}:{column}: {problem}"

    def position(self, problem: Problem) -> tuple[int, int]:
        """Return the position of a problem.

        Parameters
        ----------
        problem : Problem
            The problem.

        Returns
        -------
        line, column : int
            The position of the path of the problem, or of its nearest parent.
        """
        if problem in self.positions:
            return self.positions[problem]
        path = problem.path
        for length in range(len(path), -1, -1):
            if path[:length] in self.marks:
                return self.marks[path[:length]]
        return (1, 1)

    def _build(self, node: Node, path: Path) -> Any:
        self.marks.setdefault(path, _position(node))
        if len(self.marks) > self.max_nodes:  # nested aliases grow exponentially
            raise _document_error(
                self.name, "contains too many values", f"expected at most {self.max_nodes}"
            )
        if len(path) > MAX_DEPTH:
            self.unreadable.add(path)
            self.problems.append(
                Problem(path[:3], "is nested too deeply", f"expected at most {MAX_DEPTH} levels")
            )
            return None
        if str(node.tag) not in _PLAIN_TAGS:
            self.unreadable.add(path)
            self.problems.append(
                Problem(  # it may be a secret that starts with an exclamation mark
                    path,
                    "has a YAML tag (it is not shown)",
                    "expected plain data without tags; quote text that starts with !",
                )
            )
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._build(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            return _scalar(node)
        except (ValueError, KeyError, YAMLError):  # !!int abc, or a number with thousands of digits
            self.unreadable.add(path)
            self.problems.append(_invalid_scalar(node, path))
            return node.value

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        own: dict[str, tuple[Node, Node]] = {}
        inherited: dict[str, tuple[Node, Node]] = {}
        merge_key: Node | None = None
        for key, value in node.value:
            name = str(key.value)
            first_key = merge_key if is_merge_key(key) else own.get(name, (None,))[0]
            if first_key is not None:
                self._add_duplicate_key((*path, name), key, first_key)
            elif is_merge_key(key):
                merge_key, inherited = key, self._inherit(key, value, path)
            else:
                own[name] = (key, value)
        data: dict[str, Any] = {}
        for name, (key, value) in (inherited | own).items():
            # for an inherited key, this is its position in the anchored mapping
            self.marks[*path, name] = _position(key)
            data[name] = self._build(value, (*path, name))
        return data

    def _inherit(self, key: Node, value: Node, path: Path) -> dict[str, tuple[Node, Node]]:
        """Return the keys and values from a merge key."""
        try:
            return self._merged.inherited(value)
        except InvalidMergeError:
            self.unreadable.add(path)  # the keys of the mapping are unknown
            path = (*path, str(key.value))
            self.marks[path] = _position(key)
            self.problems.append(
                Problem(
                    path,
                    "the value cannot be merged",
                    "expected an alias of a mapping (<<: *name), or a list of such aliases",
                )
            )
            return {}

    def _add_duplicate_key(self, path: Path, key: Node, first_key: Node) -> None:
        problem = Problem(
            path,
            f"the key {path[-1]!r} is duplicated",
            f"it is already on line {_position(first_key)[0]}; remove one",
        )
        self.problems.append(problem)
        self.positions[problem] = _position(key)


def _check_bracket_depth(content: str) -> None:
    depth = 0
    for bracket in re.findall(
        r"[\[{}\]]", content
    ):  # assumed to be balanced in strings and comments
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_BRACKETS:
            raise RecursionError


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True  # reported as problems, with both lines
    return yaml


def _position(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _scalar(node: Node) -> Any:
    # the constructor of YAML 1.2: 1e-11 is a number; yes, no and dates are strings
    if str(node.tag) in _STRING_TAGS or str(node.tag) not in _PLAIN_TAGS:
        return node.value
    value = _yaml().constructor.construct_object(node)
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ValueError("too large")
    return value


def _invalid_scalar(node: Node, path: Path) -> Problem:
    tag = str(node.tag).rpartition(":")[2]
    expected = {
        "int": f"expected an integer of at most {MAX_BITS} bits",
        "bool": "expected true or false",
    }.get(tag, "expected a number")
    return Problem(path, f"{format_value(node.value)} cannot be read as {tag}", expected)


def _document_error(name: str, message: str, expected: str = "") -> ConfigError:
    problem = Problem((), message, expected)
    return ConfigError([problem], [f"{name}: {problem}"])


def _syntax_error(error: MarkedYAMLError, name: str) -> ConfigError:
    mark = error.problem_mark
    # the name may be a secret that starts with an asterisk or an exclamation mark
    fault = re.sub("(undefined (alias|tag handle)) .*", r"\1", str(error.problem or ""))
    details = " ".join(str(part) for part in (error.context, fault) if part)
    problem = Problem((), f"invalid YAML: {details}")
    position = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    return ConfigError([problem], [f"{position}: {problem}"])


def _get(container: Any, step: str | int) -> Any:
    try:
        return container[step] if isinstance(container, (dict, list)) else None  # type: ignore[index]
    except (KeyError, IndexError, TypeError):
        return None


def _as_key(container: Any, step: str | int) -> str | int:
    return str(step) if isinstance(container, dict) else step  # a key may consist of digits


def _missing_key_error(path: Path, container: Any) -> ConfigError:
    if not isinstance(container, (dict, list)):
        parent = path_text(path[:-1]) or "the configuration"
        content = "empty" if container is None else format_value(container)
        message = f"cannot be set: {parent} is {content}"
        return ConfigError([Problem(path, message, "expected a mapping or a list")])
    if isinstance(container, dict) and path[-1] in container:
        return ConfigError([Problem(path, "is not set", "expected a mapping or a list")])
    if isinstance(container, dict):
        available = f"available: {', '.join(container) or 'none'}"
        return ConfigError([Problem(path, "unknown key", available)])
    expected = f"expected an index from 0 to {len(container) - 1}"
    expected = {0: "the list is empty", 1: "expected index 0"}.get(len(container), expected)
    return ConfigError([Problem(path, "invalid index", expected)])


def split_path(dotted_path: str) -> Path:
    """Parse a path such as ``data.hess.make[1].methods`` or ``data.hess.make.1.methods``.

    Parameters
    ----------
    dotted_path : str
        The path.

    Returns
    -------
    tuple of (str or int)
        Names and indices.
    """

    def steps() -> Iterator[str | int]:
        for step in dotted_path.replace("[", ".").replace("]", "").split("."):
            yield int(step) if step.isascii() and step.isdecimal() else step

    return tuple(steps())
