"""
A joint fit of several instruments
==================================

Fit maps of one instrument and spectra of another together, each with its own reduction.
"""

# %%
# Each entry of ``data:`` is reduced, or read, separately; then all entries are fitted together.
# Here one entry is reduced from event lists to a map, and the other consists of on-off spectra
# that are already reduced. With gammapy's example data, these are the spectra of the Crab Nebula
# published by VERITAS. Without them, they are simulated with another seed and a longer livetime,
# and reduced first.

import os
import tempfile
from pathlib import Path

from skyred import Pipeline

folder = Path(tempfile.mkdtemp())
archive = "$GAMMAPY_DATA/hess-dl3-dr1" if "GAMMAPY_DATA" in os.environ else "sim:crab"
spectra = "$GAMMAPY_DATA/joint-crab/spectra/veritas/pha_obs*.fits"

if "GAMMAPY_DATA" not in os.environ:
    spectra_pipeline = Pipeline.from_yaml("""
data:
  other:
    archive: sim:crab?seed=7&runs=2&livetime=40min
    geometry:
      kind: spectrum
      on_region: "icrs; circle(83.633, 22.014, 0.11)"
      energy: {min: 1 TeV, max: 100 TeV, bins: 20, per_decade: true}
      energy_true: {min: 0.4 TeV, max: 80 TeV, bins: 30}
    make:
      - {kind: spectrum, containment_correction: true}
      - {kind: reflected-regions}
      - {kind: safe-mask, methods: aeff-max, aeff_percent: 10}
    stack: {kind: keep}
""")
    spectra_pipeline.run(folder / "spectra")
    spectra = folder / "spectra" / "datasets" / "datasets.yaml"

# %%
# Configuration with two entries
# ------------------------------
# ``archive`` starts from event lists, ``datasets`` from reduced data, such as gammapy's
# ``datasets.yaml`` or spectra in OGIP format (``pha_*.fits``). ``fit_range`` sets the energy range
# of an entry that is fitted. The source is fitted to both entries; the background model is only for
# the maps, because the spectra have off counts. All datasets have 20 energy bins per decade,
# because flux points of several datasets require common bin edges.

yaml_text = """
data:
  maps:
    archive: sim:crab
    select:
      - {kind: cone, center: [83.633 deg, 22.014 deg], radius: 5 deg}
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: [2 deg, 2 deg]
      bin_size: 0.04 deg
      energy: {min: 1 TeV, max: 10 TeV, bins: 20, per_decade: true}
      energy_true: {min: 0.5 TeV, max: 20 TeV, bins: 20}
    make:
      - {kind: map}
      - {kind: safe-mask, methods: [offset-max, aeff-max], offset_max: 2.5 deg}
      - {kind: fov-background, exclude: ["icrs; circle(83.633, 22.014, 0.3)"]}
    stack: {kind: sum}
  spectra:
    datasets: SPECTRA
    names: entry
    fit_range: {energy: [1 TeV, 20 TeV]}
model:
  - kind: source
    name: crab
    spatial: {type: point, lon_0: 83.633 deg, lat_0: 22.0145 deg, frame: icrs}
    spectral: {type: pl, index: 2.3, amplitude: 3e-11 cm-2 s-1 TeV-1, reference: 1 TeV}
  - {kind: fov-background}
fit: {kind: newton}
estimate:
  - {kind: flux-points, source: crab, energy_edges: [1 TeV, 2 TeV, 4 TeV, 10 TeV]}
""".replace("sim:crab", archive).replace("SPECTRA", str(spectra))

# %%
# Reduce the data
# ---------------
# With ``names: entry``, datasets that are read from files are named after their entry and numbered.
# By default they keep the names in ``datasets.yaml``.

from skyred import Orchestrator

orchestrator = Orchestrator(Pipeline.from_yaml(yaml_text))
datasets = orchestrator.reduce()
for dataset in datasets:
    counts = dataset.counts.data.sum()
    print(f"{dataset.name:10} {dataset.tag:22} {dataset.stat_type:6} {counts:.0f} counts")

# %%
# Maps use the Cash statistic, spectra with off counts the W statistic; their sum is minimised. The
# parameters of the source are shared, the background norm belongs to the maps.

fit = orchestrator.fit()
print(fit)

# %%
# Compare the instruments
# -----------------------
# Fit the same models to the datasets of each entry with :func:`skyred.fit`. Spectra do not
# constrain the position, so it is fixed in their fit.

from gammapy.datasets import Datasets

import skyred

fits = {"joint": fit}
for entry in ("maps", "spectra"):
    names = [name for name in datasets.names if name.startswith(entry)]
    subset = Datasets([datasets[name].copy(name=name) for name in names])
    subset.models = orchestrator.models.copy()
    if entry == "spectra":
        subset.models["crab"].spatial_model.freeze()
    fits[entry] = skyred.fit(subset)

# %%
# The best-fit index and amplitude of each fit, with their joint 68 % confidence region from the
# covariance:

import matplotlib.pyplot as plt
import numpy as np

figure, ax = plt.subplots(figsize=(7, 4.5))
angle = np.linspace(0, 2 * np.pi, 200)
circle = np.sqrt(2.30) * np.array([np.cos(angle), np.sin(angle)])
for name, result in fits.items():
    indices = [result.names.index(f"crab.spectral.{key}") for key in ("index", "amplitude")]
    values, covariance = result.values[indices], result.covariance[np.ix_(indices, indices)]
    index, amplitude = values[:, np.newaxis] + np.linalg.cholesky(covariance) @ circle
    (line,) = ax.plot(index, amplitude * 1e11, label=name)
    ax.plot(values[0], values[1] * 1e11, "+", color=line.get_color())
ax.set_xlabel("index")
ax.set_ylabel("amplitude at 1 TeV [10$^{-11}$ cm$^{-2}$ s$^{-1}$ TeV$^{-1}$]")
ax.legend()
figure.tight_layout()

# %%
# If the regions of the two instruments are far apart compared with their sizes, the instruments
# disagree: check their energy scales and backgrounds before you use the errors of the joint fit.
#
# Flux points
# -----------
# In each energy bin the norm of the source is fitted to all instruments together.

orchestrator.estimate()["flux-points"].plot()

# %%
# :doc:`/how-to/several-instruments` fits five instruments from 30 GeV to 30 TeV, and compares the
# result with the published one.
