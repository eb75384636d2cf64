"""The method `aeff-max` of the safe mask, with a fix for a first energy bin above the limit."""

from __future__ import annotations

from typing import Any

import numpy as np
from gammapy.makers import SafeMaskMaker

from skyred.scripting import Script, literal


class AreaMaskMaker(SafeMaskMaker):  # type: ignore[misc]
    """gammapy's maker, except that `aeff-max` does not always mask the first energy bin.

    gammapy searches for the energy at which the projected effective area crosses the limit between
    two bin centres. If the first bin is already above the limit, there is no such energy, or only
    one at high energies, and gammapy masks at least the first bin.
    """

    tag = "AreaMaskMaker"

    def make_mask_energy_aeff_max(self, dataset: Any, observation: Any = None) -> Any:
        """Return the mask of the energies above the first at which the area exceeds the limit.

        Parameters
        ----------
        dataset : gammapy.datasets.MapDataset or gammapy.datasets.SpectrumDataset
            The dataset.
        observation : gammapy.data.Observation, optional
            The run.

        Returns
        -------
        gammapy.maps.Map
            The mask.
        """
        if self.irfs == "DL4":
            position = self._get_position(observation, dataset._geom)
            exposure = dataset.exposure.get_spectrum(position)
            values = exposure.data.ravel()
            bins = np.flatnonzero(values > 0)
            if bins.size and values[bins[0]] >= self.aeff_percent / 100 * values.max():
                energy_min = exposure.geom.axes["energy_true"].edges[bins[0]]
                return dataset._geom.energy_mask(energy_min=energy_min)
        return super().make_mask_energy_aeff_max(dataset, observation)


def write_area_mask(script: Script, maker: str, percent: float) -> None:
    """Write the correction of `AreaMaskMaker` in a script.

    Parameters
    ----------
    script : Script
        The script to add code to.
    maker : str
        The name of the variable of gammapy's `SafeMaskMaker`.
    percent : float
        The limit, in percent of the largest effective area.
    """
    script.use("numpy as np")
    function = script.local("area_mask")
    script.body.add(f"gammapy_{function} = {maker}.make_mask_energy_aeff_max", "")
    with script.body.inside(f"def {function}(dataset, observation=None):"):
        script.body.add(
            "# gammapy masks the first energy bin, even if its area is above the limit",
            f"position = {maker}._get_position(observation, dataset._geom)",
            "exposure = dataset.exposure.get_spectrum(position)",
            "values = exposure.data.ravel()",
            "bins = np.flatnonzero(values > 0)",
        )
        limit = f"{literal(percent)} / 100 * values.max()"
        with script.body.inside(f"if bins.size and values[bins[0]] >= {limit}:"):
            script.body.add(
                'energy_min = exposure.geom.axes["energy_true"].edges[bins[0]]',
                "return dataset._geom.energy_mask(energy_min=energy_min)",
            )
        script.body.add(f"return gammapy_{function}(dataset, observation)")
    script.body.add("", f"{maker}.make_mask_energy_aeff_max = {function}")
