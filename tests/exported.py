"""Exported scripts, run where there is no skyred."""

import os
import subprocess
import sys
from pathlib import Path

WITHOUT = """
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "skyred":
            raise ImportError("there is no skyred here")

sys.meta_path.insert(0, Blocked())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_without_skyred(text: str, folder: Path) -> Path:
    """Run a script in a process that cannot import skyred; gives the folder of its results."""
    script, results = folder / "script.py", folder / "results"
    script.write_text(text, encoding="utf-8")
    command = [sys.executable, "-I", "-c", WITHOUT, str(script), str(results)]
    environment = os.environ | {"MPLBACKEND": "agg"}
    found = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert found.returncode == 0, found.stderr
    return results
