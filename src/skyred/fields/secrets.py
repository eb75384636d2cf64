"""Secrets: values that are read from the environment or a file, and never written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from skyred.errors import FieldError, Problem
from skyred.fields.options import Location
from skyred.fields.spec import REQUIRED, FieldSpec, declare

EXPECTED = "expected {env: NAME} (an environment variable) or {file: PATH}"
HIDDEN = "*****"
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_SHOWN_NAME = re.compile("[A-Z_][A-Z0-9_]*")  # others may be secrets that are written by mistake
_SHOWN_PATHS = ("/", "~", "$", ".")
MIN_LENGTH = 4  # shorter values would hide parts of ordinary words


@attrs.frozen(kw_only=True)
class Secret:
    """A reference to a secret, such as a token for an archive; its value is not stored.

    It is written, compared and pickled as the reference, which workers resolve themselves: the
    environment variable must be set there too, or the file exist.

    Parameters
    ----------
    env : str
        The name of an environment variable with the secret; white space at its ends is removed.
    file : Location
        A file with the secret; white space at its ends is removed.
    """

    env: str = ""
    file: Location = attrs.field(factory=Location, converter=Location)

    def reveal(self) -> str:
        """Read the secret.

        Do not store the value, and do not put it into messages.

        Returns
        -------
        str
            The value.

        Raises
        ------
        FieldError
            If the environment variable is not set, or the file cannot be read, or is empty.
        """
        if self.env:
            if not (value := os.environ.get(self.env, "").strip()):
                raise self._unset_error()
            return value
        path = self.file.path()
        try:
            if path.exists() and not path.is_file():  # reading it may never end
                raise FieldError(
                    f"the file of the secret is a folder, a pipe or a device: {self.file}",
                    "expected a regular file",
                )
            value = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", "") or "it is not a text file"
            is_shown = path.exists() or self.file.startswith(_SHOWN_PATHS)
            name = path if is_shown else "(its name is not shown)"
            raise FieldError(
                f"the file of the secret cannot be read: {name}: {reason}",
                "expected a text file with the secret",
            ) from None
        if not value:
            raise FieldError(f"the file of the secret is empty: {path}", "write the secret into it")
        return value

    def problems(self, *path: str | int) -> Iterable[Problem]:
        """Yield the problem if the secret cannot be read.

        Parameters
        ----------
        *path : str or int
            The path of the field, relative to its object.

        Yields
        ------
        Problem
            The problem; it does not contain the value.
        """
        try:
            self.reveal()
        except FieldError as error:
            yield error.problem.with_prefix(*path)

    def _unset_error(self) -> FieldError:
        if _SHOWN_NAME.fullmatch(self.env):
            return FieldError(
                f"the environment variable {self.env} of the secret is not set",
                f"set it (export {self.env}=...)",
            )
        return FieldError(  # it may be the secret itself
            "the environment variable of the secret is not set (its name is not shown)",
            f"set it; names in capital letters are shown; {EXPECTED}",
        )

    def to_plain(self) -> dict[str, str]:
        """Return the reference as plain YAML data.

        Returns
        -------
        dict of str to str
            The environment variable or the file.
        """
        return {"env": self.env} if self.env else {"file": str(self.file)}


def secret(default: Any = REQUIRED, *, doc: str) -> Any:
    """Declare an option for a secret, such as a password or a token.

    In a configuration it is a reference, ``{env: NAME}`` or ``{file: PATH}``; a literal value is
    refused. Configurations, reports, digests and scripts contain the reference only. The component
    calls ``self.token.reveal()`` where it uses the value. skyred replaces the value by asterisks in
    its log, its error messages and the outcomes of runs.

    Parameters
    ----------
    default : mapping or Secret, optional
        The default reference; by default the option is required. None makes it optional.
    doc : str
        The description, one sentence.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class.
    """
    spec = FieldSpec(
        type_name="a secret: {env: NAME} or {file: PATH}",
        doc=doc,
        parse=_parse,
        key=lambda value: ("secret", value.env, str(value.file)),
        plain=lambda value: value.to_plain(),
    )
    return declare(spec, default)


def _parse(value: Any) -> Secret:
    if isinstance(value, Secret):
        value = value.to_plain()
    if not isinstance(value, Mapping):  # never print it
        raise FieldError("a secret must not be written in a configuration or a script", EXPECTED)
    entries = [(name, item) for name, item in value.items() if item]
    if len(entries) != 1 or entries[0][0] not in ("env", "file"):
        raise FieldError("invalid reference to a secret (its content is not shown)", EXPECTED)
    name, content = entries[0]
    if not isinstance(content, (str, os.PathLike)):
        raise FieldError(f"invalid {name} of a secret (its content is not shown)", EXPECTED)
    if name == "file":
        return Secret(file=Location(os.fspath(content)))
    if not isinstance(content, str) or not _NAME.fullmatch(content):
        raise FieldError("invalid name of an environment variable (it is not shown)", EXPECTED)
    return Secret(env=content)


def hide(message: str, values: Iterable[str]) -> str:
    """Replace the values of secrets in a message by asterisks.

    Parameters
    ----------
    message : str
        The message of an error, a warning or the log.
    values : iterable of str
        The values. Those with fewer than four characters are ignored.

    Returns
    -------
    str
        The message without the values, and without their Python representation.
    """
    forms = {form for value in values for form in (value, value.strip())}
    for value in sorted(forms, key=len, reverse=True):
        if len(value) >= MIN_LENGTH:
            message = message.replace(value, HIDDEN).replace(repr(value)[1:-1], HIDDEN)
    return message
