"""Plugins, loaded from entry points and files, and the catalog of their components.

The names of this package are imported on first use, because ``skyred --help`` needs entry points,
but no components.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
