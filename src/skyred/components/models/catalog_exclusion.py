"""Exclusion of catalogue sources near positions, so that no source is modelled twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import ModelError

if TYPE_CHECKING:
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    from skyred.fields import Position


@attrs.frozen(eq=False)
class Exclusion:
    """The exclusion of catalogue sources near positions.

    Parameters
    ----------
    catalog : str
        The name of the catalogue, for messages.
    centers : mapping of str to SkyCoord
        The positions, by name.
    radius : Quantity
        The largest distance of excluded sources.
    required_names : tuple of str
        The names of models that are used at any distance, also the first part of their names.
    """

    catalog: str
    centers: Mapping[str, SkyCoord]
    radius: u.Quantity
    required_names: tuple[str, ...] = ()

    def apply(self, models: Iterable[Any], report: Callable[[str], None]) -> list[Any]:
        """Return the models that are not excluded, and report the others with their distance.

        Parameters
        ----------
        models : iterable of gammapy.modeling.models.SkyModel
            The models of the catalogue.
        report : callable
            Function of a string.

        Returns
        -------
        list of gammapy.modeling.models.SkyModel
            The models to use.
        """
        selected_models = []
        for model in models:
            distance, center = min(
                (float(model.position.separation(position).deg), name)
                for name, position in self.centers.items()
            )
            if self._is_required(model.name) or not distance <= self.radius.to_value("deg"):
                selected_models.append(model)
            else:
                report(
                    f"{self.catalog}: {model.name} is left out, {distance:.3f} deg from {center} "
                    f"(exclude_within: {self.radius})"
                )
        return selected_models

    def _is_required(self, name: str) -> bool:
        prefixes = tuple(f"{required_name}-" for required_name in self.required_names)
        return name in self.required_names or name.startswith(prefixes)


def find_centers(
    center: Position | None, other_models: Sequence[Any], catalog: str
) -> dict[str, SkyCoord]:
    """Return the positions around which sources are excluded, with their names.

    Parameters
    ----------
    center : Position or None
        The position in the configuration.
    other_models : sequence of gammapy models
        The models of other components, whose positions are used if there is no center.
    catalog : str
        The name of the catalogue, for messages.

    Returns
    -------
    dict of str to SkyCoord
        The positions.

    Raises
    ------
    ModelError
        If there is neither a center nor another model with a position.
    """
    if center is not None:
        return {"exclude_center": center.skycoord}
    centers = {
        model.name: model.position
        for model in other_models
        if getattr(model, "spatial_model", None) is not None
        and np.isfinite(model.position.spherical.lon.deg)
    }
    if not centers:
        raise ModelError(
            f"{catalog}: exclude_within needs a position, but no other model of the pipeline has "
            "one; set exclude_center"
        )
    return centers
