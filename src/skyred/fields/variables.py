"""Text that contains environment variables, which are expanded where it is used."""

from __future__ import annotations

import os
import re

from skyred.errors import FieldError

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)
_INVALID = re.compile(r"\$\{(?!\w+\})[^}]*\}?", re.ASCII)


class TextWithVariables(str):
    """A text with unexpanded environment variables; it is written and compared as it is."""

    __slots__ = ()

    def unset_variables(self) -> list[str]:
        """Return the environment variables in the text that are not set.

        Returns
        -------
        list of str
            The names of the variables.
        """
        names = [first or second for first, second in _VARIABLE.findall(self)]
        return [name for name in names if name not in os.environ]

    def invalid_variable(self) -> str:
        """Return the first part of the text that looks like a variable but has no valid name.

        Returns
        -------
        str
            The part, such as ``"${A-B}"``; "" if there is none.
        """
        match = _INVALID.search(self)
        return match[0] if match else ""

    def expanded(self) -> str:
        """Expand environment variables; everything else remains as it is.

        Returns
        -------
        str
            The expanded text.

        Raises
        ------
        FieldError
            If a variable is not set.
        """
        if missing := self.unset_variables():
            raise FieldError(
                f"{str(self)!r} uses the environment variable {missing[0]}, which is not set",
                f"set it (export {missing[0]}=...)",
            )
        return _VARIABLE.sub(lambda match: os.environ[match[1] or match[2]], self)
