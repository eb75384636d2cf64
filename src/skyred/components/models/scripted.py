"""Code of models in exported gammapy scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np

from skyred.errors import ExportError
from skyred.io.model_types import is_compound
from skyred.scripting import Block, Script, literal, number, quantity_text

MODELS_MODULE = "gammapy.modeling.models"
SUBMODELS = ("spectral", "spatial", "temporal")
OPERATORS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/"}
PARAMETER_ATTRIBUTES = ("min", "max", "frozen")
NODE_DEFAULTS = SimpleNamespace(min=np.nan, max=np.nan, frozen=False)  # of piecewise norms
# arguments of gammapy's models in addition to parameters, with their defaults
OTHER_ARGUMENTS = {"frame": None, "scale": "utc"}


@attrs.define(eq=False)
class ModelWriter:
    """Writes models to a script: one variable per submodel, with the attributes of its parameters.

    Parameters
    ----------
    script : Script
        The script to add code to.
    block : Block
        The block of the script to write to.
    """

    script: Script
    block: Block

    def write_source(self, model: Any) -> None:
        """Write a sky model, and append it to ``models``.

        Parameters
        ----------
        model : gammapy.modeling.models.SkyModel
            The model.
        """
        self.block.add(f"models.append({self.write_sky_model(model)})")

    def write_sky_model(self, model: Any) -> str:
        """Write the submodels of a sky model, and return the call that creates it.

        Parameters
        ----------
        model : gammapy.modeling.models.SkyModel
            The model.

        Returns
        -------
        str
            The expression that creates the sky model.
        """
        self.script.use(MODELS_MODULE, "SkyModel")
        names = [name for name in SUBMODELS if getattr(model, f"{name}_model") is not None]
        variables = {
            name: self.write_submodel(getattr(model, f"{name}_model"), name) for name in names
        }
        options = [f"{name}_model={variable}" for name, variable in variables.items()]
        options.append(f"name={literal(model.name)}")
        if model.datasets_names is not None:
            options.append(f"datasets_names={literal(model.datasets_names)}")
        return f"SkyModel({', '.join(options)})"

    def write_submodel(self, model: Any, name: str) -> str:
        """Write a spectral, spatial or temporal model, and return the name of its variable.

        Parameters
        ----------
        model : gammapy.modeling.models.ModelBase
            The model.
        name : str
            The preferred name of the variable.

        Returns
        -------
        str
            The name of the variable.
        """
        variable = self.script.local(name)
        code = self._write_compound(model, name) or self._write_call(model)
        self.block.add(f"{variable} = {code}")
        if not is_compound(model):
            self.block.add(*self._attribute_lines(model, variable))
        return variable

    def _write_compound(self, model: Any, name: str) -> str:
        """Write the components of a compound model, and return its code; "" for other models."""
        if not is_compound(model):
            return ""
        operator = OPERATORS.get(model.operator.__name__)
        if operator is None:
            raise ExportError(
                f"has a compound model with the operator {model.operator.__name__}, which cannot "
                "be exported"
            )
        left, right = (
            self.write_submodel(component, name) for component in (model.model1, model.model2)
        )
        return f"{left} {operator} {right}"

    def _write_call(self, model: Any) -> str:
        """Return the call that creates a model."""
        class_name = type(model).__name__
        if type(model).__module__.split(".")[0] != "gammapy":
            raise ExportError(
                f"has a {class_name} of {type(model).__module__}, which plain gammapy does not have"
            )
        self.script.use(MODELS_MODULE, class_name)
        if class_name in SPECIAL_CALLS:
            return str(SPECIAL_CALLS[class_name](self.script, model))
        return f"{class_name}({', '.join(_arguments(model))})"

    def _attribute_lines(self, model: Any, variable: str) -> Iterator[str]:
        """Yield the lines that set links, priors and non-default attributes of the parameters.

        Parameters
        ----------
        model : gammapy.modeling.models.ModelBase
            The model.
        variable : str
            The name of the variable of the model.

        Yields
        ------
        str
            Each line.
        """
        defaults = {parameter.name: parameter for parameter in type(model).default_parameters}
        for parameter in model.parameters:
            target = f"{variable}.{parameter.name}"
            label = parameter._link_label_io
            linked = self.script.first_linked_parameter(label, target) if label else None
            if linked:
                yield f"{target} = {linked}  # linked"
                continue
            default = defaults.get(parameter.name, NODE_DEFAULTS)
            for name in PARAMETER_ATTRIBUTES:
                setting, default_setting = getattr(parameter, name), getattr(default, name, None)
                if not _is_same(setting, default_setting):
                    yield f"{target}.{name} = {_attribute_code(setting)}"
            if parameter.prior is not None:
                yield f"{target}.prior = {self._prior_call(parameter.prior)}"

    def _prior_call(self, prior: Any) -> str:
        """Return the call that creates a prior."""
        class_name = type(prior).__name__
        self.script.use(MODELS_MODULE, class_name)
        options = [
            f"{parameter.name}={number(float(parameter.value))}" for parameter in prior.parameters
        ]
        if prior.weight != 1:
            options.append(f"weight={number(float(prior.weight))}")
        return f"{class_name}({', '.join(options)})"


def has_only_defaults(model: Any) -> bool:
    """Return whether all parameters and arguments of a submodel are the defaults of its class.

    Parameters
    ----------
    model : gammapy.modeling.models.ModelBase
        The spectral, spatial or temporal model.

    Returns
    -------
    bool
        Whether all values and attributes are the defaults, and there are no priors.
    """
    defaults = {parameter.name: parameter for parameter in type(model).default_parameters}
    return not _arguments(model) and all(
        parameter.prior is None
        and all(
            _is_same(getattr(parameter, name), getattr(defaults[parameter.name], name))
            for name in PARAMETER_ATTRIBUTES
        )
        for parameter in model.parameters
    )


def _arguments(model: Any) -> list[str]:
    """Return the arguments that differ from gammapy's defaults, as code.

    Parameters
    ----------
    model : gammapy.modeling.models.ModelBase
        The model.

    Returns
    -------
    list of str
        The arguments, as ``name=value``.

    Raises
    ------
    ExportError
        If an argument cannot be exported.
    """
    model_dict = model.to_dict(full_output=True)
    model_dict = next(iter(model_dict.values())) if len(model_dict) == 1 else model_dict
    supported_keys = {"type", "parameters", *OTHER_ARGUMENTS}
    if unsupported := sorted(set(model_dict) - supported_keys):
        raise ExportError(
            f"has a {type(model).__name__} with {', '.join(unsupported)}, which cannot be exported"
        )
    defaults = {parameter.name: parameter for parameter in type(model).default_parameters}
    arguments = []
    for parameter in model.parameters:
        default = defaults[parameter.name]
        if parameter.value != default.value or parameter.unit != default.unit:
            arguments.append(f"{parameter.name}={quantity_text(parameter.value, parameter.unit)}")
    return arguments + [
        f"{name}={literal(model_dict[name])}"
        for name, default in OTHER_ARGUMENTS.items()
        if model_dict.get(name, default) != default
    ]


def _is_same(first: Any, second: Any) -> bool:
    """Return whether two settings are equal, or both NaN (no limit)."""
    return bool(first == second or (_is_nan(first) and _is_nan(second)))


def _is_nan(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def _attribute_code(setting: Any) -> str:
    """Return a limit (a number) or the attribute `frozen` (a bool) as code."""
    if isinstance(setting, (bool, np.bool_)):
        return repr(bool(setting))
    return number(float(setting))


def _absorption_call(script: Script, model: Any) -> str:
    """Return the call that reads an EBL absorption model."""
    from gammapy.modeling.models.spectral import EBL_DATA_BUILTIN

    redshift = number(float(model.redshift.value))
    options = f"redshift={redshift}"
    if model.alpha_norm.value != 1:
        options += f", alpha_norm={number(float(model.alpha_norm.value))}"
    for name, file_name in EBL_DATA_BUILTIN.items():
        if str(model.filename).endswith(file_name.rsplit("/", 1)[-1]):
            return f"EBLAbsorptionNormSpectralModel.read_builtin({literal(name)}, {options})"
    return f"EBLAbsorptionNormSpectralModel.read({literal(str(model.filename))}, {options})"


def _template_map_call(script: Script, model: Any) -> str:
    """Return the call that creates a spatial model from a map file."""
    script.use("gammapy.maps", "Map")
    constant_name = script.constant("TEMPLATE", literal(str(model.filename)))
    options = f"normalize={model.normalize!r}, filename={constant_name}"
    return f"TemplateSpatialModel(Map.read({constant_name}), {options})"


def _template_spectrum_call(script: Script, model: Any) -> str:
    """Return the call that creates a spectral model from the file of a table."""
    script.use("astropy.table", "QTable")
    constant_name = script.constant("SPECTRUM", script.path(str(model.meta["filename"])))
    columns = ", ".join(
        f'{argument}=QTable.read({constant_name})["{name}"]'
        for argument, name in (("energy", "energy"), ("values", "dnde"))
    )
    return f"TemplateSpectralModel({columns})"


def _piecewise_norm_call(script: Script, model: Any) -> str:
    """Return the call that creates a piecewise norm."""
    script.use("astropy", "units as u")
    energies, norms = (
        ", ".join(number(float(value)) for value in values)
        for values in (model.energy.value, [parameter.value for parameter in model.parameters])
    )
    unit = literal(model.energy.unit.to_string())
    options = f"u.Quantity([{energies}], {unit}), norms=[{norms}], interp={literal(model._interp)}"
    return f"PiecewiseNormSpectralModel({options})"


SPECIAL_CALLS: Mapping[str, Any] = {
    "EBLAbsorptionNormSpectralModel": _absorption_call,
    "PiecewiseNormSpectralModel": _piecewise_norm_call,
    "TemplateSpatialModel": _template_map_call,
    "TemplateSpectralModel": _template_spectrum_call,
}
