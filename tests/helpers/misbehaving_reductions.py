"""Makers, stackers and geometries that violate rules, for runs with any engine."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import astropy.units as u
import numpy as np
from astropy.time import Time
from gammapy.data import GTI

from skyred import (
    EnergyAxis,
    Keep,
    Maker,
    MapData,
    MapGeometry,
    Orchestrator,
    Pipeline,
    Reduction,
    SafeMask,
    Selector,
    component,
    option,
)
from skyred.interfaces.records import Owner
from skyred.plugins import Plugins

OWNER = Owner("badly-made", "0.3", "bad")
ORIGIN = "of badly-made 0.3 (plugin 'bad')"


def _scale(irf: Any) -> None:
    irf.data *= 0.5


def _scale_elements(irf: Any) -> None:
    irf.data[...] = 0.5 * irf.data


def _shift_axis(irf: Any) -> None:
    irf.axes["offset"]._nodes[0] += 0.1


def _scale_column(table: Any) -> None:
    table["ENERGY"] *= 1.1


def _add_column(table: Any) -> None:
    table["PHASE"] = np.zeros(len(table))


def _drop_events(observation: Any) -> None:
    from gammapy.data import EventList

    observation._events = EventList(observation.events.table[::2])


def _shorten(table: Any) -> None:
    table["STOP"] = table["START"]


def _set_threshold(meta: Any) -> None:
    meta["LO_THRES"] = 3.0


# the change, and what the error says; "read-only" if numpy prevents the change
_CHANGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "small array": (lambda run: _scale(run.aeff), "changed the effective area (values)"),
    "elements": (lambda run: _scale_elements(run.aeff), "changed the effective area (values)"),
    "large array": (lambda run: _scale(run.edisp), "read-only"),
    "new array": (
        lambda run: setattr(run.bkg, "data", 2 * run.bkg.data),
        "changed the background (values)",
    ),
    "quantity": (
        lambda run: setattr(run.psf, "quantity", 2 * run.psf.quantity),
        "changed the PSF (values)",
    ),
    "axis": (lambda run: _shift_axis(run.aeff), "read-only"),
    "unit of an axis": (
        lambda run: setattr(run.aeff.axes["energy_true"], "_unit", u.GeV),
        "changed the effective area (axes)",
    ),
    "edges of an axis": (
        lambda run: setattr(run.edisp.axes["migra"], "edges", 2 * run.edisp.axes["migra"].edges),
        "changed the energy dispersion (axes)",
    ),
    "unit": (lambda run: setattr(run.aeff, "_unit", "km2"), "changed the effective area (unit)"),
    "other axes": (
        lambda run: setattr(run.aeff, "_axes", run.aeff.axes.copy()),
        "changed the effective area (axes)",
    ),
    "IRF metadata": (
        lambda run: _set_threshold(run.aeff.meta),
        "changed the effective area (metadata)",
    ),
    "alignment": (
        lambda run: setattr(run.bkg, "_fov_alignment", "ALTAZ"),
        "changed the background (alignment of the field of view)",
    ),
    "replaced IRF": (
        lambda run: setattr(run, "aeff", run.edisp),
        "changed the effective area (replaced)",
    ),
    "events": (lambda run: _scale_column(run.events.table), "read-only"),
    "column": (lambda run: _add_column(run.events.table), "changed the events (column PHASE)"),
    "unit of a column": (
        lambda run: setattr(run.events.table["ENERGY"], "unit", "GeV"),
        "changed the events (unit of the column ENERGY)",
    ),
    "unit in the info of a column": (
        lambda run: setattr(run.events.table["ENERGY"].info, "unit", "GeV"),
        "changed the events (unit of the column ENERGY)",
    ),
    "metadata of events": (
        lambda run: run.events.table.meta.update(DEADC=0.1),
        "changed the events (metadata)",
    ),
    "other events": (_drop_events, "changed the events (replaced)"),
    "good time": (
        lambda run: _shorten(run.gti.table),
        "changed the good time intervals (times)",
    ),
    "dead time": (
        lambda run: setattr(run.meta, "deadtime_fraction", 0.5),
        "changed the metadata (deadtime fraction)",
    ),
    "pointing": (
        lambda run: setattr(run.pointing, "_fixed_icrs", run.pointing.fixed_icrs.galactic),
        "changed the pointing (fixed icrs)",
    ),
    "filter": (
        lambda run: run.obs_filter.event_filters.append({"type": "custom", "opts": {}}),
        "changed the filter of the events (event filters)",
    ),
}


def _set_interpolation(irf: Any) -> None:
    irf.axes["energy_true"]._interp = "lin"


def _read_only(shape: tuple[int, ...]) -> Any:
    return np.broadcast_to(1.0, shape)


# errors of numpy because of read-only arrays that are not those of the observation
OWN_ARRAYS: dict[str, Callable[[Any, Any], Any]] = {
    "own array": lambda dataset, run: np.multiply(2, 3, out=_read_only((2,))),
    "view of an option": lambda dataset, run: _read_only((3,)).fill(0),
    "array of the dataset": lambda dataset, run: operator.setitem(
        _read_only(dataset.counts.data.shape), ..., run.edisp.data.sum()
    ),
}
CHANGES = {name: message for name, (_, message) in _CHANGES.items()}


@component
class BadMaker(Maker):
    """A maker with a fault."""

    kind = "bad-maker"
    fault: str = option("", doc="The fault.")

    def prepare(self, observations: Any) -> Any:
        if self.fault == "prepare exits":
            sys.exit("no licence")
        return None if self.fault == "prepare returns None" else self

    def modify_observation(self, observation: Any) -> Any:
        if self.fault == "modify returns None":
            return None
        if self.fault == "modify in place":
            observation.aeff.data *= 0.5
        if self.fault == "modify OBS_ID":
            import copy

            observation = copy.copy(observation)
            observation.obs_id = 999
        return observation

    def make(self, dataset: Any, observation: Any) -> Any:
        if self.fault in _CHANGES:
            _CHANGES[self.fault][0](observation)
        if self.fault == "error after a change":
            _set_interpolation(observation.aeff)
            raise ZeroDivisionError("no events")
        if self.fault in OWN_ARRAYS:
            OWN_ARRAYS[self.fault](dataset, observation)
        if self.fault == "exit":
            sys.exit(0)
        if self.fault == "None":
            return None
        if self.fault == "name":
            return dataset.copy(name="another")
        return {"counts": dataset.counts} if self.fault == "dict" else dataset


@component
class BadSelector(Selector):
    """A selector of good time with a fault."""

    kind = "bad-selector"
    fault: str = option("", doc="The fault.")

    def select(self, table: Any) -> Any:
        return table

    def cut_gti(self, gti: Any) -> Any:
        if self.fault == "exits":
            sys.exit(5)
        if self.fault == "raises":
            raise ZeroDivisionError("no phase")
        if self.fault == "None":
            return None
        if self.fault == "milliseconds":  # no fault: times in ISO format
            times = (Time(time.utc.isot) for time in (gti.time_start, gti.time_stop))
            return [GTI.create(*((time - gti.time_ref).to("s") for time in times), gti.time_ref)]
        return [gti, gti] if self.fault == "repeats" else [gti]


@component
class BadStacker(Keep):
    """A stacker with a fault, otherwise the stacker `keep`."""

    kind = "bad-stacker"
    fault: str = option("", doc="The fault.")

    def prepare(self, table: Any) -> Any:
        return "stacker" if self.fault == "prepare" else Keep.prepare(self, table)

    def zero(self, geometry: Any) -> Any:
        if self.fault == "zero exits":
            sys.exit(1)
        if self.fault == "zero raises":
            raise KeyError("energy")
        return Keep.zero(self, geometry)

    def check_observation(self, observation: Any) -> None:
        Keep.check_observation(self, observation)
        if self.fault == "drops events":
            _drop_events(observation)
        if self.fault == "scales":
            _scale(observation.aeff)

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        if self.fault == "add exits":
            sys.exit(4)
        if self.fault == "add returns None":
            return None
        if self.fault == "drops":
            return total
        total = Keep.add(self, total, dataset, observation)
        if self.fault == "adds twice":
            dataset = dataset.copy(name=f"{dataset.name}-again")
            total = Keep.add(self, total, dataset, observation)
        return total

    def merge(self, left: Any, right: Any) -> Any:
        if self.fault == "merge raises":
            raise ZeroDivisionError("no totals")
        if self.fault == "merge returns None":
            return None
        if self.fault == "merge drops":
            return right
        return Keep.merge(self, left, right)

    def result(self, total: Any) -> Any:
        datasets = Keep.result(self, total)
        if self.fault == "result":
            return list(datasets)
        if self.fault == "result exits":
            sys.exit(0)
        for dataset in datasets:
            if self.fault == "names":
                dataset._name = "another"
            if self.fault == "same names":
                dataset._name = datasets[0].name
        return datasets


@component
class BadGeometry(MapGeometry):
    """A geometry with a fault, otherwise the geometry `map`."""

    kind = "bad-geometry"
    fault: str = option("", doc="The fault.")
    _cache: ClassVar[dict[str, Any]] = {}

    def target(self, name: str | None = None) -> Any:
        if self.fault == "cached target":  # no fault
            return self._cache.setdefault(str(name), MapGeometry.target(self, name))
        if self.fault == "target exits":
            sys.exit(3)
        if self.fault == "target raises":
            raise KeyError("energy")
        return None if self.fault == "target" else MapGeometry.target(self, name)

    def cutout(self, target: Any, observation: Any, reduction: Any) -> Any:
        if self.fault == "scales":
            _scale(observation.aeff)
        if self.fault == "cutout is target":
            return target
        if self.fault == "changes the target":
            target.counts.data += 1
        dataset = MapGeometry.cutout(self, target, observation, reduction)
        if self.fault == "counts of the target":
            dataset.counts = target.counts
        if self.fault == "IRFs of the target":  # no fault: makers replace them
            dataset.psf, dataset.edisp = target.psf, target.edisp
        if self.fault == "changed IRFs of the target":
            dataset.psf = target.psf
            target.psf.psf_map = target.psf.psf_map.copy()
        return dataset.counts if self.fault == "cutout" else dataset

    def coverage_fractions(self, table: Any, reduction: Any) -> Any:
        if self.fault == "fractions":
            raise KeyError("RA_PNT")
        return MapGeometry.coverage_fractions(self, table, reduction)


# the fault, and what the error says
SELECTOR_FAULTS = {
    "exits": "selector bad-selector {} exits Python (code 5)",
    "raises": "selector bad-selector {}: ZeroDivisionError: no phase",
    "None": "selector bad-selector {}: TypeError",
    "repeats": "selector bad-selector {} returned more good time",
}
GEOMETRY_FAULTS = {
    "target exits": "geometry bad-geometry {} exits Python (code 3)",
    "target raises": "raised in the geometry bad-geometry {}",
    "target": "geometry bad-geometry {} returned None; it must return the dataset",
    "scales": "geometry bad-geometry {} changed the effective area (values)",
    "cutout": "geometry bad-geometry {} returned an object of the type WcsNDMap",
    "cutout is target": "geometry bad-geometry {} returned maps of the full geometry",
    "counts of the target": "geometry bad-geometry {} returned maps of the full geometry",
    "changed IRFs of the target": "geometry bad-geometry {} gives the datasets of runs the psf",
    "fractions": "raised in the geometry bad-geometry {}",
}
STACKER_FAULTS = {
    "prepare": "prepare of the stacker bad-stacker {} returned str",
    "zero raises": "raised in the stacker bad-stacker {}",
    "zero exits": "stacker bad-stacker {} exits Python (code 1)",
    "drops events": "stacker bad-stacker {} changed the events (replaced)",
    "scales": "stacker bad-stacker {} changed the effective area (values)",
    "add exits": "stacker bad-stacker {} exits Python (code 4)",
    "add returns None": "stacker bad-stacker {} returned None in place of the total",
    "drops": "stacker bad-stacker {} returned no datasets, although 2 runs were added",
    "adds twice": "stacker bad-stacker {} returned datasets with",
    "merge returns None": "merge of the stacker bad-stacker {} returned None",
    "merge drops": "stacker bad-stacker {} returned datasets with",
    "result": "stacker bad-stacker {} returned list; result must return Datasets",
    "result exits": "stacker bad-stacker {} exits Python (code 0)",
    "names": "stacker bad-stacker {} returned",
    "same names": "stacker bad-stacker {} returned several datasets with the name",
}
MAKER_FAULTS = {
    "error after a change": "maker bad-maker {} changed the effective area (axes)",
    "exit": "maker bad-maker {} exits Python (code 0)",
    "None": "maker bad-maker {} returned None; it must return the dataset",
    "dict": "maker bad-maker {} returned an object of the type dict",
    "name": "maker bad-maker {} returned the dataset 'another' in place of",
    "prepare exits": "maker bad-maker {} exits Python (code no licence)",
    "prepare returns None": "prepare of the maker bad-maker {} returned NoneType",
    "modify returns None": "modify_observation of the maker bad-maker {} returned None",
    "modify in place": "maker bad-maker {} changed the effective area (values)",
    "modify OBS_ID": "returned the observation 999 in place of",
}


def create_pipeline(
    archive: Any,
    *makers: Any,
    stack: Any = None,
    geometry_fault: str | None = None,
    select: Any = (),
) -> Pipeline:
    """Return a pipeline with one data entry, whose observations are not merged by default."""
    options = {} if geometry_fault is None else {"fault": geometry_fault}
    geometry = (BadGeometry if options else MapGeometry)(
        center=("83.633 deg", "22.014 deg"),
        width="2 deg",
        bin_size="0.1 deg",
        irf_bin_size="0.5 deg",
        energy=EnergyAxis(min="1 TeV", max="10 TeV", bins=1),
        energy_true=EnergyAxis(min="0.5 TeV", max="20 TeV", bins=4),
        **options,
    )
    make = [MapData(), *makers, SafeMask(methods=["offset-max"], offset_max="2 deg")]
    stack = Keep(chunk=1) if stack is None else stack
    reduction = Reduction(
        archive=str(archive), select=select, geometry=geometry, make=make, stack=stack
    )
    return Pipeline(data={"crab": reduction})


def create_orchestrator(pipeline: Any, engine: Any = None) -> Orchestrator:
    """Return an orchestrator that knows the plugin of the components of this module."""
    plugins = Plugins.load()
    for cls in (BadMaker, BadStacker, BadGeometry, BadSelector):
        assert plugins.catalog.add(cls, OWNER) == ""
    options = {} if engine is None else {"engine": engine}
    return Orchestrator(pipeline, plugins=plugins, cache=False, **options)
