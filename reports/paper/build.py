"""Everything of the paper from a store: figures, tables, claims, one page."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reports.figures.style import PRINT, save, style
from reports.page import sections
from reports.page.html import data_uri, reduced, template
from reports.paper.claims import claims
from reports.paper.cost import cost
from reports.paper.discrepancies import discrepancies
from reports.paper.evidence import Evidence
from reports.paper.exhibit import Exhibit, short, traces
from reports.paper.fig1 import fig1
from reports.paper.fig2 import fig2
from reports.paper.fig3 import fig3
from reports.paper.fig4 import fig4
from reports.paper.fig5 import fig5
from reports.paper.fig6 import fig6
from reports.paper.needles import needles
from reports.paper.table1 import table1
from reports.paper.table2 import table2
from reports.tables.markup import csv, latex, markdown
from reports.tables.writer import write_text
from reports.used_rows import mark_view, used_tables

# In the order of the page.
EXHIBITS: tuple[Callable[[Evidence], Exhibit], ...] = (
    claims,
    table2,
    fig1,
    fig2,
    fig3,
    fig4,
    table1,
    fig5,
    needles,
    fig6,
    cost,
    discrepancies,
)
DOCUMENT = r"""\documentclass[10pt,a4paper]{article}
\usepackage[margin=15mm]{geometry}
\usepackage{array,booktabs,float,graphicx}
\let\floating\table %% so that footnotes follow their table
\renewcommand{\table}[1][]{\floating[H]}
\makeatletter %% captions bear the paper's own numbers
\long\def\@makecaption#1#2{{\centering #2\par}\vskip\belowcaptionskip}
\makeatother
\begin{document}
%s
\end{document}
"""


def build(folder: Path, out: Path | None = None) -> Path:
    """Write `out`/paper from the stored cells and return the path of its page.

    `folder` is an output folder or a topic, and the default of `out`. Figures are .png (300 dots an
    inch), .svg and .pdf, each with its caption as .txt. Tables are .md, .csv and .tex, with all of
    them in `tables.tex`. Building again writes the same bytes. Raises a BenchError for an
    unreadable spec or record.
    """
    evidence = Evidence.read(folder)
    target = (out or folder) / "paper"
    with style(PRINT):
        exhibits = [marked(evidence, make(evidence)) for make in EXHIBITS]
        for exhibit in exhibits:
            _write(exhibit, target)
    tables = [exhibit for exhibit in exhibits if exhibit.view is not None]
    inputs = "\n".join(rf"\input{{{exhibit.name}.tex}}\clearpage" for exhibit in tables)
    write_text(target / "tables" / "tables.tex", DOCUMENT % inputs)
    page = template("paper.html.j2").render(
        title=evidence.ran.name,
        is_full_size=evidence.is_full_size,
        summary=sections.summary(evidence.results),
        dates=sections.dates(evidence.results),
        machines=sections.machines(evidence.results),
        exhibits=[_on_page(exhibit, target / "figures") for exhibit in exhibits],
    )
    write_text(target / "index.html", page)
    return target / "index.html"


def marked(evidence: Evidence, exhibit: Exhibit) -> Exhibit:
    """Mark datasets of a table whose rows chose settings, and sizes below those of the paper."""
    if exhibit.view is not None:
        used = used_tables(evidence.results.frame)
        return replace(exhibit, view=mark_view(exhibit.view, used))
    smaller = evidence.shrunk(exhibit.cells) if exhibit.figure is not None else ""
    return replace(exhibit, caption=f"{exhibit.caption} {smaller}") if smaller else exhibit


def _write(exhibit: Exhibit, target: Path) -> None:
    if exhibit.figure is not None:
        save(exhibit.figure, target / "figures", exhibit.name, ("png", "svg", "pdf"))
        text = f"{exhibit.title}\n\n{exhibit.caption}\n\nCells: {short(exhibit.cells)}\n"
        write_text(target / "figures" / f"{exhibit.name}.txt", text)
    if exhibit.view is not None:
        lines = traces(exhibit.view)
        listed = "\n".join(f"- {line}" for line in lines)
        text = markdown(exhibit.view) + f"\n## Cells behind the numbers\n\n{listed}\n"
        folder = target / "tables"
        write_text(folder / f"{exhibit.name}.md", text)
        write_text(folder / f"{exhibit.name}.csv", csv(exhibit.view))
        comments = "".join(f"% {line}\n" for line in lines)
        write_text(folder / f"{exhibit.name}.tex", latex(exhibit.view) + comments)


def _on_page(exhibit: Exhibit, figures: Path) -> dict[str, object]:
    path = figures / f"{exhibit.name}.png"
    return {
        "exhibit": exhibit,
        "cells": short(exhibit.cells).split(),
        "picture": data_uri(reduced(path.read_bytes())) if exhibit.figure is not None else "",
        "traces": traces(exhibit.view) if exhibit.view is not None else [],
    }
