"""Models as plain gammapy: from what was built to the Python that builds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from skyred.errors import ExportError
from skyred.scripting import Block, Script, literal, number, quantity_text

MODELS = "gammapy.modeling.models"
PARTS = ("spectral", "spatial", "temporal")
OPERATORS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/"}
SAID = ("min", "max", "frozen")
# what gammapy's models take beside parameters, unless it is the usual; others are read of files
OTHERS = {"frame": None, "scale": "utc"}


@attrs.define(eq=False)
class ModelWriter:
    """Writes models, each part as a variable, and what is said of their parameters.

    Parameters
    ----------
    script : Script
        Where to.
    block : Block
        Which of its blocks.
    """

    script: Script
    block: Block

    def source(self, model: Any) -> None:
        """Write a sky model, and append it to ``models``."""
        self.block.add(f"models.append({self.sky_model(model)})")

    def sky_model(self, model: Any) -> str:
        """Write the parts of a sky model; gives the call that makes it."""
        self.script.use(MODELS, "SkyModel")
        names = [name for name in PARTS if getattr(model, f"{name}_model") is not None]
        codes = {name: self.part(getattr(model, f"{name}_model"), name) for name in names}
        options = [f"{name}_model={code}" for name, code in codes.items()]
        options.append(f"name={literal(model.name)}")
        if model.datasets_names is not None:
            options.append(f"datasets_names={literal(model.datasets_names)}")
        return f"SkyModel({', '.join(options)})"

    def part(self, model: Any, name: str) -> str:
        """Write a spectral, spatial or temporal model; gives the name of its variable."""
        made = self.script.local(name)
        code = self._compound(model, name) or self._code(model)
        self.block.add(f"{made} = {code}")
        if not hasattr(model, "operator"):
            self.block.add(*self._said(model, made))
        return made

    def _compound(self, model: Any, name: str) -> str:
        if not hasattr(model, "operator"):
            return ""
        operator = OPERATORS.get(model.operator.__name__)
        if operator is None:
            raise ExportError(f"has the operator {model.operator.__name__} in a compound model")
        left, right = (self.part(each, name) for each in (model.model1, model.model2))
        return f"{left} {operator} {right}"

    def _code(self, model: Any) -> str:
        cls = type(model).__name__
        special = SPECIAL.get(cls)
        self.script.use(MODELS, cls)
        return special(self.script, model) if special else f"{cls}({', '.join(_options(model))})"

    def _said(self, model: Any, made: str) -> Iterator[str]:
        """Yield what differs from gammapy's defaults of the parameters, and what they share."""
        defaults = {each.name: each for each in type(model).default_parameters}
        for parameter in model.parameters:
            place = f"{made}.{parameter.name}"
            label = parameter._link_label_io
            first = self.script.linked(label, place) if label else None
            if first:
                yield f"{place} = {first}  # one parameter"
                continue
            default = defaults.get(parameter.name)
            for name in SAID:
                held, usual = getattr(parameter, name), getattr(default, name, None)
                if not _same(held, usual):
                    yield f"{place}.{name} = {_limit(held)}"
            if parameter.prior is not None:
                yield f"{place}.prior = {self._prior(parameter.prior)}"

    def _prior(self, prior: Any) -> str:
        cls = type(prior).__name__
        self.script.use(MODELS, cls)
        options = [f"{each.name}={number(float(each.value))}" for each in prior.parameters]
        if prior.weight != 1:
            options.append(f"weight={number(float(prior.weight))}")
        return f"{cls}({', '.join(options)})"


def is_plain(model: Any) -> bool:
    """Say whether a part is all parameters with its class's defaults."""
    defaults = {each.name: each for each in type(model).default_parameters}
    return not _options(model) and all(
        parameter.prior is None
        and all(_same(getattr(parameter, n), getattr(defaults[parameter.name], n)) for n in SAID)
        for parameter in model.parameters
    )


def _options(model: Any) -> list[str]:
    """Write parameters that differ from gammapy's default, and what else its class takes."""
    written = model.to_dict(full_output=True)
    written = next(iter(written.values())) if len(written) == 1 else written
    known = {"type", "parameters", *OTHERS}
    if unknown := sorted(set(written) - known):
        raise ExportError(
            f"has a {type(model).__name__}, whose {', '.join(unknown)} cannot be written in a line"
        )
    defaults = {each.name: each for each in type(model).default_parameters}
    options = []
    for each in model.parameters:
        usual = defaults[each.name]
        if each.value != usual.value or each.unit != usual.unit:
            options.append(f"{each.name}={quantity_text(each.value, each.unit)}")
    return options + [
        f"{name}={literal(written[name])}"
        for name, usual in OTHERS.items()
        if written.get(name, usual) != usual
    ]


def _same(one: Any, other: Any) -> bool:
    return bool(one == other or (_is_nan(one) and _is_nan(other)))


def _is_nan(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def _limit(held: Any) -> str:
    if isinstance(held, (bool, np.bool_)):
        return repr(bool(held))
    return number(float(held))


def _absorption(script: Script, model: Any) -> str:
    from gammapy.modeling.models.spectral import EBL_DATA_BUILTIN

    redshift = number(float(model.redshift.value))
    options = f"redshift={redshift}"
    if model.alpha_norm.value != 1:
        options += f", alpha_norm={number(float(model.alpha_norm.value))}"
    for name, place in EBL_DATA_BUILTIN.items():
        if str(model.filename).endswith(place.rsplit("/", 1)[-1]):
            return f"EBLAbsorptionNormSpectralModel.read_builtin({literal(name)}, {options})"
    return f"EBLAbsorptionNormSpectralModel.read({literal(str(model.filename))}, {options})"


def _template_map(script: Script, model: Any) -> str:
    script.use("gammapy.maps", "Map")
    place = script.constant("TEMPLATE", literal(str(model.filename)))
    options = f"normalize={model.normalize!r}, filename={place}"
    return f"TemplateSpatialModel(Map.read({place}), {options})"


def _template_table(script: Script, model: Any) -> str:
    script.use("astropy.table", "QTable")
    place = script.constant("SPECTRUM", script.place(str(model.meta["filename"])))
    columns = ", ".join(
        f'{theirs}=QTable.read({place})["{name}"]'
        for theirs, name in (("energy", "energy"), ("values", "dnde"))
    )
    return f"TemplateSpectralModel({columns})"


SPECIAL: Mapping[str, Any] = {
    "EBLAbsorptionNormSpectralModel": _absorption,
    "TemplateSpatialModel": _template_map,
    "TemplateSpectralModel": _template_table,
}
