# The names of this package and their modules
from .catalog import (
    Catalog as Catalog,
    CatalogEntry as CatalogEntry,
)
from .entry_points import (
    BLOCK_VARIABLE as BLOCK_VARIABLE,
)
from .loading import (
    LoadedPlugin as LoadedPlugin,
    Plugins as Plugins,
)
from .model_classes import (
    ModelCatalog as ModelCatalog,
    ModelEntry as ModelEntry,
)

__all__: list[str]
