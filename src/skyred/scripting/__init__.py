"""Generation of plain gammapy scripts: their statements, literals and layout."""

from skyred.scripting.literals import literal, number, quantity_text
from skyred.scripting.script import Script, ScriptDatasets
from skyred.scripting.statements import Block

__all__ = ["Block", "Script", "ScriptDatasets", "literal", "number", "quantity_text"]
