"""An inspection rule: its severity, reason, evidence and remedy.

The limits were calibrated with the 240 runs of six *reference archives*: H.E.S.S. DL3 DR1, MAGIC
with ``RAD_MAX``, CTA 1DC, and FACT, MAGIC (called MAGIC 2013) and VERITAS of the joint Crab
release.
"""

from __future__ import annotations

import attrs

# a fault means unreadable content or wrong results; a warning is unusual content, which is used
SEVERITIES = ("fault", "warning", "note")


@attrs.frozen
class Rule:
    """One inspection rule.

    Parameters
    ----------
    name : str
        The name, in kebab-case.
    severity : {"fault", "warning", "note"}
        A run with a fault is not used by default; a warning is unusual content, which is used; a
        note is for information.
    summary : str
        The condition that violates the rule.
    reason : str
        The reason for the rule, and the evidence for the limit.
    remedy : str
        Advice on a violation.
    """

    name: str
    severity: str = attrs.field(validator=attrs.validators.in_(SEVERITIES))
    summary: str
    reason: str
    remedy: str


COPY_AGAIN = "copy or download the file again"
FIX_INDEX = "correct the index, or create it again from the files"
FIX_HEADER = "correct the header, or ask the producer of the file"
ASK = "ask the producer of the file, or exclude the run"
REPRODUCE = "produce the IRF again, or exclude the run"
NO_ACTION = "no action is needed, unless this is unexpected"
NO_VIOLATION = "No run of the reference archives violates this rule."
