"""The models `freeze` and `free`: freeze or free parameters of the sources of all models."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.models.parameter_scopes import (
    FREEZE_CODE,
    PARAMETERS,
    can_be_free,
    has_position,
    iter_parameters,
)
from skyred.errors import ExportError, ModelError, Problem, SkyredWarning, nearest
from skyred.fields import Position, option, position, quantity
from skyred.interfaces import Chain, Model, component
from skyred.interfaces.model import ModelContext
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling import Parameter
    from gammapy.modeling.models import Models, SkyModel

    from skyred.scripting import Script


class _ParameterRule(Model):
    """The base class of `freeze` and `free`: the selection of sources and parameters."""

    sources: tuple[str, ...]
    exclude: tuple[str, ...]
    center: Position | None
    around: str | None
    within: u.Quantity | None
    beyond: u.Quantity | None
    min_ts: float | None
    max_ts: float | None
    parameters: str
    frozen = True  # the new state of the parameters

    @property
    def _uses_distance(self) -> bool:
        return self.within is not None or self.beyond is not None

    @property
    def _uses_ts(self) -> bool:
        return self.min_ts is not None or self.max_ts is not None

    def validate(self) -> Iterable[Problem]:
        """Check that the conditions on distance and TS do not contradict each other.

        Yields
        ------
        Problem
            A contradiction, or a distance without a position.
        """
        if self.center is not None and self.around is not None:
            yield Problem(("around",), "there is also a center", "remove one of them")
        is_located = self.center is not None or self.around is not None
        if self._uses_distance and not is_located:
            yield Problem((), "a distance without a position", "set center, or around: SOURCE")
        if is_located and not self._uses_distance:
            name = "around" if self.center is None else "center"
            yield Problem((name,), "has no effect", "set within or beyond, or remove it")
        if self.within is not None and self.beyond is not None and self.within <= self.beyond:
            message = f"no source is both within {self.within} and beyond {self.beyond}"
            yield Problem(("within",), message, "expected a radius larger than beyond")
        if self.min_ts is not None and self.max_ts is not None and self.min_ts >= self.max_ts:
            message = f"no TS is at least {self.min_ts:g} and below {self.max_ts:g}"
            yield Problem(("max_ts",), message, "expected a value above min_ts")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Check the names of sources, and that no other rule changes the same sources back.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            A source that does not exist, or a contradictory rule.
        """
        names = [name for model in pipeline.model for name in model.source_names()]
        is_complete = all(model.knows_names() for model in pipeline.model)
        if self.around is not None and self.around not in names and is_complete:
            expected = f"available: {', '.join(names) or 'none'}"
            message = f"unknown source {self.around!r}"
            yield Problem(("around",), message, expected, nearest(self.around, names))
        for rule in pipeline.model:
            if (
                isinstance(rule, _ParameterRule)
                and rule.frozen != self.frozen
                and self.frozen
                and rule.to_plain() == self.to_plain() | {"kind": rule.kind}
            ):
                yield Problem((), f"the model {rule.kind!r} changes the same parameters back",
                              "remove one of them")  # fmt: skip

    def build(self, datasets: Datasets) -> Models:
        """Return no models, because the rule changes those of other components.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets.

        Returns
        -------
        gammapy.modeling.models.Models
            An empty list of models.
        """
        from gammapy.modeling.models import Models

        return Models([])

    def adjust(self, models: Models, context: ModelContext) -> None:
        """Freeze or free the parameters of the selected sources, and report them.

        Parameters
        ----------
        models : gammapy.modeling.models.Models
            The models of all components; background models are left unchanged.
        context : ModelContext
            The datasets, the published TS, and the function to report the changes.

        Raises
        ------
        ModelError
            If the source `around` does not exist or has no position.
        """
        from gammapy.modeling.models import SkyModel

        candidates = [model for model in models if isinstance(model, SkyModel)]
        reasons: dict[str, list[str]] = {
            model.name: [] for model in candidates if self._matches_name(model.name)
        }
        if self._uses_distance:
            reasons = self._select_by_distance(candidates, reasons)
        if self._uses_ts:
            reasons = self._select_by_ts(models, reasons, context)
        if not reasons:
            message = f"the rule {self._describe()} matches no source"
            warnings.warn(message, SkyredWarning, stacklevel=2)
            context.report(message)
        verb = "frozen" if self.frozen else "freed"
        for model in candidates:
            if model.name not in reasons:
                continue
            names = [parameter.name for parameter in self._change(model)]
            reason = f" ({', '.join(reasons[model.name])})" if reasons[model.name] else ""
            context.report(f"{model.name}: {verb}: {', '.join(names) or 'nothing'}{reason}")

    def _describe(self) -> str:
        content = {name: value for name, value in self.to_plain().items() if name != "kind"}
        return f"{self.kind} {', '.join(f'{name}: {value}' for name, value in content.items())}"

    def _matches_name(self, name: str) -> bool:
        """Return whether a source is selected by its name."""
        is_selected = any(fnmatchcase(name, pattern) for pattern in self.sources)
        return is_selected and not any(fnmatchcase(name, pattern) for pattern in self.exclude)

    def _select_by_distance(
        self, models: Sequence[SkyModel], reasons: dict[str, list[str]]
    ) -> dict[str, list[str]]:
        center, label = self._find_center(models)
        low = -1.0 if self.beyond is None else self.beyond.to_value("deg")
        high = np.inf if self.within is None else self.within.to_value("deg")
        selected = {}
        for model in models:
            if model.name not in reasons or not has_position(model):
                continue  # diffuse sources have no distance
            distance = float(model.position.separation(center).deg)
            if low < distance <= high:
                selected[model.name] = [*reasons[model.name], f"{distance:.3f} deg from {label}"]
        return selected

    def _find_center(self, models: Sequence[SkyModel]) -> tuple[Any, str]:
        if self.center is not None:
            return self.center.skycoord, str(self.center)
        for model in models:
            if model.name == self.around:
                if not has_position(model):
                    raise ModelError(f"{self.kind}: {self.around} has no position: set center")
                return model.position, str(self.around)
        names = ", ".join(model.name for model in models)
        raise ModelError(f"{self.kind}: unknown source {self.around!r}; available: {names}")

    def _select_by_ts(
        self, models: Models, reasons: dict[str, list[str]], context: ModelContext
    ) -> dict[str, list[str]]:
        from skyred.likelihood.source_significance import compute_test_statistics

        published = context.test_statistics
        names = [name for name in reasons if name not in published]
        computed = compute_test_statistics(context.datasets, models, names)
        selected = {}
        for name, texts in reasons.items():
            ts = published.get(name, computed.get(name, np.nan))
            origin = "catalogue" if name in published else "data"
            low = -np.inf if self.min_ts is None else self.min_ts
            high = np.inf if self.max_ts is None else self.max_ts
            if low <= ts < high:
                selected[name] = [*texts, f"TS {ts:.1f} of the {origin}"]
        return selected

    def _change(self, model: SkyModel) -> Iterator[Parameter]:
        """Freeze or free the parameters of a source, and yield those that were changed."""
        for parameter in iter_parameters(model, self.parameters):
            if parameter.frozen != self.frozen and (self.frozen or can_be_free(model, parameter)):
                parameter.frozen = self.frozen
                yield parameter

    def write_script(self, script: Script) -> None:
        """Write a loop over the models that freezes or frees the parameters.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            If sources are selected by TS, or are freed.
        """
        if self._uses_ts or not self.frozen:
            reason = "selects sources by TS" if self._uses_ts else "depends on defaults of models"
            raise ExportError(f"{reason}, which has no counterpart in gammapy")
        script.use("fnmatch", "fnmatchcase")
        script.use("gammapy.modeling.models", "SkyModel")
        conditions = [
            "isinstance(model, SkyModel)",
            f"any(fnmatchcase(model.name, name) for name in {literal(list(self.sources))})",
        ]
        if self.exclude:
            names = literal(list(self.exclude))
            conditions.append(f"not any(fnmatchcase(model.name, name) for name in {names})")
        if self._uses_distance:
            script.body.add(f"center = {self._center_code(script)}")
            conditions.append('hasattr(model.spatial_model, "lon_0")')
            distance = "model.position.separation(center).deg"
            if self.beyond is not None:
                conditions.append(f"{distance} > {float(self.beyond.to_value('deg'))!r}")
            if self.within is not None:
                conditions.append(f"{distance} <= {float(self.within.to_value('deg'))!r}")
        with script.body.inside("for model in models:"):
            script.body.add(f"if {' and '.join(conditions)}:")
            for statement in FREEZE_CODE[self.parameters]:
                script.body.add(f"    {statement}")

    def _center_code(self, script: Script) -> str:
        if self.center is None:
            return f"models[{literal(self.around)}].position"
        script.use("astropy.coordinates", "SkyCoord")
        lon, lat = (
            f"{float(angle.to_value('deg'))!r}" for angle in (self.center.lon, self.center.lat)
        )
        return f'SkyCoord({lon}, {lat}, unit="deg", frame={literal(self.center.frame)})'


