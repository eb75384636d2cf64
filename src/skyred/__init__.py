"""skyred: chains of plugins for gamma-ray astronomy, on gammapy.

The public names are in the stub beside this file, each with the module that it is from. They are
imported when they are first used, so that ``import skyred`` costs nothing.
"""

from typing import Any

import lazy_loader

__version__ = "0.1.0"
_get, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
_OLD_NAMES = {  # from old to current names, which work for one release
    "chain": "nested_list",
    "part": "nested_object",
    "table": "nested_mapping",
}


def __getattr__(name: str) -> Any:
    if name in _OLD_NAMES:
        from skyred.errors import warn_of_old_name

        warn_of_old_name(f"skyred.{name}", f"skyred.{_OLD_NAMES[name]}")
    return _get(_OLD_NAMES.get(name, name))
