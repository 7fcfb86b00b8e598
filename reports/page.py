"""One HTML page that opens anywhere: styles, script and figures are inside it."""

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports import interactive as chart
from reports import sections, units
from reports.figures import Drawn
from reports.results import Results
from reports.topics import Folder
from reports.views import View

if TYPE_CHECKING:
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"

COLOURS = 256


def render(
    results: Results,
    views: list[View],
    drawn: list[Drawn],
    *,
    interactive: bool = True,
) -> str:
    """The page as text.

    Args:
        views: the tables of `reports.tables.all_views`.
        drawn: the figures of `reports.figures`; those without files become notes.
        interactive: whether plotly's script (4.5 MB) and the chart that needs it are inside.
    """
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
        "code": with_code,
        "number": units.number,
        "count": units.count,
    }
    environment.filters |= filters
    points = chart.points(results) if interactive else []
    return environment.get_template("page.html.j2").render(
        **_context(results, views, drawn),
        points=points,
        plotly=chart.script() if points else "",
    )


def _context(results: Results, views: list[View], drawn: list[Drawn]) -> dict[str, Any]:
    by_name = {view.name: view for view in views}
    return {
        "title": sections.title(results),
        "summary": sections.summary(results),
        "dates": sections.dates(results),
        "machines": sections.machines(results),
        "comparison": [by_name[name] for name in ("accuracy", "needs", "differences")],
        "dataset_views": [by_name[name] for name in ("timing", "attribution")],
        "datasets": results.datasets,
        "times_note": results.times_note,
        "data": sections.data_rows(results),
        "failures": sections.failures(results),
        "cells": sections.cell_rows(results),
        "n_cells": len(results.frame),
        "has_files": isinstance(results.source, Folder),
        "statuses": units.status_words,
        "figures": [_embedded(figure) for figure in drawn if figure.png],
        "left_out": sections.left_out(results, drawn),
    }


def slug(text: str) -> str:
    """A label as part of an id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def breakable(text: str) -> "Markup":
    """A name that may break after its underscores, and nowhere else."""
    from markupsafe import Markup, escape

    return Markup("_<wbr>").join(escape(part) for part in text.split("_"))


def with_code(text: str) -> "Markup":
    """Words between backticks as code."""
    from markupsafe import Markup, escape

    parts = str(escape(text)).split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts)))


def _embedded(figure: Drawn) -> tuple[Drawn, str, int]:
    """A figure with its data URI (the smaller of drawing and picture) and its width on the page."""
    png = _read(figure.png)
    kinds = {"svg+xml": _read(figure.svg), "png": reduced(png, 1)}
    kind = min(kinds, key=lambda name: len(kinds[name]))
    return figure, _uri(kinds[kind], kind), _width(png)


def _read(path: Path | None) -> bytes:
    return path.read_bytes() if path else b""


def _width(png: bytes) -> int:
    """The width on the page in CSS pixels: 120 for the 150 of an inch, so that text is 11 px."""
    pixels = int.from_bytes(png[16:20], "big")  # of the IHDR chunk
    return round(pixels * 0.8)


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def reduced(picture: bytes, parts: int) -> bytes:
    """The picture in 256 colours, its sides divided by `parts`."""
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        small = image.convert("RGB").resize((image.width // parts, image.height // parts))
    buffer = io.BytesIO()
    small.quantize(COLOURS).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
