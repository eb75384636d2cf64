"""The interfaces: what a link of the chain is and does."""

from skyred.interfaces.chain import Chain
from skyred.interfaces.component import (
    Component,
    Fields,
    component,
    locations,
    value,
    walk,
    write_component,
)
from skyred.interfaces.data_entry import DataEntry, ReducedData, Reduction
from skyred.interfaces.engine import Engine
from skyred.interfaces.estimator import Estimator
from skyred.interfaces.fit_range import FitRange
from skyred.interfaces.fitter import Fitter
from skyred.interfaces.geometry import Geometry
from skyred.interfaces.geometry_checks import geometry_problems, reductions_using
from skyred.interfaces.maker import Maker, largest_offset, required_irfs
from skyred.interfaces.model import Model
from skyred.interfaces.product import Product
from skyred.interfaces.selector import Selector
from skyred.interfaces.stacker import Stacker

ROLES: dict[str, type[Component]] = {
    role.role: role
    for role in (Selector, Geometry, Maker, Stacker, Model, Fitter, Estimator, Engine)
}

__all__ = [
    "ROLES",
    "Chain",
    "Component",
    "DataEntry",
    "Engine",
    "Estimator",
    "Fields",
    "FitRange",
    "Fitter",
    "Geometry",
    "Maker",
    "Model",
    "Product",
    "ReducedData",
    "Reduction",
    "Selector",
    "Stacker",
    "component",
    "geometry_problems",
    "largest_offset",
    "locations",
    "reductions_using",
    "required_irfs",
    "value",
    "walk",
    "write_component",
]
