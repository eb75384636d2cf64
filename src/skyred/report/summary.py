"""The summary of the report: what was found, what to be careful about, and the first numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from skyred.io.rounding import format_measurement, format_number
from skyred.products.plotting import format_energy_range, format_unit
from skyred.report.observations import USED
from skyred.report.sources import DETECTION, HINT, MAX_SOURCES, SourceSummary, summarise_sources

INDICES = ("index", "alpha")  # parameters of gammapy's spectra that are shown as spectral index


@attrs.frozen
class Fact:
    """A number of the summary.

    Parameters
    ----------
    name, value, note : str
        What it is, its value with unit, and an explanation.
    """

    name: str
    value: str
    note: str = ""


@attrs.frozen
class Summary:
    """The summary of a result.

    Parameters
    ----------
    headlines : sequence of str
        Sentences about what was found.
    warnings : sequence of str
        What to know before the numbers are used.
    facts : sequence of Fact
        The first numbers.
    state, error : str
        The final state of the run, and its error message; "" if there is none.
    """

    headlines: Sequence[str]
    warnings: Sequence[str]
    facts: Sequence[Fact]
    state: str
    error: str


def summarise(result: Any, report: Mapping[str, Any]) -> Summary:
    """Summarise a result.

    Parameters
    ----------
    result : skyred.Result
        The result of a run.
    report : mapping
        The content of ``report.json``.

    Returns
    -------
    Summary
        The summary.
    """
    models = None if "models" in result.unread else result.models
    datasets = result.datasets
    sources = list(summarise_sources(datasets, models)) if models and datasets else []
    livetime = _sum_livetimes(datasets or ())
    headlines = [_describe_source(source) for source in sources[:MAX_SOURCES]]
    if len(sources) > MAX_SOURCES:
        headlines.append(f"{len(sources) - MAX_SOURCES} more sources are in the section Model.")
    if not sources:
        headlines += _describe_peaks(result.estimates)
    facts: list[Fact] = []
    if sources and models is not None:
        facts += _source_facts(sources[0], models[sources[0].name], several=len(sources) > 1)
    if livetime:
        facts.append(Fact("Livetime", livetime, "sum over the datasets"))
    facts += _run_facts(result.outcomes)
    return Summary(
        headlines,
        list(_iter_warnings(result)),
        facts,
        str(report.get("state", "finished")),
        str(report.get("error", "")),
    )


def _describe_source(source: SourceSummary) -> str:
    """Return a sentence about the detection of a source."""
    if source.reason:
        return f"The significance of {source.name} was not computed: {source.reason}."
    significance = f"{source.sqrt_ts:.1f}σ".replace("-", "\N{MINUS SIGN}")
    assert source.energies is not None
    energies = format_energy_range(source.energies)
    if source.is_detected:
        return f"{source.name} is detected with a significance of {significance} from {energies}."
    flux_limit = f"there is no upper limit of its flux from {energies}"
    if source.flux_limit is not None:
        limit = format_number(source.flux_limit.value, 3)
        unit = format_unit(source.flux_limit.unit)
        flux_limit = f"its flux from {energies} is below {limit} {unit} (95 % confidence)"
    if source.sqrt_ts >= HINT:
        return (
            f"{source.name} is not detected, but there is an excess of {significance} "
            f"({DETECTION:g}σ are needed); {flux_limit}."
        )
    return f"{source.name} is not detected ({significance}); {flux_limit}."


def _source_facts(source: SourceSummary, model: Any, several: bool) -> Iterator[Fact]:
    """Yield significance, flux or limit, spectral index and position of a source."""
    note = f"of {source.name}" if several else ""
    if not source.reason:
        assert source.energies is not None
        assert source.flux is not None
        yield Fact("Significance", f"{source.sqrt_ts:.1f}σ".replace("-", "\N{MINUS SIGN}"),
                   note or "from the likelihood, for the fitted spectral shape")  # fmt: skip
        low, high = source.energies
        name = f"Flux, {low.value:.3g} to {high.value:.3g} {high.unit}"
        unit = format_unit(source.flux.unit)
        if source.is_detected or source.flux_limit is None:
            assert source.flux_error is not None
            value = format_measurement(source.flux.value, source.flux_error.value)
            yield Fact(name, f"{value} {unit}", note)
        else:
            limit = format_number(source.flux_limit.value, 3)
            yield Fact(name, f"below {limit} {unit}", "95 % confidence")
    for parameter in model.spectral_model.parameters:
        if parameter.name in INDICES and not parameter.frozen and source.is_detected:
            yield Fact("Spectral index", format_measurement(parameter.value, parameter.error),
                       note or _describe_index(model.spectral_model, parameter))  # fmt: skip
    position = model.position
    if position is not None and np.isfinite(position.spherical.lon):
        right_ascension, declination = position.icrs.ra.deg, position.icrs.dec.deg
        value = f"{right_ascension:.4f}°, {declination:+.4f}°".replace("-", "\N{MINUS SIGN}")
        is_free = any(p.name in ("lon_0", "lat_0") and not p.frozen for p in model.parameters)
        yield Fact("Position (RA, Dec)", value, note or ("fitted" if is_free else "fixed"))


def _describe_index(spectrum: Any, parameter: Any) -> str:
    """Return where an index applies, if it depends on the energy."""
    if parameter.name == "index" or "reference" not in spectrum.parameters.names:
        return ""
    reference = spectrum.reference.quantity
    return f"at {reference.value:.3g} {reference.unit}"


def _describe_peaks(estimates: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence about the highest significance of each map."""
    for name, product in estimates.items():
        try:
            table = product.table()
            if "sqrt_ts_max" not in table.colnames or not len(table):
                continue
            row = table[int(np.nanargmax(table["sqrt_ts_max"]))]
        except Exception:  # the section Results has the message
            continue
        lon, lat = (float(row[key]) for key in ("lon", "lat"))
        frame = "RA, Dec" if table.meta.get("frame", "icrs") != "galactic" else "l, b"
        position = f"{lon:.3f}°, {lat:.3f}°".replace("-", "\N{MINUS SIGN}")
        yield (
            f"The highest significance in {name} is {row['sqrt_ts_max']:.1f}σ, at {position} "
            f"({frame})."
        )


