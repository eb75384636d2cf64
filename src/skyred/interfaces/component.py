"""The component: one link of a chain, frozen, with fields that are its configuration."""

from __future__ import annotations

import functools
import inspect
import operator
import re
import time
from abc import ABC
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import attrs

from skyred.errors import ExportError, FieldError, Problem, warn_of_old_name
from skyred.fields import (
    SPEC,
    FrozenMapping,
    Location,
    Position,
    default_of,
    digest,
    specs,
    write_nested,
)
from skyred.fields.html import show

if TYPE_CHECKING:
    from skyred.interfaces.chain import Chain
    from skyred.scripting import Script

__all__ = [
    "Component",
    "Fields",
    "Location",
    "Position",
    "component",
    "value",
    "write_component",
]

T = TypeVar("T", bound=type)
_KIND = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Fields:
    """What has declared fields: canonical key, digest and plain form come from them."""

    #: When the class was imported, in seconds since 1970: source that is younger is not what runs.
    declared_at: ClassVar[float] = 0.0
    #: Old names of options, each with the present one: they work, with a warning, for one release.
    old_names: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **fields: Any) -> None:
        raise TypeError(
            f"{type(self).__name__} lacks its decorator: put @component above the class"
        )

    def __attrs_post_init__(self) -> None:
        for problem in self.validate():
            placed = problem.with_prefix(type(self).__name__)
            raise FieldError(str(attrs.evolve(placed, expected="")), problem.expected)

    def validate(self) -> Iterable[Problem]:
        """Yield problems of the fields together, such as a minimum above the maximum.

        Runs each time an object is built, in Python as from YAML, after each field was validated
        by itself. It must be quick: it reads no files and imports neither gammapy nor regions.

        Yields
        ------
        Problem
            One for each mistake. Its path starts at this object: ``("min",)`` is its field `min`,
            ``()`` the object as a whole.

        Notes
        -----
        An exception is an error in this method. It is ignored only while fields have problems of
        their own: such fields are not set.
        """
        return ()

    @classmethod
    def variant(cls, raw: Mapping[str, Any]) -> type[Fields]:
        """Choose the class of what has these options: by default this one.

        Parameters
        ----------
        raw : mapping of str to object
            The options, as they are written.

        Raises
        ------
        FieldError
            If they fit none.
        """
        return cls

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems that take the whole pipeline, gammapy or regions to see.

        Examples are a source that no model has, a region that cannot be parsed, or a model that
        gammapy cannot build. Runs once for each pipeline, before anything else is done: when it is
        read from YAML, or, if it was built in Python, when an `Orchestrator` gets it. All parts of
        a pipeline are checked, value classes too; an engine is not part of one.

        It may import gammapy, inside the method, and read files that options name, such as a
        region file or a table of a model. It reads no event data and changes nothing.

        Parameters
        ----------
        pipeline : Chain
            The pipeline that this object is part of. Some of it may be wrong and reported already.

        Yields
        ------
        Problem
            One for each mistake. Its path starts at this object, as in `validate`. It is dropped
            if its field has a problem already, such as a missing file: one mistake, one problem.

        Notes
        -----
        An exception ends this check only. If the pipeline has any problem, the exception is
        ignored, because other parts may be missing; otherwise it is raised as it is.
        """
        return ()

    def key(self) -> Hashable:
        """Give the canonical key: equal objects have equal keys, in any process."""
        fields = tuple(
            (name, None if (held := getattr(self, name)) is None else spec.key(held))
            for name, spec in specs(type(self)).items()
        )
        return (*self._identity(), fields)

    def _identity(self) -> tuple[str, ...]:
        return (type(self).__name__,)

    def digest(self) -> str:
        """Give the sha256 of all fields; environment variables and file contents play no part."""
        return digest(self.key())

    def to_plain(self, complete: bool = False) -> dict[str, Any]:
        """Give plain YAML data: the fields that differ from their default, or all."""
        plain: dict[str, Any] = {}
        for name, spec in specs(type(self)).items():
            held = getattr(self, name)
            if not complete and self._is_default(name, held):
                continue
            if held is None:
                plain[name] = None
            else:
                plain[name] = (
                    spec.plain(held) if spec.shape == "leaf" else write_nested(held, complete)
                )
        return plain

    def _is_default(self, name: str, held: Any) -> bool:
        default = default_of(type(self), name)
        if default is attrs.NOTHING:
            return False
        if held is None or default is None:
            return held is default
        spec = specs(type(self))[name]
        return spec.key(held) == spec.key(default)

    def evolve(self, **changes: Any) -> Self:
        """Give a copy with some fields changed."""
        return attrs.evolve(self, **changes)  # type: ignore[misc]

    def _repr_html_(self) -> str:
        return show(self)


class Component(Fields, ABC):
    """One link of a chain.

    Subclass one of the interfaces (`Selector`, `Maker`, `Stacker`, `Model`, `Fitter`,
    `Estimator`, `Engine`), decorate the class with `component`, give it a `kind`, declare its
    fields with `option`, `quantity`, `position`, ... and write its verb.
    """

    role: ClassVar[str] = ""
    kind: ClassVar[str] = ""
    #: What the kind was called before: it works in YAML, with a warning, for one release.
    old_kinds: ClassVar[tuple[str, ...]] = ()

    def _identity(self) -> tuple[str, ...]:
        return (self.role, self.kind)

    def to_plain(self, complete: bool = False) -> dict[str, Any]:
        """Give plain YAML data, with the kind first."""
        return {"kind": self.kind, **super().to_plain(complete)}

    def write_script(self, script: Script) -> None:
        """Add what this does to a plain gammapy script (`skyred export`).

        Raises
        ------
        ExportError
            If it has no plain gammapy form, or not with these options: the message says why.
        """
        raise ExportError("has no plain gammapy form")

    @classmethod
    def adapt(cls, other: object) -> Component | None:
        """Take something else as a component of this role; None if it cannot be one."""
        return None

    @classmethod
    def summary(cls) -> str:
        """Give the first line of the class's documentation."""
        return (cls.__doc__ or "").strip().split("\n")[0]


