"""The tutorials in the order in which they are to be read; a new one has to be listed here."""

from __future__ import annotations

ORDER = (
    "first_analysis.py",
    "low_level_steps.py",
    "several_instruments.py",
    "many_runs_on_a_cluster.py",
    "reading_a_run_folder.py",
    "own_maker.py",
    "plugin_for_others.py",
    "own_estimator_and_fitter.py",
    "likelihood_in_a_gammapy_script.py",
)


def place(filename: str) -> int:
    """Give the place of a tutorial among the others, for sphinx-gallery.

    Raises
    ------
    ValueError
        If it is not listed.
    """
    if filename not in ORDER:
        raise ValueError(f"{filename} is not in ORDER of docs/ext/tutorials_in_order.py; list it")
    return ORDER.index(filename)
