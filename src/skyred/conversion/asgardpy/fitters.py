"""Convert the section `fit_params` of asgardpy, the arguments of gammapy's `Fit`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from skyred.conversion.section import Section
from skyred.conversion.source import Source

# options of the fitter `minuit`, by gammapy's names in optimize_opts and covariance_opts
MINUIT_OPTIONS = {"tol": "tolerance", "strategy": "strategy", "migrad_opts.ncall": "calls"}
COVARIANCE_OPTIONS = {"strategy": "hesse_strategy"}
TOLERANCES = {"scipy": "tol", "sherpa": "ftol"}
WITHOUT_EFFECT = {
    "print_level": "it only changes messages",
    "backend": "the covariance is always that of Minuit's HESSE",
    "migrad_opts.resume": "each search is a new one",
}
MAX_TOLERANCE = 10.0  # of the fitter `minuit`


def convert_fitter(source: Source) -> dict[str, Any]:
    """Convert the section `fit_params`.

    Parameters
    ----------
    source : Source
        The configuration.

    Returns
    -------
    dict
        The fitter: `newton`, unless options of Minuit are set or another backend.
    """
    section = Section(source, "fit_params")
    backend = section.read("backend", "minuit")
    reason = "asgardpy computes no confidence intervals; set minos of the fitter"
    section.skip("confidence_opts", reason, changes_results=False)
    options = dict(_minuit_options(section) if backend == "minuit" else _options(section, backend))
    options |= _convert(section.section("covariance_opts"), COVARIANCE_OPTIONS)
    if section.read("store_trace", False):
        options["store_trace"] = True
    if backend != "minuit":
        return {"kind": "gammapy", "backend": backend, **options}
    return {"kind": "minuit" if options.keys() - {"store_trace"} else "newton", **options}


def _minuit_options(section: Section) -> Iterator[tuple[str, Any]]:
    yield from _convert(section.section("optimize_opts"), MINUIT_OPTIONS).items()


def _options(section: Section, backend: str) -> Iterator[tuple[str, Any]]:
    """Yield the options of the fitter `gammapy` with one of its other backends."""
    settings = section.get("optimize_opts", {})
    path = f"{section.path}.optimize_opts"
    section.source.mark_converted(path)
    remaining = dict(settings)
    for name, option in (("method", "method"), (TOLERANCES.get(backend, "tol"), "tolerance")):
        if name in remaining:
            yield option, remaining.pop(name)
    if backend == "scipy":
        method_options = remaining.pop("options", {})
        for name in remaining:
            section.source.skip(f"{path}.{name}", "is no option of the fitter gammapy")
        remaining = method_options
    if remaining:
        yield "options", remaining


def _convert(section: Section, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the options in a section by their names in skyred; skip the others."""
    converted = {}
    settings = dict(_flatten(section.source.get(section.path) or {}))
    for name, setting in settings.items():
        if name in names:
            converted[names[name]] = setting
            section.read(name)
        elif name in WITHOUT_EFFECT:
            section.skip(name, WITHOUT_EFFECT[name], changes_results=False)
        else:
            section.skip(name, "is no option of the fitter minuit")
    if not settings:
        section.source.mark_converted(section.path)
    return converted


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, setting in settings.items():
        if isinstance(setting, Mapping):
            yield from _flatten(setting, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", setting
