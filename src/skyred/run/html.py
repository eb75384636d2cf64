"""HTML representation of an orchestrator for notebooks, with its steps and its pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyred.fields.html import html_body
from skyred.interfaces.records import STEPS
from skyred.io.html import bold, details, paragraph, styled_div, table

if TYPE_CHECKING:
    from skyred.run.steps import Steps


def orchestrator_html(steps: Steps) -> str:
    """Return the HTML representation of an orchestrator, without running steps.

    Parameters
    ----------
    steps : Steps
        The steps of the orchestrator.

    Returns
    -------
    str
        The HTML, a single div.
    """
    return styled_div(
        paragraph(bold("Orchestrator"), f" on the engine {steps.engine.kind}"),
        table(("Step", "State", "Time", "Output"), [_row(steps, name) for name in STEPS]),
        details(bold("pipeline"), html_body(steps.pipeline)),
    )


def _row(steps: Steps, name: str) -> tuple[str, ...]:
    if name not in steps.outputs:
        return (name, "not run", "", "")
    if name in steps.record.replaced:
        return (name, "replaced from Python", "", "")
    for record in reversed(steps.records):  # the last time it ran
        if record.name == name:
            return (name, "done", f"{record.seconds:.1f} s", record.summary)
    return (name, "not needed", "", "")
