"""Code of exported gammapy scripts that several estimators share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from skyred.errors import ExportError
from skyred.scripting import Script, literal

if TYPE_CHECKING:
    from astropy import units as u

    from skyred.fields import Instant

CONFIDENCE_LEVELS = ("n_sigma", "n_sigma_ul", "n_sigma_sensitivity")


def write_map(script: Script) -> str:
    """Write the variable ``dataset``, the map dataset of an estimator, and return its name.

    Parameters
    ----------
    script : Script
        The script to add code to.

    Returns
    -------
    str
        Name of the dataset.

    Raises
    ------
    ExportError
        If there is not exactly one map dataset, as gammapy's map estimators require.
    """
    maps = [dataset for dataset in script.all_datasets if dataset.is_map]
    if len(maps) != 1 or not maps[0].single:
        raise ExportError(
            "does not use exactly one map dataset, as gammapy's estimator requires: "
            "set stack: {kind: sum}, or select one dataset by name"
        )
    script.body.add(f'dataset = datasets["{maps[0].name}"]')
    return maps[0].name


def write_without_sources(script: Script, name: str) -> None:
    """Replace ``dataset`` by a copy without models, but with the fitted background.

    Datasets with off counts keep these as their background.

    Parameters
    ----------
    script : Script
        The script to add code to.
    name : str
        Name of the dataset.
    """
    script.body.add("# the null hypothesis is the fitted background without sources")
    if any(dataset.on_off for dataset in script.all_datasets if dataset.name == name):
        script.body.add(f'dataset = dataset.copy(name="{name}")')
    else:
        script.body.add(
            "background = dataset.npred_background()",
            f'dataset = dataset.copy(name="{name}")',
            "dataset.background = background",
        )
    script.body.add("dataset.models = None")


def energy_edges_argument(script: Script, label: str, edges: u.Quantity | None) -> list[str]:
    """Return the argument of the energy edges, as code.

    Parameters
    ----------
    script : Script
        The script to add code to.
    label : str
        Label of the estimator.
    edges : astropy.units.Quantity or None
        The edges, shape (n + 1,).

    Returns
    -------
    list of str
        The argument; empty without edges.
    """
    if edges is None:
        return []
    return [f"energy_edges={script.constant(f'{label}_EDGES', script.quantity(edges))}"]


def non_default_arguments(estimator: Any, *names: str) -> list[str]:
    """Return the options that differ from the defaults, as arguments in code.

    Parameters
    ----------
    estimator : Estimator
        The estimator.
    *names : str
        Names of the options.

    Returns
    -------
    list of str
        The arguments.
    """
    return [
        f"{name}={literal(getattr(estimator, name))}"
        for name in names
        if not estimator._is_default(name, getattr(estimator, name))
    ]


def write_maps(script: Script, label: str, quantity: str = "sqrt_ts") -> None:
    """Write code that writes flux maps to a file, and draws one of their quantities.

    Parameters
    ----------
    script : Script
        The script to add code to.
    label : str
        Label of the estimator.
    quantity : str
        Name of the quantity that is drawn.
    """
    script.use("matplotlib.pyplot as plt")
    script.body.add(f'maps.write(folder / "{label}.fits", overwrite=True)')
    with script.body.inside(f"for number, image in enumerate(maps.{quantity}.iter_by_image()):"):
        script.body.add(
            "plt.figure()",
            "image.plot(add_cbar=True)",
            f'plt.savefig(folder / f"{label}-{{number}}.png")',
        )


def write_parameters(script: Script, patterns: Sequence[str]) -> None:
    """Write the variable ``parameters``, the matching free parameters by name.

    Parameters
    ----------
    script : Script
        The script to add code to.
    patterns : sequence of str
        Names of parameters, possibly with wildcards; all free parameters if empty.
    """
    script.body.add(
        "models = datasets.models",
        "names = zip(models.parameters_unique_names, models.parameters, strict=True)",
    )
    if not patterns:
        script.body.add("parameters = {name: par for name, par in names if not par.frozen}")
        return
    script.use("fnmatch", "fnmatchcase")
    # crab.index is short for crab.spectral.index
    full_patterns = [
        ".*.".join(pattern.split("."))
        if pattern.count(".") == 1 and "*" not in pattern
        else pattern
        for pattern in patterns
    ]
    script.body.add("parameters = {}")
    with script.body.inside("for name, parameter in names:"):
        script.body.add(
            f"matches = any(fnmatchcase(name, pattern) for pattern in {literal(full_patterns)})"
        )
        with script.body.inside("if matches and not parameter.frozen:"):
            script.body.add("parameters[name] = parameter")


def write_time_bins(script: Script, width: u.Quantity, start: Instant | None = None) -> str:
    """Write equal time intervals, and return the name of their variable.

    Parameters
    ----------
    script : Script
        The script to add code to.
    width : astropy.units.Quantity
        Width of the intervals.
    start : Instant, optional
        Start of one of the intervals; by default the first start of the datasets.

    Returns
    -------
    str
        Name of the variable with the intervals.
    """
    script.use("numpy as np")
    step, time_range = script.quantity(width), _write_time_range(script)
    script.body.add(
        f'width = ({step}).to_value("s")',
        f"starts, stops = zip(*[{time_range}(dataset) for dataset in datasets], strict=True)",
    )
    if start is None:
        script.body.add("first = min(starts)")
    else:
        script.body.add(f"first = {script.time(start)}")
    script.body.add("numbers = set()")
    with script.body.inside("for start, stop in zip(starts, stops, strict=True):"):
        script.body.add(
            "# like gammapy, allow for rounding errors",
            'low = int(np.floor(((start - first).to_value("s") + 1e-6) / width))',
            'high = int(np.ceil(((stop - first).to_value("s") - 1e-6) / width))',
            "numbers.update(range(low, max(high, low + 1)))",
        )
    script.use("astropy", "units as u")
    script.body.add(
        "intervals = [first + width * np.array([i, i + 1]) * u.s for i in sorted(numbers)]"
    )
    return "intervals"


def write_runs(script: Script) -> str:
    """Write one time interval per run, and return the name of the variable that contains them.

    As in the estimator `light-curve`, the datasets of a run that was cut share an interval. By
    default, gammapy's estimator uses the good time intervals. A dataset with several of them is
    not inside any of them, and would be left out.

    Parameters
    ----------
    script : Script
        The script to add code to.

    Returns
    -------
    str
        Name of the variable with the intervals.
    """
    script.use("numpy as np")
    script.use("astropy", "units as u")
    script.use("astropy.time", "Time")
    ranges = _write_run_ranges(script)
    script.body.add("intervals = []")
    with script.body.inside(f"for start, stop in sorted({ranges}(datasets)):"):
        script.body.add(
            "interval = Time([start, stop])",
            "# datasets of the same time share an interval",
            "is_new = not intervals or np.any(abs(interval - intervals[-1]) > 1e-6 * u.s)",
        )
        with script.body.inside("if is_new:"):
            script.body.add("intervals.append(interval)")
    return "intervals"


def _write_run_ranges(script: Script) -> str:
    """Write the function for the time ranges of datasets, combined if runs were cut."""
    time_range = _write_time_range(script)
    run = script.shared(
        "get_run(dataset)",
        "Return the telescope and identifier of the run of a dataset, None if it has several.",
        'table = getattr(dataset, "meta_table", None)',
        'if table is None or len(table) != 1 or "OBS_ID" not in table.colnames:',
        "    return None",
        'names = [name for name in ("TELESCOP", "OBS_ID") if name in table.colnames]',
        "return tuple(str(table[name][0]) for name in names)",
    )
    return script.shared(
        "get_time_ranges(datasets)",
        "Return the first start and last stop of each dataset, or of each run if runs were cut.",
        f"ranges = [{time_range}(dataset) for dataset in datasets]",
        "parts = {}",
        "for dataset, limits in zip(datasets, ranges, strict=True):",
        f"    parts.setdefault({run}(dataset), []).append(limits)",
        "starts = [{start.mjd for start, _ in limits} for limits in parts.values()]",
        "is_cut = any(len(times) > 1 for times in starts)",
        "if None in parts or not is_cut:",
        "    return ranges",
        "columns = [list(zip(*limits, strict=True)) for limits in parts.values()]",
        "return [(min(starts), max(stops)) for starts, stops in columns]",
    )


def _write_time_range(script: Script) -> str:
    """Write the function for the time range of a dataset, and return its name."""
    return script.shared(
        "time_range(dataset)",
        "Return the first start and the last stop of the good time of a dataset.",
        "if len(dataset.gti.table) == 0:",
        '    raise ValueError(f"{dataset.name} has no good time")',
        "return dataset.gti.time_start.tt.min(), dataset.gti.time_stop.tt.max()",
    )


def write_nights(script: Script) -> str:
    """Write one time interval per night, from its first start to its last stop.

    Parameters
    ----------
    script : Script
        The script to add code to.

    Returns
    -------
    str
        Name of the variable with the intervals.
    """
    script.use("numpy as np")
    script.use("astropy.time", "Time")
    script.body.add(
        "starts = np.array([dataset.gti.time_start.tt.mjd.min() for dataset in datasets])",
        "stops = np.array([dataset.gti.time_stop.tt.mjd.max() for dataset in datasets])",
        "# nights are separated in the middle of the longest daily period in which no run starts",
        "clock = np.sort(starts % 1)",
        "gaps = np.diff(clock, append=clock[0] + 1)",
        "nights = np.floor(starts - clock[gaps.argmax()] - gaps.max() / 2)",
        "intervals = []",
    )
    with script.body.inside("for night in np.unique(nights):"):
        script.body.add(
            "start, stop = starts[nights == night].min(), stops[nights == night].max()",
            "# gammapy uses only datasets fully inside an interval: add 1 s for rounding",
            "bounds = [start - 1 / 86400, stop + 1 / 86400]",
            'intervals.append(Time(bounds, format="mjd", scale="tt"))',
        )
    return "intervals"


def norm_arguments(estimator: Any) -> list[str]:
    """Return the argument for the option `norm`, as code.

    Parameters
    ----------
    estimator : Estimator
        The estimator.

    Returns
    -------
    list of str
        The argument; empty without limits or a scan.
    """
    settings = {} if estimator.norm is None else estimator.norm.settings()
    return [f"norm={literal(settings)}"] if settings else []
