"""The interfaces of components, and the records and objects that they exchange."""

from skyred.interfaces.chain import Chain as Chain
from skyred.interfaces.changed_irfs import with_irfs as with_irfs
from skyred.interfaces.chart import Chart as Chart
from skyred.interfaces.component import (
    Component as Component,
    component as component,
    write_component as write_component,
)
from skyred.interfaces.data_entry import (
    DataEntry as DataEntry,
    ReducedData as ReducedData,
    Reduction as Reduction,
)
from skyred.interfaces.engine import Engine as Engine
from skyred.interfaces.estimator import Estimator as Estimator
from skyred.interfaces.estimator_datasets import write_estimator as write_estimator
from skyred.interfaces.fit_range import FitRange as FitRange
from skyred.interfaces.fitter import Fitter as Fitter
from skyred.interfaces.geometry import Geometry as Geometry
from skyred.interfaces.geometry_checks import (
    geometry_problems as geometry_problems,
    reductions_using as reductions_using,
)
from skyred.interfaces.maker import Maker as Maker
from skyred.interfaces.maker_sequence import (
    largest_offset as largest_offset,
    modifying_makers as modifying_makers,
)
from skyred.interfaces.model import Model as Model
from skyred.interfaces.product import Product as Product
from skyred.interfaces.renamed import Renamed as Renamed
from skyred.interfaces.selector import (
    Selector as Selector,
    cutting_selectors as cutting_selectors,
)
from skyred.interfaces.stacker import Stacker as Stacker
from skyred.interfaces.tasks import SERIAL_TASKS as SERIAL_TASKS, Tasks as Tasks
from skyred.interfaces.traversal import (
    locations as locations,
    texts_with_variables as texts_with_variables,
    walk as walk,
)
from skyred.interfaces.value_class import Fields as Fields, value as value

ROLES: dict[str, type[Component]] = {
    role.role: role
    for role in (Selector, Geometry, Maker, Stacker, Model, Fitter, Estimator, Engine)
}
