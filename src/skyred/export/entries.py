"""Data entries: where datasets come from, and which of their bins are fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from skyred.errors import ExportError
from skyred.fields import Location
from skyred.interfaces import FitRange, ReducedData, Reduction, required_irfs
from skyred.interfaces.fit_range import SLACK
from skyred.result.load_datasets import dataset_files
from skyred.scripting import Made, Script, literal


def write_archive(
    script: Script, reduction: Reduction, select: Iterable[Callable[[], None]]
) -> None:
    """Write the opening of an archive and the choice of its runs, as ``observations``.

    Parameters
    ----------
    script : Script
        Where to.
    reduction : Reduction
        Whose archive.
    select : iterable of callable
        Each writes a selector, which makes ``table`` a smaller one.
    """
    script.use("gammapy.data", "DataStore")
    script.use("numpy as np")
    script.body.add(f"store = DataStore.from_dir({_folder(script, reduction)})")
    script.body.add("table = store.obs_table")
    for write in select:
        write()
    script.body.add(
        "# each run once, in the order of OBS_ID: gammapy takes a doubled one twice",
        'runs = np.unique(table["OBS_ID"])',
        f"observations = store.get_observations(runs, required_irf={_needed(reduction)})",
    )


def _folder(script: Script, reduction: Reduction) -> str:
    name = f"{script.entry}_ARCHIVE"
    if len(reduction.archive) != 1 or not reduction.archive[0].is_path():
        listed = ", ".join(str(place) for place in reduction.archive)
        raise ExportError(f"is of {listed:.60}: plain gammapy opens one folder with index files")
    place = reduction.archive[0]
    path = place.path()
    if path.is_dir():
        return script.constant(name, literal(place))
    if "hdu-index" in path.name:
        observations = path.name.replace("hdu-index", "obs-index")
        folder = script.constant(name, literal(str(Path(place).parent)))
        return f"{folder}, {literal(path.name)}, {literal(observations)}"
    raise ExportError(f"is of the file {place}: plain gammapy opens a folder with index files")


def _needed(reduction: Reduction) -> str:
    if reduction.irfs is not None:
        return literal(reduction.irfs)
    needed = required_irfs(reduction.make)
    return literal("full-enclosure" if needed is None else needed)


def write_datasets(script: Script, entry: str, data: ReducedData) -> None:
    """Write the reading of datasets that are reduced already, and their new names."""
    files = [_as_written(path, data.datasets) for path in dataset_files(entry, data)]
    constant = script.constant(f"{entry}_FILES", literal(files))
    tables = [Path(place).suffix in (".yaml", ".yml") for place in files]
    if any(tables) and not all(tables):
        raise ExportError("mixes datasets.yaml with OGIP files: make them two entries")
    made = Made(f"{entry}-*", is_map=any(tables), on_off=not any(tables), alone=False)
    script.datasets_made.append(made)
    if any(tables):
        read, found = "read_datasets", "each for path in paths for each in Datasets.read(path)"
    else:
        script.use("gammapy.datasets", "SpectrumDatasetOnOff")
        read, found = "read_spectra", "SpectrumDatasetOnOff.read(path) for path in paths"
    function = script.shared(
        f"{read}(entry, paths)",
        "Read datasets, called after their entry.",
        f"found = [{found}]",
        'named = [each.copy(name=f"{entry}-{i}") for i, each in enumerate(found, 1)]',
        "return Datasets(named)",
    )
    script.datasets = f"{function}({literal(entry)}, {constant})"


def _as_written(path: Path, places: Iterable[Location]) -> str:
    """Give a file's path with the variables of the place that it was found at."""
    for place in places:
        written, real = Path(place).parent, place.path().parent
        if path.parent == real:
            return str(written / path.name)
    return str(path)


def write_fit_range(script: Script, fit_range: FitRange) -> None:
    """Write the range of the fit onto each dataset."""
    if fit_range.region.masks:
        raise ExportError("has a mask map as its region")
    if script.datasets != "datasets":
        script.end.add(f"datasets = {script.datasets}")
        script.datasets = "datasets"
    masks: list[str] = []
    options: dict[str, str] = {}
    if fit_range.energy is not None:
        # an edge of the axis, written in another unit, is still that edge
        masks.append(f"geom.energy_mask({1 - SLACK} * low, {1 + SLACK} * high)")
        options |= zip(("low", "high"), map(script.quantity, fit_range.energy), strict=True)
    if fit_range.region:
        masks.append("geom.region_mask(regions)")
        options["regions"] = script.regions(f"{script.entry}_FITTED", fit_range.region)
    function = script.shared(
        f"{_fit_within(fit_range)}({', '.join(['datasets', *options])})",
        "Restrict the fit; an edge that is rounded in another unit is still that edge.",
        "for dataset in datasets:",
        "    geom = dataset.counts.geom",
        f"    dataset.mask_fit = {' & '.join(masks)}",
    )
    given = [f"{name}={code}" for name, code in options.items()]
    script.end.add(f"{function}({', '.join(['datasets', *given])})")


def _fit_within(fit_range: FitRange) -> str:
    """Name the function of a kind of range: each has its own."""
    if not fit_range.region:
        return "fit_within_energies"
    return "fit_within" if fit_range.energy is not None else "fit_within_region"
