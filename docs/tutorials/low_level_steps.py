"""
The low-level steps in Python
=============================

Use each component by itself, and combine the components in a pipeline.
"""

# %%
# gammapy's tutorial on its low-level API writes out each step of an analysis, with a loop over the
# runs. This page does the same with skyred's components, and shows the result of each step; inputs
# and outputs are gammapy objects. At the end, the same components are combined in a
# :class:`~skyred.Pipeline`, which gives the same results.

import os

import matplotlib.pyplot as plt

from skyred import Plugins

archive = "$GAMMAPY_DATA/hess-dl3-dr1" if "GAMMAPY_DATA" in os.environ else "sim:crab"

# %%
# Archive
# -------
# Archives are opened by plugins; for a folder of DL3 files the result is gammapy's ``DataStore``.

store = Plugins.load().open_archive(os.path.expandvars(archive))
print(type(store).__name__, "of", len(store.obs_table), "runs")

# %%
# Select
# ------
# A selector receives the observation table of the archive, and returns the selected rows. No
# events are read.

from skyred import Cone

cone = Cone(center=["83.633 deg", "22.014 deg"], radius="5 deg")
table = cone.select(store.obs_table)
columns = table["OBS_ID", "RA_PNT", "DEC_PNT", "ZEN_PNT", "LIVETIME"]
columns.round(2)
columns

# %%
# A component is a frozen object. A notebook displays its options with their units, defaults and
# descriptions; values that differ from the default are bold.

cone

# %%
# The observations are gammapy's objects, which read their files on demand.

observations = store.get_observations(table["OBS_ID"])
print(observations[0].events)

# %%
# Geometry
# --------
# The geometry creates the empty dataset onto which the runs are stacked.

from skyred import EnergyAxis, MapGeometry

geometry = MapGeometry(
    name="crab",
    center=["83.633 deg", "22.014 deg"],
    width="2 deg",
    bin_size="0.04 deg",
    energy=EnergyAxis(min="1 TeV", max="10 TeV", bins=4),
    energy_true=EnergyAxis(min="0.5 TeV", max="20 TeV", bins=20),
)
empty = geometry.target()
print(empty.counts.geom)

# %%
# Make
# ----
# A maker receives a dataset and an observation, and returns the dataset. The first maker fills
# counts, exposure, background, PSF and energy dispersion:

from skyred import FoVBackground, MapData, SafeMask

observation = observations[0]
dataset = MapData().make(empty.copy(name=f"crab-{observation.obs_id}"), observation)
print(f"{dataset.counts.data.sum():.0f} counts")
print(f"{dataset.background.data.sum():.1f} predicted background counts")

# %%
# The second maker sets the safe mask, the bins in which the IRFs are reliable:

safe_mask = SafeMask(methods=["offset-max", "aeff-max"], offset_max="1.2 deg")
dataset = safe_mask.make(dataset, observation)
fractions = dataset.mask_safe.data.mean(axis=(1, 2))
for energy, fraction in zip(dataset.counts.geom.axes["energy"].center, fractions, strict=True):
    print(f"{energy:.2f}: {fraction:.0%} of the map is inside the safe mask")

# %%
# The third maker normalises the background to the counts outside an exclusion region. It sets a
# model with the fitted norm on the dataset:

background = FoVBackground(exclude="icrs; circle(83.633, 22.014, 0.3)")
dataset = background.make(dataset, observation)
norm = dataset.background_model.spectral_model.norm
print(f"norm {norm.value:.3f} +- {norm.error:.3f}")

# %%
# The result of each of these steps as a map, summed over energy:

figure = plt.figure(figsize=(12, 3.6))
maps = {
    "counts per pixel": dataset.counts.sum_over_axes(),
    "energy bins in the safe mask": dataset.mask_safe.sum_over_axes(),
    "background per pixel, normalised": dataset.npred_background().sum_over_axes(),
}
for position, (title, image) in enumerate(maps.items(), start=1):
    ax = figure.add_subplot(1, 3, position, projection=image.geom.wcs)
    image.plot(ax=ax, add_cbar=True)
    ax.set_title(title)
