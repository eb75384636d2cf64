"""Hard fits of simulated maps, defined by their sources and pixels."""

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
BACKGROUND = (600.0, 150.0, 40.0)  # counts per square degree in each energy bin
DNDE = "cm-2 s-1 TeV-1"


@attrs.frozen
class Shape:
    """A source with a spatial model of gammapy.

    Parameters
    ----------
    tag : str
        The tag of the spatial model.
    x, y : float
        Offset from the centre of the map, in pixels.
    amplitude : float
        Amplitude at 1 TeV, in cm-2 s-1 TeV-1.
    index : float
        Index of the power law.
    beta : float
        Curvature of the spectrum; if it is 0, the spectrum is a power law, else a log parabola.
    sizes : dict of str to float
        Sizes in pixels, by the names of parameters; `edge_width` is relative to the radius.
    """

    tag: str
    x: float
    y: float
    amplitude: float = 2e-11
    index: float = 2.3
    beta: float = 0.0
    sizes: dict[str, float] = attrs.field(factory=dict)

    def model(self, name: str, pixel: float) -> SkyModel:
        """Build the model, for pixels of a size in deg."""
        model = SkyModel.create("lp" if self.beta else "pl", self.tag, name=name)
        model.spatial_model.frame = "icrs"
        parameters = model.parameters
        parameters["lat_0"].value = CENTER.dec.deg + pixel * self.y
        parameters["lon_0"].value = CENTER.ra.deg - pixel * self.x / np.cos(CENTER.dec.rad)
        parameters["alpha" if self.beta else "index"].value = self.index
        if self.beta:
            parameters["beta"].value = self.beta
        parameters["amplitude"].quantity = self.amplitude * u.Unit(DNDE)
        for size_name, value in self.sizes.items():
            unit = u.Unit("") if size_name == "edge_width" else pixel * u.deg
            parameters[size_name].quantity = value * unit
        return model


@attrs.frozen
class Spec:
    """The specification of a simulated map.

    The cached datasets of a problem depend on the names and values of these fields.

    Parameters
    ----------
    name : str
        The name of the problem; the seed of the counts depends on it.
    shapes : tuple of Shape
        The sources.
    ratio : float
        Ratio of the size of a pixel to the 68 % containment radius of the PSF.
    npix : int
        Number of pixels along each side.
    tilt : bool
        Whether the background has a free spectral tilt.
    second : float
        Size of the pixels of a second dataset, relative to the first; 0 for one dataset.
    """

    name: str
    shapes: tuple[Shape, ...]
    ratio: float = 0.5
    npix: int = 50
    tilt: bool = False
    second: float = 0.0

    @property
    def pixel(self) -> float:
        return self.ratio * PSF

    def models(self) -> Models:
        """Build the true models."""
        sources = [
            shape.model(f"source-{number}", self.pixel) for number, shape in enumerate(self.shapes)
        ]
        backgrounds = [FoVBackgroundModel(dataset_name=name) for name in self.pixels]
        for background in backgrounds:
            background.spectral_model.tilt.frozen = not self.tilt
        return Models([*sources, *backgrounds])

    @property
    def pixels(self) -> dict[str, float]:
        """Return the pixel sizes of the datasets in deg, by their names."""
        sizes = {self.name: self.pixel}
        return sizes | ({f"{self.name}-2": self.pixel * self.second} if self.second else {})

    def datasets(self) -> Datasets:
        """Simulate Poisson counts of the true models."""
        datasets = Datasets(
            [empty_dataset(name, pixel, self.npix) for name, pixel in self.pixels.items()]
        )
        datasets.models = self.models()
        for dataset in datasets:
            dataset.fake(random_state=zlib.crc32(dataset.name.encode()))
        datasets.models = None
        return datasets


def empty_dataset(name: str, pixel: float, npix: int) -> MapDataset:
    """Create a map dataset of npix x npix pixels in three energy bins, without counts."""
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
    image = WcsGeom.create(skydir=CENTER, npix=(npix, npix), binsz=pixel, proj="TAN")
    dataset = MapDataset.create(
        image.to_cube([energy]), energy_axis_true=energy_true, name=name, migra_axis=None
    )
    dataset.exposure = Map.from_geom(image.to_cube([energy_true]), data=EXPOSURE, unit="m2 s")
    # a Gaussian has 68 % containment at 1.515 sigma
    sigma = PSF / 1.515 * (energy_true.center.to_value("TeV")) ** -0.15
    dataset.psf = PSFMap.from_gauss(energy_true, sigma=sigma * u.deg)
    dataset.edisp = EDispKernelMap.from_gauss(energy, energy_true, sigma=0.15, bias=0)
    dataset.background.data[...] = (np.array(BACKGROUND) * pixel**2)[:, None, None]
    dataset.mask_safe.data[...] = True
    return dataset


def problem(spec: Spec, title: str, **options: object) -> Problem:
    """Create a problem; its datasets are simulated again if the specification changes."""
    return Problem(spec.name, title, spec.datasets, spec.models, version=repr(spec), **options)


def single(tag: str, amplitude: float = 2e-11, **sizes: float) -> tuple[Shape, ...]:
    """Return a single source that is not at the centre of a pixel."""
    return (Shape(tag, 1.3, -0.7, amplitude, sizes=sizes),)


