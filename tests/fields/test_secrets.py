"""Secrets are references; their values are never written."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest

from secret_toys import Checker, Downloader, Uploader, call_with_token
from skyred import FieldError, Orchestrator, Pipeline, Secret
from skyred.errors import ComponentError, ConfigError, Problem, SkyredError
from skyred.fields.secrets import hide
from skyred.interfaces.hidden_secrets import hidden_secrets
from skyred.interfaces.records import Owner
from skyred.plugins import Plugins
from skyred.run.worker.shared_call import HiddenCall
from toys import ToyMaker, toy_pipeline, toy_plugins

VALUE = "hunter2 is 'my' secret"
REFERENCE = {"env": "TOY_TOKEN"}

MAKER = "the maker toy-checker of toy-secrets 1 (plugin 'secrets')"


@pytest.fixture
def plugins() -> Plugins:
    plugins = toy_plugins()
    for cls in (Checker, Downloader, Uploader):
        assert plugins.catalog.add(cls, Owner("toy-secrets", "1", "secrets")) == ""
    return plugins


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_TOKEN", VALUE)


def config_with(reference: str) -> str:
    maker = f"kind: toy-downloader\n        token: {reference}\n"
    return toy_pipeline(3).to_yaml().replace("kind: toy-fill\n", maker)


def test_secret_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    token = Downloader(token=REFERENCE).token
    monkeypatch.setenv("TOY_TOKEN", VALUE)
    assert token.reveal() == VALUE
    monkeypatch.setenv("TOY_TOKEN", f" {VALUE}\n")
    assert token.reveal() == VALUE, "white space is removed, as from a file"
    monkeypatch.delenv("TOY_TOKEN")
    with pytest.raises(FieldError, match="variable TOY_TOKEN of the secret is not set; set it"):
        token.reveal()


def test_secret_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_FOLDER", str(tmp_path))
    token = Downloader(token={"file": "$TOY_FOLDER/token"}).token
    with pytest.raises(FieldError, match=r"cannot be read: .*token: No such file"):
        token.reveal()
    (tmp_path / "token").write_text(f"{VALUE}\n", encoding="utf-8")
    assert token.reveal() == VALUE
    (tmp_path / "token").write_text(" \n", encoding="utf-8")
    with pytest.raises(FieldError, match="file of the secret is empty"):
        token.reveal()


@pytest.mark.parametrize(
    "literal",
    [VALUE, 1234567, [VALUE], {"value": VALUE}, {"env": VALUE}, {"env": "A", "file": VALUE},
     {"env": {"file": VALUE}}, {"env": 1234567}, {VALUE: "x"}, True, {},
     {"env": "1234567a"}, {"env": f"é{VALUE}"}],
)  # fmt: skip
def test_literal_value_is_refused_without_showing_it(literal: object) -> None:
    with pytest.raises(FieldError, match=r"expected \{env: NAME\}") as exc_info:
        Downloader(token=literal)
    assert VALUE not in str(exc_info.value)
    assert "1234567" not in str(exc_info.value)


def test_name_that_may_be_a_literal_value_is_not_shown() -> None:
    (problem,) = Downloader(token={"env": "hunter2pw"}).token.problems("token")
    assert str(problem).startswith("token: the environment variable of the secret is not set (its")
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("path", ["hunter2pw", "folder/hunter2pw"])
def test_path_that_may_be_a_literal_value_is_not_shown(path: str) -> None:
    (problem,) = Downloader(token={"file": path}).token.problems("token")
    assert "cannot be read: (its name is not shown): No such file" in str(problem)
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("literal", ["*hunter2", "!hunter2", "!hunter2!x", "'hunter2"])
def test_literal_value_that_is_invalid_yaml_is_not_shown(plugins: Plugins, literal: str) -> None:
    with pytest.raises(ConfigError, match="YAML") as exc_info:
        Pipeline.from_yaml(config_with(literal), plugins=plugins)
    assert "hunter2" not in str(exc_info.value)


def test_literal_value_in_yaml_is_refused_with_line_and_column(plugins: Plugins) -> None:
    with pytest.raises(ConfigError) as exc_info:
        Pipeline.from_yaml(config_with("hunter2"), plugins=plugins)
    (line,) = exc_info.value.lines
    assert "token: a secret must not be written in a configuration" in line
    assert line.startswith("<string>:")
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("{env: NO_SUCH_VARIABLE}", "variable NO_SUCH_VARIABLE of the secret is not set"),
        ("{file: /no/such/file}", "file of the secret cannot be read: /no/such/file"),
        ("{file: $NO_SUCH/file}", "environment variable NO_SUCH, which is not set"),
        ("{file: /}", "is a folder, a pipe or a device: /"),
        ("{file: /dev/zero}", "is a folder, a pipe or a device: /dev/zero"),
    ],
)
def test_unreadable_secret_is_an_error_of_the_configuration(
    plugins: Plugins, reference: str, message: str
) -> None:
    with pytest.raises(ConfigError) as exc_info:
        Pipeline.from_yaml(config_with(reference), plugins=plugins)
    (line,) = exc_info.value.lines
    assert message in line
    assert ".token" in line


@pytest.mark.usefixtures("token")
def test_no_form_of_a_component_contains_the_value(plugins: Plugins) -> None:
    pipeline = Pipeline.from_yaml(config_with("{env: TOY_TOKEN}"), plugins=plugins)
    (maker,) = pipeline.data["toy"].make
    assert maker.to_plain() == {"kind": "toy-downloader", "token": REFERENCE}
    assert maker.to_plain(complete=True)["backup"] is None
    assert Pipeline.from_yaml(pipeline.to_yaml(complete=True), plugins=plugins) == pipeline
    forms = [repr(maker), str(pipeline), maker._repr_html_(), repr(maker.key())]
    assert all("hunter2" not in form for form in forms)
    pickled = pickle.dumps(pipeline)
    assert b"hunter2" not in pickled
    assert pickle.loads(pickled).data["toy"].make[0].token.reveal() == VALUE


def test_digest_does_not_depend_on_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = set()
    for value in ("first", "second"):
        monkeypatch.setenv("TOY_TOKEN", value)
        digests.add(Downloader(token=REFERENCE).digest())
    assert len(digests) == 1
    assert Downloader(token={"env": "OTHER"}).digest() not in digests
    assert Downloader(token=Secret(env="TOY_TOKEN")) == Downloader(token=REFERENCE)


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("engine", ["serial", pytest.param("processes", marks=pytest.mark.slow)])
def test_run_folder_of_a_failed_run_does_not_contain_the_value(
    plugins: Plugins, tmp_path: Path, engine: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pipeline = toy_pipeline(
        3,
        make=[ToyMaker(), Downloader(token=REFERENCE)],
        on_error="skip",
        estimate=[Uploader(token=REFERENCE)],
    )
    cls = plugins.catalog.get("engine", engine)
    orchestrator = Orchestrator(pipeline, plugins=plugins, engine=cls(), cache=False)
    with pytest.raises(RuntimeError) as exc_info:
        orchestrator.run(tmp_path / "run")
    assert str(exc_info.value) == "cannot upload with *****"
    assert "hunter2" not in str(exc_info.value.__cause__)
    (outcome,) = [outcome for outcome in orchestrator.outcomes if outcome.status == "failed"]
    assert outcome.reason == "ConnectionError: https://archive?token=*****"
    notes = [note for outcome in orchestrator.outcomes for note in outcome.notes]
    assert any("the token ***** expires" in note for note in notes)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"config.yaml", "report.json", "log.jsonl"} <= {path.name for path in files}
    for path in files:
        assert b"hunter2" not in path.read_bytes(), path
    log_lines = (tmp_path / "run" / "log.jsonl").read_text("utf-8")
    assert "upload with *****" in log_lines
    assert "KeyError" in log_lines
    report = json.loads((tmp_path / "run" / "report.json").read_text("utf-8"))
    assert "*****" in report["error"]
    config = (tmp_path / "run" / "config.yaml").read_text("utf-8")
    assert "token: {env: TOY_TOKEN}" in config
    assert "hunter2" not in "".join(capfd.readouterr())
    Pipeline.from_yaml(tmp_path / "run" / "config.yaml", plugins=plugins)


@pytest.mark.usefixtures("token")
def test_outcomes_of_a_worker_do_not_contain_the_value(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skyred.run.steps.hide_in_outcome", lambda outcome, values: outcome)
    makers = [ToyMaker(), Downloader(token=REFERENCE)]
    pipeline = toy_pipeline(3, make=makers, on_error="skip")
    orchestrator = Orchestrator(pipeline, plugins=plugins, cache=False)
    orchestrator.reduce()
    for outcome in orchestrator.outcomes:
        assert "*****" in str(outcome)
        assert "hunter2" not in str(outcome)


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("method", ["validate", "check"])
def test_problems_do_not_contain_the_value(plugins: Plugins, method: str) -> None:
    maker = f"toy-checker\n        token: {{env: TOY_TOKEN}}\n        act: '{method}: problem'\n"
    config = toy_pipeline(3).to_yaml().replace("toy-fill\n", maker)
    with pytest.raises(ConfigError) as exc_info:
        Pipeline.from_yaml(config, plugins=plugins)
    assert "token: bad token *****; expected another than *****" in str(exc_info.value)
    assert "hunter2" not in f"{exc_info.value} {exc_info.value.problems}"


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("method", ["validate", "check"])
@pytest.mark.parametrize(
    ("act", "error", "message"),
    [("error", RuntimeError, "{} fails with *****"), ("exit", ComponentError, "exits with *****")],
)
def test_error_of_a_check_names_the_plugin_and_not_the_value(
    plugins: Plugins, method: str, act: str, error: type[Exception], message: str
) -> None:
    maker = f"toy-checker\n        token: {{env: TOY_TOKEN}}\n        act: '{method}: {act}'\n"
    config = toy_pipeline(3).to_yaml().replace("toy-fill\n", maker)
    with pytest.raises(error) as exc_info:
        Pipeline.from_yaml(config, plugins=plugins)
    traceback_text = "".join(traceback.format_exception(exc_info.value))
    assert message.format(method) in traceback_text
    assert MAKER in traceback_text
    assert "hunter2" not in traceback_text


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("act", ["problem", "error"])
def test_errors_in_python_do_not_contain_the_value(plugins: Plugins, act: str) -> None:
    with pytest.raises((FieldError, RuntimeError)) as exc_info:
        Checker(token=REFERENCE, act=f"validate: {act}")
    assert "*****" in str(exc_info.value)
    assert "hunter2" not in f"{exc_info.value} {getattr(exc_info.value, 'problem', '')}"
    pipeline = toy_pipeline(3, make=[ToyMaker(), Checker(token=REFERENCE, act=f"check: {act}")])
    with pytest.raises((ConfigError, RuntimeError)) as check_info:
        Orchestrator(pipeline, plugins=plugins, cache=False)
    traceback_text = "".join(traceback.format_exception(check_info.value))
    assert "*****" in traceback_text
    assert "hunter2" not in traceback_text
    if act == "error":
        assert (
            "raised in the maker toy-checker of toy-secrets 1 (plugin 'secrets')" in traceback_text
        )


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("method", ["validate", "check"])
def test_messages_of_checks_do_not_contain_the_value(
    method: str, caplog: pytest.LogCaptureFixture, plugins: Plugins
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        maker = Checker(token=REFERENCE, act=f"{method}: messages")
        toy_pipeline(3, make=[ToyMaker(), maker]).check(plugins=plugins)
    messages = [str(warning.message) for warning in caught] + caplog.messages
    assert messages.count(f"{method} with *****") == 2
    assert "hunter2" not in str(messages)


@pytest.mark.slow
@pytest.mark.usefixtures("token")
def test_worker_does_not_print_the_value(
    plugins: Plugins, capfd: pytest.CaptureFixture[str]
) -> None:
    pipeline = toy_pipeline(
        3, make=[ToyMaker(), Checker(token=REFERENCE, act="make: messages")], on_error="skip"
    )
    engine = plugins.catalog.get("engine", "processes")(workers=2)
    Orchestrator(pipeline, plugins=plugins, engine=engine, cache=False).reduce()
    output = "".join(capfd.readouterr())
    assert "make with *****" in output
    assert "hunter2" not in output


@pytest.mark.usefixtures("token")
def test_tasks_of_an_estimator_do_not_show_the_value(caplog: pytest.LogCaptureFixture) -> None:
    token = Downloader(token=REFERENCE).token
    call = pickle.loads(pickle.dumps(HiddenCall(call_with_token, (token,))))
    with pytest.raises(RuntimeError, match=r"task fails with \*{5}"):
        call(token, "task")
    assert caplog.messages == ["task with *****"]


class OpaqueError(SkyredError):
    """An error whose message is not in its arguments."""

    def __init__(self, token: str) -> None:
        self.token = token
        super().__init__()

    def __str__(self) -> str:
        return f"no access with {self.token}"


@pytest.mark.usefixtures("token")
def test_error_with_a_fixed_message_is_replaced() -> None:
    maker = Downloader(token=REFERENCE)
    with pytest.raises(SkyredError, match=r"^OpaqueError: no access with \*{5}$") as exc_info:
        _raise_opaque(maker)
    assert exc_info.value.__cause__ is None


@pytest.mark.usefixtures("token")
def test_values_in_groups_and_in_each_cause_are_hidden() -> None:
    maker = Downloader(token=REFERENCE)
    value = maker.token.reveal()
    context = RuntimeError("without")
    context.__context__ = ExceptionGroup("inner", [KeyError(value)])
    cause = ValueError(value)
    cause.__context__ = context
    error = ExceptionGroup("outer", [RuntimeError(f"part {value}"), TypeError()])
    with pytest.raises(ExceptionGroup) as exc_info, hidden_secrets(maker):
        raise error from cause
    traceback_text = "".join(traceback.format_exception(exc_info.value))
    assert "part *****" in traceback_text
    assert "hunter2" not in traceback_text
    assert "hunter2" not in "".join(traceback.format_exception(context))


@pytest.mark.usefixtures("token")
def test_group_with_a_fixed_message_is_replaced_with_its_notes() -> None:
    maker = Downloader(token=REFERENCE)
    value = maker.token.reveal()
    error = ExceptionGroup("outer", [ValueError(["list", value])])
    error.add_note(f"raised with {value}")
    with pytest.raises(ComponentError) as exc_info, hidden_secrets(maker):
        raise error
    traceback_text = "".join(traceback.format_exception(exc_info.value))
    assert "ExceptionGroup: outer" in traceback_text
    assert "raised with *****" in traceback_text
    assert "hunter2" not in traceback_text


def test_overlapping_contexts_of_threads_hide_their_secrets(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    factory = logging.getLogRecordFactory()
    monkeypatch.setenv("FIRST_TOKEN", "first-value")
    monkeypatch.setenv("SECOND_TOKEN", "second-value")
    first, second = (hidden_secrets(Secret(env=f"{name}_TOKEN")) for name in ("FIRST", "SECOND"))
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)  # as if another thread were still using the second one
    logging.getLogger("toy").warning("first-value and second-value")
    second.__exit__(None, None, None)
    assert caplog.messages == ["first-value and *****"]
    assert logging.getLogRecordFactory() is factory


def test_warnings_that_are_recorded_in_a_context_are_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOY_TOKEN", "token-value")
    token, show = Secret(env="TOY_TOKEN"), warnings.showwarning
    with hidden_secrets(token):
        with warnings.catch_warnings(record=True) as records, hidden_secrets(token):
            warnings.simplefilter("always")
            warnings.warn("with token-value", UserWarning, stacklevel=1)
        assert [str(record.message) for record in records] == ["with *****"]
    assert warnings.showwarning is show


def _raise_opaque(maker: Any) -> None:
    with hidden_secrets(maker):
        raise OpaqueError(maker.token.reveal())


@pytest.mark.usefixtures("token")
def test_problems_of_an_error_are_hidden() -> None:
    maker = Downloader(token=REFERENCE)
    problem = Problem((), f"bad token {VALUE}")
    with pytest.raises(ConfigError, match=r"^bad token \*{5}$") as exc_info, hidden_secrets(maker):
        raise ConfigError([problem])
    assert "hunter2" not in f"{exc_info.value.problems} {exc_info.value.lines}"


@pytest.mark.usefixtures("token")
def test_invalid_log_message_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    maker = Downloader(token=REFERENCE)
    with hidden_secrets(maker):
        logging.getLogger("another").warning("%d runs", maker.token.reveal())
    (message,) = caplog.messages
    assert message.startswith("invalid log message: TypeError")
    assert "hunter2" not in caplog.text


def test_log_is_unchanged_without_secrets() -> None:
    factory = logging.getLogRecordFactory()
    with hidden_secrets(ToyMaker()):
        assert logging.getLogRecordFactory() is factory


def test_representation_of_a_value_is_hidden_too() -> None:
    assert hide("KeyError: 'a\\nb-c'", ["a\nb-c"]) == "KeyError: '*****'"
    assert hide("a word", ["a"]) == "a word", "short values would hide parts of words"
