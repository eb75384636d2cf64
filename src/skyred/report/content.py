"""The content of the page: its sections, for the templates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from skyred.products.dataset_rows import DATASET_COLUMNS, dataset_row
from skyred.report.estimates import Picture, describe_estimates
from skyred.report.model import correlation_figure, parameter_grid
from skyred.report.observations import observation_table
from skyred.report.provenance import describe_provenance
from skyred.report.sky import sky_data
from skyred.report.sky_layers import dataset_layers, estimate_layers
from skyred.report.sky_overlays import exclusion_overlay, region_overlays, source_overlay
from skyred.report.summary import summarise
from skyred.report.tables import Column, Grid, grid_from_table

DATASET_PLOTS = ("counts-*.png", "regions-*.png", "datasets-*.png")


@attrs.frozen
class Section:
    """A section of the page, drawn by the template of its identifier.

    Parameters
    ----------
    id, title : str
        The identifier and the heading.
    long : bool
        Whether it may be broken over several printed pages.
    """

    id: str
    title: str
    long: bool = False


def collect_content(result: Any, report: Mapping[str, Any], plots: Path | None) -> dict[str, Any]:
    """Collect the content of the page.

    Parameters
    ----------
    result : skyred.Result
        The result of a run.
    report : mapping
        The content of ``report.json``.
    plots : Path or None
        The folder with the plots of the run; None if there are none.

    Returns
    -------
    dict of str to object
        The variables of the templates.
    """
    models = [] if "models" in result.unread else list(result.models or ())
    datasets = list(result.datasets or ())
    sky = _collect_sky(result, models, datasets)
    estimates = list(describe_estimates(result.estimates, result.kinds, plots))
    correlation = correlation_figure(result.fit)
    sections = [
        Section("summary", "Summary"),
        *([Section("sky", "Sky")] if sky else []),
        *([Section("estimates", "Results", long=True)] if estimates else []),
        *([Section("model", "Model")] if models else []),
        Section("data", "Data", long=True),
        Section("provenance", "Provenance", long=True),
    ]
    return {
        "title": _find_title(result, report),
        "subtitle": _describe_run(report, result.digest),
        "sections": sections,
        "summary": summarise(result, report),
        "sky": sky,
        "estimates": estimates,
        "fit": result.fit,
        "parameters": parameter_grid(models, result.fit),
        "correlation": correlation,
        "observations": observation_table(result.outcomes),
        "observation_tables": [
            grid_from_table(table, name, f"observations/{name}.ecsv")
            for name, table in result.observation_tables.items()
        ],
        "datasets": Grid(
            "Datasets",
            [Column(name, numeric=name in ("Counts", "Background")) for name in DATASET_COLUMNS],
            [dataset_row(dataset) for dataset in datasets],
        ),
        "pictures": [] if plots is None else [
            Picture.from_file(path)
            for pattern in DATASET_PLOTS for path in sorted(plots.glob(pattern))
        ],
        "provenance": describe_provenance(result.config, result.replaced, report),
        "has_figures": bool(sky or correlation or any(item.figures for item in estimates)),
    }  # fmt: skip


def _find_title(result: Any, report: Mapping[str, Any]) -> str:
    """Return the name of the run folder, to which a finished run was published."""
    if result.folder is not None:
        return str(result.folder.resolve().name)
    return str(report.get("name") or "Analysis")


def _collect_sky(result: Any, models: list[Any], datasets: list[Any]) -> dict[str, Any] | None:
    layers = [*dataset_layers(datasets), *estimate_layers(result.estimates)]
    if not layers:
        return None
    overlays = [
        source_overlay(models),
        *region_overlays(datasets),
        exclusion_overlay(_read_config(result.config)),
    ]
    return sky_data(layers, overlays)


def _read_config(config: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(config) if config else {}


def _describe_run(report: Mapping[str, Any], digest: str) -> str:
    """Return state, end and digest of a run in one line."""
    end = str(report.get("finished", ""))[:16].replace("T", " ")
    parts = [
        f"{report.get('state', 'not finished')} {end} UTC" if end else "",
        f"skyred {report['versions']['skyred']}" if "versions" in report else "",
        f"digest {digest[:12]}" if digest else "",
    ]
    return " · ".join(part for part in parts if part)
