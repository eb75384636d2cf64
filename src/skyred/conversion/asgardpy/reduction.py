"""Convert the data reduction of an instrument of asgardpy."""

from __future__ import annotations

from typing import Any

from astropy import units as u

from skyred.conversion.asgardpy.exclusion import exclusion_regions
from skyred.conversion.asgardpy.selection import convert_selection
from skyred.conversion.energy_bins import gammapy_axis, report_first_bin
from skyred.conversion.parameters import convert_parameters
from skyred.conversion.plain_values import circle_region, plain_position
from skyred.conversion.section import Section
from skyred.fields.quantities import plain as plain_quantity

NOT_GADF = "only DL3 data in the GADF format (gadf-dl3) are converted"
FINDERS = {"reflected": "ReflectedRegionsFinder", "wobble": "WobbleRegionsFinder"}


def convert_reduction(section: Section, dataset_type: str, stacked: bool) -> dict[str, Any] | None:
    """Convert archive, selection, geometry, makers and stacker of an instrument.

    Parameters
    ----------
    section : Section
        The section of the instrument.
    dataset_type : {"1d", "3d"}
        Whether the datasets are spectra or maps.
    stacked : bool
        Whether the observations are stacked.

    Returns
    -------
    dict or None
        The data entry; None if the data cannot be converted.
    """
    inputs = section.items("input_dl3")
    types = [str(item.read("type", "gadf-dl3")) for item in inputs]
    for index, input_type in enumerate(types):
        if input_type != "gadf-dl3":
            section.skip(f"input_dl3.{index}", f"{input_type}: {NOT_GADF}")
    if not inputs or types[0] != "gadf-dl3":
        for name in ("dataset_info", "dl4_dataset_info"):
            section.skip(name, NOT_GADF)
        return None
    inputs[0].skip("glob_pattern", "asgardpy reads the index of the archive", changes_results=False)
    section.skip("dl4_dataset_info.dl4_dataset", "is only used with input_dl4",
                 changes_results=False)  # fmt: skip
    info = section.section("dataset_info")
    info.read("name")
    info.skip("key", "is only used for Fermi-LAT data", changes_results=False)
    archive = str(inputs[0].read("input_dir", "."))
    geometry, makers = _CONVERTERS[dataset_type](info)
    if makers[1] is not None and {"energy", "energy_true"} <= set(geometry):
        path = f"{info.path}.safe_mask.methods"
        report_first_bin(section.source, path, makers[1], geometry)
    return {
        "archive": archive,
        **convert_selection(info.section("observation")),
        "geometry": geometry,
        "make": [maker for maker in makers if maker is not None],
        "stack": {"kind": "sum" if stacked else "keep"},
    }


def convert_axis(axis: Section) -> dict[str, Any]:
    """Convert an energy axis, with the defaults of asgardpy.

    Parameters
    ----------
    axis : Section
        The section, with `axis` or `axis_custom`.

    Returns
    -------
    dict
        The energy axis.
    """
    axis.read("name")
    unit = axis.read("axis_custom.unit", "TeV")
    if edges := axis.read("axis_custom.edges", []):
        axis.skip("axis", "axis_custom is used instead", changes_results=False)
        return {"edges": [f"{edge} {unit}" for edge in edges]}
    return {
        "min": str(axis.read("axis.min", "1 GeV")),
        "max": str(axis.read("axis.max", "1 TeV")),
        "bins": axis.read("axis.nbins", 5),
        "per_decade": axis.read("axis.per_decade", True),
    }


def _axes(info: Section) -> dict[str, dict[str, Any]]:
    sections = info.items("geom.axes")
    names = [str(axis.get("name", "energy")) for axis in sections]
    return {name: convert_axis(axis) for name, axis in zip(names, sections, strict=True)}


def _on_region(info: Section) -> tuple[u.Quantity, u.Quantity, u.Quantity, str]:
    region = info.section("on_region")
    lon, lat, radius = (region.read_angle(name) for name in ("lon", "lat", "radius"))
    return lon, lat, radius, str(region.read("frame", "icrs"))


def _spectrum(info: Section) -> tuple[dict[str, Any], list[dict[str, Any] | None]]:
    lon, lat, radius, frame = _on_region(info)
    axes = _axes(info)
    for name in ("energy", "energy_true"):
        if name not in axes:
            info.source.add_problem(f"{info.path}.geom.axes", f"contains no axis {name}",
                                    "expected the axes energy and energy_true")  # fmt: skip
    geometry: dict[str, Any] = {
        "kind": "spectrum",
        "on_region": circle_region(lon, lat, radius if radius > 0 * u.deg else None, frame),
        **{name: axes[name] for name in ("energy", "energy_true") if name in axes},
    }
    for name in ("wcs", "selection", "from_events_file", "reco_psf"):
        info.skip(f"geom.{name}", "is not used for spectra", changes_results=False)
    maker: dict[str, Any] = {
        "kind": "spectrum",
        "containment_correction": info.read("containment_correction", True),
    }
    if parts := info.read("map_selection", []):
        maker["parts"] = list(parts)
    return geometry, [maker, _safe_mask(info, axes.get("energy")), _background(info)]


