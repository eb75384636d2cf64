"""The likelihood of datasets with models, as an objective for fitters.

The names are imported on first use, so that `skyred.likelihood.minimise` needs neither scipy nor
gammapy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
