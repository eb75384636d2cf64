"""Convert the sections `datasets` and `fit`: geometry, makers, stacker and fit range."""

from __future__ import annotations

from typing import Any

from astropy import units as u

from skyred.conversion.energy_bins import exclude_rounded_bins, report_first_bin
from skyred.conversion.parameters import convert_parameters
from skyred.conversion.plain_values import circle_region, plain_energy_axis, plain_position
from skyred.conversion.source import Source
from skyred.fields.quantities import plain as plain_quantity

BACKGROUND_MAKERS = {  # class of gammapy and kind of the component, by method
    "fov_background": ("FoVBackgroundMaker", "fov-background"),
    "ring": ("RingBackgroundMaker", "ring-background"),
    "reflected": ("ReflectedRegionsBackgroundMaker", "reflected-regions"),
}
METHODS = {"1d": ("reflected",), "3d": ("fov_background", "ring")}


def convert_datasets(source: Source, config: Any) -> dict[str, Any]:
    """Convert the data reduction and the fit range.

    Parameters
    ----------
    source : Source
        The configuration.
    config : AnalysisConfig or WorkflowConfig
        The configuration with gammapy's defaults.

    Returns
    -------
    dict
        The options of the data entry.
    """
    from gammapy.analysis import Analysis

    source.mark_converted("datasets.type", "datasets.stack")
    background = _background_maker(source, config.datasets)
    safe_mask = _safe_mask(source, config.datasets)
    if config.datasets.type == "3d":
        geometry = _map_geometry(source, config.datasets)
        makers = [_map_maker(source, config.datasets), safe_mask, background]
    else:
        geometry = _spectrum_geometry(source, config.datasets)
        spectrum = _spectrum_maker(source, config.datasets, has_background=background is not None)
        makers = [spectrum, background, safe_mask]
    if safe_mask is not None and {"energy", "energy_true"} <= set(geometry):
        report_first_bin(source, "datasets.safe_mask.methods", safe_mask, geometry)
    entry: dict[str, Any] = {
        "geometry": geometry,
        "make": [maker for maker in makers if maker is not None],
        "stack": {"kind": "sum" if config.datasets.stack else "keep"},
    }
    if "energy" in geometry:
        edges = Analysis._make_energy_axis(config.datasets.geom.axes.energy).edges
        if energies := _fit_energies(source, config, edges):
            entry["fit_range"] = {"energy": energies}
    return entry


def _axes(source: Source, datasets: Any) -> dict[str, Any]:
    axes, plain_axes = datasets.geom.axes, {}
    for name in ("energy", "energy_true"):
        path, axis = f"datasets.geom.axes.{name}", getattr(axes, name)
        source.mark_converted(path)
        if name == "energy_true" and axis.min is None:
            axis = axes.energy  # as in gammapy
        if axis.min is None or axis.max is None or not axis.nbins:
            source.add_problem(path, "is incomplete", "expected min, max and nbins")
        else:
            plain_axes[name] = plain_energy_axis(axis.min, axis.max, axis.nbins)
    return plain_axes


def _map_geometry(source: Source, datasets: Any) -> dict[str, Any]:
    wcs = datasets.geom.wcs
    source.mark_converted("datasets.geom.wcs", "datasets.geom.selection.offset_max")
    for name in ("on_region", "containment_correction"):
        source.skip(f"datasets.{name}", "is not used in 3d analyses", changes_results=False)
    if wcs.skydir.frame is None or wcs.skydir.lon is None or wcs.skydir.lat is None:
        source.add_problem("datasets.geom.wcs.skydir", "is incomplete",
                           "expected frame, lon and lat")  # fmt: skip
        return {}
    offset_max = datasets.geom.selection.offset_max
    return {
        "kind": "map",
        "center": plain_position(wcs.skydir.lon, wcs.skydir.lat, wcs.skydir.frame),
        "frame": wcs.skydir.frame,
        "width": [plain_quantity(wcs.width.width), plain_quantity(wcs.width.height)],
        "bin_size": plain_quantity(wcs.binsize),
        "irf_bin_size": plain_quantity(wcs.binsize_irf),
        "cutout_width": plain_quantity(2 * offset_max),
        **_axes(source, datasets),
    }


