"""Plugins: found by entry point, each by its owner's name, with their components in a catalog."""

from skyred.plugins.catalog import Catalog, CatalogEntry
from skyred.plugins.loading import BLOCK, Loaded, Plugins

__all__ = ["BLOCK", "Catalog", "CatalogEntry", "Loaded", "Plugins"]
