"""
Reading a run folder
====================

What a run leaves behind: read it, with or without skyred, check it, and take it up again.
"""

# %%
# A run to look at
# ----------------
# A short one: a spectrum from an on region, with off regions around it. Reduced runs are kept in a
# cache; that it has a folder of its own here is only so that it is empty at first.

import os
import tempfile
from pathlib import Path

from astropy import units as u

from skyred import Pipeline

here = Path(tempfile.mkdtemp())
archive = "$GAMMAPY_DATA/hess-dl3-dr1" if "GAMMAPY_DATA" in os.environ else "sim:crab"

text = """
data:
  crab:
    archive: sim:crab
    select:
      - {kind: cone, center: [83.633 deg, 22.014 deg], radius: 5 deg}
    geometry:
      kind: spectrum
      on_region: "icrs; circle(83.633, 22.014, 0.11)"
      energy: {min: 0.6 TeV, max: 40 TeV, bins: 10}
      energy_true: {min: 0.3 TeV, max: 80 TeV, bins: 24}
    make:
      - {kind: spectrum, containment_correction: true}
      - {kind: reflected-regions}
      - {kind: safe-mask, methods: aeff-max, aeff_percent: 10}
    stack: {kind: keep, chunk: 2}
model:
  - kind: source
    name: crab
    spectral: {type: pl, index: 2.3, amplitude: 3e-11 cm-2 s-1 TeV-1, reference: 1 TeV}
fit: {kind: newton}
estimate:
  - {kind: flux-points, source: crab, energy_edges: [0.7 TeV, 1 TeV, 2 TeV, 4 TeV, 10 TeV, 30 TeV]}
""".replace("sim:crab", archive)
pipeline = Pipeline.from_yaml(text)
first = pipeline.run(here / "crab", cache=here / "cache")

# %%
# The folder appeared under its name when the run had ended, as a whole:

for path in sorted((here / "crab").rglob("*")):
    if path.is_file():
        print(f"{path.relative_to(here)}")

# %%
# With skyred
# -----------
# ``Result.read`` gives what ``run`` gave, at any later time. The files are compared with
# ``SHA256SUMS`` first.

from skyred import Result

result = Result.read(here / "crab")
print(result.fit)

# %%
result.estimates["flux-points"].plot()

# %%
# The datasets have their models on them, so more can be derived at once:

flux, below, above = result.models["crab"].spectral_model.integral_error(1 * u.TeV, 10 * u.TeV)
print(f"flux from 1 to 10 TeV: {flux:.3g} -{below.value:.1g} +{above.value:.1g}")

# %%
# With gammapy alone
# ------------------
# The files are those that gammapy writes and reads.

from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import Models

datasets = Datasets.read(here / "crab" / "datasets" / "datasets.yaml")
models = Models.read(here / "crab" / "models.yaml")
datasets.models = models
points = FluxPoints.read(
    here / "crab" / "estimates" / "flux-points.fits", reference_model=models["crab"]
)
print(f"stat {datasets.stat_sum():.2f}, {len(points.to_table())} flux points")

# %%
# The ledger
# ----------
# One row for each requested run: ``made`` or ``cached``, ``skipped`` by a maker with its reason, or
# ``failed`` with its error.

from astropy.table import Table

ledger = Table.read(here / "crab" / "observations.ecsv")
ledger["entry", "obs_id", "status", "reason", "counts"]

# %%
# Where it comes from
# -------------------
# ``config.yaml`` is the complete configuration, with all defaults: ``skyred run crab/config.yaml -o
# again`` does the same once more. ``report.json`` says with what it was made: versions, plugins,
# and each file that was read, with its sha256.

import json

report = json.loads((here / "crab" / "report.json").read_text())
print("state:", report["state"])
for package, version in report["versions"].items():
    print(f"{package:8} {version}")
for step in report["steps"]:
    print(f"{step['name']:8} {step['summary']}")
for read in report["inputs"]:
    print(read["sha256"][:16], Path(read["path"]).name)

# %%
# The digest is that of the pipeline. Two runs with one digest have the same configuration, however
# it was written:

print(report["digest"] == pipeline.digest())

# %%
# A file that was changed
# -----------------------
# One word in the fitted models, changed by hand:

from skyred import OutputError

path = here / "crab" / "models.yaml"
original = path.read_text()
path.write_text(original.replace("frozen: true", "frozen: false", 1))
try:
    Result.read(here / "crab")
except OutputError as error:
    print(str(error).replace(str(here), "..."))

path.write_text(original)
print(Result.read(here / "crab").fit.success)

# %%
# In a shell, ``sha256sum -c SHA256SUMS`` in the folder tells the same without skyred.
#
# Go on where a run stopped
# -------------------------
# What was reduced is kept in the cache, chunk by chunk, here two runs each. The same command again
# takes it from there; so does another analysis that needs the same reduction. Here the model is
# another one, and no event is read:

shape = "{type: lp, alpha: 2.3, beta: 0.1, amplitude: 3e-11 cm-2 s-1 TeV-1, reference: 1 TeV}"
curved = Pipeline.from_yaml(text, overrides=[f"model[0].spectral={shape}"])
second = curved.run(cache=here / "cache")
second.observations["obs_id", "status", "counts"]

# %%
print(second.fit)

# %%
# A cached run gives the same bits as one that is made: the key of what is kept has every option,
# file, source and version in it. A change of the geometry is another key, and the runs are made
# again.
#
# :doc:`/how-to/resume` says what is kept, for how long, and how to remove it;
# :doc:`/how-to/run-folder` is the short form of this page.
