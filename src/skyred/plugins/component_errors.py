"""Errors of components, which name the component and its plugin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from skyred.errors import ComponentError, SkyredError
from skyred.interfaces import Component
from skyred.plugins.catalog import Catalog
from skyred.plugins.model_values import find_failed_model

NOTE = "raised in the "


def describe_component(component: Component | type[Component], catalog: Catalog | None) -> str:
    """Return role, kind and plugin of a component.

    Parameters
    ----------
    component : Component or type
        The component, or its class.
    catalog : Catalog or None
        The components of the plugins; without it, the plugin is not named.

    Returns
    -------
    str
        For example "fitter annealing of skyred-annealing 1.2 (plugin 'annealing')".
    """
    return describe_owned(component, None if catalog is None else catalog.owner(component) or "")


def describe_owned(component: Component | type[Component], owner: object | None) -> str:
    """Return role, kind and plugin of a component whose plugin is known.

    Parameters
    ----------
    component : Component or type
        The component, or its class.
    owner : object or None
        Its plugin; "" if it is not from a plugin, None if that is unknown.

    Returns
    -------
    str
        For example "maker zenith-veto of skyred-dust 1.2 (plugin 'dust')". The name of the class is
        added for adapted objects of gammapy.
    """
    source = f"{component.role} {component.kind}"
    if (adapted := getattr(component, "adapted", None)) is not None:
        source += f" {type(adapted).__name__}"
    if owner is None:
        return source
    return f"{source} of {owner}" if owner else f"{source} (not from a plugin)"


def exit_error(source: str, error: SystemExit) -> ComponentError:
    """Return the error of a component that exits Python.

    Parameters
    ----------
    source : str
        The component, with its plugin.
    error : SystemExit
        The exception that it raised.

    Returns
    -------
    ComponentError
        The error.
    """
    return ComponentError(
        f"the {source} exits Python (code {error.code}); it must raise an error instead"
    )


@contextmanager
def errors_of(component: Component | type[Component], catalog: Catalog | None) -> Iterator[None]:
    """Add the component and its plugin to errors that are raised in this context.

    Errors that name a component, such as one nested in this component, are not changed.

    Parameters
    ----------
    component : Component or type
        The component that is called, or its class.
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
    try:
        yield
    except SystemExit as error:
        source = find_failed_model(error) or describe_component(component, catalog)
        raise exit_error(source, error) from error
    except Exception as error:
        is_expected = isinstance(error, SkyredError) and is_default(component, catalog)
        failed_model = find_failed_model(error)
        if failed_model or not is_expected:
            add_source(error, failed_model or describe_component(component, catalog))
        raise


def add_source(error: BaseException, source: str) -> None:
    """Add the component that raised an error to its notes, unless they name one.

    Parameters
    ----------
    error : BaseException
        The error.
    source : str
        The component, with its plugin.
    """
    if not any(note.startswith(NOTE) for note in getattr(error, "__notes__", ())):
        error.add_note(f"{NOTE}{source}")


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


def is_default(component: Component | type[Component], catalog: Catalog | None) -> bool:
    """Return whether a component belongs to skyred itself.

    Parameters
    ----------
    component : Component or type
        The component, or its class.
    catalog : Catalog or None
        The components of the plugins.

    Returns
    -------
    bool
        False for components of other distributions, and without a catalog.
    """
    owner = None if catalog is None else catalog.owner(component)
    return owner is not None and owner.distribution == "skyred"
