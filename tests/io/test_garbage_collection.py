"""The garbage collector is paused during imports, and works as before afterwards."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from skyred.io.garbage_collection import pause_collection


def run_python(code: str) -> str:
    code = f"import gc\nfrom skyred.io.garbage_collection import pause_collection\n{code}"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


def test_collector_is_off_only_inside_the_context() -> None:
    with pause_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_collector_is_on_again_after_an_exception() -> None:
    with pytest.raises(ValueError, match="invalid"), pause_collection():
        raise ValueError("invalid")
    assert gc.isenabled()


def test_collector_that_the_caller_disabled_stays_off() -> None:
    gc.disable()
    try:
        with pause_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_existing_objects_are_ignored_after_the_first_pause() -> None:
    code = (
        "with pause_collection():\n    objects = [[] for _ in range(1000)]\n"
        "print(gc.get_freeze_count() > 1000, any(item is objects for item in gc.get_objects()))"
    )
    assert run_python(code) == "True False"


def test_cycles_of_later_pauses_are_collected() -> None:
    code = (
        "import weakref\n"
        "class Node: pass\n"
        "with pause_collection(): pass\n"
        "with pause_collection():\n"
        "    node = Node(); node.node = node; reference = weakref.ref(node); del node\n"
        "gc.collect()\n"
        "print(reference())"
    )
    assert run_python(code) == "None"
