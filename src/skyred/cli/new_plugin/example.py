"""The example configuration of a new plugin, with its components and simulated data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skyred.cli.new_plugin.source import Draft
from skyred.config import dump

ARCHIVE = "sim:crab?runs=4&livetime=10min"


def example_yaml(drafts: Sequence[Draft]) -> str:
    """Return the example configuration of a plugin as YAML.

    Parameters
    ----------
    drafts : sequence of Draft
        The components, and perhaps an archive.

    Returns
    -------
    str
        The text.
    """
    return "# An analysis of a simulated source, to try the plugin.\n" + dump(example(drafts))


def example(drafts: Sequence[Draft]) -> dict[str, Any]:
    """Return the example configuration of a plugin.

    Parameters
    ----------
    drafts : sequence of Draft
        The components, and perhaps an archive.

    Returns
    -------
    dict
        The configuration as plain data.
    """
    kinds: dict[str, list[dict[str, Any]]] = {}
    for draft in drafts:
        if draft.is_component:
            kinds.setdefault(draft.role, []).append({"kind": draft.kind})
    schemes = [f"{draft.kind}:" for draft in drafts if draft.role == "archive"]
    makers = [
        {"kind": "map"},
        {"kind": "safe-mask", "methods": ["offset-max"], "offset_max": "2.5 deg"},
        {"kind": "fov-background", "method": "fit", "exclude": ["icrs; circle(83.63, 22.01, 0.3)"]},
    ]
    geometry = {
        "kind": "map",
        "center": ["83.633 deg", "22.014 deg"],
        "width": "2 deg",
        "energy": {"min": "1 TeV", "max": "10 TeV", "bins": 4},
        "energy_true": {"min": "0.5 TeV", "max": "20 TeV", "bins": 20},
    }
    data = {
        "archive": "".join(schemes) + ARCHIVE,
        "geometry": kinds.get("geometry", [geometry])[0],
        # makers that change the safe mask must be between the safe mask and the background
        "make": [*makers[:2], *kinds.get("maker", []), makers[2]],
        "stack": kinds.get("stacker", [{"kind": "sum"}])[0],
    }
    if "selector" in kinds:
        data["select"] = kinds["selector"]
    types = [draft.kind for draft in drafts if draft.role == "spectral-model"]
    power_law = {"type": "pl", "index": 2.5, "amplitude": "4e-11 cm-2 s-1 TeV-1"}
    crab = {
        "kind": "source",
        "name": "crab",
        "spatial": {"type": "point", "lon_0": "83.633 deg", "lat_0": "22.014 deg"},
        "spectral": {"type": types[0]} if types else power_law,
    }
    return {
        "data": {"crab": data},
        "model": [*kinds.get("model", [crab]), {"kind": "fov-background"}],
        "fit": kinds.get("fitter", [{"kind": "newton"}])[0],
        "estimate": [*kinds.get("estimator", []), {"kind": "residuals"}],
    }
