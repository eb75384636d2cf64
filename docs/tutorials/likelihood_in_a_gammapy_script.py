"""
skyred's likelihood in a gammapy script
=======================================

Change two lines of a gammapy script to speed up the fit and the flux points.
"""

# %%
# A gammapy script
# ----------------
# ``skyred.fit`` and ``skyred.flux_points`` do not need a pipeline: they accept gammapy's datasets
# with their models, however they were created. This script creates a map of the Crab Nebula with
# gammapy alone, except that skyred opens the archive, which may be simulated.

import os

from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets, MapDataset
from gammapy.makers import FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom
from regions import CircleSkyRegion

from skyred import Plugins

archive = "$GAMMAPY_DATA/hess-dl3-dr1" if "GAMMAPY_DATA" in os.environ else "sim:crab"
store = Plugins.load().open_archive(os.path.expandvars(archive))

crab = SkyCoord(83.633, 22.014, unit="deg", frame="icrs")
is_near = store.obs_table.pointing_radec.separation(crab) < 5 * u.deg
observations = store.get_observations(store.obs_table["OBS_ID"][is_near])

geom = WcsGeom.create(
    skydir=crab,
    width=2 * u.deg,
    binsz=0.04,
    frame="icrs",
    axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)],
)
energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=20, name="energy_true")
stacked = MapDataset.create(geom, energy_axis_true=energy_true, name="crab")
exclusion = ~geom.region_mask([CircleSkyRegion(crab, 0.3 * u.deg)])
makers = [
    MapDatasetMaker(),
    SafeMaskMaker(methods=["offset-max", "aeff-max"], offset_max=2.5 * u.deg),
    FoVBackgroundMaker(method="scale", exclusion_mask=exclusion),
]
for observation in observations:
    dataset = stacked.cutout(crab, width=5 * u.deg, name=f"crab-{observation.obs_id}")
    for maker in makers:
        dataset = maker.run(dataset, observation)
    stacked.stack(dataset)

datasets = Datasets([stacked])
print(stacked.counts.data.sum(), "counts")

# %%
# The model is created in a function, so that both fits start from the same values:

from gammapy.modeling.models import (
    FoVBackgroundModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)


def create_models():
    spatial = PointSpatialModel(lon_0="83.6 deg", lat_0="22.0 deg", frame="icrs")
    spectral = PowerLawSpectralModel(index=2.3, amplitude="3e-11 cm-2 s-1 TeV-1")
    source = SkyModel(spatial_model=spatial, spectral_model=spectral, name="source")
    return Models([source, FoVBackgroundModel(dataset_name="crab", name="background")])


# %%
# Change two lines
# ----------------
# With gammapy:

import time

from gammapy.modeling import Fit

seconds = {}

datasets.models = create_models()
start = time.process_time()
Fit().run(datasets)
seconds["fit", "gammapy"] = time.process_time() - start
gammapy_values = {
    parameter.name: parameter.value for parameter in datasets.parameters.free_parameters
}
gammapy_stat = datasets.stat_sum()

# %%
# With skyred:

import skyred

datasets.models = create_models()
start = time.process_time()
result = skyred.fit(datasets)
seconds["fit", "skyred"] = time.process_time() - start
print(result)

# %%
# The models are updated with the result and its covariance, and the script continues as before.

datasets.models.to_parameters_table()["model", "name", "value", "error", "unit", "frozen"]

# %%
# Compare the results
# -------------------
# The values of both fits, and their difference in units of the error. The statistic is computed by
# gammapy for both results.

for parameter in datasets.parameters.free_parameters:
    gammapy_value = gammapy_values[parameter.name]
    difference = abs(parameter.value - gammapy_value) / parameter.error
    print(
        f"{parameter.name:10} {gammapy_value:12.6g} {parameter.value:12.6g}  {difference:.4f} sigma"
    )
print(f"stat       {gammapy_stat:12.3f} {datasets.stat_sum():12.3f}")

# %%
# The errors differ: those of ``Fit.run`` are estimated by MIGRAD during the minimisation, those of
# skyred are computed from the second derivatives at the minimum.
#
# Flux points, with the same model for both:

from gammapy.estimators import FluxPointsEstimator

edges = [1, 2, 4, 10] * u.TeV

start = time.process_time()
estimator = FluxPointsEstimator(source="source", energy_edges=edges, selection_optional=["ul"])
gammapy_points = estimator.run(datasets)
seconds["flux points", "gammapy"] = time.process_time() - start

start = time.process_time()
skyred_points = skyred.flux_points(datasets, "source", edges, selection_optional=["ul"])
seconds["flux points", "skyred"] = time.process_time() - start

for name in ("dnde", "dnde_err", "dnde_ul"):
    ratio = getattr(skyred_points, name).data.ravel() / getattr(gammapy_points, name).data.ravel()
    print(f"{name:8} skyred / gammapy:", ratio.round(4))

# %%
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(7, 4.5))
for points, label, size in ((gammapy_points, "gammapy", 12), (skyred_points, "skyred", 5)):
    table = points.to_table(sed_type="e2dnde")
    energy, flux, error = (
        table[name].quantity.to_value(unit)
        for name, unit in (
            ("e_ref", "TeV"),
            ("e2dnde", "TeV cm-2 s-1"),
            ("e2dnde_err", "TeV cm-2 s-1"),
        )
    )
    ax.errorbar(energy, flux, error, fmt="o", markersize=size, alpha=0.6, label=label)
ax.set(
    xscale="log", yscale="log", xlabel="Energy [TeV]", ylabel="E$^2$ dN/dE [TeV cm$^{-2}$ s$^{-1}$]"
)
ax.legend()
figure.tight_layout()

# %%
# Compare the CPU time
# --------------------
# The CPU times were measured once, when this page was built, so they are rough estimates:

for task in ("fit", "flux points"):
    gammapy_time, skyred_time = seconds[task, "gammapy"], seconds[task, "skyred"]
    ratio = gammapy_time / skyred_time
    print(
        f"{task:11} gammapy {gammapy_time:5.2f} s, skyred {skyred_time:5.2f} s: ratio {ratio:.0f}"
    )

# %%
# gammapy spends most of this time on Python objects, not on arithmetic.
# :doc:`/explanation/likelihood` has the formulas, the models that gammapy evaluates, and the
# differences from gammapy. :doc:`/how-to/fit-in-a-gammapy-script` explains asymmetric errors,
# custom models and other fitters.