def _spectrum_geometry(source: Source, datasets: Any) -> dict[str, Any]:
    region = datasets.on_region
    source.mark_converted("datasets.on_region")
    for name in ("geom.wcs", "geom.selection", "map_selection"):
        source.skip(f"datasets.{name}", "is not used in 1d analyses", changes_results=False)
    if region.lon is None or region.lat is None or region.radius is None:
        source.add_problem("datasets.on_region", "is incomplete",
                           "expected lon, lat and radius")  # fmt: skip
        return {}
    return {
        "kind": "spectrum",
        "on_region": circle_region(region.lon, region.lat, region.radius, region.frame),
        **_axes(source, datasets),
    }


def _map_maker(source: Source, datasets: Any) -> dict[str, Any]:
    source.mark_converted("datasets.map_selection")
    return {"kind": "map", "parts": list(datasets.map_selection)}


def _spectrum_maker(source: Source, datasets: Any, *, has_background: bool) -> dict[str, Any]:
    source.mark_converted("datasets.containment_correction")
    maker = {"kind": "spectrum", "containment_correction": datasets.containment_correction}
    return maker if has_background else maker | {"no_background": True}


def _safe_mask(source: Source, datasets: Any) -> dict[str, Any] | None:
    settings = datasets.safe_mask
    source.mark_converted("datasets.safe_mask")
    options = convert_parameters(
        source, "datasets.safe_mask.parameters", "SafeMaskMaker", settings.parameters, ("methods",)
    )
    if not settings.methods:
        return None  # all bins are safe
    return {"kind": "safe-mask", "methods": list(settings.methods), **options}


def _background_maker(source: Source, datasets: Any) -> dict[str, Any] | None:
    settings, path = datasets.background, "datasets.background"
    source.mark_converted(f"{path}.method", f"{path}.exclusion")
    if settings.method is None:
        for name in ("exclusion", "parameters"):
            source.skip(f"{path}.{name}", "is not used without a method", changes_results=False)
        return None
    methods = METHODS[datasets.type]
    if settings.method not in methods:
        source.add_problem(
            f"{path}.method",
            f"{settings.method} is not possible in a {datasets.type} analysis",
            f"expected {' or '.join(methods)}",
        )
        return None
    if settings.method == "ring":
        _skip_ring_differences(source, datasets)
    class_name, kind = BACKGROUND_MAKERS[settings.method]
    maker: dict[str, Any] = {"kind": kind}
    if settings.method == "fov_background":
        maker["method"] = "scale"  # gammapy's default
    if settings.exclusion is not None:
        maker["exclude"] = [source.get(f"{path}.exclusion")]
    finder = "ReflectedRegionsFinder" if settings.method == "reflected" else class_name
    return maker | convert_parameters(source, f"{path}.parameters", finder, settings.parameters)


def _skip_ring_differences(source: Source, datasets: Any) -> None:
    """Add the differences of ring backgrounds between gammapy and skyred."""
    reason = "off counts are those of safe pixels; gammapy also uses pixels outside the safe mask"
    if (datasets.geom.axes.energy.nbins or 0) > 1:
        reason = "a ring background needs a single bin of energy, in gammapy and in skyred"
    if datasets.stack:
        reason += (
            "; when it stacks maps, gammapy replaces the off counts by a known background, which "
            "understates the errors, and skyred keeps the off counts"
        )
    source.skip("datasets.background.method", reason)


def _fit_energies(source: Source, config: Any, edges: u.Quantity) -> list[str]:
    """Return the energies of the fit range; without a limit, those of the outer edges."""
    source.mark_converted("fit")
    fit_range = config.fit.fit_range
    if fit_range.min is None and fit_range.max is None:
        return []
    paths = ("fit.fit_range.min", "fit.fit_range.max")
    limits = (fit_range.min, fit_range.max)
    return exclude_rounded_bins(source, paths, limits, edges)
