"""The tutorials in reading order; new ones must be listed here."""

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


def position(filename: str) -> int:
    """Return the position of a tutorial in the reading order, for sphinx-gallery.

    Raises
    ------
    ValueError
        If the tutorial is not listed.
    """
    if filename not in ORDER:
        raise ValueError(
            f"{filename} is not listed in docs/ext/tutorials_in_order.py; add it to ORDER"
        )
    return ORDER.index(filename)
