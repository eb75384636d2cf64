"""Value classes: frozen classes with declared fields, by which they are compared and written."""

from __future__ import annotations

import functools
import inspect
import operator
import time
import types
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import attrs

from skyred.errors import FieldError, Problem
from skyred.fields import SPEC, default_of, digest, document_fields, specs, write_nested
from skyred.fields.html import component_html
from skyred.interfaces.renamed import warn_of_renamed_option

if TYPE_CHECKING:
    from skyred.interfaces.chain import Chain

T = TypeVar("T", bound=type)


class Fields:
    """Base class of objects with declared fields; derives key, digest and YAML from the fields.

    Parameters
    ----------
    **fields : object
        The values of the fields.
    """

    #: Time at which the class was defined, in seconds since 1970. Later changes of its source file
    #: have no effect on it.
    declared_at: ClassVar[float] = 0.0
    #: Current names of options by old name. Old names work, with a warning. A `Renamed` has
    #: the versions in which the name was changed, and in which the old one will be removed.
    old_names: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **fields: Any) -> None:
        raise TypeError(
            f"{type(self).__name__} is not decorated: decorate the class with @component"
        )

    def __attrs_post_init__(self) -> None:
        if type(self).validate is Fields.validate:
            return
        from skyred.interfaces.hidden_secrets import hidden_secrets

        with hidden_secrets(self):
            for problem in self.validate():
                prefixed_problem = problem.with_prefix(type(self).__name__)
                raise FieldError(str(attrs.evolve(prefixed_problem, expected="")), problem.expected)

    def validate(self) -> Iterable[Problem]:
        """Yield problems in the combination of fields, such as a minimum above the maximum.

        Called whenever an object is built, from Python or YAML, after each field was validated on
        its own. The method must be quick, and must not read files or import gammapy or regions.

        Returns
        -------
        iterable of Problem
            One for each mistake; most implementations yield them. The path of a problem starts at
            this object: ``("min",)`` is its field `min`, ``()`` the object as a whole.

        Notes
        -----
        An exception raised by this method is treated as an error in the component. It is ignored
        only if single fields are invalid, because those fields are not set.
        """
        return ()

    @classmethod
    def variant(cls, raw: Mapping[str, Any]) -> type[Fields]:
        """Return the class to build from options, by default this class.

        Parameters
        ----------
        raw : mapping of str to object
            The options, as in YAML.

        Returns
        -------
        type
            This class or a subclass.

        Raises
        ------
        FieldError
            If the options do not match any class.
        """
        return cls

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems that can only be found with the whole pipeline, gammapy or regions.

        Examples are a source without a model, a region that cannot be parsed, or a model that
        gammapy cannot build. Called once for each pipeline, before it runs: when it is read from
        YAML, or, if it was built in Python, when it is passed to an `Orchestrator`. All components
        and value classes of a pipeline are checked; an engine is not part of a pipeline.

        The method may import gammapy, inside its body, and read files that the options refer to,
        such as a region file or the table of a model. It must not read event data or change
        anything.

        Parameters
        ----------
        pipeline : Chain
            The pipeline that this object is part of. Other parts may be invalid. For an estimator,
            and for objects in it, `data` contains only the entries that it may use.

        Returns
        -------
        iterable of Problem
            One for each mistake; most implementations yield them. The path of a problem starts at
            this object, as in `validate`. A problem is dropped if its field already has another
            problem, such as a missing file.

        Notes
        -----
        If this method raises an exception, the other checks still run. The exception is ignored if
        the pipeline has any problem, because other parts may be missing; otherwise it is raised.
        """
        return ()

    def key(self) -> Hashable:
        """Return the canonical key.

        Returns
        -------
        tuple
            The key: equal objects have equal keys, in any process.
        """
        fields = tuple(
            (name, None if (field_value := getattr(self, name)) is None else spec.key(field_value))
            for name, spec in specs(type(self)).items()
        )
        return (*self._identity(), fields)

    def _identity(self) -> tuple[str, ...]:
        return (type(self).__name__,)

    def digest(self) -> str:
        """Return the SHA-256 digest of the key.

        Returns
        -------
        str
            The digest, hexadecimal. It depends on paths as they are written, with unexpanded
            environment variables, but not on the content of files.
        """
        return digest(self.key())

    def to_plain(self, complete: bool = False) -> dict[str, Any]:
        """Return the fields as plain YAML data.

        Parameters
        ----------
        complete : bool
            Whether to include fields that have their default value.

        Returns
        -------
        dict of str to object
            The values by name.
        """
        yaml_data: dict[str, Any] = {}
        for name, spec in specs(type(self)).items():
            field_value = getattr(self, name)
            if not complete and self._is_default(name, field_value):
                continue
            if field_value is None:
                yaml_data[name] = None
            else:
                yaml_data[name] = (
                    spec.plain(field_value)
                    if spec.shape == "leaf"
                    else write_nested(field_value, complete)
                )
        return yaml_data

    def _is_default(self, name: str, field_value: Any) -> bool:
        default = default_of(type(self), name)
        if default is attrs.NOTHING:
            return False
        if field_value is None or default is None:
            return field_value is default
        spec = specs(type(self))[name]
        return spec.key(field_value) == spec.key(default)

    def evolve(self, **changes: Any) -> Self:
        """Return a copy with changed fields.

        Parameters
        ----------
        **changes : object
            New values of fields.

        Returns
        -------
        Fields
            The copy, of the same class.
        """
        return attrs.evolve(self, **changes)  # type: ignore[misc]

    def _repr_html_(self) -> str:
        return component_html(self)


def value(cls: T) -> T:
    """Turn a class with declared fields into a frozen value class.

    Its objects are compared, hashed and written by their fields. The arguments of the constructor
    have no types, because type checkers would reject values that options convert, such as
    ``"3 deg"``.

    Returns
    -------
    type
        The class itself, modified.
    """
    _check_declaration(cls)
    value_class = attrs.frozen(cls, kw_only=True, slots=False)
    if value_class.old_names:  # type: ignore[attr-defined]
        _accept_old_names(value_class)
    document_fields(value_class)
    if "__new__" in vars(value_class):  # its signature hides that of __init__
        init = types.MethodType(value_class.__init__, value_class)  # type: ignore[misc]
        value_class.__signature__ = inspect.signature(init)  # type: ignore[attr-defined]
    value_class.declared_at = time.time()  # type: ignore[attr-defined]
    return value_class


def _accept_old_names(cls: Any) -> None:
    """Make a class accept its options under their old names, with a warning."""
    init = cls.__init__
    if unknown := sorted(set(cls.old_names.values()) - set(specs(cls))):
        raise TypeError(f"{cls.__name__}.old_names refers to unknown options: {', '.join(unknown)}")
    if current_names := sorted(set(cls.old_names) & set(specs(cls))):
        raise TypeError(
            f"{cls.__name__}.old_names has current options as keys: {', '.join(current_names)}; "
            "expected old names as keys, and current names as values"
        )

    @functools.wraps(init)
    def init_with_old_names(self: Any, **fields: Any) -> None:
        for old in [name for name in fields if name in cls.old_names]:
            new = cls.old_names[old]
            if new in fields:
                raise TypeError(f"{cls.__name__} got both {new!r} and its old name {old!r}")
            warn_of_renamed_option(cls, f"the option {old!r} of {cls.__name__}", new)
            fields[str(new)] = fields.pop(old)
        init(self, **fields)

    cls.__init__ = init_with_old_names
    for old, new in cls.old_names.items():
        setattr(cls, old, property(operator.attrgetter(new), doc=f"The old name of `{new}`."))


def _check_declaration(cls: type) -> None:
    """Raise an error if a field is not declared, or a method would never be called."""
    for name, annotation in inspect.get_annotations(cls).items():
        if "ClassVar" in str(annotation):
            continue
        if SPEC not in getattr(cls.__dict__.get(name), "metadata", {}):
            raise TypeError(
                f"{cls.__name__}.{name} is not declared with option(), quantity(), ...; "
                "these provide help, error messages and YAML"
            )
    for name in ("check_deeply", "check_whole_deeply"):  # old names of `check`
        if hasattr(cls, name):
            raise TypeError(f"{cls.__name__}.{name} is never called; move it to check(pipeline)")
