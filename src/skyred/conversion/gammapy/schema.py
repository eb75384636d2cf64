"""Validation of a configuration with gammapy's own classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skyred.conversion.source import Source
from skyred.errors import format_value, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

WORKFLOW_OPTIONS = ("steps", "overwrite")  # of the section `general`


def validate(source: Source) -> Any:
    """Validate a configuration, and return it with values of the types that gammapy uses.

    Parameters
    ----------
    source : Source
        The configuration; its problems are added to it.

    Returns
    -------
    AnalysisConfig or WorkflowConfig or None
        The configuration, with the defaults of gammapy; None if it is invalid.
    """
    from gammapy.analysis import AnalysisConfig
    from gammapy.workflow import WorkflowConfig
    from pydantic import ValidationError

    data = {name: value for name, value in source.data.items() if name != "metadata"}
    source.mark_converted("metadata")  # date and version, which gammapy ignores too
    config_class = WorkflowConfig if is_workflow(source) else AnalysisConfig
    try:
        return config_class(**data)
    except ValidationError as error:
        _add_problems(source, error, config_class)
    except (TypeError, ValueError) as error:  # of astropy, which pydantic does not catch
        _add_unreadable_values(source, config_class, data)
        if not source.problems:
            source.add_problem((), f"gammapy cannot read the configuration: {error}")
    return None


def _add_unreadable_values(source: Source, config_class: type[BaseModel], data: Any) -> None:
    """Add a problem for each setting that gammapy cannot read, when it is set alone."""
    from pydantic import ValidationError

    for path, value in source.leaves(data):
        nested: Any = value
        for name in reversed(path):
            nested = {name: nested}
        try:
            config_class(**nested)
        except ValidationError:
            continue  # reported if all values can be read
        except (TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            source.add_problem(path, f"gammapy cannot read {format_value(value)}: {reason}")


def is_workflow(source: Source) -> bool:
    """Return whether a configuration has options that only gammapy's `Workflow` has.

    Parameters
    ----------
    source : Source
        The configuration.

    Returns
    -------
    bool
        True if it does.
    """
    return any(source.has(f"general.{name}") for name in WORKFLOW_OPTIONS)


def _add_problems(source: Source, error: ValidationError, config_class: type[BaseModel]) -> None:
    for fault in error.errors(include_url=False, include_input=False):
        path = fault["loc"]
        if fault["type"] == "extra_forbidden":
            names = _option_names(config_class, path[:-1])
            suggestion = nearest(str(path[-1]), names)
            hint = f"did you mean {suggestion!r}?" if suggestion else f"available: {names}"
            source.add_problem(path, "gammapy has no such option", hint)
        else:
            source.add_problem(path, fault["msg"])


def _option_names(config_class: Any, path: tuple[str | int, ...]) -> list[str]:
    """Return the names of the options in a section."""
    for name in path:
        config_class = config_class.model_fields[name].annotation
    return list(config_class.model_fields)
