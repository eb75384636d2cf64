"""Public names: exported names, kinds of default components, and options.

``python tests/helpers/public_names.py`` adds new names to tests/public_names.txt, and keeps
all others. Delete the line of a name by hand, one release after the name was replaced.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import skyred
import skyred.testing
from skyred.interfaces import Fields
from skyred.plugins import Plugins

LIST = Path(__file__).parents[1] / "public_names.txt"


def read_names() -> set[str]:
    """Read the list in the repository."""
    return set(LIST.read_text("utf-8").splitlines())


def public_names() -> set[str]:
    """Return the names in the source, with old names that still work."""
    return {*exported_names(), *kinds_and_options()}


def exported_names() -> Iterator[str]:
    """Yield exported names, and the options of value classes."""
    for module in (skyred, skyred.testing):
        names = {name: name for name in module.__all__} | getattr(module, "_OLD_NAMES", {})
        for name, current_name in names.items():
            yield f"{module.__name__}.{name}"
            cls = getattr(module, current_name)
            if inspect.isclass(cls) and issubclass(cls, Fields) and not hasattr(cls, "kind"):
                yield from (f"{module.__name__}.{name}: {option}" for option in options(cls))


def kinds_and_options() -> Iterator[str]:
    """Yield kinds with their roles, and with each option."""
    for entry in Plugins.load().catalog:
        if entry.owner.distribution == "skyred":
            for kind in (entry.cls.kind, *entry.cls.old_kinds):
                yield f"{entry.cls.role} {kind}"
                yield from (f"{entry.cls.role} {kind}: {option}" for option in options(entry.cls))


def options(cls: type[Fields]) -> list[str]:
    """Return the options of a class, with old names."""
    return [*skyred.specs(cls), *cls.old_names] if hasattr(cls, "__attrs_attrs__") else []


if __name__ == "__main__":
    LIST.write_text("\n".join(sorted(read_names() | public_names())) + "\n", "utf-8")
