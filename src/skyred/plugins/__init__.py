"""Plugins: found by entry point, each by its owner's name, with their components in a catalog.

The names are imported when they are first used: ``skyred --help`` needs entry points, but no
components.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
