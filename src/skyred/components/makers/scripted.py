"""Code of the makers in exported gammapy scripts: exclusion masks and skipped runs."""

from __future__ import annotations

from skyred.fields import Regions
from skyred.fields.mask_maps import read_mask
from skyred.scripting import Script


def skip_if_empty(script: Script) -> None:
    """Write the lines that skip a run without safe data.

    Parameters
    ----------
    script : Script
        The script to add code to.
    """
    with script.loop.inside("if not dataset.mask_safe.data.any():"):
        script.loop.add("continue")


def write_exclusion(script: Script, exclude: Regions, geom: str, block: str = "body") -> str:
    """Write the exclusion mask, with False in the excluded regions.

    Parameters
    ----------
    script : Script
        The script to add code to.
    exclude : Regions
        The excluded regions and mask maps.
    geom : str
        The expression for the geometry in the script.
    block : {"body", "loop"}
        The block of the script to write to.

    Returns
    -------
    str
        The name of the variable that contains the mask.
    """
    code_block = getattr(script, block)
    name = script.local("exclusion_mask")
    if exclude.sources != exclude.masks:
        region_sources = Regions(
            tuple(source for source in exclude.sources if source not in exclude.masks)
        )
        regions = script.regions(f"{script.entry}_EXCLUDED", region_sources)
        code_block.add(f"{name} = {geom}.region_mask({regions}, inside=False)")
    else:
        script.use("gammapy.maps", "Map")
        code_block.add(f"{name} = Map.from_geom({geom}, data=True, dtype=bool)")
    for mask_path in exclude.masks:
        script.use("gammapy.maps", "Map")
        constant_name = script.constant(f"{script.entry}_MASK", script.path(mask_path))
        code_block.add(f"mask = Map.read({constant_name})", "mask.data = mask.data.astype(bool)")
        target_geom = f"{geom}.to_image()"
        if not read_mask(mask_path).geom.is_image:
            if _has_energy_bins(script, geom):
                target_geom = geom
            else:
                script.use("numpy as np")
                code_block.add("mask = mask.reduce_over_axes(np.logical_and)")
        code_block.add(
            "# pixels outside a mask map are not excluded",
            f"{name}.data &= mask.interp_to_geom({target_geom}, fill_value=1).data",
        )
    return name


def _has_energy_bins(script: Script, geom: str) -> bool:
    """Return whether the geometry with this expression has several energy bins."""
    return geom == "geom" and script.reduction.geometry.build().data_shape[0] > 1
