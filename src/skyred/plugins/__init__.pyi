# The names of this package, and where each is from
from .catalog import (
    Catalog as Catalog,
    CatalogEntry as CatalogEntry,
)
from .entry_points import (
    BLOCK as BLOCK,
)
from .loading import (
    Loaded as Loaded,
    Plugins as Plugins,
)

__all__: list[str]
