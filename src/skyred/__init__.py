"""skyred: pipelines of components for gamma-ray astronomy, based on gammapy.

The public names and their modules are listed in the stub next to this file. They are
imported on first use, so that ``import skyred`` is fast.
"""

from typing import Any

import lazy_loader

__version__ = "0.1.0"
_get, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
_OLD_NAMES = {  # current names by old name; the old names work for one release
    "chain": "nested_list",
    "interrupts_held": "block_interrupts",
    "part": "nested_object",
    "table": "nested_mapping",
}


def __getattr__(name: str) -> Any:
    if name in _OLD_NAMES:
        from skyred.errors import warn_of_old_name

        warn_of_old_name(f"skyred.{name}", f"skyred.{_OLD_NAMES[name]}")
    return _get(_OLD_NAMES.get(name, name))
