"""Read and write configurations in YAML, with all problems reported at once."""

from skyred.config.document import Document
from skyred.config.reading import (
    config_error,
    load,
    load_component,
    read_content_and_name,
    read_document,
)
from skyred.config.writing import dump

__all__ = [
    "Document",
    "config_error",
    "dump",
    "load",
    "load_component",
    "read_content_and_name",
    "read_document",
]
