"""The whole report of a store: results.parquet, tables, figures and the page."""

from pathlib import Path

from bench.store.store import Store, write_atomically


def build(folder: Path, *, interactive: bool = True) -> Path:
    """Write everything and return the path of report/index.html.

    Doing it again gives the same bytes. The cells are only read. Without `interactive` the page
    has no chart that needs a script of 4.5 MB.
    """
    from reports import aggregate, figures, page, tables
    from reports.results import Results

    results = Results.read(Store(folder))
    report = folder / "report"
    report.mkdir(parents=True, exist_ok=True)
    with figures.drawing(results, report / "figures") as drawn:
        aggregate.write_results(results.as_recorded, folder / "results.parquet")
        views = tables.all_views(results)
        tables.write_tables(views, report / "tables")
        text = page.render(results, views, drawn, interactive=interactive)
    write_atomically(report / "index.html", lambda file: file.write(text.encode()))
    return report / "index.html"
