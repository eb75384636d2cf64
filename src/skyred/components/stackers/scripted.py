"""What stackers share when they write themselves as plain gammapy: empty datasets, groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyred.errors import ExportError
from skyred.scripting import Block, Script, literal

if TYPE_CHECKING:
    from skyred.components.stackers.group import GroupRuns


def write_empty(script: Script, block: Block, variable: str, name: str) -> None:
    """Write the empty dataset that a stack begins with."""
    if not script.on_off:
        block.add(f"{variable} = target.copy(name={name})")
        return
    kind = script.on_off_type()
    script.use("gammapy.datasets", kind)
    script.use("gammapy.maps", "Map")
    maps = ", ".join(
        f"{each}=Map.from_geom(geom)" for each in ("acceptance", "acceptance_off", "counts_off")
    )
    block.add(
        "# one without off counts would take the counts alone, and be fitted by Cash",
        f"{variable} = {kind}.from_map_dataset(target, {maps}, name={name})",
    )


def write_group(stacker: GroupRuns, script: Script) -> None:
    """Write a stack for each group; a run that is in none is left out.

    Raises
    ------
    ExportError
        If the groups are made by time or a column.
    """
    write = {"zenith": _zenith, "night": _night}.get(stacker.by)
    if write is None:
        raise ExportError(f"groups by {stacker.by}, which is exported by zenith and night only")
    script.body.add("stacks = {}")
    write(stacker, script)
    with script.loop.inside("if group not in stacks:"):
        write_empty(script, script.loop, "stacks[group]", "name")
    script.loop.add("stacks[group].stack(dataset)")
    script.datasets = "Datasets([stacks[group] for group in sorted(stacks)])"
    script.made(alone=False)


def _zenith(stacker: GroupRuns, script: Script) -> None:
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


def _night(stacker: GroupRuns, script: Script) -> None:
    script.use("numpy as np")
    script.use("astropy.time", "Time")
    script.loop.add(
        "# a night is from noon to noon of the mean sun at the site",
        'noon = observation.observatory_earth_location.lon.to_value("deg") / 360 - 0.5',
        "group = np.floor(observation.tmid.utc.mjd + noon)",
        f"name = f\"{script.entry}-{{Time(group, format='mjd').strftime('%Y-%m-%d')}}\"",
    )
