"""What estimators share when they write themselves as plain gammapy."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from skyred.errors import ExportError
from skyred.scripting import Script, literal

if TYPE_CHECKING:
    from astropy import units as u


def write_map(script: Script, patterns: Sequence[str]) -> str:
    """Write ``dataset``, the map dataset that an estimator looks at; gives its name.

    Raises
    ------
    ExportError
        If there is not exactly one: gammapy's estimators of maps take one.
    """
    made = script.datasets_made
    chosen = [
        each
        for each in made
        if each.is_map and (not patterns or any(fnmatchcase(each.name, one) for one in patterns))
    ]
    if len(chosen) != 1 or not chosen[0].alone:
        raise ExportError(
            "sums several map datasets, and gammapy's estimator takes one: "
            "give stack: {kind: sum}, or choose one dataset"
        )
    script.body.add(f'dataset = datasets["{chosen[0].name}"]')
    return chosen[0].name


def write_without_sources(script: Script, name: str) -> None:
    """Write ``dataset`` anew as one that has its (fitted) background, and no models."""
    script.body.add("# above the fitted background alone: sources are what is looked for")
    if any(each.on_off for each in script.datasets_made if each.name == name):
        script.body.add(f'dataset = dataset.copy(name="{name}")')
    else:
        script.body.add(
            "background = dataset.npred_background()",
            f'dataset = dataset.copy(name="{name}")',
            "dataset.background = background",
        )
    script.body.add("dataset.models = None")


def edges_option(script: Script, label: str, edges: u.Quantity | None) -> list[str]:
    """Write the option of energy edges, if there are any."""
    if edges is None:
        return []
    return [f"energy_edges={script.constant(f'{label}_EDGES', script.quantity(edges))}"]


def changed_options(estimator: Any, *names: str) -> list[str]:
    """Write options that differ from their default, which are gammapy's too."""
    return [
        f"{name}={literal(getattr(estimator, name))}"
        for name in names
        if not estimator._is_default(name, getattr(estimator, name))
    ]


def write_maps(script: Script, label: str, quantity: str = "sqrt_ts") -> None:
    """Write maps of flux to a file, and a picture of one of them."""
    script.use("matplotlib.pyplot as plt")
    script.body.add(f'maps.write(folder / "{label}.fits", overwrite=True)')
    with script.body.inside(f"for number, image in enumerate(maps.{quantity}.iter_by_image()):"):
        script.body.add(
            "plt.figure()",
            "image.plot(add_cbar=True)",
            f'plt.savefig(folder / f"{label}-{{number}}.png")',
        )


def write_parameters(script: Script, patterns: Sequence[str]) -> None:
    """Write ``parameters``: the free ones that names or wildcards mean, with their names."""
    script.body.add(
        "models = datasets.models",
        "named = zip(models.parameters_unique_names, models.parameters, strict=True)",
    )
    if not patterns:
        script.body.add("parameters = {name: each for name, each in named if not each.frozen}")
        return
    script.use("fnmatch", "fnmatchcase")
    # crab.index is short for crab.spectral.index
    wanted = [f"{'.*.'.join(one.split('.'))}" if one.count(".") == 1 and "*" not in one else one
              for one in patterns]  # fmt: skip
    script.body.add("parameters = {}")
    with script.body.inside("for name, parameter in named:"):
        script.body.add(f"wanted = any(fnmatchcase(name, each) for each in {literal(wanted)})")
        with script.body.inside("if wanted and not parameter.frozen:"):
            script.body.add("parameters[name] = parameter")


def write_steps(script: Script, width: u.Quantity) -> str:
    """Write equal intervals of time from the first start on; gives their name."""
    script.use("numpy as np")
    step = script.quantity(width)
    script.body.add(
        "first = min(each.gti.time_start[0] for each in datasets)",
        "last = max(each.gti.time_stop[-1] for each in datasets)",
        f"width = {step}",
        "number = int(np.ceil((last - first).to_value(width.unit) / width.value))",
        "intervals = [first + width * np.array([i, i + 1]) for i in range(number)]",
    )
    return "intervals"


def write_nights(script: Script) -> str:
    """Write an interval of time for each night, from its first start to its last stop."""
    script.use("numpy as np")
    script.use("astropy.time", "Time")
    script.body.add(
        "starts = np.array([each.gti.time_start[0].tt.mjd for each in datasets])",
        "stops = np.array([each.gti.time_stop[-1].tt.mjd for each in datasets])",
        "# a night ends in the middle of the widest part of the day without a start",
        "clock = np.sort(starts % 1)",
        "gaps = np.diff(clock, append=clock[0] + 1)",
        "nights = np.floor(starts - clock[gaps.argmax()] - gaps.max() / 2)",
        "intervals = []",
    )
    with script.body.inside("for night in np.unique(nights):"):
        script.body.add(
            "start, stop = starts[nights == night].min(), stops[nights == night].max()",
            "# a dataset counts that lies in an interval fully: a second for the rounding",
            "ends = [start - 1 / 86400, stop + 1 / 86400]",
            'intervals.append(Time(ends, format="mjd", scale="tt"))',
        )
    return "intervals"
