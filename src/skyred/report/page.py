"""The HTML page: sections, embedded scripts and figures, in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.io.versions import installed_version

if TYPE_CHECKING:
    from jinja2 import Environment

SCRIPTS = ("page.js", "sky.js", "table.js")


def render_page(content: Mapping[str, Any]) -> str:
    """Render the page.

    Parameters
    ----------
    content : mapping of str to object
        The content that the templates use.

    Returns
    -------
    str
        The HTML, which needs no other file.
    """
    static = files("skyred.report") / "static"
    script = "\n".join((static / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page={"version": installed_version("skyred"), **content},
            style=(static / "page.css").read_text(encoding="utf-8"),
            script=script,
            plotly=plotly_script() if content.get("has_figures") else "",
        )
    )


def plotly_script() -> str:
    """Return plotly.js, minified, from the Python package plotly, which is not imported.

    Returns
    -------
    str
        The script, with its licence.
    """
    path = Path(str(distribution("plotly").locate_file("plotly/package_data/plotly.min.js")))
    script = path.read_text(encoding="utf-8")
    return script.replace("</script", "<\\/script")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("skyred.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = script_json
    return environment


def script_json(content: Any) -> str:
    """Return plain data as JSON that can be embedded in a script element.

    Parameters
    ----------
    content : object
        Plain data.

    Returns
    -------
    str
        JSON without the characters that end a script element or a comment in it.
    """
    json_text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        json_text = json_text.replace(character, f"\\u{ord(character):04x}")
    return json_text
