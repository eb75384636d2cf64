"""Declarations of model classes of gammapy, which are imported when they are used."""

from __future__ import annotations

from typing import Any

import attrs

from skyred.io.model_types import SUBMODELS, find_tags


@attrs.frozen
class ModelClass:
    """A model class that a plugin declares without importing it.

    Parameters
    ----------
    path : str
        Module and name of the class: "my_package.models:DarkMatterBox".
    tag : str or tuple of str
        The attribute `tag` of the class: all names of the model in YAML.
    submodel : {"spectral", "spatial", "temporal"}
        The kind of model.
    doc : str
        A description, one sentence.
    """

    path: str = attrs.field()
    tag: str | tuple[str, ...] = attrs.field(converter=find_tags)
    submodel: str = attrs.field(default="spectral", validator=attrs.validators.in_(SUBMODELS))
    doc: str = ""

    @path.validator
    def _check_path(self, _: Any, path: str) -> None:
        module, _, name = str(path).partition(":")
        if not module or not name:
            raise ValueError(f"invalid path {path!r}; expected one such as 'package.models:Class'")
