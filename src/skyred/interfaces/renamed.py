"""Old names of options and kinds, with the versions of the plugin that renamed them."""

from __future__ import annotations

import warnings
from typing import Self

from skyred.errors import OldNameWarning
from skyred.interfaces.class_origin import describe_origin, package_of


class Renamed(str):
    """A name in `old_names` or `old_kinds`, with the versions of the plugin that renamed it.

    It is the current name of an option as a value of `old_names`, and an old kind as an item of
    `old_kinds`. A plain string works too; then the warning has no versions.

    Parameters
    ----------
    name : str
        The name.
    since : str
        The version of the plugin in which the name was changed.
    removed_in : str
        The version of the plugin in which the old name will no longer work.

    Examples
    --------
    >>> from skyred import Renamed
    >>> old_kinds = (Renamed("band-mask", since="0.4", removed_in="0.6"),)
    >>> old_names = {"emin": Renamed("low", since="0.4", removed_in="0.6")}
    """

    __slots__ = ("removed_in", "since")
    since: str
    removed_in: str

    def __new__(cls, name: str, *, since: str = "", removed_in: str = "") -> Self:
        """Create the name."""
        renamed = super().__new__(cls, name)
        renamed.since, renamed.removed_in = since, removed_in
        return renamed


def warn_of_renamed_option(cls: type, old: str, new: str, stacklevel: int = 2) -> None:
    """Warn about the use of an option by its old name.

    Parameters
    ----------
    cls : type
        The class with the option.
    old : str
        The old name, or its path in a configuration.
    new : str
        The current name in `old_names`.
    stacklevel : int
        The position of the calling code on the stack.
    """
    _warn(cls, old, repr(str(new)), new, stacklevel + 1)


def warn_of_renamed_kind(cls: type, kind: str) -> None:
    """Warn about the use of a component by an old kind.

    Parameters
    ----------
    cls : type
        The class of the component.
    kind : str
        The old kind.
    """
    (old_kind,) = (old for old in vars(cls)["old_kinds"] if old == kind)
    role, current_kind = getattr(cls, "role", ""), getattr(cls, "kind", "")
    _warn(cls, f"the {role} {kind!r}", repr(current_kind), old_kind, 3)


def _warn(cls: type, old: str, new: str, name: str, stacklevel: int) -> None:
    since, removed_in = getattr(name, "since", ""), getattr(name, "removed_in", "")
    if not package_of(cls) and not since and not removed_in:
        message = f"{old} is now called {new}; the old name works until the next release"
    else:
        origin = describe_origin(cls)
        plugin = origin.partition(" ")[0]
        changed = f" since {plugin} {since}" if since else f" in {origin}"
        end = f"until {plugin} {removed_in}" if removed_in else f"until a later release of {plugin}"
        message = f"{old} is now called {new}{changed}; the old name works {end}"
    warnings.warn(message, OldNameWarning, stacklevel=stacklevel + 1)
