"""Models, estimators and engines with one defect each."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from skyred import Engine, Estimator, Model, Product, component


def constant_source(name: str, const: float = 1e-12) -> Any:
    from gammapy.modeling.models import ConstantSpectralModel, SkyModel

    return SkyModel(ConstantSpectralModel(const=f"{const} cm-2 s-1 TeV-1"), name=name)


def models_of(*models: Any) -> Any:
    from gammapy.modeling.models import Models

    return Models(list(models))


@component
class FlatSpectrum(Model):
    """A source with a constant spectrum: a valid model."""

    kind = "planted-flat-spectrum"

    def source_names(self) -> list[str]:
        return ["flat"]

    def build(self, datasets: Any) -> Any:
        return models_of(constant_source("flat"))


@component
class WrongSourceName(FlatSpectrum):
    """A model that lists a source but builds another one."""

    kind = "planted-wrong-source-name"

    def source_names(self) -> list[str]:
        return ["steep"]


@component
class SetsModels(FlatSpectrum):
    """A model that assigns its models to the datasets."""

    kind = "planted-sets-models"

    def build(self, datasets: Any) -> Any:
        datasets.models = models_of(constant_source("flat"))
        return models_of(constant_source("flat"))


@component
class NotANumber(FlatSpectrum):
    """A model with a NaN parameter."""

    kind = "planted-not-a-number"

    def build(self, datasets: Any) -> Any:
        return models_of(constant_source("flat", np.nan))


@component
class RandomName(FlatSpectrum):
    """A model whose source has a random name."""

    kind = "planted-random-name"

    def source_names(self) -> list[str]:
        return []

    def build(self, datasets: Any) -> Any:
        return models_of(constant_source(f"s{np.random.randint(10**9)}"))


@attrs.define(eq=False)
class Total(Product):
    """The sum of counts."""

    counts: float

    def write(self, folder: Path) -> list[Path]:
        path = folder / f"{self.name}.txt"
        path.write_text(repr(self.counts), encoding="utf-8")
        return [path]

    @classmethod
    def read(cls, folder: Path, name: str, models: Any) -> Any:
        return cls(name, float((folder / f"{name}.txt").read_text(encoding="utf-8")))

    def table(self) -> Any:
        from astropy.table import Table

        return Table({"counts": [self.counts]})

    def plot(self, ax: Any = None) -> Any:
        import matplotlib.pyplot as plt

        ax = plt.gca() if ax is None else ax
        ax.plot([0, 1], [0, self.counts])
        ax.set(xlabel="Time [s]", ylabel="Counts")
        return ax


@component
class SumOfCounts(Estimator):
    """The sum of all counts: a valid estimator."""

    kind = "planted-sum-of-counts"
    product = Total

    def estimate(self, datasets: Any, fit: Any) -> Any:
        return self.product(
            self.label, float(sum(dataset.counts.data.sum() for dataset in datasets))
        )


@component
class ChangesDatasets(SumOfCounts):
    """An estimator that changes the index of the source."""

    kind = "planted-changes-datasets"

    def estimate(self, datasets: Any, fit: Any) -> Any:
        datasets.models["crab"].spectral_model.index.value = 2
        return super().estimate(datasets, fit)


class UnlistedFile(Total):
    """A product that does not return all files that it writes."""

    def write(self, folder: Path) -> list[Path]:
        (folder / "unlisted.txt").write_text("unlisted", encoding="utf-8")
        return super().write(folder)


class NotRead(Total):
    """A product that reads back as zero."""

    @classmethod
    def read(cls, folder: Path, name: str, models: Any) -> Any:
        return cls(name, 0.0)


class Unitless(Total):
    """A product with energies without unit."""

    def table(self) -> Any:
        from astropy.table import Table

        return Table({"e_ref": [1.0], "counts": [self.counts]})


class OwnFigure(Total):
    """A product that draws into a new figure."""

    def plot(self, ax: Any = None) -> Any:
        import matplotlib.pyplot as plt

        return super().plot(plt.figure().gca())


@component
class WritesUnlistedFile(SumOfCounts):
    """An estimator with a product that writes an unlisted file."""

    kind = "planted-writes-unlisted-file"
    product = UnlistedFile


@component
class DoesNotReadBack(SumOfCounts):
    """An estimator with a product that does not read back."""

    kind = "planted-does-not-read-back"
    product = NotRead


@component
class NoUnits(SumOfCounts):
    """An estimator with a product without units."""

    kind = "planted-no-units"
    product = Unitless


@component
class DrawsElsewhere(SumOfCounts):
    """An estimator with a product that draws into a new figure."""

    kind = "planted-draws-elsewhere"
    product = OwnFigure


class InlineExecutor(Executor):
    """An executor that runs tasks immediately."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            self.set_error(future, error)
        return future

    def set_error(self, future: Any, error: Exception) -> None:
        future.set_exception(error)


class ErrorHidingExecutor(InlineExecutor):
    """An executor that returns None for failed tasks."""

    def set_error(self, future: Any, error: Exception) -> None:
        future.set_result(None)


@component
class ValidEngine(Engine):
    """An engine that runs tasks immediately: a valid engine."""

    kind = "planted-valid-engine"

    def open(self) -> Executor:
        return InlineExecutor()


@component
class HidesErrors(Engine):
    """An engine that hides errors."""

    kind = "planted-hides-errors"

    def open(self) -> Executor:
        return ErrorHidingExecutor()


@component
class ClaimsThisProcess(Engine):
    """An engine whose tasks run in another process, although it states that they do not."""

    kind = "planted-claims-this-process"
    in_process = True

    def open(self) -> Executor:
        return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


class ReadOnlyExecutor(InlineExecutor):
    """An executor that returns read-only arrays."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        future = super().submit(fn, *args, **kwargs)
        if not future.exception() and isinstance(future.result(), list):
            for array in future.result():
                array.setflags(write=False)
        return future


@component
class ReadOnlyResults(Engine):
    """An engine that returns read-only arrays."""

    kind = "planted-read-only-results"

    def open(self) -> Executor:
        return ReadOnlyExecutor()


@component
class Threads(Engine):
    """An engine that runs tasks in threads."""

    kind = "planted-threads"
    slots = 2

    def open(self) -> Executor:
        return ThreadPoolExecutor(2)


class OtherErrorExecutor(ProcessPoolExecutor):
    """An executor that reports a dead worker with another exception."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        inner = super().submit(fn, *args, **kwargs)
        future: Future[Any] = Future()

        def copy_outcome(done: Future[Any]) -> None:
            error = done.exception()
            if isinstance(error, BrokenExecutor):
                error = ConnectionResetError(str(error))
            if error is None:
                future.set_result(done.result())
            else:
                future.set_exception(error)

        inner.add_done_callback(copy_outcome)
        return future


@component
class OtherErrorForDeadWorkers(Engine):
    """An engine that reports dead workers with another exception."""

    kind = "planted-other-error-for-dead-workers"

    def open(self) -> Executor:
        return OtherErrorExecutor(1, mp_context=multiprocessing.get_context("spawn"))


@component
class NoSlots(Engine):
    """An engine without slots."""

    kind = "planted-no-slots"
    slots = 0

    def open(self) -> Executor:
        return InlineExecutor()
