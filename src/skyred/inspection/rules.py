"""All inspection rules, by name."""

from __future__ import annotations

from skyred.inspection.file_rules import FILE_RULES
from skyred.inspection.response_rules import RESPONSE_RULES
from skyred.inspection.run_rules import EVENT_RULES, HEADER_RULES

RULES_BY_PART = {
    "Files, indexes and columns": FILE_RULES,
    "Headers and good time intervals": HEADER_RULES,
    "Events": EVENT_RULES,
    "IRFs": RESPONSE_RULES,
}
RULES = {rule.name: rule for rules in RULES_BY_PART.values() for rule in rules}
