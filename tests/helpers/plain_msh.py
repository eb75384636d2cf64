"""H.E.S.S. maps of MSH 15-52 in plain gammapy, as in its tutorial on ring backgrounds.

skyred is compared with these results, so it is not used here.
"""

import astropy.units as u
import attrs
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import MapDataset, MapDatasetOnOff
from gammapy.makers import (
    FoVBackgroundMaker,
    MapDatasetMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
)
from gammapy.maps import MapAxis, WcsGeom
from regions import CircleSkyRegion

import plain_gammapy

RUNS = (20282, 20301, 20302)
CENTER = SkyCoord(228.32, -59.08, unit="deg")
REGION = "icrs; circle(228.32, -59.08, 0.4)"


@attrs.define
class Msh:
    """Maps of MSH 15-52 with two kinds of background.

    Parameters
    ----------
    template : MapDataset
        Stacked counts in three energy bins, with the background model of the IRFs,
        scaled outside the source.
    rings : list of MapDatasetOnOff
        Counts of each run in one energy bin, with off counts from rings.
    """

    template: MapDataset
    rings: list[MapDatasetOnOff]

    @property
    def ring(self) -> MapDatasetOnOff:
        """The stack of `rings`."""
        total = MapDatasetOnOff.create(
            self.rings[0].counts.geom,
            energy_axis_true=self.rings[0].exposure.geom.axes["energy_true"],
            name="ring",
        )
        for dataset in self.rings:
            total.stack(dataset)
        return total


def reduce(runs: tuple[int, ...] = RUNS, width: float = 3, bin_size: float = 0.03) -> Msh:
    """Reduce runs to maps.

    Parameters
    ----------
    runs : tuple of int
        Observation ids.
    width, bin_size : float
        Width of the map and of its pixels, in deg.
    """
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=8, name="energy_true")
    geom = WcsGeom.create(skydir=CENTER, width=width, binsz=bin_size, proj="CAR", axes=[energy])
    source = CircleSkyRegion(CENTER, 0.4 * u.deg)
    template = MapDataset.create(geom, energy_axis_true=energy_true, name="msh")
    image_exclusion_mask = ~geom.squash("energy").region_mask([source])
    rings = []
    for observation in DataStore.from_dir(plain_gammapy.archive()).get_observations(list(runs)):
        dataset = template.cutout(CENTER, width=width * u.deg, name=f"run-{observation.obs_id}")
        dataset = MapDatasetMaker().run(dataset, observation)
        safe_mask = SafeMaskMaker(["offset-max", "aeff-max"], offset_max=1.6 * u.deg)
        dataset = safe_mask.run(dataset, observation)
        ring_maker = RingBackgroundMaker(
            r_in="0.5 deg", width="0.3 deg", exclusion_mask=image_exclusion_mask
        )
        rings.append(ring_maker.run(dataset.to_image(name=f"ring-{observation.obs_id}")))
        template.stack(FoVBackgroundMaker(exclusion_mask=~geom.region_mask([source])).run(dataset))
    return Msh(template, rings)
