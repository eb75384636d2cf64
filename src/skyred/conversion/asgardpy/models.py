"""Convert the models of asgardpy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy import units as u

from skyred.conversion.plain_values import plain_position
from skyred.conversion.section import Section
from skyred.conversion.source import Source
from skyred.fields.quantities import plain as plain_quantity

if TYPE_CHECKING:
    from skyred.conversion.asgardpy.instruments import Instrument

# defaults of asgardpy for the settings of a parameter
PARAMETER_DEFAULTS: dict[str, Any] = {
    "value": 1.0, "unit": "", "min": 0.1, "max": 10.0, "frozen": True,
}  # fmt: skip
NO_NAMES = (None, "None")
OWN_MODELS = {"ExpCutoffLogParabolaSpectralModel", "ECLP", "BrokenPowerLaw2SpectralModel", "bpl2"}


def convert_models(
    source: Source, instruments: list[Instrument], models: str | None
) -> list[dict[str, Any]]:
    """Convert the section `target`.

    Parameters
    ----------
    source : Source
        The configuration.
    instruments : list of Instrument
        The instruments.
    models : str or None
        A file with models, which replaces the components of the configuration.

    Returns
    -------
    list of dict
        The models.
    """
    target = Section(source, "target")
    name = str(target.read("source_name", ""))
    for unused, reason in (
        ("sky_position", "is only used for Fermi-LAT event files"),
        ("use_uniform_position", "is only used for Fermi-LAT event files"),
        ("from_3d", "is only used for Fermi-LAT event files"),
        ("covariance", "the covariance is computed by the fit"),
        ("models_file", "asgardpy does not read it; pass the file with --models"),
    ):
        target.skip(unused, reason, changes_results=False)
    if models is not None:
        target.skip("components", "--models is used instead", changes_results=False)
        converted: list[dict[str, Any]] = [{"kind": "file", "path": models}]
    else:
        converted = [
            model for item in target.items("components") for model in _component(item, name)
        ]
    converted += _catalog(target, instruments)
    converted += _region_of_interest(target, name, instruments)
    has_background = any(model["kind"] == "fov-background" for model in converted)
    names = target.read("datasets_with_fov_bkg_model", [])
    if names and not has_background:
        converted.append({"kind": "fov-background"})
    n_maps = sum(item.type == "3d" for item in instruments)
    if (names or has_background) and n_maps > max(len(names), 1):
        path = "datasets_with_fov_bkg_model" if names else "components"
        target.skip(path, "the new file has a background model for the maps of all instruments")
    return converted


def _component(component: Section, source_name: str) -> list[dict[str, Any]]:
    component.read("name")
    component.read("datasets_names")
    model_type = component.read("type", "SkyModel")
    spectral = _submodel(component.section("spectral"))
    spatial = _submodel(component.section("spatial"))
    if spectral.get("type") in OWN_MODELS:
        component.skip("spectral", f"{spectral['type']} is a model of asgardpy itself; add it to "
                       "gammapy as a plugin")  # fmt: skip
        return []
    submodels: dict[str, Any] = {"spectral": spectral}
    if spatial:
        submodels["spatial"] = spatial
    if model_type == "FoVBackgroundModel":
        return [{"kind": "fov-background", **submodels}]
    model = {"kind": "source", "name": source_name, **submodels}
    if absorption := _absorption(component.section("spectral.ebl_abs")):
        model["absorption"] = absorption
    return [model]


def _submodel(section: Section) -> dict[str, Any]:
    """Return a submodel; empty if it has no type."""
    model_type = section.read("type", "")
    if not model_type:
        return {}
    model: dict[str, Any] = {"type": model_type}
    if "spatial" in section.path:
        model["frame"] = section.read("frame", "icrs")
    for parameter in section.items("parameters"):
        parameter.skip("error", "errors are computed by the fit", changes_results=False)
        settings = {
            key: parameter.read(key, default) for key, default in PARAMETER_DEFAULTS.items()
        }
        unit = str(settings.pop("unit")).strip()
        model[str(parameter.read("name"))] = {
            key: f"{setting} {unit}" if unit and key != "frozen" else setting
            for key, setting in settings.items()
        }
    return model


def _absorption(section: Section) -> dict[str, Any] | None:
    section.read("type")
    reference, filename = section.read("reference", ""), str(section.read("filename", "None"))
    redshift, opacity = section.read("redshift", 0.0), section.read("alpha_norm", 1.0)
    if not reference:
        unused = "asgardpy does not use it without a reference"
        section.skip("filename", unused, changes_results=False)
        section.skip("redshift", unused, changes_results=False)
        section.skip("alpha_norm", unused, changes_results=False)
        return None
    has_file = Path(os.path.expandvars(filename)).is_file()  # otherwise asgardpy uses the reference
    table = {"file": filename} if has_file else {"ebl": reference}
    absorption: dict[str, Any] = {**table, "redshift": redshift}
    if opacity not in (0, 1):
        absorption["parameters"] = {"alpha_norm": {"value": opacity}}
    return absorption


def _catalog(target: Section, instruments: list[Instrument]) -> list[dict[str, Any]]:
    """Return the sources of a catalogue, which asgardpy adds to maps that it reduces."""
    radius = target.read_angle("use_catalog.selection_radius")
    name = target.read("use_catalog.name", "")
    if radius == 0 * u.deg or not name:
        return []
    maps = _reduced_maps(instruments)
    if not maps:
        reason = "asgardpy uses the catalogue only for maps that it reduces"
        target.skip("use_catalog", reason, changes_results=False)
        return []
    region = maps[0].section.section("dataset_info.on_region")
    lon, lat = (region.read_angle(axis) for axis in ("lon", "lat"))
    center = plain_position(lon, lat, region.read("frame", "icrs"))
    if len(maps) < len(instruments):
        reason = "asgardpy uses the sources only for its maps; the new file uses them for all data"
        target.skip("use_catalog.selection_radius", reason)
    catalog = {"catalog": name, "center": center, "radius": plain_quantity(radius)}
    return [{"kind": "catalog", **catalog}]


def _reduced_maps(instruments: list[Instrument]) -> list[Instrument]:
    """Return the instruments whose maps are reduced from DL3 data."""
    return [item for item in instruments if item.type == "3d" and item.is_reduced]


def _region_of_interest(
    target: Section, source_name: str, instruments: list[Instrument]
) -> list[dict[str, Any]]:
    """Return the models that freeze sources, and free the norms of selected ones."""
    if not _reduced_maps(instruments):
        reason = "asgardpy uses it only for maps that it reduces"
        target.skip("roi_selection", reason, changes_results=False)
        return []
    radius = target.read_angle("roi_selection.roi_radius")
    names = [name for name in target.read("roi_selection.free_sources", []) if name not in NO_NAMES]
    if radius > 0 * u.deg:
        if names:
            reason = "asgardpy does not use it together with roi_radius"
            target.skip("roi_selection.free_sources", reason, changes_results=False)
        beyond = {"around": source_name, "beyond": plain_quantity(radius)}
        return [{"kind": "freeze", "parameters": "spectral", **beyond}]
    if not names:
        return []
    return [
        {"kind": "freeze", "parameters": "spectral", "exclude": [source_name]},
        {"kind": "free", "parameters": "norm", "sources": names},
    ]
