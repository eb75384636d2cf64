"""The likelihood: from datasets with models to an objective that fitters minimise.

The names are imported when they are first used: `skyred.likelihood.minimise` does without scipy and
gammapy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
