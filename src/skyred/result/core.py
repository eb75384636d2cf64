"""The result of a run, in memory or read from its folder."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import OutputError, SkyredWarning
from skyred.interfaces import Product
from skyred.interfaces.records import FitResult, Outcome, StepRecord
from skyred.io.folders import expand_folder
from skyred.plugins import Plugins
from skyred.report import HtmlPage, create_report
from skyred.result import files
from skyred.result.estimate_files import read_estimates
from skyred.result.html import result_html
from skyred.result.observation_log import (
    observation_log,
    read_observation_log,
    write_observation_log,
)
from skyred.result.observation_tables import read_observation_tables, write_observation_tables
from skyred.result.plots import Plots, create_overview_plots, create_plots
from skyred.result.product_files import write_products
from skyred.result.verifying import convert_read_errors, verify_folder

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


@attrs.frozen(kw_only=True, eq=False)
class Result:
    """The outputs of a run, and their provenance.

    Parameters
    ----------
    config : str
        The complete, normalised configuration as YAML, for `Pipeline.from_yaml`; "" if the
        pipeline has no YAML form.
    digest : str
        The digest of the pipeline; "" if it has no YAML form.
    replaced : tuple of str
        The steps whose output was replaced from Python. Their outputs and those of later steps do
        not follow from `config` alone.
    outcomes : tuple of Outcome
        The outcome of each requested observation.
    observation_tables : mapping of str to Table
        The rows that makers recorded with `record_row` and `record_table`, as one table for each
        name. The columns `entry` and `obs_id` are those of `observations`.
    steps : tuple of StepRecord
        The steps that have run, with their durations.
    datasets : Datasets or None
        The reduced datasets, with the models set on them.
    models : Models or None
        The (fitted) models, with covariance.
    fit : FitResult or None
        The result of the fit.
    estimates : mapping of str to Product
        The estimates by name.
    kinds : mapping of str to str
        The kind of the estimator of each estimate.
    provenance : mapping
        The provenance, as in ``report.json``; empty for a run without folder.
    folder : Path or None
        The run folder.
    unread : mapping of str to str
        The parts of the folder that cannot be read, "models" or names of estimates, with the
        reason, such as a plugin that is not installed.

    Attributes
    ----------
    plot : Plots
        The plots of datasets and estimates, one method each.

    Examples
    --------
    In a notebook, tab completion of ``result.plot.`` lists the available plots; `ax` is optional.

    >>> result = Result.read("crab")  # doctest: +SKIP
    >>> result.plot.flux_points()  # doctest: +SKIP
    >>> result.plot.counts_hess(ax=ax)  # doctest: +SKIP
    >>> result.plot("residuals-spectrum")  # as in plots/  # doctest: +SKIP
    """

    config: str = ""
    digest: str = ""
    replaced: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    observation_tables: Mapping[str, Table] = attrs.field(factory=dict)
    steps: tuple[StepRecord, ...] = ()
    datasets: Datasets | None = None
    _models: Models | None = None
    fit: FitResult | None = None
    estimates: Mapping[str, Product] = attrs.field(factory=dict)
    kinds: Mapping[str, str] = attrs.field(factory=dict)
    provenance: Mapping[str, Any] = attrs.field(factory=dict)
    folder: Path | None = None
    unread: Mapping[str, str] = attrs.field(factory=dict)
    # not a property, because tab completion in notebooks does not evaluate properties
    plot: Plots = attrs.field(init=False, repr=False)

    @plot.default
    def _create_plots(self) -> Plots:
        return create_plots(self.datasets, self.estimates.values())

    def overview_plots(self) -> Plots:
        """Return the plots of a run folder, where one figure shows all datasets of a type.

        Returns
        -------
        Plots
            The plots; they are also in the attribute `plot`, with those of single datasets.
        """
        return create_overview_plots(self.datasets, self.estimates.values())

    @property
    def models(self) -> Models | None:
        """The (fitted) models, with covariance; an `OutputError` if they cannot be read."""
        if reason := self.unread.get("models"):
            raise OutputError(f"the models of {self.folder} cannot be read: {reason}")
        return self._models

    @property
    def observations(self) -> Table:
        """The observation log as a table, with one row for each requested observation."""
        return observation_log(self.outcomes)

    def __str__(self) -> str:
        status_counts = Counter(outcome.status for outcome in self.outcomes)
        runs = ", ".join(f"{count} {status}" for status, count in status_counts.items())
        names = [dataset.name for dataset in self.datasets or ()]
        lines = [
            f"folder: {self.folder}" if self.folder else "",
            f"runs: {runs}" if runs else "",
            f"observation tables: {', '.join(self.observation_tables)}"
            if self.observation_tables
            else "",
            f"datasets: {', '.join(names)}" if names else "",
            f"fit: {self.fit}" if self.fit is not None else "",
            f"estimates: {', '.join(self.estimates)}" if self.estimates else "",
            *(f"not read: {name}: {reason}" for name, reason in self.unread.items()),
        ]
        return "\n".join(line for line in lines if line) or "an empty result"

    def _repr_html_(self) -> str:
        return result_html(self)

    def with_folder(self, folder: Path) -> Result:
        """Return a copy with the folder to which the result was published, and the report in it.

        Parameters
        ----------
        folder : Path
            The run folder.

        Returns
        -------
        Result
            A copy with `folder` and `provenance`.
        """
        return attrs.evolve(self, folder=folder, provenance=files.read_report(folder))

    def report(self, path: str | Path | None = None) -> HtmlPage:
        """Create the HTML report, which a notebook shows inline.

        Parameters
        ----------
        path : str or Path, optional
            A file to write the report to; an existing file is replaced.

        Returns
        -------
        HtmlPage
            The report; `str` returns its HTML.
        """
        page = HtmlPage(create_report(self, self.provenance))
        if path is not None:
            page.write(expand_folder(path))
        return page

    def write(self, folder: str | Path) -> None:
        """Write the outputs of the run, without the report, to an existing folder.

        Existing files are replaced.

        Parameters
        ----------
        folder : str or Path
            The folder.

        Raises
        ------
        ComponentError
            If an estimate cannot be read back from its files, which are removed; everything else
            is written. Errors that products raise are not converted.
        """
        self.write_with_sources(Path(folder), {})

    def write_with_sources(self, folder: Path, sources: Mapping[str, str]) -> None:
        """Write the outputs of the run, with the sources of the estimates in error messages.

        Parameters
        ----------
        folder : Path
            The folder.
        sources : mapping of str to str
            The estimators with their plugins, by name of the estimate.
        """
        files.write_config(folder, self.config, self.replaced)
        write_observation_log(folder, self.outcomes)
        write_observation_tables(folder, self.observation_tables)
        if self.datasets:
            files.write_datasets(folder, self.datasets)
        if self.models:
            files.write_models(folder, self.models)
        if self.fit is not None:
            files.write_fit(folder, self.fit)
        if self.estimates:
            write_products(folder, self.estimates, self.models, sources)

    @classmethod
    def read(
        cls, folder: str | Path, *, plugins: Plugins | None = None, verify: bool = True
    ) -> Result:
        """Read a run folder.

        No code in the folder is executed; estimates, and models of types that are not gammapy's,
        are read by classes that plugins provide. Where a plugin is missing, everything else is
        read, and the attribute `unread` contains the reason.

        Parameters
        ----------
        folder : str or Path
            The run folder.
        plugins : Plugins, optional
            The plugins with the classes of estimates and models; by default all installed plugins.
        verify : bool
            Whether the files must match SHA256SUMS. If that file is missing, a `SkyredWarning` is
            issued.

        Returns
        -------
        Result
            The result.

        Raises
        ------
        OutputError
            If the folder is not a run folder, or a file is missing, was changed or cannot be read.
        """
        folder = expand_folder(folder)
        if not (folder / "config.yaml").is_file():
            raise OutputError(f"{folder} is not a run folder: it has no config.yaml")
        if verify:
            verify_folder(folder)
        with convert_read_errors(folder):
            return cls._read(folder, plugins or Plugins.load())

    @classmethod
    def _read(cls, folder: Path, plugins: Plugins) -> Result:
        config = files.read_config(folder)
        report = files.read_report(folder)
        datasets = files.read_datasets(folder)
        models, reason = files.read_models(folder, plugins.catalog, datasets)
        if reason:
            warnings.warn(
                f"{folder}: models.yaml is not read: {reason}", SkyredWarning, stacklevel=3
            )
        kinds = files.estimator_kinds(config) if config else files.reported_kinds(report)
        estimates, unread = read_estimates(folder, kinds, models, plugins.catalog, report)
        return cls(
            config=config,
            digest=report.get("digest", ""),
            replaced=tuple(report.get("replaced", ())),
            outcomes=read_observation_log(folder),
            observation_tables=read_observation_tables(folder),
            steps=files.read_steps(report),
            datasets=datasets,
            models=models,
            fit=files.read_fit(folder),
            estimates=estimates,
            kinds=kinds,
            provenance=report,
            folder=folder,
            unread=({"models": reason} if reason else {}) | unread,
        )
