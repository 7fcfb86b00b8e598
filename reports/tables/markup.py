"""Views as Markdown, CSV and LaTeX."""

import unicodedata
from collections.abc import Sequence

from reports.tables.views import ABSENT, BEST, FAILED, PREFIXES, PROSE, PUBLISHED, Block, Cell, View
from reports.units import split_code

PROSE_WIDTHS = {40: "22mm", 300: "42mm"}  # number of characters -> width of the column
WIDEST = "80mm"
_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': "''",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≈": r"$\approx$",
    "−": r"$-$",
    "–": "--",
    "—": "---",
    "·": r"$\cdot$",
    "→": r"$\to$",
    "…": r"\ldots{}",
    "“": "``",
    "”": "''",
    "’": "'",
}


def markdown(view: View) -> str:
    """Write the view with its explanation and footnotes as GitHub's Markdown."""
    lines = [f"# {view.title}", "", view.reading, ""]
    for block in view.blocks:
        heading = len(view.blocks) > 1 or bool(block.dataset)
        lines += [f"## {_markdown_text(block.caption)}", ""] if heading else []
        head = [_markdown_text(c.header) + _markdown_notes(c.notes) for c in block.columns]
        rows = [[_markdown_cell(cell) for cell in row] for row in block.rows]
        is_left = [i == 0 or column.mark == PROSE for i, column in enumerate(block.columns)]
        lines += [*markdown_grid(head, rows, is_left), ""]
    lines += [f"{n}. {_footnote(text)}" for n, text in enumerate(view.footnotes, 1)]
    return "\n".join(lines).rstrip() + "\n"


def markdown_grid(head: Sequence[str], rows: list[list[str]], is_left: list[bool]) -> list[str]:
    """Return the lines of a table, with columns aligned to the left or the right."""
    rule = ["---" if left else "---:" for left in is_left]
    return ["| " + " | ".join(row) + " |" for row in [head, rule, *rows]]


def _markdown_cell(cell: Cell) -> str:
    text = PREFIXES.get(cell.mark, "") + _markdown_text(cell.text)
    if cell.mark == BEST:
        text = f"**{text}**"
    if cell.mark in (FAILED, ABSENT, PUBLISHED):
        text = f"*{text}*"
    detail = f" {_markdown_text(cell.detail)}" if cell.detail else ""
    return text + detail + _markdown_notes(cell.notes)


def _markdown_notes(notes: tuple[int, ...]) -> str:
    return "".join(f" [{n}]" for n in notes)


def _markdown_text(text: str) -> str:
    """Escape special characters. Text between two backticks is code."""
    specials = "\\|*_<"
    parts = split_code(text)
    if len(parts) == 1:
        specials += "`"
    between = [_escaped(part, "|" if i % 2 else specials) for i, part in enumerate(parts)]
    return _one_line("`".join(between))


def _escaped(text: str, specials: str) -> str:
    for special in specials:
        text = text.replace(special, "\\" + special)
    return text


def _footnote(text: str) -> str:
    """Return a footnote. Backticks and underscores stay, because reasons quote code."""
    return _one_line(text).replace("<", "\\<")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def csv(view: View) -> str:
    """Write the numbers behind the view, not rounded, one row a method and dataset."""
    return view.data.to_csv(index=False, lineterminator="\n")


def latex(view: View) -> str:
    """Write one `table` a block. It needs the packages array, booktabs, graphicx."""
    lines = [r"% \usepackage{array,booktabs,graphicx}", f"% {_one_line(view.title)}", ""]
    for block in view.blocks:
        lines += _latex_block(view, block)
    if view.footnotes:
        items = [rf"\item {tex(_one_line(text))}" for text in view.footnotes]
        lines += [r"\begin{enumerate}\footnotesize", *items, r"\end{enumerate}"]
    return "\n".join(lines).rstrip() + "\n"


def _latex_block(view: View, block: Block) -> list[str]:
    caption = view.title + (f": {block.caption}" if block.dataset else "")
    alignment = "".join(_latex_alignment(block, i) for i in range(len(block.columns)))
    head = " & ".join(tex(c.header) + _latex_notes(c.notes) for c in block.columns)
    return [
        r"\begin{table}[htbp]\centering",
        rf"\caption{{{tex(caption)}}}",
        # no wider than the line, no taller than the page with its caption
        r"\resizebox*{!}{\ifdim\totalheight>.9\textheight.9\textheight\else\totalheight\fi}{%",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        rf"{head} \\",
        r"\midrule",
        *(" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in block.rows),
        r"\bottomrule",
        r"\end{tabular}}}",
        r"\end{table}",
        "",
    ]


def _latex_alignment(block: Block, place: int) -> str:
    if block.columns[place].mark == PROSE:
        longest = max((len(row[place].text) for row in block.rows), default=0)
        width = next((width for most, width in PROSE_WIDTHS.items() if longest <= most), WIDEST)
        return rf">{{\raggedright\arraybackslash}}p{{{width}}}"
    return "r" if place else "l"


def _latex_cell(cell: Cell) -> str:
    text = tex(PREFIXES.get(cell.mark, "") + cell.text)
    if cell.mark == BEST:
        text = rf"\textbf{{{text}}}"
    if cell.mark in (FAILED, ABSENT, PUBLISHED):
        text = rf"\textit{{{text}}}"
    detail = rf" {{\footnotesize {tex(cell.detail)}}}" if cell.detail else ""
    return text + detail + _latex_notes(cell.notes)


def _latex_notes(notes: tuple[int, ...]) -> str:
    return rf"\textsuperscript{{{','.join(map(str, notes))}}}" if notes else ""


def tex(text: str) -> str:
    """Escape text to ASCII for LaTeX. Text between two backticks is code."""
    parts = ["".join(_TEX.get(c) or _ascii(c) for c in part) for part in split_code(text)]
    return "".join(rf"\texttt{{{part}}}" if i % 2 else part for i, part in enumerate(parts))


def _ascii(char: str) -> str:
    if ord(char) < 128:
        return char
    plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    return "".join(_TEX.get(c, c) for c in plain) or "?"
