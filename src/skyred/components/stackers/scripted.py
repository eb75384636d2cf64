"""Code of the stackers in exported gammapy scripts: empty datasets and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyred.errors import ExportError
from skyred.scripting import Block, Script, literal

if TYPE_CHECKING:
    from skyred.components.stackers.group import GroupRuns


def write_empty(script: Script, block: Block, variable: str, name: str) -> None:
    """Write the empty dataset that a stack starts from.

    Parameters
    ----------
    script : Script
        The script to add code to.
    block : Block
        The block of the script to write to.
    variable : str
        The name of the variable of the dataset.
    name : str
        The expression for the name of the dataset.
    """
    if not script.on_off:
        block.add(f"{variable} = target.copy(name={name})")
        return
    dataset_class = script.on_off_type()
    script.use("gammapy.datasets", dataset_class)
    script.use("gammapy.maps", "Map")
    maps = ", ".join(
        f"{map_name}=Map.from_geom(geom)"
        for map_name in ("acceptance", "acceptance_off", "counts_off")
    )
    block.add(
        "# without these maps, only counts would be stacked, and the fit would use Cash",
        f"{variable} = {dataset_class}.from_map_dataset(target, {maps}, name={name})",
    )


def write_group(stacker: GroupRuns, script: Script) -> None:
    """Write code that stacks the runs of each group, and skips runs without a group.

    Parameters
    ----------
    stacker : GroupRuns
        The stacker.
    script : Script
        The script to add code to.

    Raises
    ------
    ExportError
        If the runs are not grouped by night or zenith angle.
    """
    write = {"zenith": _write_zenith_group, "night": _write_night_group}.get(stacker.by)
    if write is None:
        raise ExportError(f"groups by {stacker.by}; only zenith and night can be exported")
    script.body.add("stacks = {}")
    write(stacker, script)
    with script.loop.inside("if group not in stacks:"):
        write_empty(script, script.loop, "stacks[group]", "name")
    script.loop.add("stacks[group].stack(dataset)")
    script.datasets = "Datasets([stacks[group] for group in sorted(stacks)])"
    script.add_datasets(single=False)


def _write_zenith_group(stacker: GroupRuns, script: Script) -> None:
    """Write code that finds the zenith bin of a run, and the name of its dataset."""
    script.use("numpy as np")
    assert stacker.edges is not None
    edges = script.constant("ZENITH_EDGES", literal(stacker.edges.to_value("deg").tolist()))
    script.loop.add(
        'zenith = observation.get_pointing_altaz(observation.tmid).zen.to_value("deg")',
        f'group = np.searchsorted({edges}, zenith, side="right") - 1',
    )
    with script.loop.inside(f"if not 0 <= group < len({edges}) - 1:"):
        script.loop.add("continue")
    name = f"{script.entry}-zenith-{{{edges}[group]:g}}-{{{edges}[group + 1]:g}}"
    script.loop.add(f'name = f"{name}"')


def _write_night_group(stacker: GroupRuns, script: Script) -> None:
    """Write code that finds the night of a run, and the name of its dataset."""
    script.use("numpy as np")
    script.use("astropy.time", "Time")
    script.loop.add(
        "# a night lasts from noon to noon, in mean solar time at the site",
        'offset = observation.observatory_earth_location.lon.to_value("deg") / 360 - 0.5',
        "group = np.floor(observation.tmid.utc.mjd + offset)",
        f"name = f\"{script.entry}-{{Time(group, format='mjd').strftime('%Y-%m-%d')}}\"",
    )
