"""The code of data entries: archives, reduced datasets and fit ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from skyred.errors import ExportError
from skyred.export.good_time import write_good_time
from skyred.fields import Location
from skyred.interfaces import FitRange, ReducedData, Reduction
from skyred.interfaces.fit_range import TOLERANCE
from skyred.io.index_files import HDU_INDEX, find_hdu_index, find_obs_index
from skyred.result.dataset_files import is_ogip
from skyred.result.flux_point_tables import TEXT_FORMATS
from skyred.result.load_datasets import INDEX_SUFFIXES, dataset_files
from skyred.scripting import Script, ScriptDatasets, literal

# lazy reading omits `meta_table`
READ_INDICES = "dataset for path in paths for dataset in Datasets.read(path, lazy=False)"
ONE_INDEX = "plain gammapy can only open a single folder with index files"


def write_archive(
    script: Script, reduction: Reduction, select: Iterable[Callable[[], None]]
) -> None:
    """Write code that opens an archive and selects its runs, as ``observations``.

    Parameters
    ----------
    script : Script
        The script.
    reduction : Reduction
        The data entry.
    select : iterable of callable
        Functions that each write the code of a selector, to remove rows from ``table``.

    Raises
    ------
    ExportError
        If gammapy cannot open the archive without skyred.
    """
    if reduction.hdus:
        raise ExportError("has the option hdus: in a script, remove rows from store.hdu_table")
    script.use("gammapy.data", "DataStore")
    script.use("numpy as np")
    script.body.add(f"store = DataStore.from_dir({_archive_code(script, reduction)})")
    script.body.add("table = store.obs_table")
    for write_selector in select:
        write_selector()
    script.body.add(
        "# sorted by OBS_ID, without the duplicates that gammapy would read twice",
        'runs = np.unique(table["OBS_ID"])',
        f"observations = store.get_observations(runs, "
        f"required_irf={literal(reduction.required_irfs())})",
    )
    write_good_time(script)


def _archive_code(script: Script, reduction: Reduction) -> str:
    """Return the arguments of ``DataStore.from_dir``."""
    name = f"{script.entry}_ARCHIVE"
    archives = ", ".join(str(location) for location in reduction.archive)
    if len(reduction.archive) != 1 or not reduction.archive[0].is_path():
        raise ExportError(f"reads {archives:.60}: {ONE_INDEX}")
    location = reduction.archive[0]
    path = location.path()
    if not location.matches():
        raise ExportError(f"reads {location}: no such file or folder")
    hdu_index = find_hdu_index(path) if path.exists() else None  # not for wildcards
    if hdu_index is None and path.is_dir():
        raise ExportError(f"reads the folder {location}, which has no {HDU_INDEX}: {ONE_INDEX}")
    if hdu_index is None:
        raise ExportError(f"reads {location}: {ONE_INDEX}")
    folder = Path(location)
    folder = folder / hdu_index.parent.relative_to(path) if path.is_dir() else folder.parent
    arguments = [script.constant(name, literal(str(folder)))]
    if hdu_index.name != HDU_INDEX:
        arguments += [literal(hdu_index.name), literal(find_obs_index(hdu_index).name)]
    return ", ".join(arguments)


def write_datasets(script: Script, entry: str, data: ReducedData) -> None:
    """Write code that reads reduced datasets, with the same names as in skyred.

    Parameters
    ----------
    script : Script
        The script.
    entry : str
        The name of the data entry.
    data : ReducedData
        The data entry.

    Raises
    ------
    ExportError
        If the entry mixes ``datasets.yaml`` with other files, or gammapy cannot read its files in
        the same way.
    """
    paths = list(dataset_files(entry, data))
    is_index = [path.suffix in INDEX_SUFFIXES for path in paths]
    if any(is_index) and not all(is_index):
        raise ExportError("mixes datasets.yaml with other files: put them into two entries")
    are_spectra = not all(is_index)
    if are_spectra:
        _check_spectra(paths)
    files = [_restore_variables(path, data.datasets) for path in paths]
    constant = script.constant(f"{entry}_FILES", literal(files))
    keep_names = not are_spectra and data.names == "keep"
    script.all_datasets.append(
        ScriptDatasets(
            "*" if keep_names else f"{entry}-*",
            is_map=not are_spectra,
            on_off=are_spectra,
            single=False,
        )
    )
    script.use("gammapy.datasets", "Datasets")
    if keep_names:
        function = script.shared(
            "read_named_datasets(paths)",
            "Read datasets, with their names.",
            f"return Datasets([{READ_INDICES}])",
        )
        script.datasets = f"{function}({constant})"
    else:
        function = _write_reader(script, are_spectra)
        script.datasets = f"{function}({literal(entry)}, {constant})"


def _write_reader(script: Script, are_spectra: bool) -> str:
    """Write a function that reads datasets and names them after their entry; return its name."""
    name, datasets_code = "read_datasets", READ_INDICES
    if are_spectra:
        script.use("gammapy.datasets", "SpectrumDatasetOnOff")
        name, datasets_code = "read_spectra", "SpectrumDatasetOnOff.read(path) for path in paths"
    return script.shared(
        f"{name}(entry, paths)",
        "Read datasets, and name them after their entry.",
        f"datasets = [{datasets_code}]",
        "return Datasets(",
        '    [dataset.copy(name=f"{entry}-{i}") for i, dataset in enumerate(datasets, 1)]',
        ")",
    )


def _check_spectra(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.suffix.lower() in TEXT_FORMATS or not is_ogip(path):
            raise ExportError(
                f"reads {path}, which is not an OGIP spectrum: list it in a datasets.yaml "
                "(Datasets.write of gammapy), which a script can read"
            )


def _restore_variables(path: Path, locations: Iterable[Location]) -> str:
    """Return the path of a file, with unexpanded variables as in the location that contains it."""
    for location in locations:
        if location.path().is_dir() and location.path() in path.parents:
            return str(Path(location) / path.relative_to(location.path()))
        if path.parent == location.path().parent:
            return str(Path(location).parent / path.name)
    return str(path)


def write_fit_range(script: Script, fit_range: FitRange) -> None:
    """Write code that restricts the fit of the datasets of an entry to its fit range.

    Parameters
    ----------
    script : Script
        The script.
    fit_range : FitRange
        The fit range.

    Raises
    ------
    ExportError
        If the region of the fit range is a mask map.
    """
    if fit_range.region.masks:
        raise ExportError("has a mask map as its region")
    if script.datasets != "datasets":
        script.end.add(f"datasets = {script.datasets}")
        script.datasets = "datasets"
    doc = "Restrict the fit to a region."
    masks: list[str] = []
    options: dict[str, str] = {}
    if fit_range.energy is not None:
        doc = "Restrict the fit, with a tolerance for rounding errors of unit conversions."
        # the edges of the axis may have been converted from another unit, with rounding errors
        masks.append(f"geom.energy_mask({1 - TOLERANCE} * low, {1 + TOLERANCE} * high)")
        options |= zip(("low", "high"), map(script.quantity, fit_range.energy), strict=True)
    if fit_range.region:
        masks.append("geom.region_mask(regions)")
        options["regions"] = script.regions(f"{script.entry}_FITTED", fit_range.region)
    function = script.shared(
        f"{_fit_range_function_name(fit_range)}({', '.join(['datasets', *options])})",
        doc,
        "for dataset in datasets:",
        "    geom = dataset.counts.geom",
        f"    dataset.mask_fit = {' & '.join(masks)}",
    )
    arguments = [f"{name}={code}" for name, code in options.items()]
    script.end.add(f"{function}({', '.join(['datasets', *arguments])})")


def _fit_range_function_name(fit_range: FitRange) -> str:
    """Return the name of the exported function that applies a fit range."""
    if not fit_range.region:
        return "fit_within_energies"
    return "fit_within" if fit_range.energy is not None else "fit_within_region"
