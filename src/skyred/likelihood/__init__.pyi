# The names that this package exports, and their modules
from .api import fit as fit
from .flux_api import (
    flux_points as flux_points,
    flux_profile as flux_profile,
    light_curve as light_curve,
)
from .likelihood import Likelihood as Likelihood
from .objective import (
    objective_of as objective_of,
    restored_on_error as restored_on_error,
)

__all__: list[str]
