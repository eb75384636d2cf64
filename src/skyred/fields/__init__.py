"""Fields: how components declare their options, and the values they hold."""

from skyred.fields.arrays import array
from skyred.fields.canonical import FrozenMapping, digest, thaw
from skyred.fields.foreign import foreign
from skyred.fields.names import checked_name, file_name
from skyred.fields.nested import chain, part, table, with_article, write_nested
from skyred.fields.options import Location, Name, option
from skyred.fields.places import Position, position
from skyred.fields.quantities import quantity
from skyred.fields.sky_regions import Regions, exclusion, regions
from skyred.fields.spec import REQUIRED, SPEC, FieldSpec, default_of, parse_field, spec_of, specs
from skyred.fields.times import Instant, instant

__all__ = [
    "REQUIRED",
    "SPEC",
    "FieldSpec",
    "FrozenMapping",
    "Instant",
    "Location",
    "Name",
    "Position",
    "Regions",
    "array",
    "chain",
    "checked_name",
    "default_of",
    "digest",
    "exclusion",
    "file_name",
    "foreign",
    "instant",
    "option",
    "parse_field",
    "part",
    "position",
    "quantity",
    "regions",
    "spec_of",
    "specs",
    "table",
    "thaw",
    "with_article",
    "write_nested",
]
