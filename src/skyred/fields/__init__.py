"""Declarations of the options of components, and the types of their values."""

from skyred.fields.arrays import array as array
from skyred.fields.canonical import FrozenMapping as FrozenMapping, digest as digest, thaw as thaw
from skyred.fields.docstrings import (
    describe_class as describe_class,
    document_fields as document_fields,
)
from skyred.fields.energy_edges import energy_edges as energy_edges, log_edges as log_edges
from skyred.fields.foreign import foreign as foreign
from skyred.fields.names import check_name as check_name, file_name as file_name
from skyred.fields.nested import (
    nested_list as nested_list,
    nested_mapping as nested_mapping,
    nested_object as nested_object,
    with_article as with_article,
    write_nested as write_nested,
)
from skyred.fields.options import Location as Location, Name as Name, option as option
from skyred.fields.parameters import (
    ModelParameter as ModelParameter,
    build_parameters as build_parameters,
    find_parameters as find_parameters,
    parameter as parameter,
)
from skyred.fields.positions import Position as Position, position as position
from skyred.fields.quantities import quantity as quantity
from skyred.fields.secrets import Secret as Secret, secret as secret
from skyred.fields.sky_regions import Regions as Regions, exclusion as exclusion, regions as regions
from skyred.fields.spec import (
    REQUIRED as REQUIRED,
    SPEC as SPEC,
    FieldSpec as FieldSpec,
    default_of as default_of,
    parse_field as parse_field,
    spec_of as spec_of,
    specs as specs,
)
from skyred.fields.times import Instant as Instant, instant as instant
from skyred.fields.variables import TextWithVariables as TextWithVariables
