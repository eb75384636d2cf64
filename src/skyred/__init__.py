"""skyred: chains of plugins for gamma-ray astronomy, on gammapy.

The public names are in the stub beside this file, each with the module that it is from. They are
imported when they are first used, so that ``import skyred`` costs nothing.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
