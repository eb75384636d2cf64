"""Errors of components, which name the component and its plugin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from skyred.errors import ComponentError, SkyredError
from skyred.interfaces import Component
from skyred.plugins import Catalog

NOTE = "raised in the "


def describe_component(component: Component, catalog: Catalog | None) -> str:
    """Return role, kind and plugin of a component.

    Parameters
    ----------
    component : Component
        The component.
    catalog : Catalog or None
        The components of the plugins; without it, the plugin is not named.

    Returns
    -------
    str
        For example "fitter annealing of skyred-annealing 1.2 (plugin 'annealing')".
    """
    source = f"{component.role} {component.kind}"
    if catalog is None:
        return source
    owner = catalog.owner(component)
    return f"{source} of {owner}" if owner else f"{source} (not from a plugin)"


@contextmanager
def errors_of(component: Component, catalog: Catalog | None) -> Iterator[None]:
    """Add the component and its plugin to errors that are raised in this context.

    Parameters
    ----------
    component : Component
        The component that is called.
    catalog : Catalog or None
        The components of the plugins; without it, the plugin is not named.

    Yields
    ------
    None
        The component is called inside the context.

    Raises
    ------
    ComponentError
        If the component exits Python.
    """
    source = describe_component(component, catalog)
    try:
        yield
    except SystemExit as error:
        raise ComponentError(
            f"the {source} exits Python (code {error.code}); it must raise an error instead"
        ) from error
    except Exception as error:
        if not (isinstance(error, SkyredError) and is_default(component, catalog)):
            error.add_note(f"{NOTE}{source}")
        raise


def find_failed_component(error: BaseException) -> str:
    """Return the component of a plugin that an error names in its notes.

    Parameters
    ----------
    error : BaseException
        The error.

    Returns
    -------
    str
        Role, kind and plugin; "" if the error names no component, or one of skyred.
    """
    notes: list[str] = getattr(error, "__notes__", [])
    for note in notes:
        if note.startswith(NOTE) and " of skyred " not in note:
            return note.removeprefix(NOTE)
    return ""


def is_default(component: Component, catalog: Catalog | None) -> bool:
    """Return whether a component belongs to skyred itself.

    Parameters
    ----------
    component : Component
        The component.
    catalog : Catalog or None
        The components of the plugins.

    Returns
    -------
    bool
        False for components of other distributions, and without a catalog.
    """
    owner = None if catalog is None else catalog.owner(component)
    return owner is not None and owner.distribution == "skyred"
