"""The simulated archive: its parameters, and the writing of its files."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import attrs

from skyred.components.simulation.truth import (
    BACKGROUND_NORM,
    FIRST_OBS_ID,
    SOURCE,
    TrueValue,
    true_models,
    true_parameters,
)
from skyred.io.checksums import write_checksums
from skyred.io.publish import create_folder

log = logging.getLogger("skyred.simulation")

INDEX_FILES = ("hdu-index.fits.gz", "obs-index.fits.gz")
TRUTH_FILE = "truth.json"
MODELS_FILE = "models.yaml"
SEED_MAX = 2**32 - 1
RUNS_MAX = 20_000
LIVETIME_MAX = 300.0


def _integer_between(low: int, high: int) -> Any:
    """Return a validator of integers in a range.

    Parameters
    ----------
    low : int
        The lowest valid number.
    high : int
        The highest valid number.

    Returns
    -------
    callable
        The attrs validator.
    """

    def validate(_: object, field: attrs.Attribute[int], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{field.name} is {value!r}; expected an integer from {low} to {high}")

    return validate


def _round_minutes(value: Any) -> Any:
    """Round a number of minutes, so that equal durations give the same archive."""
    # 12 digits, so that 0.57 h equals 34.2 min
    return float(f"{value:.12g}") if isinstance(value, (int, float)) else value


def _validate_livetime(_: object, field: attrs.Attribute[float], value: object) -> None:
    """Raise if a livetime is not a number in its range."""
    if not isinstance(value, float) or not math.isfinite(value) or not 0 < value <= LIVETIME_MAX:
        raise ValueError(
            f"{field.name} is {value!r} (minutes); expected a number above 0 and up to "
            f"{LIVETIME_MAX:g}"
        )


@attrs.frozen
class CrabSimulation:
    """A simulated H.E.S.S.-like archive of wobble runs on the Crab.

    Parameters
    ----------
    seed : int
        The seed of the random numbers; each run has its own stream.
    runs : int
        The number of runs.
    livetime : float
        The livetime of each run, in minutes.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    seed: int = attrs.field(default=42, validator=_integer_between(0, SEED_MAX))
    runs: int = attrs.field(default=4, validator=_integer_between(1, RUNS_MAX))
    livetime: float = attrs.field(
        default=28.0, converter=_round_minutes, validator=_validate_livetime
    )

    @property
    def data_files(self) -> tuple[str, ...]:
        """The names of the DL3 files in the archive, in the order of the runs."""
        obs_ids = range(FIRST_OBS_ID, FIRST_OBS_ID + self.runs)
        return tuple(f"data/sim_crab_obs_id_{obs_id}.fits.gz" for obs_id in obs_ids)

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all files in the archive, except for SHA256SUMS."""
        return (*self.data_files, *INDEX_FILES, TRUTH_FILE, MODELS_FILE)

    def truth(self) -> dict[str, Any]:
        """Return the content of truth.json: the true parameters, with units.

        Returns
        -------
        dict
            The content.
        """
        parameters = {
            name: attrs.asdict(true_value) for name, true_value in true_parameters().items()
        }
        return {
            "source": SOURCE,
            "frame": "icrs",
            "parameters": parameters,
            "background_norm": BACKGROUND_NORM,
            "seed": self.seed,
            "runs": self.runs,
            "livetime": attrs.asdict(TrueValue(self.livetime, "min")),
        }

    def write(self, folder: Path | str) -> Path:
        """Write the archive: DL3 files, index files, the true parameters and models, SHA256SUMS.

        The files are written to a hidden folder, which is renamed at the end. With the same
        versions of gammapy, numpy and astropy, equal simulations write identical files.

        Parameters
        ----------
        folder : pathlib.Path or str
            The folder; it must be empty or not exist yet.

        Returns
        -------
        pathlib.Path
            The folder.

        Raises
        ------
        FileExistsError
            If the folder exists and is not empty.
        """
        folder = Path(folder)
        with create_folder(folder) as staging:
            log.info(
                "Creating the simulated archive sim:crab in %s: %d x %g min; takes about %.0f s.",
                *(folder, self.runs, self.livetime, 2 + self.runs * (1 + self.livetime / 100)),
            )
            self._write_files(staging)
        return folder

    def _write_files(self, folder: Path) -> None:
        """Write all files of the archive to a folder."""
        from skyred.components.simulation import files, index, observations

        (folder / "data").mkdir()
        for run, name in enumerate(self.data_files):
            observation = observations.simulate_run(run, livetime=self.livetime, seed=self.seed)
            hdus = files.observation_hdus(observation)
            (folder / name).write_bytes(files.fits_bytes(hdus))
        for name, hdus in zip(
            INDEX_FILES, index.build_index_tables(folder, self.data_files), strict=True
        ):
            (folder / name).write_bytes(files.fits_bytes(hdus))
        truth = json.dumps(self.truth(), indent=1) + "\n"
        (folder / TRUTH_FILE).write_text(truth, encoding="utf-8", newline="\n")
        # leave out the metadata, which contain the current time
        models, _, _ = true_models().to_yaml().partition("metadata:")
        (folder / MODELS_FILE).write_text(models, encoding="utf-8", newline="\n")
        write_checksums(folder, self.files)
