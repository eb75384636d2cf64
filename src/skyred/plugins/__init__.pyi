# The names of this package, and where each is from
from .catalog import (
    Catalog as Catalog,
)
from .catalog import (
    CatalogEntry as CatalogEntry,
)
from .entry_points import (
    BLOCK as BLOCK,
)
from .loading import (
    Loaded as Loaded,
)
from .loading import (
    Plugins as Plugins,
)

__all__: list[str]
