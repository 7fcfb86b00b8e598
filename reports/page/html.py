"""One HTML page that opens anywhere: styles, script and figures are inside it."""

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from reports import units
from reports.figures.plans import Plan
from reports.page import interactive as chart
from reports.page import sections
from reports.results import Results
from reports.tables.views import View
from reports.topics import Folder

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
COLOURS = 256
# The last only for a grid.
COMPARISON = ("accuracy", "needs", "differences", "over_tables", "pairwise", "variance")


def render(
    results: Results,
    views: list[View],
    drawn: list[Plan],
    *,
    interactive: bool = True,
) -> str:
    """Return the page as text.

    `views` are the tables, `drawn` the figures, of which those without files become notes.
    `interactive` adds plotly's script (4.5 MB) and its chart.
    """
    by_name = {view.name: view for view in views}
    points = chart.points(results) if interactive else []
    return template("page.html.j2").render(
        title=sections.title(results),
        summary=sections.summary(results),
        dates=sections.dates(results),
        machines=sections.machines(results),
        comparison=[by_name[name] for name in COMPARISON if name in by_name],
        dataset_views=[by_name[name] for name in ("quality", "timing", "attribution")],
        datasets=results.datasets,
        times_note=results.times_note,
        data=sections.data_rows(results),
        failures=sections.failures(results),
        cells=sections.cell_rows(results),
        n_cells=len(results.frame),
        has_files=isinstance(results.source, Folder),
        statuses=units.status_words,
        figures=[_embedded(figure) for figure in drawn if figure.png],
        left_out=sections.left_out(results, drawn),
        points=points,
        plotly=chart.script() if points else "",
    )


def template(name: str) -> "Template":
    """Return a template of this folder, with the filters that the pages use."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (slug, breakable, code, units.number, units.count)
    environment.filters |= {function.__name__: function for function in filters}
    return environment.get_template(name)


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def breakable(text: str) -> "Markup":
    """Let a name break after its underscores only."""
    from markupsafe import Markup, escape

    return Markup("_<wbr>").join(escape(part) for part in text.split("_"))


def code(text: str) -> "Markup":
    """Mark text between backticks as code."""
    from markupsafe import Markup, escape

    parts = units.split_code(str(escape(text)))
    return Markup("".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts)))


def _embedded(figure: Plan) -> tuple[Plan, str, int]:
    """Return a figure, its data URI (the smaller of SVG and PNG) and its width."""
    assert figure.png is not None
    assert figure.svg is not None
    png = figure.png.read_bytes()
    content = {"svg+xml": figure.svg.read_bytes(), "png": reduced(png)}
    kind = min(content, key=lambda name: len(content[name]))
    pixels = int.from_bytes(png[16:20], "big")  # the width, in the IHDR chunk
    # 120 CSS pixels for the 150 pixels of an inch, so that text has 11.
    return figure, data_uri(content[kind], kind), round(pixels * 0.8)


def data_uri(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def reduced(picture: bytes) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        plain = image.convert("RGB")
    buffer = io.BytesIO()
    plain.quantize(COLOURS).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