def field(columns: int, rows: int, spacing: float, seed: int) -> tuple[Shape, ...]:
    """Return point sources on a grid, with random offsets of up to 2 pixels."""
    random = np.random.default_rng(seed)
    shapes = []
    for index in range(columns * rows):
        x = spacing * (index % columns - (columns - 1) / 2) + random.uniform(-2, 2)
        y = spacing * (index // columns - (rows - 1) / 2) + random.uniform(-2, 2)
        amplitude = 1e-11 * 4 ** random.uniform(0, 1)
        shapes.append(Shape("point", x, y, amplitude, random.uniform(1.9, 2.6)))
    return tuple(shapes)


PAIR = (Shape("point", 0.2, 0.3, 4e-11), Shape("point", 2.0, 1.2, 3e-11, 2.0))
CLOSE = (Shape("point", 0, 0), Shape("point", 3.1, 1.2, 3e-11, 2.0), Shape("point", -1.4, 3.3))
CROWDED = (
    Shape("gauss", 1.2, -0.3, 4e-11, sizes={"sigma": 2.5}),
    Shape("point", 2.4, 1.3, 1.5e-11, 2.0),
    Shape("point", -5.6, -4.2, 1e-11, 2.5),
)
MIXED = (
    Shape("point", -11.3, 9.8),
    Shape("gauss", 10.4, 9.1, 4e-11, 2.1, sizes={"sigma": 2.0}),
    Shape("disk", -9.7, -10.2, 6e-11, 2.5, sizes={"r_0": 3.0}),
    Shape("shell", 10.8, -9.6, 1e-10, 2.2, sizes={"radius": 3.0, "width": 1.5}),
    Shape("point", 0.4, 0.6, 1e-11, 2.0),
)

ONE = (
    problem(Spec("point-fine", single("point"), 0.3), "point, pixel of 0.3 PSF", starts=16),
    problem(Spec("point-half", single("point"), 0.5), "point, pixel of 0.5 PSF"),
    problem(Spec("point-equal", single("point"), 1.0), "point, pixel of 1 PSF", starts=16),
    problem(Spec("point-double", single("point"), 2.0, 40), "point, pixel of 2 PSF"),
    problem(Spec("point-coarse", single("point"), 3.0, 30), "point, pixel of 3 PSF", starts=16),
    problem(
        Spec("point-centre", (Shape("point", 0, 0),), 0.5, 51), "point at the centre of a pixel"
    ),
    problem(Spec("point-faint", single("point", 5e-12)), "faint point, pixel of 0.5 PSF"),
    problem(
        Spec("point-curved", (Shape("point", 1.3, -0.7, beta=0.2),), tilt=True),
        "point, log parabola, background with tilt",
    ),
    problem(
        Spec("point-joint", single("point"), 0.5, second=1.3),
        "point, two datasets with pixels of 0.5 and 0.65 PSF",
    ),
    problem(
        Spec("far-fine", single("point"), 0.5),
        "point, start 8 to 10 pixels away, pixel of 0.5 PSF",
        pixels=(8.0, 10.0),
    ),
    problem(
        Spec("far-equal", single("point"), 1.0),
        "point, start 8 to 10 pixels away, pixel of 1 PSF",
        pixels=(8.0, 10.0),
    ),
    problem(Spec("gauss-pixel", single("gauss", 4e-11, sigma=1.0)), "Gaussian, sigma of a pixel"),
    problem(
        Spec("gauss-coarse", single("gauss", 8e-11, sigma=0.7), 2.0, 40),
        "Gaussian, sigma of 0.7 pixels, pixel of 2 PSF",
    ),
    problem(Spec("gauss-large", single("gauss", 8e-11, sigma=5.0)), "Gaussian, sigma of 5 pixels"),
    problem(
        Spec("disk-pixel", single("disk", 4e-11, r_0=1.0)),
        "disk, radius of a pixel",
        sharp_edged=True,
    ),
    problem(
        Spec("disk-small", single("disk", 6e-11, r_0=3.0)),
        "disk, radius of 3 pixels",
        sharp_edged=True,
    ),
    problem(
        Spec("disk-soft", single("disk", 6e-11, r_0=3.0, edge_width=0.5)),
        "disk with a soft edge, radius of 3 pixels",
    ),
    problem(
        Spec("shell-small", single("shell", 1e-10, radius=4.0, width=2.0)),
        "shell, radius of 4 pixels, width of 2",
        starts=8,
        sharp_edged=True,
    ),
)
SEVERAL = (
    problem(Spec("close-equal", PAIR, 1.0), "two points, 2 PSF apart, pixel of 1 PSF"),
    problem(Spec("close-half", PAIR), "two points, 1 PSF apart"),
    problem(Spec("close-three", CLOSE), "three points, 1.7 PSF apart", starts=14),
    problem(Spec("crowded", CROWDED), "point inside a Gaussian, and a point"),
    problem(Spec("mixed", MIXED), "two points, Gaussian, disk, shell", starts=8, sharp_edged=True),
    problem(Spec("points-5", field(5, 1, 11, 5), 0.5, 70), "5 points", starts=10),
)
MANY = (
    problem(Spec("points-10", field(5, 2, 14, 10), 0.5, 80), "10 points", starts=8),
    problem(Spec("points-20", field(5, 4, 16, 20), 0.5, 100), "20 points", starts=6),
    problem(Spec("points-30", field(6, 5, 16, 30), 0.5, 100), "30 points", starts=6),
    problem(Spec("points-50", field(10, 5, 12, 50), 0.5, 130), "50 points", starts=3),
    problem(
        Spec("points-30-equal", field(6, 5, 16, 31), 1.0, 100),
        "30 points, pixel of 1 PSF",
        starts=6,
    ),
)
PROBLEMS = (*(attrs.evolve(item, gammapy=True) for item in (*ONE, *SEVERAL)), *MANY)
