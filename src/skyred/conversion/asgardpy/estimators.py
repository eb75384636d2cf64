"""Convert the flux points of asgardpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skyred.conversion.asgardpy.reduction import convert_axis
from skyred.conversion.parameters import convert_parameters
from skyred.conversion.section import Section
from skyred.conversion.source import Source

if TYPE_CHECKING:
    from skyred.conversion.asgardpy.instruments import Instrument


def convert_flux_points(source: Source, instruments: list[Instrument]) -> list[dict[str, Any]]:
    """Convert the flux points of each instrument.

    Parameters
    ----------
    source : Source
        The configuration.
    instruments : list of Instrument
        The instruments.

    Returns
    -------
    list of dict
        One estimator for each instrument.
    """
    section = Section(source, "flux_points_params")
    parameters = source.get("flux_points_params.parameters", {"selection_optional": "all"})
    options = convert_parameters(
        source,
        "flux_points_params.parameters",
        "FluxPointsEstimator",
        parameters,
        ("energy_edges", "source", "n_jobs", "parallel_backend", "reoptimize"),
    )
    if section.read("reoptimize", False):
        options["reoptimize"] = True
    name = str(source.get("target.source_name", ""))
    estimators = []
    for instrument in instruments:
        axis = convert_axis(instrument.section.section("dl4_dataset_info.spectral_energy_range"))
        estimators.append(
            {
                "kind": "flux-points",
                "name": f"flux-points-{instrument.name}",
                "datasets": [instrument.dataset_pattern],
                "source": name,
                "energy_edges": axis.get("edges", axis),
                **options,
            }
        )
    return estimators
