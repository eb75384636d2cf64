"""The result of a run: everything it gave, in memory or read from its folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import OutputError
from skyred.interfaces import Product
from skyred.interfaces.records import FitResult, Outcome, StepRecord
from skyred.plugins import Plugins
from skyred.result import files
from skyred.result.html import show
from skyred.result.pictures import Pictures, pictures_of
from skyred.result.verifying import readable, verify_folder

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


@attrs.frozen(kw_only=True, eq=False)
class Result:
    """Everything that a run gave.

    Parameters
    ----------
    config : str
        The complete, normalised configuration as YAML; `Pipeline.from_yaml` reads it.
    digest : str
        The pipeline's digest.
    replaced : tuple of str
        Steps whose result was replaced from Python: what follows is not of `config` alone.
    outcomes : tuple of Outcome
        What became of each requested observation.
    steps : tuple of StepRecord
        The steps that were taken, with their times.
    datasets : Datasets or None
        The reduced datasets, with the models on them.
    models : Models or None
        The (fitted) models, with covariance.
    fit : FitResult or None
        The fit.
    estimates : mapping of str to Product
        The estimates by name.
    kinds : mapping of str to str
        The kind of the estimator of each.
    report : mapping
        Provenance, as ``report.json`` has it; empty for a run without folder.
    folder : Path or None
        Where it was read from or written to.
    plot : Pictures
        The pictures of datasets and estimates, a method each.

    Examples
    --------
    A notebook completes ``result.plot.`` to the pictures that there are; `ax` is optional.

    >>> result = Result.read("crab")  # doctest: +SKIP
    >>> result.plot.flux_points()  # doctest: +SKIP
    >>> result.plot.counts_hess(ax=ax)  # doctest: +SKIP
    >>> result.plot("residuals-spectrum")  # as in plots/  # doctest: +SKIP
    """

    config: str = ""
    digest: str = ""
    replaced: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    datasets: Datasets | None = None
    models: Models | None = None
    fit: FitResult | None = None
    estimates: Mapping[str, Product] = attrs.field(factory=dict)
    kinds: Mapping[str, str] = attrs.field(factory=dict)
    report: Mapping[str, Any] = attrs.field(factory=dict)
    folder: Path | None = None
    # no property: notebooks complete what an attribute holds, and run no property to find out
    plot: Pictures = attrs.field(init=False, repr=False)

    @plot.default
    def _pictures(self) -> Pictures:
        return pictures_of(self.datasets, self.estimates.values())

    @property
    def observations(self) -> Table:
        """The ledger as a table: one row for each requested observation."""
        return files.ledger(self.outcomes)

    def __str__(self) -> str:
        states = Counter(outcome.status for outcome in self.outcomes)
        runs = ", ".join(f"{count} {status}" for status, count in states.items())
        names = [dataset.name for dataset in self.datasets or ()]
        lines = [
            f"folder: {self.folder}" if self.folder else "",
            f"runs: {runs}" if runs else "",
            f"datasets: {', '.join(names)}" if names else "",
            f"fit: {self.fit}" if self.fit is not None else "",
            f"estimates: {', '.join(self.estimates)}" if self.estimates else "",
        ]
        return "\n".join(line for line in lines if line) or "an empty result"

    def _repr_html_(self) -> str:
        return show(self)

    def placed(self, folder: Path) -> Result:
        """Give the same result as published in a folder, with the report that stands there."""
        return attrs.evolve(self, folder=folder, report=files.read_report(folder))

    def write(self, folder: str | Path) -> None:
        """Write all of it into a folder that exists; files that are there are replaced."""
        folder = Path(folder)
        files.write_config(folder, self.config, self.replaced)
        files.write_ledger(folder, self.outcomes)
        if self.datasets:
            files.write_datasets(folder, self.datasets)
        if self.models:
            files.write_models(folder, self.models)
        if self.fit is not None:
            files.write_fit(folder, self.fit)
        if self.estimates:
            files.write_estimates(folder, self.estimates)

    @classmethod
    def read(
        cls, folder: str | Path, *, plugins: Plugins | None = None, verify: bool = True
    ) -> Result:
        """Read a run folder.

        Nothing that it holds is executed, whoever wrote it; estimates are read by the plugins that
        are installed.

        Parameters
        ----------
        folder : str or Path
            The run folder.
        plugins : Plugins, optional
            Where the classes of estimates come from; by default all that are installed.
        verify : bool
            Whether its files must be what its SHA256SUMS says. Without such a file there is a
            `SkyredWarning`.

        Raises
        ------
        OutputError
            If the folder is no run folder, a file is missing or not what it was, or one cannot be
            read.
        """
        folder = Path(folder)
        if not (folder / "config.yaml").is_file():
            raise OutputError(f"{folder} is no run folder: it holds no config.yaml")
        if verify:
            verify_folder(folder)
        with readable(folder):
            return cls._read(folder, plugins or Plugins.load())

    @classmethod
    def _read(cls, folder: Path, plugins: Plugins) -> Result:
        config = files.read_config(folder)
        report = files.read_report(folder)
        datasets, models = files.read_datasets(folder), files.read_models(folder)
        if datasets is not None and models is not None:
            datasets.models = models
        kinds = files.estimator_kinds(config) if config else files.reported_kinds(report)
        return cls(
            config=config,
            digest=report.get("digest", ""),
            replaced=tuple(report.get("replaced", ())),
            outcomes=files.read_ledger(folder),
            steps=files.steps_of(report),
            datasets=datasets,
            models=models,
            fit=files.read_fit(folder),
            estimates=files.read_estimates(folder, kinds, models, plugins.catalog),
            kinds=kinds,
            report=report,
            folder=folder,
        )
