"""The pipeline: the whole chain as one object, equal in YAML and in Python."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

from skyred.config import dump, load, read_document
from skyred.errors import ConfigError
from skyred.export import export
from skyred.interfaces import Chain, Engine, value
from skyred.plugins import Plugins
from skyred.run import Orchestrator
from skyred.run.cache import Cache

if TYPE_CHECKING:
    from skyred.result import Result


@value
class Pipeline(Chain):
    """An analysis from archive to estimates, as one frozen value.

    Parameters
    ----------
    data : mapping of str to Reduction
        What is reduced, by name.
    model : sequence of Model
        The models; gammapy models are taken as they are.
    fit : Fitter, optional
        How the models are fitted.
    estimate : sequence of Estimator
        What is derived.

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
        """Read a pipeline from a YAML file, or from a text with line breaks.

        Parameters
        ----------
        source : str or Path
            The file, or the text.
        overrides : sequence of str
            ``path=value``, each put in the place of what the YAML says.
        plugins : Plugins, optional
            Where kinds come from; by default all that are installed.

        Raises
        ------
        ConfigError
            With everything that is wrong, each with file, line and column.
        """
        plugins = plugins or Plugins.load()
        plugins.require_sound()
        return load(cls, read_document(source, overrides), plugins.catalog)

    def __str__(self) -> str:
        try:
            return self.to_yaml()
        except ConfigError:  # it holds a Python object
            return repr(self)

    def to_yaml(self, *, complete: bool = False) -> str:
        """Write the pipeline as YAML; `complete` writes options that have their default too.

        Raises
        ------
        ConfigError
            If it holds a gammapy object as it is.
        """
        return dump(self.to_plain(complete))

    def to_script(self, source: str = "") -> str:
        """Write the pipeline as a Python script that needs gammapy alone.

        Parameters
        ----------
        source : str
            Where the pipeline is from, for the script's docstring.

        Raises
        ------
        ExportError
            If something has no plain gammapy form; names all that has none.
        """
        return export(self, source)

    def check(self) -> None:  # type: ignore[override]  # it is no part of another pipeline
        """Check the pipeline as a whole; reads no data.

        A pipeline that was read from YAML was checked then, and one that was built in Python is
        checked before it runs.

        Raises
        ------
        ConfigError
            With all problems.
        """
        if problems := self.problems():
            raise ConfigError(problems)

    def run(
        self,
        folder: str | Path | None = None,
        *,
        until: str = "estimate",
        engine: Engine | None = None,
        overwrite: bool = False,
        plugins: Plugins | None = None,
        cache: Cache | str | Path | bool | None = None,
    ) -> Result:
        """Run it: ``Orchestrator(pipeline).run(folder)`` in short."""
        orchestrator = Orchestrator(self, plugins=plugins, engine=engine, cache=cache)
        return orchestrator.run(folder, until=until, overwrite=overwrite)
