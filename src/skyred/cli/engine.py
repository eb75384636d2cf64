"""Create the engine of a run from command-line options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyred.errors import ConfigError, FieldError, Problem, format_value

DEFAULT_ENGINE = "skyred:serial"  # the kind of another distribution would be ambiguous

if TYPE_CHECKING:
    from skyred.interfaces import Component, Engine
    from skyred.plugins import Plugins


def make_engine(plugins: Plugins, engine_option: str | None, workers: int | None) -> Engine:
    """Create an engine from the options ``--engine`` and ``--workers``.

    Parameters
    ----------
    plugins : Plugins
        The plugins.
    engine_option : str or None
        A kind, or the component in YAML, ``{kind: KIND, ...}``; None for skyred's engine `serial`.
    workers : int or None
        The number of workers; None for the default of the engine.

    Returns
    -------
    Engine
        The engine.

    Raises
    ------
    ConfigError
        If --engine is invalid, --workers contradicts it, or the engine has no option workers.
    """
    from skyred.config import Document, load_component
    from skyred.fields import specs
    from skyred.interfaces import Engine

    document = Document.parse(engine_option or DEFAULT_ENGINE, "--engine")
    if isinstance(document.data, str):
        document.data = {"kind": document.data}
    if not isinstance(document.data, dict):
        problem = Problem(
            ("--engine",),
            f"invalid value {format_value(engine_option)}",
            "expected the kind of an engine, or {kind: KIND, ...}",
        )
        raise ConfigError([problem])
    if workers is not None:
        _set_workers(document.data, workers)
        cls = _engine_class(plugins, document.data.get("kind"))
        if cls is not None and "workers" not in specs(cls):
            message = f"the engine {cls.kind!r} has no option workers"
            raise ConfigError([Problem(("--workers",), message, "try --engine processes")])
    return load_component(Engine, document, plugins.catalog)  # type: ignore[type-abstract]


def _set_workers(data: dict[str, object], workers: int) -> None:
    if data.setdefault("workers", workers) != workers:
        message = f"{workers} contradicts --engine, which sets {data['workers']} workers"
        raise ConfigError([Problem(("--workers",), message, "use only one of the two options")])


def _engine_class(plugins: Plugins, kind: object) -> type[Component] | None:
    try:
        return plugins.catalog.get("engine", str(kind))
    except FieldError:
        return None  # the error is reported, with a suggestion, when the engine is created
