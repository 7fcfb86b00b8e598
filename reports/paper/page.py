"""The paper's figures, tables and claims on one page that opens anywhere."""

import base64
from pathlib import Path
from typing import Any

from reports import sections, units
from reports.page import TEMPLATES, breakable, reduced, slug, with_code
from reports.paper.evidence import Evidence
from reports.paper.exhibit import Exhibit, short
from reports.paper.trace import traces


def render(evidence: Evidence, exhibits: list[Exhibit], folder: Path) -> str:
    """The page as text; figures are read from `folder`/figures."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {
        "slug": slug,
        "breakable": breakable,
        "count": units.count,
        "short": short,
        "code": with_code,
    }
    environment.filters |= filters
    return environment.get_template("paper.html.j2").render(
        title=evidence.ran.name,
        is_full_size=evidence.is_full_size,
        summary=sections.summary(evidence.results),
        dates=sections.dates(evidence.results),
        machines=sections.machines(evidence.results),
        exhibits=[_shown(exhibit, folder) for exhibit in exhibits],
    )


def _shown(exhibit: Exhibit, folder: Path) -> dict[str, Any]:
    picture = ""
    if exhibit.figure is not None:
        content = reduced((folder / "figures" / f"{exhibit.name}.png").read_bytes(), 1)
        picture = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return {
        "name": exhibit.name,
        "title": exhibit.title,
        "caption": exhibit.caption,
        "missing": exhibit.missing,
        "cells": exhibit.cells,
        "view": exhibit.view,
        "traces": traces(exhibit.view) if exhibit.view is not None else [],
        "picture": picture,
    }