def write_component(component: Component, script: Script) -> None:
    """Add what a component does to a script, if its own class says how.

    A class that inherits `write_script` may do something else than what its parent writes.

    Raises
    ------
    ExportError
        If it has no plain gammapy form, or only its parent has one.
    """
    cls = type(component)
    said = next(each for each in cls.__mro__ if "write_script" in vars(each))
    if said not in (cls, Component):
        raise ExportError(
            f"has no plain gammapy form of its own, only that of its parent {said.__name__}: give "
            f"{cls.__name__} a method write_script, or, if it does the same as its parent, "
            f"write_script = {said.__name__}.write_script"
        )
    component.write_script(script)


def value(cls: T) -> T:
    """Make a class of declared fields a frozen value: compared, hashed and written by them.

    The constructor has no types of its own: type checkers would refuse what options convert, such
    as ``"3 deg"``.
    """
    _refuse_bare_fields(cls)
    _refuse_uncalled_checks(cls)
    made = attrs.frozen(cls, kw_only=True, slots=False)
    if made.old_names:  # type: ignore[attr-defined]
        _take_old_names(made)
    made.declared_at = time.time()  # type: ignore[attr-defined]
    return made


def component(cls: T) -> T:
    """Make a class a component: frozen, keyword-only, its fields its configuration.

    Raises
    ------
    TypeError
        If it is no subclass of an interface, has no `kind` in kebab-case, has a field that is not
        declared with `option`, `quantity`, ..., or a check under a name that is never called.
    """
    if not (isinstance(cls, type) and issubclass(cls, Component) and cls.role):
        raise TypeError(f"{cls!r} is no subclass of an interface such as skyred.Maker")
    cls.old_kinds = vars(cls).get("old_kinds", ())  # not those of the class that it extends
    if isinstance(cls.old_kinds, str):
        raise TypeError(
            f"{cls.__name__}.old_kinds is a text; expected a tuple: ({cls.old_kinds!r},)"
        )
    kind = cls.__dict__.get("kind", "")
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise TypeError(
            f'{cls.__name__} has the kind {kind!r}; give it one in kebab-case: kind = "my-kind"'
        )
    return value(cls)


def _take_old_names(cls: Any) -> None:
    """Let a class take, and give, its options by their old names too, with a warning."""
    construct = cls.__init__
    if unknown := sorted(set(cls.old_names.values()) - set(specs(cls))):
        raise TypeError(f"{cls.__name__}.old_names leads to no option: {', '.join(unknown)}")
    if present := sorted(set(cls.old_names) & set(specs(cls))):
        raise TypeError(
            f"{cls.__name__}.old_names: {', '.join(present)} is an option still; expected the name "
            "that it had before, and the present one behind it"
        )

    @functools.wraps(construct)
    def construct_by_any_name(self: Any, **fields: Any) -> None:
        for old in [name for name in fields if name in cls.old_names]:
            new = cls.old_names[old]
            if new in fields:
                raise TypeError(f"{cls.__name__} is given both {new!r} and its old name {old!r}")
            warn_of_old_name(f"the option {old!r} of {cls.__name__}", repr(new))
            fields[new] = fields.pop(old)
        construct(self, **fields)

    cls.__init__ = construct_by_any_name
    for old, new in cls.old_names.items():
        setattr(cls, old, property(operator.attrgetter(new), doc=f"The old name of `{new}`."))


def _refuse_bare_fields(cls: type) -> None:
    for name, annotation in inspect.get_annotations(cls).items():
        if "ClassVar" in str(annotation):
            continue
        if SPEC not in getattr(cls.__dict__.get(name), "metadata", {}):
            raise TypeError(
                f"{cls.__name__}.{name} is declared without option(), quantity(), position(), ...; "
                "a field says what it is for, so that help, errors and YAML can"
            )


def _refuse_uncalled_checks(cls: type) -> None:
    # a check that is never called would be trusted all the same
    for name in ("check_deeply", "check_whole_deeply"):
        if hasattr(cls, name):
            raise TypeError(f"{cls.__name__}.{name} is never called; move it to check(pipeline)")


def walk(
    root: Fields, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Fields]]:
    """Yield an object and all that it holds, each with its path."""
    yield path, root
    for name, spec in specs(type(root)).items():
        held = getattr(root, name, None)
        if spec.shape == "leaf" or held is None:
            continue
        for step, item in _items(held):
            if isinstance(item, Fields):
                yield from walk(item, (*path, name, *step))


def locations(held: Fields) -> Iterator[tuple[tuple[str | int, ...], Location]]:
    """Yield the locations in an object's own fields, each with its path."""
    for name, content in vars(held).items():
        content = getattr(content, "sources", content)  # Regions hold files too
        if isinstance(content, Location):
            yield (name,), content
        elif isinstance(content, tuple):
            yield from (
                ((name, index) if len(content) > 1 else (name,), item)
                for index, item in enumerate(content)
                if isinstance(item, Location)
            )


def _items(held: Any) -> Iterable[tuple[tuple[str | int, ...], Any]]:
    if isinstance(held, tuple):
        return [((index,), item) for index, item in enumerate(held)]
    if isinstance(held, FrozenMapping):
        return [((name,), item) for name, item in held.items()]
    return [((), held)]