def _run_facts(outcomes: Sequence[Any]) -> Iterator[Fact]:
    if not outcomes:
        return
    used = sum(outcome.status in USED for outcome in outcomes)
    failed = sum(outcome.status == "failed" for outcome in outcomes)
    skipped = len(outcomes) - used - failed
    parts = [f"{number} {status}" for number, status in
             ((failed, "failed"), (skipped, "skipped")) if number]  # fmt: skip
    note = ", ".join(parts)
    yield Fact("Runs used", f"{used} of {len(outcomes)}", note)


def _sum_livetimes(datasets: Any) -> str:
    """Return the livetime of all datasets; "" if it is unknown for one of them."""
    total = 0.0
    for dataset in datasets:
        if getattr(dataset, "counts", None) is None:
            continue  # flux points
        livetime = (getattr(dataset.exposure, "meta", None) or {}).get("livetime")
        if livetime is None:
            return ""
        total += float(livetime.to_value("h"))
    if not total:
        return ""
    return f"{total:.2f} h" if total >= 0.1 else f"{60 * total:.1f} min"


def _iter_warnings(result: Any) -> Iterator[str]:
    if result.fit is not None and not result.fit.success:
        yield f"The fit did not converge: {result.fit.message or 'no reason was given'}."
    unused = sum(outcome.status not in USED for outcome in result.outcomes)
    if unused:
        yield (
            f"{unused} of {len(result.outcomes)} requested observations are not in the result; "
            "the section Data has the reasons."
        )
    n_findings = sum(bool(outcome.notes) for outcome in result.outcomes if outcome.status in USED)
    if n_findings:
        noun = "observation that was used has" if n_findings == 1 else "used observations have"
        yield f"{n_findings} {noun} findings; the section Data lists them."
    for step in result.steps:
        yield from (f"{step.name}: {note}" for note in step.notes)
    for name, reason in result.unread.items():
        yield f"{name} cannot be shown: {reason}"
