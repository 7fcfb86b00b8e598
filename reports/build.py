"""The whole report of a result: results.parquet, tables, figures and the page."""

from pathlib import Path


def build(folder: Path, out: Path | None = None, *, interactive: bool = True) -> Path:
    """Write the whole report and return the path of report/index.html.

    `folder` is an output folder of `bench run` or a topic. `out` (default `folder`) gets
    results.parquet and report/. `interactive` adds the chart that needs a script of 4.5 MB.
    Building again writes the same bytes.
    """
    from reports import aggregate, figures, page, tables
    from reports.results import Results

    results = Results.read(folder)
    out = out or folder
    report = out / "report"
    report.mkdir(parents=True, exist_ok=True)
    aggregate.write_results(results.as_recorded, out / "results.parquet")
    views = tables.all_views(results)
    for view in views:
        tables.write_view(view, report / "tables")
    drawn = figures.draw_all(results, report / "figures")
    text = page.render(results, views, drawn, interactive=interactive)
    tables.write_text(report / "index.html", text)
    return report / "index.html"
