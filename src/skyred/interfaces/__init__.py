"""The interfaces: what a link of the chain is and does."""

from skyred.interfaces.chain import Chain, Reduction
from skyred.interfaces.component import (
    Component,
    Fields,
    component,
    locations,
    value,
    walk,
    write_component,
)
from skyred.interfaces.engine import Engine
from skyred.interfaces.estimator import Estimator
from skyred.interfaces.fit_range import FitRange
from skyred.interfaces.fitter import Fitter
from skyred.interfaces.geometry import Geometry
from skyred.interfaces.geometry_checks import entries_of, geometry_problems
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
    "Engine",
    "Estimator",
    "Fields",
    "FitRange",
    "Fitter",
    "Geometry",
    "Maker",
    "Model",
    "Product",
    "Reduction",
    "Selector",
    "Stacker",
    "component",
    "entries_of",
    "geometry_problems",
    "largest_offset",
    "locations",
    "required_irfs",
    "value",
    "walk",
    "write_component",
]