def _maps(info: Section) -> tuple[dict[str, Any], list[dict[str, Any] | None]]:
    lon, lat, _, frame = _on_region(info)
    axes = _axes(info)
    energy = axes.get("energy", convert_axis(info.section("geom.default_axis")))
    if not info.read("geom.reco_psf", False):
        _skip_true_axis(info)
        axes["energy_true"] = energy
    else:
        info.skip("geom.reco_psf", "a PSF in reconstructed energy is not supported")
    wcs = info.section("geom.wcs")
    width = [str(wcs.read(f"map_frame_shape.{name}", "5 deg")) for name in ("width", "height")]
    geometry = {
        "kind": "map",
        "center": plain_position(lon, lat, frame),
        "frame": frame,
        "width": width,
        "bin_size": str(wcs.read("binsize", "0.1 deg")),
        "irf_bin_size": str(wcs.read("binsize_irf", "0.2 deg")),
        "projection": wcs.read("proj", "TAN"),
        "energy": energy,
        "energy_true": axes.get("energy_true", energy),
    }
    wcs.skip("skydir", "the map is centred at on_region", changes_results=False)
    for name in ("selection", "from_events_file"):
        info.skip(f"geom.{name}", "is not used with gadf-dl3 in 3d", changes_results=False)
    info.skip("containment_correction", "is not used in 3d", changes_results=False)
    maker: dict[str, Any] = {"kind": "map"}
    if parts := info.read("map_selection", []):
        maker["parts"] = list(parts)
    return geometry, [maker, _safe_mask(info, None), _background(info)]


_CONVERTERS = {"1d": _spectrum, "3d": _maps}


def _skip_true_axis(info: Section) -> None:
    for index, axis in enumerate(info.items("geom.axes")):
        if axis.source.get(f"{axis.path}.name") == "energy_true":
            reason = (
                "asgardpy does not use it without reco_psf: the true energy has the bins of the "
                "reconstructed energy, as in asgardpy"
            )
            info.skip(f"geom.axes.{index}", reason, changes_results=False)


def _safe_mask(info: Section, axis: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the maker of the safe mask; `axis` is the energy axis of a spectrum."""
    safe_mask = info.section("safe_mask")
    methods = list(safe_mask.read("methods", []))
    parameters = dict(safe_mask.get("parameters", {}))
    energies = {
        name: safe_mask.read_energy(f"parameters.{name}")
        for name in ("min", "max")
        if parameters.pop(name, None) is not None
    }
    if "custom-mask" in methods:
        safe_mask.read("parameters")
        if len(methods) > 1:
            safe_mask.skip("methods", "asgardpy uses no other method with custom-mask",
                           changes_results=False)  # fmt: skip
        if axis is None:
            safe_mask.skip("methods", "asgardpy does not apply custom-mask to maps",
                           changes_results=False)  # fmt: skip
            return None
        return {"kind": "safe-mask", "methods": [], **_rounded_energies(energies, axis)}
    if not methods:
        safe_mask.skip("parameters", "is not used without methods", changes_results=False)
        return None
    for name in energies:
        safe_mask.skip(f"parameters.{name}", "is only used by custom-mask", changes_results=False)
    if isinstance(parameters.get("position"), dict):
        section = safe_mask.section("parameters.position")
        lon, lat = (section.read_angle(name) for name in ("lon", "lat"))
        parameters["position"] = plain_position(lon, lat, section.read("frame", "icrs"))
    options = convert_parameters(
        safe_mask.source, f"{safe_mask.path}.parameters", "SafeMaskMaker", parameters
    )
    return {"kind": "safe-mask", "methods": methods, **options}


def _rounded_energies(energies: dict[str, Any], axis: dict[str, Any]) -> dict[str, str]:
    """Return the range of the safe mask, rounded to edges of the energy axis as in asgardpy."""
    try:
        energy_axis = gammapy_axis(axis)
    except (TypeError, ValueError):
        return {}  # skyred reports the invalid axis
    return {
        f"energy_{name}": str(plain_quantity(energy_axis.round(energy.reshape(1))[0]))
        for name, energy in energies.items()
    }


def _background(info: Section) -> dict[str, Any]:
    background = info.section("background")
    method = background.read("method", "reflected")
    parameters = background.get("parameters", {})
    path = f"{background.path}.parameters"
    maker: dict[str, Any]
    if method == "reflected":
        finder = str(background.read("region_finder_method", "wobble"))
        maker = {"kind": "reflected-regions", "finder": finder}
        class_name = FINDERS.get(finder, "WobbleRegionsFinder")
    else:
        background.skip("region_finder_method", "is only used by the method reflected",
                        changes_results=False)  # fmt: skip
        kind = {"fov_background": "fov-background", "ring": "ring-background"}.get(method, method)
        maker = {"kind": kind}
        class_name = "FoVBackgroundMaker" if method == "fov_background" else "RingBackgroundMaker"
        if method == "fov_background":
            maker["method"] = "scale"  # gammapy's default
    if regions := exclusion_regions(info):
        maker["exclude"] = regions
    return maker | convert_parameters(
        background.source, path, class_name, parameters, ("exclusion_mask",)
    )
