"""
Many runs on a cluster
======================

Run the same analysis on one core, on several cores, or on a cluster, with the same results, and
handle faulty runs.
"""

# %%
# An analysis of many runs
# ------------------------
# With gammapy's example data, this page analyses 21 H.E.S.S. runs on the blazar PKS 2155-304;
# without them, 8 short simulated runs on the Crab. Runs are reduced in chunks of consecutive runs,
# whose size is the option ``stack.chunk``. Any worker can reduce a chunk, and the chunks are
# merged in order, so the results do not depend on the number or speed of the workers.

import os
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
if "GAMMAPY_DATA" in os.environ:
    archive = "$GAMMAPY_DATA/hess-dl3-dr1"
    center, exclusion = "[329.717 deg, -30.226 deg]", "icrs; circle(329.717, -30.226, 0.3)"
else:
    archive = "sim:crab?runs=8&livetime=5min"
    center, exclusion = "[83.633 deg, 22.014 deg]", "icrs; circle(83.633, 22.014, 0.3)"

(folder / "many.yaml").write_text(f"""
data:
  many:
    archive: {archive}
    select:
      - {{kind: cone, center: {center}, radius: 3 deg}}
    geometry:
      kind: map
      center: {center}
      width: [2 deg, 2 deg]
      bin_size: 0.04 deg
      energy: {{min: 0.5 TeV, max: 10 TeV, bins: 3}}
      energy_true: {{min: 0.3 TeV, max: 20 TeV, bins: 8}}
    make:
      - {{kind: map}}
      - {{kind: safe-mask, methods: offset-max, offset_max: 2.5 deg}}
      - {{kind: fov-background, exclude: ["{exclusion}"]}}
    stack: {{kind: sum, chunk: 2}}
""")

# %%
# The examples on this page are shell commands; this function runs them.

import subprocess


def shell(command):
    environment = os.environ | {"SKYRED_CACHE": "on", "SKYRED_CACHE_DIR": str(folder / "cache")}
    process = subprocess.run(
        command, shell=True, cwd=folder, env=environment, text=True, capture_output=True
    )
    output = (process.stdout + process.stderr * (process.returncode != 0)).replace(f"{folder}/", "")
    print(f"$ {command}\n{output}(exit code {process.returncode})")


# %%
# Check the data
# --------------
# Before a long run, ``skyred check`` reads all files of the selected runs, and reports damaged
# files, wrong indexes and implausible IRFs.

shell("skyred check many.yaml")

# %%
# Use several cores
# -----------------
# ``--until reduce`` stops before the fit, because this file has no model.

shell("skyred run many.yaml -o many --engine processes --workers 2 --until reduce")

# %%
# The observation log lists each run with its status, counts and background norm:

from skyred import Result

result = Result.read(folder / "many")
log = result.observations["obs_id", "status", "counts", "background_norm"]
log["background_norm"].info.format = ".3f"
log

# %%
# The counts of all runs together:

result.plot.counts_many()

# %%
# Resume a run
# ------------
# Each chunk is cached as soon as it is finished. If the run is killed, or the time limit of the
# job is reached, the same command resumes it; other commands that need the same chunks use them
# too. Here all chunks are read from the cache:

shell("skyred run many.yaml -o cached --until reduce")

cached_result = Result.read(folder / "cached")
print(set(map(str, cached_result.observations["status"])))

# %%
# Use a cluster
# -------------
# The plugin ``skyred-dask`` provides an engine that uses the workers of a `dask.distributed
# <https://distributed.dask.org>`_ scheduler. The workers must read the archive under the same path,
# and have the same versions of skyred and its plugins, which is checked. In a SLURM job:
#
# .. code-block:: bash
#
#    #!/bin/bash
#    #SBATCH --ntasks=20 --cpus-per-task=1 --mem-per-cpu=4G --time=02:00:00
#    file=$PWD/scheduler-$SLURM_JOB_ID.json
#    dask scheduler --scheduler-file "$file" --no-dashboard &
#    srun dask worker --scheduler-file "$file" --nthreads 1 --memory-limit 0 --no-dashboard &
#    until [ -s "$file" ]; do sleep 1; done
#    skyred run many.yaml --until reduce --engine "{kind: dask, scheduler: $file, workers: 20}"
#
# Without the address of a scheduler, workers are started on the local machine. Here the cache is
# disabled, so that the runs are reduced again:

shell("skyred run many.yaml -o by-dask --engine dask --workers 2 --no-cache --until reduce")

# %%
# The stacked maps are bit-identical for several processes, one core with the cache, and dask:

import numpy as np

expected = result.datasets["many"]
for other_result in (cached_result, Result.read(folder / "by-dask")):
    dataset = other_result.datasets["many"]
    for name in ("counts", "background", "exposure", "mask_safe"):
        equal = np.array_equal(getattr(dataset, name).data, getattr(expected, name).data)
        print(f"{name:<11}", equal)

# %%
# Faulty runs
# -----------
# In large data sets, some runs are faulty. Here a file is truncated in a copy of the archive, as if
# copying had been interrupted.

import shutil

from skyred import Plugins

table = Plugins.load().open_archive(os.path.expandvars(archive)).hdu_table
shutil.copytree(table.meta["BASE_DIR"], folder / "copy")
obs_id = result.observations["obs_id"][5]
row = table[(table["OBS_ID"] == obs_id) & (table["HDU_TYPE"] == "events")][0]
path = folder / "copy" / str(row["FILE_DIR"]) / str(row["FILE_NAME"])
os.truncate(path, path.stat().st_size // 2)

shell("skyred run many.yaml -o broken --set data.many.archive=copy --until reduce")

# %%
# The faulty run is reported with its file and the error; the others were reduced, or read from the
# cache. By default the analysis stops before the fit if a run has failed, with a non-zero exit
# code. To continue without the run, set ``on_error: skip`` in the file, or with ``--set``:

shell(
    "skyred run many.yaml -o skipped --until reduce "
    "--set data.many.archive=copy --set data.many.on_error=skip"
)

statuses = Result.read(folder / "skipped").observations["status"]
print({str(status): int((statuses == status).sum()) for status in np.unique(statuses)})

# %%
# The exit code is still 3, so that scripts can detect the failed run, but the results are written.
#
# More: :doc:`/how-to/cluster` on lost workers, TLS and ``dask-jobqueue``; :doc:`/how-to/resume` on
# the cache; :doc:`/how-to/check-input`; :doc:`/explanation/many-runs` on memory use and run time.