figure.tight_layout()

# %%
# Stack
# -----
# The makers are applied to every run. A stacker starts with an empty stack, ``total``, and adds
# the datasets one by one. Before a dataset is stacked, its background template and norm model are
# replaced by the normalised background.

from skyred import Sum

makers = [MapData(), safe_mask, background]
stacker = Sum()
total = stacker.zero(geometry)
for observation in observations:
    dataset = empty.copy(name=f"crab-{observation.obs_id}")
    for maker in makers:
        dataset = maker.make(dataset, observation)
    dataset.background = dataset.npred_background()
    dataset.models = None
    total = stacker.add(total, dataset, observation)
    print(observation.obs_id, dataset.counts.data[dataset.mask_safe.data].sum(), "counts")

datasets = stacker.result(total)
print(datasets["crab"])

# %%
# Model
# -----
# Models are built for the datasets on which they are set. Spectral and spatial models have
# gammapy's names and parameters.

from skyred import BackgroundModels, Source

crab = Source(
    name="crab",
    spatial={"type": "point", "lon_0": "83.6 deg", "lat_0": "22.0 deg", "frame": "icrs"},
    spectral={
        "type": "pl",
        "index": 2.3,
        "amplitude": "3e-11 cm-2 s-1 TeV-1",
        "reference": "1 TeV",
    },
)
backgrounds = BackgroundModels()
datasets.models = [*crab.build(datasets), *backgrounds.build(datasets)]
print(datasets.models.names)

# %%
# Fit
# ---
# A fitter receives an :class:`~skyred.Objective`: the free parameters with their limits, and a
# function that computes the fit statistic for their values. A fitter does not depend on gammapy.

from skyred import Newton, objective_of

objective = objective_of(datasets)
for name, start, unit in zip(objective.names, objective.start, objective.units, strict=True):
    print(f"{name:26} {start:.5g} {unit}")
print("stat at the start:", round(objective(objective.start), 2))

# %%
# The fitter finds the minimum; ``accept`` writes values, errors and covariance back to the models.

fitter = Newton()
fit = fitter.fit(objective)
objective.accept(fit)
print(fit)

# %%
# Estimate
# --------
# An estimator computes a product from the fitted datasets. The product of this estimator has a
# table, a plot, and gammapy's ``FluxPoints`` in ``flux``:

from skyred import FluxPoints

estimator = FluxPoints(source="crab", energy_edges=["1 TeV", "2 TeV", "4 TeV", "10 TeV"])
product = estimator.estimate(datasets, fit)
product.plot()

# %%
product.flux.to_table(sed_type="dnde", formatted=True)["e_ref", "dnde", "dnde_err", "sqrt_ts"]

# %%
# The same steps as a pipeline
# ----------------------------
# The components used above, in a pipeline:

from skyred import Orchestrator, Pipeline, Reduction

pipeline = Pipeline(
    data={
        "crab": Reduction(
            archive=archive, select=cone, geometry=geometry, make=makers, stack=stacker
        )
    },
    model=[crab, backgrounds],
    fit=fitter,
    estimate=[estimator],
)

# %%
# An :class:`~skyred.Orchestrator` runs each step when it is requested. It inspects the files of
# each run before they are used, records the outcome of each run, and can use several cores.

orchestrator = Orchestrator(pipeline)
pipeline_fit = orchestrator.fit()
print(pipeline_fit)

# %%
# The values computed step by step and by the pipeline, and their difference in units of the error:

differences = abs(fit.values - pipeline_fit.values) / fit.errors
print(f"{'parameter':26} {'steps':>12} {'pipeline':>12}  difference")
for index, name in enumerate(fit.names):
    values = f"{fit.values[index]:12.6g} {pipeline_fit.values[index]:12.6g}"
    print(f"{name:26} {values}  {differences[index]:.1e} sigma")

# %%
# The same pipeline as YAML, for ``skyred run``:

print(pipeline.to_yaml())

# %%
# Next: replace any of these components with :doc:`your own </how-to/own-maker>`.
