"""The pipeline of an analysis, with methods to read, check, export and run it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from skyred.config import dump, load, read_document
from skyred.errors import ConfigError
from skyred.export import export
from skyred.interfaces import Chain, Engine, value
from skyred.plugins import Plugins
from skyred.plugins.component_errors import errors_of
from skyred.plugins.run_checks import check_requirements, check_usable
from skyred.plugins.unknown_models import add_plugin_types
from skyred.run.cache import Cache
from skyred.run.orchestrator import Orchestrator

if TYPE_CHECKING:
    from skyred.result import Result


@value
class Pipeline(Chain):
    """An analysis from archive to estimates, as a frozen object.

    Parameters
    ----------
    data : mapping of str to (Reduction or ReducedData)
        The data entries, by name.
    model : sequence of Model
        The models; gammapy models are accepted.
    fit : Fitter, optional
        The fitter of the models; without one there is no fit.
    estimate : sequence of Estimator
        The estimators of derived quantities.

    Examples
    --------
    >>> from skyred import Pipeline
    >>> pipeline = Pipeline.from_yaml("examples/crab.yaml")  # doctest: +SKIP
    >>> result = pipeline.run("crab")  # doctest: +SKIP
    """

    @classmethod
    def from_yaml(
        cls,
        source: str | Path,
        *,
        overrides: Iterable[str] = (),
        plugins: Plugins | None = None,
    ) -> Self:
        """Read a pipeline from a YAML file or a YAML string.

        Parameters
        ----------
        source : str or Path
            The path of a file, or a YAML string (with a line break, or starting with ``{``).
        overrides : sequence of str
            Values that are added to the YAML or replace its values, each as ``path=value``.
        plugins : Plugins, optional
            The plugins that provide the components; by default all installed plugins.

        Returns
        -------
        Pipeline
            The pipeline, checked.

        Raises
        ------
        ConfigError
            If there are problems; the error contains all of them, with file, line and column.
        PluginError
            If a plugin of skyred or a plugin file is faulty; other faulty plugins cause a warning.
        """
        plugins = plugins or Plugins.load()
        check_usable(plugins)
        pipeline = load(cls, read_document(source, overrides), plugins.catalog)
        check_requirements(plugins, pipeline.components())
        return pipeline

    def __str__(self) -> str:
        try:
            return self.to_yaml()
        except ConfigError:  # a field holds a Python object
            return repr(self)

    def to_yaml(self, *, complete: bool = False) -> str:
        """Return the pipeline as YAML.

        Parameters
        ----------
        complete : bool
            Whether to include options that have their default value.

        Returns
        -------
        str
            The YAML document.

        Raises
        ------
        ConfigError
            If the pipeline contains an adapted gammapy object.
        """
        return dump(self.to_plain(complete))

    def to_script(self, source: str = "") -> str:
        """Return the pipeline as a Python script that only needs gammapy.

        Parameters
        ----------
        source : str
            The path of the configuration, for the docstring and the output folder of the script.

        Returns
        -------
        str
            The script.

        Raises
        ------
        ExportError
            If components cannot be expressed in plain gammapy; the message lists all of them.
        """
        return export(self, source)

    def check(self, *, plugins: Plugins | None = None) -> None:  # type: ignore[override]  # a pipeline is not nested
        """Check the pipeline, without reading data.

        A pipeline is also checked when it is read from YAML, or, if it was built in Python, before
        it is run.

        Parameters
        ----------
        plugins : Plugins, optional
            The plugins that provide model classes; by default all installed plugins.

        Raises
        ------
        ConfigError
            If there are problems; the error contains all of them.
        """
        catalog = (plugins or Plugins.load()).catalog
        calls = partial(errors_of, catalog=catalog)
        if problems := self.problems(catalog.models.problems(self), calls):
            raise ConfigError(add_plugin_types(problems, self, catalog))

    def run(
        self,
        folder: str | Path | None = None,
        *,
        until: str = "estimate",
        engine: Engine | None = None,
        overwrite: bool = False,
        plugins: Plugins | None = None,
        cache: Cache | str | Path | bool | None = None,
        plots: bool = True,
        report: bool = True,
    ) -> Result:
        """Run the pipeline, as ``Orchestrator(pipeline).run(folder)``.

        Parameters
        ----------
        folder : str or Path, optional
            The run folder; by default no run folder is written.
        until : {"select", "reduce", "model", "fit", "estimate"}
            The last step to execute.
        engine : Engine, optional
            The engine for the reduction; by default the reduction runs in this process.
        overwrite : bool
            Whether to replace an existing run folder.
        plugins : Plugins, optional
            The plugins to use; by default all installed plugins.
        cache : Cache or str or Path or bool, optional
            The cache of reduced chunks, or its folder; by default the cache folder of the user.
            False disables the cache.
        plots : bool
            Whether to draw the plots in the run folder.
        report : bool
            Whether to write the HTML report, ``report.html``, in the run folder.

        Returns
        -------
        Result
            The result of the run.
        """
        orchestrator = Orchestrator(self, plugins=plugins, engine=engine, cache=cache)
        return orchestrator.run(
            folder, until=until, overwrite=overwrite, plots=plots, report=report
        )
