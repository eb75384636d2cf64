"""Public names are kept: exported names, kinds of components, and options.

``python tests/helpers/public_names.py`` adds new names to the list.
"""

from __future__ import annotations

from public_names import public_names, read_names


def test_no_public_name_is_lost() -> None:
    lost = sorted(read_names() - public_names())
    assert not lost, "keep old names: _OLD_NAMES, old_kinds, old_names"


def test_every_public_name_is_listed() -> None:
    unlisted = sorted(public_names() - read_names())
    assert not unlisted, "run python tests/helpers/public_names.py"
