"""A pytest plugin that lists the messages of all errors and findings in the tests.

``make messages`` writes them to messages.txt, to review their wording as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from skyred.errors import ConfigError, SkyredError
from skyred.inspection.records import Finding

_TEMPORARY_PATH = re.compile(r"/[\w./-]*pytest-\d+/(popen-gw\d+/)?[^/\s]+/")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--messages", type=Path, default=Path("messages.txt"), help="file to write")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(MessageLog(config.getoption("messages")))


class MessageLog:
    """Messages that differ in more than numbers, each with the first test that caused it.

    Parameters
    ----------
    path : Path
        File to write at the end of the session.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, str] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        records: list[SkyredError | Finding] = []
        with pytest.MonkeyPatch.context() as patch:
            record_instances(patch, records)
            result = yield
        messages = sorted(
            {
                (message, type(record).__name__)
                for record in records
                for message in messages_of(record)
            }
        )
        for message, name in messages:
            # the error of a configuration contains those of its fields
            if not any(message in longer and message != longer for longer, _ in messages):
                self.add(message, name, item.nodeid)
        return result

    def add(self, message: str, name: str, test: str) -> None:
        """Add a message, unless it differs from a previous one only in numbers."""
        message = f"{name}: {_TEMPORARY_PATH.sub('', message)}"
        self.entries.setdefault(re.sub(r"\d+", "0", message), f"{message}\n    {test}\n")

    def pytest_sessionfinish(self) -> None:
        self.path.write_text("\n".join(sorted(self.entries.values())), "utf-8")


def messages_of(record: SkyredError | Finding) -> Sequence[str]:
    """Return the messages of a record; a `ConfigError` has one for each problem."""
    return record.lines if isinstance(record, ConfigError) else [str(record)]


def record_instances(patch: pytest.MonkeyPatch, records: list[Any]) -> None:
    """Patch the classes so that new errors and findings are appended to a list."""

    def create_error(cls: type[SkyredError], *args: Any, **kwargs: Any) -> SkyredError:
        error = Exception.__new__(cls, *args, **kwargs)
        records.append(error)
        return error

    def create_finding(cls: type[Finding], *args: Any, **kwargs: Any) -> Finding:
        finding = object.__new__(cls)
        records.append(finding)
        return finding

    patch.setattr(SkyredError, "__new__", create_error, raising=False)
    patch.setattr(Finding, "__new__", create_finding, raising=False)
