"""The engine of a run, from what the command line says: a kind, or a component in YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyred.errors import ConfigError, FieldError, Problem

if TYPE_CHECKING:
    from skyred.interfaces import Component, Engine
    from skyred.plugins import Plugins


def make_engine(plugins: Plugins, said: str, workers: int | None) -> Engine:
    """Make an engine of ``--engine KIND`` or ``--engine '{kind: KIND, ...}'``, and ``--workers``.

    Raises
    ------
    ConfigError
        Naming the kind or the option that is wrong.
    """
    from skyred.config import Document, load_component
    from skyred.fields import specs
    from skyred.interfaces import Engine

    document = Document.parse(said, "--engine")
    if isinstance(document.data, str):
        document.data = {"kind": document.data}
    if not isinstance(document.data, dict):
        found = Problem(("--engine",), f"is {said!r:.60}", "expected a kind, or {kind: KIND, ...}")
        raise ConfigError([found])
    if workers is not None:
        _take_workers(document.data, workers)
        cls = _class(plugins, document.data.get("kind"))
        if cls is not None and "workers" not in specs(cls):
            message = f"the engine {cls.kind!r} has no workers"
            raise ConfigError([Problem(("--workers",), message, "try --engine processes")])
    return load_component(Engine, document, plugins.catalog)  # type: ignore[type-abstract]


def _take_workers(data: dict[str, object], workers: int) -> None:
    if data.setdefault("workers", workers) != workers:
        message = f"--engine says {data['workers']} workers"
        raise ConfigError([Problem(("--workers",), message, f"say {workers} in one place only")])


def _class(plugins: Plugins, kind: object) -> type[Component] | None:
    try:
        return plugins.catalog.get("engine", str(kind))
    except FieldError:
        return None  # it is named, with what is near, when the engine is made
