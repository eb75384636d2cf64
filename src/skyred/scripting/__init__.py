"""Plain gammapy scripts: what a component says of itself in Python, and how that is laid out."""

from skyred.scripting.literals import literal, number, quantity_text
from skyred.scripting.script import Block, Made, Script

__all__ = ["Block", "Made", "Script", "literal", "number", "quantity_text"]
