"""The whole report of a result: results.parquet, tables, figures and the page."""

from pathlib import Path

from bench.store.store import write_atomically


def build(folder: Path, out: Path | None = None, *, interactive: bool = True) -> Path:
    """Write everything and return the path of report/index.html.

    Doing it again gives the same bytes. The cells are only read.

    Args:
        folder: an output folder of `bench run` or a topic of reports/published.
        out: where results.parquet and report/ are written; `folder` if it is None.
        interactive: whether the page has the chart that needs a script of 4.5 MB.
    """
    from reports import aggregate, figures, page, tables
    from reports.results import Results

    results = Results.read(folder)
    out = out or folder
    report = out / "report"
    report.mkdir(parents=True, exist_ok=True)
    aggregate.write_results(results.as_recorded, out / "results.parquet")
    views = tables.all_views(results)
    tables.write_tables(views, report / "tables")
    drawn = figures.draw_all(results, report / "figures")
    text = page.render(results, views, drawn, interactive=interactive)
    write_atomically(report / "index.html", lambda file: file.write(text.encode()))
    return report / "index.html"
