"""Convert the instruments of asgardpy, each to a data entry."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from astropy import units as u

from skyred.conversion.asgardpy.reduction import convert_reduction
from skyred.conversion.energy_bins import exclude_rounded_bins, gammapy_axis
from skyred.conversion.section import Section
from skyred.conversion.source import Source
from skyred.fields.quantities import plain as plain_quantity

STEPS = {"datasets-3d": ("dataset3d", "3d"), "datasets-1d": ("dataset1d", "1d")}
FIT_RANGE = ("1 GeV", "1 TeV")  # default of asgardpy
FILE_PATTERN = "pha*.fits*"  # default of asgardpy


@attrs.frozen
class Instrument:
    """An instrument of asgardpy, converted to a data entry.

    Parameters
    ----------
    section : Section
        The section of the instrument.
    name : str
        The name of the data entry.
    type : {"1d", "3d"}
        Whether the datasets are spectra or maps.
    entry : dict
        The data entry.
    """

    section: Section
    name: str
    type: str
    entry: dict[str, Any]

    @property
    def is_reduced(self) -> bool:
        """Whether the datasets are reduced from DL3 data."""
        return "archive" in self.entry

    @property
    def dataset_pattern(self) -> str:
        """A pattern that matches the names of all datasets of the instrument."""
        is_stacked = self.is_reduced and self.entry["stack"]["kind"] == "sum"
        return self.name if is_stacked else f"{self.name}-*"


def convert_instruments(source: Source, steps: list[str]) -> list[Instrument]:
    """Convert the instruments whose datasets the steps create.

    Parameters
    ----------
    source : Source
        The configuration.
    steps : list of str
        The steps of the analysis.

    Returns
    -------
    list of Instrument
        The instruments, in the order of the steps.
    """
    instruments: list[Instrument] = []
    for step, (name, _) in STEPS.items():
        if step not in steps:
            source.skip(name, f"the step {step} is not in general.steps", changes_results=False)
    for step in steps:
        if step in STEPS:
            section_name, dataset_type = STEPS[step]
            source.mark_converted(f"{section_name}.type")
            sections = Section(source, section_name).items("instruments")
            instruments += _convert_sections(source, sections, dataset_type)
    _check_names(source, instruments)
    return instruments


def _check_names(source: Source, instruments: list[Instrument]) -> None:
    """Add a problem for each instrument whose data entry has the name of an earlier one."""
    names: set[str] = set()
    for instrument in instruments:
        if instrument.name in names:
            source.add_problem(
                f"{instrument.section.path}.name",
                f"the name {instrument.name!r} is used twice",
                "expected a different name for each instrument",
            )
        names.add(instrument.name)


def _convert_sections(
    source: Source, sections: list[Section], dataset_type: str
) -> Iterator[Instrument]:
    stacked = bool(source.get("general.stacked_dataset", False))
    source.mark_converted("general.stacked_dataset")
    energies = Section(source, "fit_params.fit_range")
    limits = [
        energies.read_energy(name, default)
        for name, default in zip(("min", "max"), FIT_RANGE, strict=True)
    ]
    paths = (f"{energies.path}.min", f"{energies.path}.max")
    for section in sections:
        name = entry_name(str(section.read("name", "Instrument-name")))
        entry: dict[str, Any] | None
        if section.read("input_dl4", False):
            entry = _read_datasets(section, stacked)
        else:
            entry = convert_reduction(section, dataset_type, stacked)
        if not entry:
            continue
        bounds = [str(plain_quantity(limit)) for limit in limits]
        if (edges := _energy_edges(entry)) is not None:
            bounds = exclude_rounded_bins(source, paths, limits, edges)
        entry["fit_range"] = {"energy": bounds}
        yield Instrument(section, name, dataset_type, entry)


def _energy_edges(entry: dict[str, Any]) -> u.Quantity | None:
    """Return the edges of the energy axis; None if there is no axis, or an invalid one."""
    axis = entry.get("geometry", {}).get("energy")
    try:
        return None if axis is None else gammapy_axis(axis).edges
    except (TypeError, ValueError):
        return None  # skyred reports the invalid axis


def entry_name(name: str) -> str:
    """Return the name of a data entry for an instrument.

    Parameters
    ----------
    name : str
        The name of the instrument.

    Returns
    -------
    str
        The name, with dashes for characters that are not allowed in names of files.
    """
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "instrument"


def _read_datasets(section: Section, stacked: bool) -> dict[str, Any]:
    """Return the data entry of an instrument whose datasets are reduced already."""
    unused = "is not used with input_dl4"
    section.skip("input_dl3", unused, changes_results=False)
    dataset = section.section("dl4_dataset_info.dl4_dataset")
    for name in ("type", "dl4_format"):
        dataset.read(name)  # skyred recognises types and formats by the content of the files
    folder = str(dataset.read("input_dir", "."))
    pattern = str(dataset.read("glob_pattern.dl4_files", FILE_PATTERN))
    ids = section.read("dataset_info.observation.obs_ids", [])
    names = section.get("dataset_info", {})
    for name in names:
        if name not in ("observation", "name"):
            section.skip(f"dataset_info.{name}", unused, changes_results=False)
    section.read("dataset_info.name")
    if stacked:
        section.source.skip(
            "general.stacked_dataset",
            "datasets that are read from files are not stacked, but fitted together",
        )
    if folder.endswith((".yaml", ".fits", ".fits.gz")):
        files = [folder]
    elif ids:
        files = _files_of_runs(dataset, folder, pattern, ids)
    else:
        files = [f"{folder}/{pattern}"]
    return {"datasets": files, "names": "entry"}


def _files_of_runs(dataset: Section, folder: str, pattern: str, runs: list[int]) -> list[str]:
    """Return the files of runs: the first number in the name of a file is the OBS_ID."""
    files = [
        f"{folder}/{path.name}"
        for path in sorted(Path(os.path.expandvars(folder)).glob(pattern))
        if (number := re.search(r"\d+", path.name)) and int(number[0]) in runs
    ]
    if not files:
        dataset.source.add_problem(
            f"{dataset.path}.input_dir", f"contains no files {pattern} of the runs {runs}",
            "expected the folder of the files, to select them by obs_ids",
        )  # fmt: skip
    return files
