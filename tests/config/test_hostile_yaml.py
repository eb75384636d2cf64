"""Malicious configurations are rejected with a clear error."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from skyred.config import Document
from skyred.config.reading import MAX_BYTES, read_document
from skyred.errors import ConfigError
from waiting import hang_guard

LETTERS = "abcdefghijkl"
BOMB = f"a: &a [{'x,' * 9}]\n" + "".join(
    f"{second}: &{second} [{','.join(['*' + first] * 9)}]\n" for first, second in pairwise(LETTERS)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "contains too many values; expected at most 20000"),
        ("a: " + "[" * 20_000, "nested too deeply"),
        ("".join(" " * depth + "a:\n" for depth in range(400)) + " " * 400 + "b: 1\n", "deeply"),
        ("a: &a [*a]\n", "is nested too deeply"),
        ("a: !!python/object/apply:os.system [touch canary]\n", "has a YAML tag"),
        ("a: !!binary aGVsbG8=\n", "has a YAML tag"),
        ("a: " + "9" * 100_000 + "\n", "a: '9999"),
        ("a: 0x" + "f" * 100_000 + "\n", "a: '0xffff"),
        ("a: 1\n---\nb: 2\n", "expected a single document"),
        ("a: \x00\n", "special characters are not allowed"),
    ],
    ids=[
        "bomb",
        "flow",
        "block",
        "recursion",
        "code",
        "binary",
        "digits",
        "hex",
        "documents",
        "nul",
    ],
)
def test_malicious_yaml_is_reported(content: str, message: str) -> None:
    with hang_guard():  # the expanded bomb would have 9 ** 12 values
        try:
            actual = "\n".join(map(str, Document.parse(content).problems))
        except ConfigError as error:
            actual = str(error)
    assert message in actual


def test_large_files_are_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Document, "parse", lambda *_: pytest.fail("the file is parsed"))
    path = tmp_path / "large.yaml"
    path.write_text("a: 1\n" + "# ä\n" * 3_000_000)
    with pytest.raises(
        ConfigError, match=f"large.yaml: is too large; expected at most {MAX_BYTES} bytes"
    ):
        read_document(path)
    with hang_guard(), pytest.raises(ConfigError, match="/dev/zero: is a pipe or a device"):
        read_document(Path("/dev/zero"))
