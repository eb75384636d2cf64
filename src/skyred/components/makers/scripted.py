"""What makers share when they write themselves as plain gammapy: exclusions, runs left out."""

from __future__ import annotations

from skyred.fields import Regions
from skyred.scripting import Script


def skip_if_empty(script: Script) -> None:
    """Leave out a run of which the safe mask leaves nothing."""
    with script.loop.inside("if not dataset.mask_safe.data.any():"):
        script.loop.add("continue")


def write_exclusion(script: Script, exclude: Regions, geom: str, block: str = "body") -> str:
    """Write the mask map that is False where sources are, on a geometry; gives its name."""
    lines = getattr(script, block)
    name = script.local("exclusion_mask")
    if exclude.sources != exclude.masks:
        texts = Regions(tuple(each for each in exclude.sources if each not in exclude.masks))
        regions = script.regions(f"{script.entry}_EXCLUDED", texts)
        lines.add(f"{name} = {geom}.region_mask({regions}, inside=False)")
    else:
        script.use("gammapy.maps", "Map")
        lines.add(f"{name} = Map.from_geom({geom}, data=True, dtype=bool)")
    for place in exclude.masks:
        script.use("gammapy.maps", "Map")
        where = script.constant(f"{script.entry}_MASK", script.place(place))
        # what a mask map does not cover is not excluded
        lines.add(
            f"mask = Map.read({where}).interp_to_geom({geom}.to_image(), fill_value=1)",
            f"{name}.data &= mask.data.astype(bool)",
        )
    return name
