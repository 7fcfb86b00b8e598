"""The whole report of a result: results.parquet, tables, figures and the page."""

from pathlib import Path


def build(folder: Path, out: Path | None = None, *, interactive: bool = True) -> Path:
    """Write the whole report and return the path of report/index.html.

    `folder` is an output folder of `bench run` or a topic. `out` (default `folder`) gets
    results.parquet and report/. `interactive` adds the chart that needs a script of 4.5 MB.
    Building again writes the same bytes.
    """
    from reports import aggregate
    from reports.figures.plans import draw_all
    from reports.page.html import render
    from reports.results import Results
    from reports.tables.writer import all_views, write_text, write_view

    results = Results.read(folder)
    out = out or folder
    report = out / "report"
    report.mkdir(parents=True, exist_ok=True)
    aggregate.write_results(results.as_recorded, out / "results.parquet")
    views = all_views(results)
    for view in views:
        write_view(view, report / "tables")
    drawn = draw_all(results, report / "figures")
    text = render(results, views, drawn, interactive=interactive)
    write_text(report / "index.html", text)
    return report / "index.html"