SOURCES = option(
    ("*",), type=str, many=True, doc="Names of sources, with wildcards; by default all."
)
EXCLUDE = option((), type=str, many=True, doc="Names, with wildcards, that are left unchanged.")
CENTER = position(None, doc="Position from which distances are measured.")
AROUND = option(
    None, type=str, doc="Source from whose position distances are measured, instead of center."
)
WITHIN = quantity(None, unit="deg", min="0 deg", doc="Largest distance of the sources.")
BEYOND = quantity(None, unit="deg", min="0 deg", doc="Distance beyond which the sources are.")
MIN_TS = option(
    None,
    type=float,
    doc="Lowest TS of the sources: that of the catalogue, or else computed from the data before "
    "the fit, with all parameters fixed except the norm of the source.",
)
MAX_TS = option(None, type=float, doc="TS below which the sources are; see min_ts.")


@component
class Freeze(_ParameterRule):
    """Freeze parameters of sources of all models: by name, distance or TS.

    The models `freeze` and `free` are applied in their order, after all models have been built.
    """

    kind = "freeze"
    sources: tuple[str, ...] = SOURCES
    exclude: tuple[str, ...] = EXCLUDE
    center: Position | None = CENTER
    around: str | None = AROUND
    within: u.Quantity | None = WITHIN
    beyond: u.Quantity | None = BEYOND
    min_ts: float | None = MIN_TS
    max_ts: float | None = MAX_TS
    parameters: str = option("all", choices=PARAMETERS, doc="Parameters to freeze.")

    # assigned explicitly, since the export ignores an inherited method
    write_script = _ParameterRule.write_script


@component
class Free(_ParameterRule):
    """Free parameters of sources of all models: by name, distance or TS.

    Parameters that gammapy freezes by default, such as reference energies, stay frozen. The models
    `freeze` and `free` are applied in their order, after all models have been built.
    """

    kind = "free"
    frozen = False
    sources: tuple[str, ...] = SOURCES
    exclude: tuple[str, ...] = EXCLUDE
    center: Position | None = CENTER
    around: str | None = AROUND
    within: u.Quantity | None = WITHIN
    beyond: u.Quantity | None = BEYOND
    min_ts: float | None = MIN_TS
    max_ts: float | None = MAX_TS
    parameters: str = option("all", choices=PARAMETERS, doc="Parameters to free.")

    # assigned explicitly, since the export ignores an inherited method
    write_script = _ParameterRule.write_script
