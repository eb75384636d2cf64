"""Arguments of gammapy's classes, in the free-form sections `parameters` of a configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from skyred.conversion.counterparts import class_counterparts
from skyred.conversion.source import Source

COLUMNS = {  # optional columns that "all" selects, by class
    "FluxPointsEstimator": ("errn-errp", "ul", "scan", "sensitivity"),
    "LightCurveEstimator": ("errn-errp", "ul", "scan", "sensitivity"),
    "ExcessMapEstimator": (
        "errn-errp", "ul", "sensitivity", "alpha", "acceptance_on", "acceptance_off",
    ),
}  # fmt: skip


def convert_parameters(
    source: Source,
    path: str,
    class_name: str,
    parameters: Mapping[str, Any],
    fixed: Iterable[str] = (),
    columns: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Convert arguments of a class of gammapy to options of its counterpart.

    Arguments that gammapy's class does not have are problems of the configuration.

    Parameters
    ----------
    source : Source
        The configuration; arguments without an option are skipped.
    path : str
        The path of the arguments in the configuration.
    class_name : str
        The name of the class.
    parameters : mapping of str to object
        The arguments.
    fixed : iterable of str
        Arguments that the program sets itself, so that the configuration must not contain them.
    columns : tuple of str
        The optional columns that "all" selects; by default all of the class.

    Returns
    -------
    dict of str to object
        The options.
    """
    source.mark_converted(path)
    counterparts = class_counterparts()[class_name].arguments
    fixed = set(fixed)
    options: dict[str, Any] = {}
    for name, setting in parameters.items():
        argument_path = (*path.split("."), name)
        counterpart = counterparts.get(name)
        if counterpart is None or name in fixed:
            names = ", ".join(argument for argument in counterparts if argument not in fixed)
            source.add_problem(
                argument_path,
                f"{class_name} has no argument {name!r}"
                if counterpart is None
                else f"{name} is set elsewhere in the configuration",
                f"available: {names}",
            )
        elif setting is None:
            continue  # the default
        elif counterpart.option == "columns":
            options["columns"] = _columns(setting, columns or COLUMNS[class_name])
        elif counterpart.option:
            options[counterpart.option] = setting
        else:
            source.skip(
                argument_path,
                counterpart.note or counterpart.reason,
                changes_results=bool(counterpart.reason),
            )
    if class_name in COLUMNS:
        options.setdefault("columns", [])
    return options


def _columns(selection: Any, available: tuple[str, ...]) -> list[str]:
    """Return the optional columns that a value of `selection_optional` selects."""
    if selection is None:
        return []
    if selection == "all":
        return list(available)
    return [selection] if isinstance(selection, str) else list(selection)
