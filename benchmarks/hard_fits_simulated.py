"""Hard fits of simulated data: a spec of sources and pixels for each problem."""

from __future__ import annotations

import zlib

import attrs
import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets, MapDataset
from gammapy.irf import EDispKernelMap, PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import FoVBackgroundModel, Models, SkyModel
from hard_fits_problem import Problem

CENTER = SkyCoord(83.0, 22.0, unit="deg")
PSF = 0.09  # 68 % containment at 1 TeV, in degrees
EXPOSURE = 3e9  # m2 s
BACKGROUND = (600.0, 150.0, 40.0)  # counts per square degree in each bin of energy
DNDE = "cm-2 s-1 TeV-1"


@attrs.frozen
class Shape:
    """A source: gammapy's tag of its spatial model, its position and sizes.

    Parameters
    ----------
    tag : str
        Of the spatial model.
    x, y : float
        Offset from the centre of the map, in pixels.
    amplitude : float
        At 1 TeV, in cm-2 s-1 TeV-1.
    index : float
        Of the power law.
    sizes : dict
        Names of sizes, and values in pixels.
    """

    tag: str
    x: float
    y: float
    amplitude: float = 2e-11
    index: float = 2.3
    sizes: dict[str, float] = attrs.field(factory=dict)

    def model(self, name: str, pixel: float) -> SkyModel:
        """Build the model."""
        model = SkyModel.create("pl", self.tag, name=name)
        model.spatial_model.frame = "icrs"
        values = model.parameters
        values["lat_0"].value = CENTER.dec.deg + pixel * self.y
        values["lon_0"].value = CENTER.ra.deg - pixel * self.x / np.cos(CENTER.dec.rad)
        values["index"].value = self.index
        values["amplitude"].quantity = self.amplitude * u.Unit(DNDE)
        for size, value in self.sizes.items():
            values[size].quantity = value * pixel * u.deg
        return model


@attrs.frozen
class Spec:
    """A simulated map.

    Parameters
    ----------
    name : str
        Of the problem; it seeds the counts.
    shapes : tuple of Shape
        The sources.
    ratio : float
        Size of a pixel over the 68 % containment of the PSF.
    npix : int
        Number of pixels along each side.
    """

    name: str
    shapes: tuple[Shape, ...]
    ratio: float = 0.5
    npix: int = 50

    @property
    def pixel(self) -> float:
        return self.ratio * PSF

    def models(self) -> Models:
        """Build the true models."""
        sources = [
            shape.model(f"source-{number}", self.pixel) for number, shape in enumerate(self.shapes)
        ]
        return Models([*sources, FoVBackgroundModel(dataset_name=self.name)])

    def datasets(self) -> Datasets:
        """Simulate Poisson counts of the true models."""
        dataset = empty_dataset(self.name, self.pixel, self.npix)
        dataset.models = self.models()
        dataset.fake(random_state=zlib.crc32(self.name.encode()))
        dataset.models = None
        return Datasets([dataset])


def empty_dataset(name: str, pixel: float, npix: int) -> MapDataset:
    """Create IRFs and background of a map of npix x npix pixels in three bins of energy."""
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
    image = WcsGeom.create(skydir=CENTER, npix=(npix, npix), binsz=pixel, proj="TAN")
    dataset = MapDataset.create(
        image.to_cube([energy]), energy_axis_true=true, name=name, migra_axis=None
    )
    dataset.exposure = Map.from_geom(image.to_cube([true]), data=EXPOSURE, unit="m2 s")
    sigma = PSF / 1.515 * (true.center.to_value("TeV")) ** -0.15
    dataset.psf = PSFMap.from_gauss(true, sigma=sigma * u.deg)
    dataset.edisp = EDispKernelMap.from_gauss(energy, true, sigma=0.15, bias=0)
    dataset.background.data[...] = (np.array(BACKGROUND) * pixel**2)[:, None, None]
    dataset.mask_safe.data[...] = True
    return dataset


def problem(spec: Spec, title: str, **options: object) -> Problem:
    """Return the problem of a spec; datasets are simulated anew when the spec changes."""
    return Problem(spec.name, title, spec.datasets, spec.models, version=repr(spec), **options)


def single(tag: str, amplitude: float = 2e-11, **sizes: float) -> tuple[Shape, ...]:
    """Return one source beside a pixel centre."""
    return (Shape(tag, 1.3, -0.7, amplitude, sizes=sizes),)


CLOSE = (Shape("point", 0, 0), Shape("point", 3.1, 1.2, 3e-11, 2.0), Shape("point", -1.4, 3.3))

PROBLEMS = (
    problem(Spec("point-fine", single("point"), 0.3), "point, pixel of 0.3 PSF", gammapy=True),
    problem(Spec("point-equal", single("point"), 1.0), "point, pixel of 1 PSF", gammapy=True),
    problem(Spec("point-coarse", single("point"), 3.0, 30), "point, pixel of 3 PSF", gammapy=True),
    problem(Spec("close-three", CLOSE), "three close points", gammapy=True),
    problem(
        Spec("gauss-pixel", single("gauss", 4e-11, sigma=1.0)),
        "Gaussian, sigma of a pixel",
        gammapy=True,
    ),
    problem(
        Spec("disk-small", single("disk", 6e-11, r_0=3.0)), "disk, radius of 3 pixels", gammapy=True
    ),
    problem(
        Spec("shell-small", single("shell", 1e-10, radius=4.0, width=2.0)),
        "shell, radius of 4 pixels, width of 2",
        gammapy=True,
    ),
)
