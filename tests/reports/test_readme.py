"""READMEs have the numbers of the published records."""

import re

import pytest

from bench.catalog import ROOT
from bench.errors import BenchError
from reports.readme import CLAIMS, list_claims, readmes, renew


@pytest.mark.parametrize("path", readmes(), ids=lambda path: path.parent.name)
def test_a_readme_has_the_numbers_of_the_records(path):
    text = path.read_text()
    assert renew(text) == text, f"{path.relative_to(ROOT)}: run python -m reports readme"
    # A line that begins with a comment would be a block of its own, outside its paragraph.
    assert not re.search(r"^ *<!-- (record|difference):", text, re.MULTILINE)
    assert not re.search(r"<!--[^>]*\|", text), "a bar in a comment ends the cell of a table"


READMES = [path for path in readmes() if path.name == "README.md"]


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.parent.name)
def test_better_stands_beside_a_paired_interval(path):
    items = re.split(r"\n\s*\n|\n(?=- |\d+\. |\|)", path.read_text())
    claims = [item for item in items if re.search(r"\bbetter\b(?!, tie)|more accurate", item)]
    assert [c for c in claims if "<!-- difference" not in c and "shown to be" not in c] == []


def test_each_number_is_listed_with_its_cells():
    assert CLAIMS.read_text() == list_claims(), "run python -m reports readme"
    first = CLAIMS.read_text().split("## ")[1]
    text = (ROOT / "README.md").read_text()
    rows = first.count("\n| ") - 2  # without the head
    assert rows == text.count("<!-- record") + text.count("<!-- difference")


def test_better_means_that_the_interval_excludes_zero():
    text = (ROOT / "docs" / "which-method.md").read_text().replace("−", "-")
    verdicts = re.findall(r"\[([-+.\d]+), ([-+.\d]+)\]: (better|not separated)", text)
    assert len(verdicts) == text.count("<!-- difference")
    for low, high, verdict in verdicts:
        expected = "better" if float(low) > 0 else "not separated"
        assert verdict == expected, (low, high)
        assert float(high) > 0


def test_wrong_numbers_are_replaced():
    table = "<!-- records: quick; accuracy -->\nold\n<!-- end -->\n"
    difference = "<!-- difference: quick; log_loss; gravier; mlp; stump -->"
    old = f"{difference}+7 [−1, +8], "
    renewed = renew(table + old + "all <!-- record: quick; cells -->7.")
    assert "old" not in renewed
    assert "| method | digits (shuffled) † |" in renewed
    assert re.search(rf"{re.escape(difference)}[+−]\d?\.\d+ \[[+−]\S+, [+−]\S+\], all", renewed)
    assert renewed.endswith("<!-- record: quick; cells -->132.")


def test_a_summary_has_the_best_methods():
    whole, cut = (
        renew(f"<!-- records: quick; summary{more} -->\n<!-- end -->").splitlines()[1:]
        for more in ("", "; best 3")
    )
    assert sum(line.startswith("|") for line in cut) == 2 + 3
    assert cut[:5] == whole[:5]


def test_two_methods_are_compared_on_each_table():
    comment = "<!-- records: quick; difference; {}; {}; without gravier -->\nold\n<!-- end -->"
    table = renew(comment.format("deepmapper", "logistic"))
    assert re.search(r"\| expression † \| \.988 \| \.98\d \| [+−]\.\d+ \[\S+, \S+\] \|", table)
    assert "gravier" not in table.split("-->")[1]
    assert re.search(
        r"Over 3 tables: mean difference \+\.\d+; better, tie \(at most \.\d+\), worse: 2/1/0; p",
        table,
    )
    with pytest.raises(BenchError, match="unknown method 'mpl'"):
        renew(comment.format("deepmapper", "mpl"))


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("quik; cells", "unknown topic 'quik'.*Did you mean 'quick'"),
        ("quick; acuracy; gravier; mlp", "unknown measure 'acuracy'.*accuracy"),
        ("quick; accuracy; gravier; mpl", "no cell of quick has .* the method 'mpl'"),
        ("wide_pilot; behind; mpl; x", "unknown measure 'behind'"),
        ("nihs; train_seconds; nihs; logistic; stump", "no paired interval of train_seconds on"),
        ("quick; acuracy; gravier; mlp; stump", "unknown measure 'acuracy'.*accuracy"),
    ],
)
def test_a_comment_that_names_nothing_is_an_error(comment, message):
    kind = "difference" if comment.count(";") == 4 else "record"
    with pytest.raises(BenchError, match=message):
        renew(f"<!-- {kind}: {comment} -->0.5")
