"""The export of a pipeline as a script, to which the components add their code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version

import attrs

from skyred.errors import ExportError
from skyred.export.entries import write_archive, write_datasets, write_fit_range
from skyred.interfaces import (
    Chain,
    Component,
    DataEntry,
    Estimator,
    ReducedData,
    Reduction,
    modifying_makers,
    write_component,
    write_estimator,
)
from skyred.scripting import Script, literal

MAX_SUMMARY = 70  # characters in the summary of an estimator
Owner = Callable[[Component], str]


def export(pipeline: Chain, source: str = "", owner: Owner = lambda _: "") -> str:
    """Return a pipeline as a Python script that only needs gammapy.

    Parameters
    ----------
    pipeline : Chain
        The pipeline.
    source : str
        The path of the configuration, for the docstring and the output folder of the script.
    owner : callable
        Function that returns the distribution of a component, for messages.

    Returns
    -------
    str
        The source code of the script.

    Raises
    ------
    ExportError
        If parts of the pipeline cannot be written in plain gammapy; the message lists all of them.
    """
    return _Exporter(pipeline, source, owner).create_script()


@attrs.define(eq=False)
class _Exporter:
    pipeline: Chain
    source: str
    owner: Owner
    script: Script = attrs.field(factory=Script)
    errors: list[str] = attrs.field(factory=list)

    def create_script(self) -> str:
        """Return the script; raise one error for all parts that cannot be exported."""
        calls = [self._write_entry(name, entry) for name, entry in self.pipeline.entries()]
        self._write_models()
        self._write_fit()
        estimates = [self._write_estimate(estimator) for estimator in self.pipeline.estimate]
        self._write_main(calls, [function for function in estimates if function])
        if self.errors:
            raise ExportError(
                f"{self.source or 'the pipeline'} cannot be exported:\n  "
                + "\n  ".join(dict.fromkeys(self.errors))
                + "\nremove these parts (--set), or run the analysis with skyred"
            )
        return self.script.text(self._doc())

    @contextmanager
    def _collect_errors(self, subject: str) -> Iterator[None]:
        """Collect an export error and continue, so that all errors are reported at once."""
        try:
            yield
        except ExportError as error:
            self.errors.append(f"{subject} {error}")

    def _write_component(self, component: Component) -> None:
        owner = self.owner(component)
        with self._collect_errors(f"`{component.kind}`{f' of {owner}' if owner else ''}"):
            if isinstance(component, Estimator):
                write_estimator(component, self.script)
            else:
                write_component(component, self.script)

    # -- data ------------------------------------------------------------------------------------

    def _write_entry(self, name: str, entry: DataEntry) -> str:
        script = self.script
        script.use("gammapy.datasets", "Datasets")
        script.entry, script.on_off, script.cuts = name, False, []
        script.reduction = entry if isinstance(entry, Reduction) else None
        script.datasets = "datasets"
        verb, doc = "read", "Read the datasets"
        if isinstance(entry, ReducedData):
            with self._collect_errors(f"data.{name}"):
                write_datasets(script, name, entry)
        elif isinstance(entry, Reduction):
            verb, doc = "reduce", "Reduce the runs"
            self._write_reduction(name, entry)
        if entry.fit_range is not None:
            with self._collect_errors(f"data.{name}.fit_range"):
                write_fit_range(script, entry.fit_range)
        script.end.add(f"return {script.datasets}")
        function = script.name(f"{verb}_{name}")
        script.function(f"{function}()", f"{doc} of {name}.")
        return function

    def _write_reduction(self, name: str, reduction: Reduction) -> None:
        script = self.script
        script.entry = reduction.geometry.name or name
        with self._collect_errors(f"data.{name}"):
            write_archive(
                script,
                reduction,
                [partial(self._write_component, selector) for selector in reduction.select],
            )
        script.body.add("")
        self._write_component(reduction.geometry)
        script.body.add("")
        is_modifying = [bool(modifying_makers([maker])) for maker in reduction.make]
        if is_modifying != sorted(is_modifying, reverse=True):
            with self._collect_errors(f"data.{name}.make"):
                raise ExportError("makers that modify observations must come first to be exported")
        for maker in reduction.make:
            self._write_component(maker)
        script.body.add("")
        self._write_component(reduction.stack)

    # -- models, fit and estimates ---------------------------------------------------------------

    def _write_models(self) -> None:
        if not self.pipeline.model:
            return
        script = self.script
        script.use("gammapy.modeling.models", "Models")
        script.models = self.pipeline.model
        script.body.add("models = Models()")
        for model in self.pipeline.model:
            self._write_component(model)
        script.body.add("return models")
        script.function("build_models(datasets)", "Return the models of the datasets.")

    def _write_fit(self) -> None:
        if self.pipeline.fit is None:
            return
        self._write_component(self.pipeline.fit)
        self.script.function("fit_models(datasets)", "Fit the models to all datasets together.")

    def _write_estimate(self, estimator: Estimator) -> str:
        function = self.script.name(f"estimate_{estimator.label}")
        self._write_component(estimator)
        summary = estimator.summary().rstrip(".")
        # leave out the details after the colon
        doc = summary if len(summary) < MAX_SUMMARY else summary.split(":")[0]
        self.script.function(f"{function}(datasets, folder)", f"{doc}.")
        return function

    def _write_main(self, entries: list[str], estimates: list[str]) -> None:
        script, add = self.script, self.script.body.add
        script.use("sys")
        script.use("pathlib", "Path")
        add(
            f"folder = Path(sys.argv[1] if len(sys.argv) > 1 else {literal(self._results_folder)})",
            "folder.mkdir(parents=True, exist_ok=True)",
            "",
        )
        if len(entries) == 1:
            add(f"datasets = {entries[0]}()")
        else:
            add(f"datasets = Datasets([{', '.join(f'*{function}()' for function in entries)}])")
        models = ""
        if self.pipeline.model:
            add("datasets.models = build_models(datasets)")
            models = ', filename_models=folder / "models.yaml"'
        if self.pipeline.fit is not None:
            add("fit_models(datasets)")
        add(f'datasets.write(folder / "datasets.yaml"{models}, overwrite=True)')
        add(*(f"{function}(datasets, folder)" for function in estimates))
        script.function("main()", "Run the analysis, and write its results to a folder.")

    @property
    def _stem(self) -> str:
        return self.source.rsplit("/", 1)[-1].rsplit(".", 1)[0] or "results"

    @property
    def _results_folder(self) -> str:
        return f"{self._stem}-gammapy"  # not the run folder of skyred

    def _doc(self) -> list[str]:
        origin = f" of {self.source.rsplit('/', 1)[-1]}" if self.source else ""
        lines = [
            f"The analysis{origin} in plain gammapy.",
            "",
            f"Exported by skyred {version('skyred')}; digest of the pipeline:",
            self.pipeline.digest(),
            "",
            f"Usage: python {self._stem}.py [FOLDER]",
            f"The results go to FOLDER, by default {self._results_folder}.",
        ]
        if any(True for _ in self.pipeline.reductions()):
            lines += ["", "A run that cannot be read or reduced stops the script, and files are",
                      "not inspected before they are used: skyred handles both."]  # fmt: skip
        return lines
