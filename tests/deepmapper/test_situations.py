"""Tables that people bring: files of other programs, ids, labels that leak, other genes."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import io as scipy_io
from scipy import sparse
from typer.testing import CliRunner

from deepmapper._app import cli
from deepmapper.errors import DeepMapperError
from deepmapper.tables import TrainingTables, read_new, read_training

GENES = ["TP53", "MYC", "EGFR", "KRAS", "RB1"]
N = 24


def _expression(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        rng.normal(5, 1, (n, 5)).round(3), columns=GENES, index=[f"S{i:03d}" for i in range(n)]
    )


STATUS = np.array(["tumor", "normal"] * (N // 2))


def _read(path: Path, **options: Any) -> tuple[TrainingTables, str]:
    """The table and its notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tables = read_training(path, **options)
    return tables, "\n".join(tables.notes)


def _check(tables: TrainingTables, frame: pd.DataFrame | None = None) -> None:
    """The table holds the genes and labels of `_expression`."""
    frame = _expression() if frame is None else frame
    assert sorted(tables.train.features) == sorted(frame.columns)
    columns = [tables.train.features.index(gene) for gene in frame.columns]
    X = tables.train.X.toarray() if sparse.issparse(tables.train.X) else tables.train.X
    np.testing.assert_allclose(X[:, columns], frame, rtol=1e-5)
    assert list(tables.train.row_names) == list(frame.index)


def _clinical(folder: Path) -> Path:
    path = folder / "clinical.csv"
    table = pd.DataFrame({"sample": _expression().index, "status": STATUS})
    table.sample(frac=1, random_state=0).to_csv(path, index=False)
    return path


def _write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def _text(frame: pd.DataFrame, **options: Any) -> str:
    return frame.assign(status=STATUS[: len(frame)]).to_csv(**options)


def test_labels_whose_names_are_spelled_otherwise_are_refused(tmp_path: Path) -> None:
    _expression().to_csv(tmp_path / "expr.csv", index_label="sample")
    clinical = pd.read_csv(_clinical(tmp_path))
    clinical.assign(sample=clinical["sample"].str.lower()).to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(DeepMapperError, match=r"no name of a row .*'S000' there.*Spell them alike"):
        read_training(tmp_path / "expr.csv", label="status", labels=tmp_path / "c.csv")
    pd.DataFrame({"status": STATUS}).to_csv(tmp_path / "only.csv", index=False)
    tables, notes = _read(tmp_path / "expr.csv", labels=tmp_path / "only.csv")
    np.testing.assert_array_equal(tables.train.y, STATUS)
    assert "by position" in notes


def test_labels_are_not_joined_by_position_if_a_name_repeats(tmp_path: Path) -> None:
    expression, clinical = tmp_path / "expr.csv", _clinical(tmp_path)
    _expression().rename(index={"S005": "S004"}).to_csv(expression, index_label="sample")
    message = r"1 more than once in .*expr\.csv: 'S004'; 1 only in .*clinical\.csv: 'S005'"
    with pytest.raises(DeepMapperError, match=message):
        read_training(expression, label="status", labels=clinical)
    _expression().to_csv(expression, index_label="sample")
    text = clinical.read_text()
    for name, problem in (("S004", "1 more than once in .*: 'S004'"), ("", "1 rows of .* no name")):
        clinical.write_text(text.replace("S005", name))
        with pytest.raises(DeepMapperError, match=rf"1 only in .*expr\.csv: 'S005'.*{problem}"):
            read_training(expression, label="status", labels=clinical)


def test_labels_of_patients_with_several_rows_are_joined_by_name(tmp_path: Path) -> None:
    patients = [f"P{i // 2}" for i in range(N)]
    frame = _expression().reset_index(drop=True).assign(patient_id=patients)
    frame.to_csv(tmp_path / "expr.csv", index=False)
    table = pd.DataFrame({"patient_id": patients[::-1], "status": STATUS})
    table.to_csv(tmp_path / "clinical.csv", index=False)
    with pytest.raises(DeepMapperError, match=r"12 more than once in .*expr\.csv: 'P0'"):
        read_training(tmp_path / "expr.csv", label="status", labels=tmp_path / "clinical.csv")
    table = table.drop_duplicates("patient_id").assign(status=STATUS[: N // 2])
    table.to_csv(tmp_path / "clinical.csv", index=False)
    tables, notes = _read(
        tmp_path / "expr.csv", label="status", labels=tmp_path / "clinical.csv", test_fraction=0.25
    )
    of_patient = dict(zip(table["patient_id"], table["status"], strict=True))
    expected = [of_patient[patient] for patient in patients]
    assert "12 names have several rows, which get the same label" in notes
    assert "--groups patient_id" in notes
    assert tables.test is not None
    rows = [*tables.train.row_names, *tables.test.row_names]
    status_of_row = dict(zip(rows, [*tables.train.y, *tables.test.y], strict=True))
    assert [status_of_row[str(i + 1)] for i in range(N)] == expected


@pytest.mark.parametrize("start", [1, 200_000_001])
def test_labels_are_matched_by_numbers_of_the_rows(tmp_path: Path, start: int) -> None:
    numbers = np.arange(N) + start
    _expression().assign(sample_id=numbers).to_csv(tmp_path / "expr.csv", index=False)
    table = pd.DataFrame({"sample_id": numbers, "status": STATUS})
    table.sample(frac=1, random_state=0).to_csv(tmp_path / "clinical.csv", index=False)
    tables, notes = _read(tmp_path / "expr.csv", label="status", labels=tmp_path / "clinical.csv")
    np.testing.assert_array_equal(tables.train.y, STATUS)
    assert "by position" not in notes


# Genes in rows


def test_a_table_with_genes_in_rows_is_recognised_by_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "expr.csv"
    _expression().T.to_csv(path, index_label="gene")
    for options in ({"label": "status"}, {"label": "status", "labels": _clinical(tmp_path)}):
        with pytest.raises(DeepMapperError, match="--transpose"):
            read_training(path, **options)
    tables, _ = _read(path, label="status", labels=_clinical(tmp_path), transpose=True)
    _check(tables)
    np.testing.assert_array_equal(tables.train.y, STATUS)


@pytest.mark.parametrize("header", ["gene", "Gene Symbol", "ID_REF", "x"])
def test_an_embedding_of_genes_is_pointed_out(tmp_path: Path, header: str) -> None:
    _expression().T.to_csv(tmp_path / "expr.csv", index_label=header)
    _, notes = _read(tmp_path / "expr.csv")
    assert "the rows look like genes" in notes
    _expression().to_csv(tmp_path / "right.csv", index_label="sample")
    assert _read(tmp_path / "right.csv")[1] == ""


def test_a_label_in_a_row_of_a_transposed_table_is_found(tmp_path: Path) -> None:
    frame = _expression().assign(status=STATUS, sex=["f", "m"] * 12)
    frame.T.to_csv(tmp_path / "t.tsv", sep="\t", index_label="gene")
    tables, _ = _read(tmp_path / "t.tsv", label="status", transpose=True)
    assert tables.train.features == [*GENES, "sex=f", "sex=m"]
    np.testing.assert_array_equal(tables.train.y, STATUS)


@pytest.mark.parametrize("ending", [".npy", ".parquet"])
def test_other_formats_are_transposed(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t{ending}"
    if ending == ".npy":
        np.save(path, _expression().T.to_numpy())
    else:
        _expression().T.to_parquet(path)
    X = _read(path, transpose=True)[0].train.X
    np.testing.assert_allclose(X, _expression(), rtol=1e-6)


@pytest.mark.parametrize("name", ["x.gct", "x.txt", "x.gct.gz"])
@pytest.mark.parametrize("version", ["#1.2", "#1.3"])
def test_gct_is_read(tmp_path: Path, name: str, version: str) -> None:
    genes = _expression().T
    genes.insert(0, "Description", "a gene")
    text = genes.to_csv(sep="\t", index_label="Name")
    if version == "#1.3":
        header, *rows = text.splitlines(keepends=True)
        text = "".join([header, "\t".join(["status", "na", *STATUS]) + "\n", *rows])
    sizes = "5\t24" if version == "#1.2" else "5\t24\t1\t1"
    data = f"{version}\n{sizes}\n{text}".encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    tables, notes = _read(tmp_path / name, label="status", labels=_clinical(tmp_path))
    _check(tables)
    assert "transposed" in notes
    if version == "#1.3":
        np.testing.assert_array_equal(_read(tmp_path / name, label="status")[0].train.y, STATUS)


def test_a_geo_series_matrix_is_read_with_its_characteristics(tmp_path: Path) -> None:
    kinds = "\t".join(f'"tissue: {status}"' for status in STATUS)
    body = _expression().T.to_csv(sep="\t", index_label="ID_REF", quoting=2)
    text = (
        f'!Series_title\t"a study"\n\n!Sample_characteristics_ch1\t{kinds}\n'
        f"!series_matrix_table_begin\n{body}!series_matrix_table_end\n"
    )
    tables, _ = _read(_write(tmp_path, "GSE1_series_matrix.txt", text), label="tissue")
    _check(tables)
    np.testing.assert_array_equal(tables.train.y, STATUS)


# Text of other programs


def test_the_short_header_of_r_is_understood(tmp_path: Path) -> None:
    text = _text(_expression(), sep="\t", index_label="x").removeprefix("x\t")
    tables, notes = _read(_write(tmp_path, "r.tsv", text), label="status")
    _check(tables)
    assert "taken as row names" in notes


def test_a_comma_in_every_row_does_not_hide_the_tabs(tmp_path: Path) -> None:
    text = _text(_expression().assign(stage="a,b"), sep="\t", index_label="x").removeprefix("x\t")
    tables, _ = _read(_write(tmp_path, "r.csv", text), label="status")
    assert tables.train.features == [*GENES, "stage=a,b"]


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", " "])
@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "dat"])
def test_the_separator_is_found(tmp_path: Path, separator: str, ending: str) -> None:
    text = _text(_expression(), sep=separator, index_label="sample")
    _check(_read(_write(tmp_path, f"t.{ending}", text), label="status")[0])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_encodings_of_spreadsheets_are_read(tmp_path: Path, encoding: str) -> None:
    frame = _expression().rename(columns={"TP53": "Größe"})
    path = _write(tmp_path, "t.csv", _text(frame, index_label="sample"), encoding)
    tables, notes = _read(path, label="status")
    _check(tables, frame)
    assert ("iconv" in notes) == (encoding == "latin-1")


def test_comments_are_skipped_and_a_header_with_a_hash_is_kept(tmp_path: Path) -> None:
    body = _text(_expression(), sep="\t", index_label="#OTU ID")
    tables, notes = _read(_write(tmp_path, "t.tsv", "# from biom\n" + body), label="status")
    _check(tables)
    assert "comment lines skipped: 1" in notes
    with pytest.raises(DeepMapperError, match=r"line 27: found 1 field,.*Remove this comment"):
        read_training(_write(tmp_path, "f.tsv", "# from biom\n" + body + "# 24 samples\n"))


def test_a_table_without_header_is_refused(tmp_path: Path) -> None:
    text = _expression().to_csv(header=False, index=False)
    with pytest.raises(DeepMapperError, match=r"no line of column names.*Add a header"):
        read_training(_write(tmp_path, "t.csv", text))


def test_a_quotation_mark_that_is_not_closed_is_located(tmp_path: Path) -> None:
    lines = _text(_expression(), index_label="sample").splitlines()
    lines[5] = lines[5].replace(",", ',"', 1)
    path = _write(tmp_path, "t.csv", "\n".join(lines))
    with pytest.raises(DeepMapperError, match=r"lines 6-25.*quotation mark that is not closed"):
        read_training(path, label="status")


def test_misnamed_and_zipped_files_are_read(tmp_path: Path) -> None:
    data = _text(_expression(), index_label="sample").encode()
    (tmp_path / "gzip.csv").write_bytes(gzip.compress(data))
    (tmp_path / "plain.csv.gz").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("expr.csv", data)
    for name in ("gzip.csv", "plain.csv.gz", "t.zip"):
        _check(_read(tmp_path / name, label="status")[0])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x28\xb5\x2f\xfdabc", "zstd.*zstd -d"),
        (b"\xd0\xcf\x11\xe0abc", "Excel.*CSV UTF-8"),
        (gzip.compress(b"RDX3\nabc", mtime=0), "R data file.*write.csv"),
        (b"\x80\x04abc", "pickle, which can run code"),
        (b'{"a": [1, 2]}', "JSON"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"##fileformat=VCFv4.2\n#CHROM\tPOS\n", "VCF.*plink2"),
        (b"%PDF-1.7", "PDF"),
        (b"\x00\x01\x02\x03" * 9, "not text"),
        (b"PK\x03\x04broken", "not a zip file"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(DeepMapperError, match=rf"t\.csv.*{message}"):
        read_training(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (["xl/workbook.xml"], "Excel workbook.*read_excel"),
        (["a.csv", "b.csv"], "archive of 2 files.*a.csv, b.csv"),
        (["X.npy", "y.npy"], "numpy arrays named"),
    ],
)
def test_archives_are_named(tmp_path: Path, members: list[str], message: str) -> None:
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        for member in members:
            archive.writestr(member, "x")
    with pytest.raises(DeepMapperError, match=message):
        read_training(tmp_path / "t.xlsx")


def test_a_folder_of_10x_is_read(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).poisson(0.9, (N, 5))
    buffer = io.BytesIO()
    scipy_io.mmwrite(buffer, sparse.coo_matrix(counts.T))
    (tmp_path / "matrix.mtx.gz").write_bytes(gzip.compress(buffer.getvalue()))
    names = ["TP53", "MYC", "MYC", "KRAS", "RB1"]
    lines = "".join(f"ENSG{i}\t{name}\tGene Expression\n" for i, name in enumerate(names))
    (tmp_path / "features.tsv.gz").write_bytes(gzip.compress(lines.encode()))
    _write(tmp_path, "barcodes.tsv", "".join(f"{name}\n" for name in _expression().index))
    labels = _clinical(tmp_path)
    tables, _ = _read(tmp_path, label="status", labels=labels)
    unique = ["TP53", "MYC (ENSG1)", "MYC (ENSG2)", "KRAS", "RB1"]
    _check(tables, pd.DataFrame(counts, columns=unique, index=_expression().index))
    np.testing.assert_array_equal(tables.train.y, STATUS)
    (tmp_path / "barcodes.tsv").unlink()
    with pytest.raises(DeepMapperError, match=r"no barcodes.tsv"):
        read_training(tmp_path)


def test_a_10x_file_is_read(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="optional: pip install h5py")
    counts = sparse.csr_matrix(np.random.default_rng(0).poisson(0.9, (N, 5)))
    with h5py.File(tmp_path / "filtered.h5", "w") as file:
        group = file.create_group("matrix")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(counts, name)
        group["shape"], group["barcodes"] = (5, N), [str(name) for name in _expression().index]
        group["features/name"], group["features/id"] = GENES, [f"ENSG{i}" for i in range(5)]
    tables, _ = _read(tmp_path / "filtered.h5", label="status", labels=_clinical(tmp_path))
    _check(tables, pd.DataFrame(counts.toarray(), columns=GENES, index=_expression().index))
    with h5py.File(tmp_path / "x.loom", "w") as file:
        file["row_attrs/Gene"], file["matrix"] = GENES, counts.toarray().T
    with pytest.raises(DeepMapperError, match="loom"):
        read_training(tmp_path / "x.loom")


def test_a_folder_of_parquet_files_is_one_table(tmp_path: Path) -> None:
    frame = _expression().assign(status=STATUS)
    (tmp_path / "parts").mkdir()
    for i in range(3):
        frame[i * 8 : i * 8 + 8].to_parquet(tmp_path / "parts" / f"part-{i}.parquet")
    _check(_read(tmp_path / "parts", label="status")[0])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DeepMapperError, match="a folder without a table"):
        read_training(tmp_path / "empty")


def test_values_in_a_layer_are_read_on_request(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="optional: pip install h5py")
    with h5py.File(tmp_path / "t.h5ad", "w") as file:
        file["layers/counts"] = _expression().to_numpy()
        for part, names in (("obs", list(_expression().index)), ("var", GENES)):
            file[f"{part}/_index"] = names
            file[part].attrs["_index"] = "_index"
            file[part].attrs["column-order"] = np.empty(0, dtype="S1")
    with pytest.raises(DeepMapperError, match=r"has no X; layers: counts. Choose one: --layer"):
        read_training(tmp_path / "t.h5ad")
    tables, _ = _read(tmp_path / "t.h5ad", layer="counts")
    _check(tables)
    np.testing.assert_array_equal(
        read_new(tmp_path / "t.h5ad", tables.preparation).X, tables.train.X
    )


# Numbers


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize("digits", [1, 3])
def test_decimal_commas_are_numbers(tmp_path: Path, separator: str, digits: int) -> None:
    frame = (_expression() / 10).round(digits).assign(age=np.arange(N) ** 2 % 50 + 20)
    texts = frame[GENES].map(lambda value: str(value).replace(".", ","))
    path = _write(tmp_path, "t.csv", _text(texts.assign(age=frame.age), sep=separator))
    _check(_read(path, label="status")[0], frame)


@pytest.mark.parametrize("blank", [",", " ", "\u00a0", "'"])
def test_thousands_separators_are_numbers(tmp_path: Path, blank: str) -> None:
    frame = (_expression() * 1000).round()
    texts = frame.map(lambda value: f"{int(value):,}".replace(",", blank))
    tables, notes = _read(_write(tmp_path, "t.csv", _text(texts)), label="status")
    _check(tables, frame)
    assert "between thousands" in notes


def test_a_comma_of_two_meanings_is_refused(tmp_path: Path) -> None:
    texts = (_expression() * 1000).round().map(lambda value: f"{int(value):,}")
    path = _write(tmp_path, "t.tsv", _text(texts, sep="\t", index_label="sample"))
    with pytest.raises(DeepMapperError, match=r"decimal comma or with a thousands.*1234 or 1\.234"):
        read_training(path, label="status")


def _counts(scale: float = 1000) -> pd.DataFrame:
    """Counts around 1000."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(rng.poisson(scale, (N, 5)), columns=GENES, index=_expression().index)


def _group(frame: pd.DataFrame, mark: str) -> pd.DataFrame:
    return frame.map(lambda value: f"{value:,}".replace(",", mark))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_thousands_beside_hundreds_are_not_decimals(tmp_path: Path, separator: str) -> None:
    text = _text(_group(_counts(), ","), sep=separator)
    tables, notes = _read(_write(tmp_path, "t.csv", text), label="status")
    _check(tables, _counts())
    assert "commas between thousands" in notes


def test_a_single_value_above_1000_is_read_as_thousands(tmp_path: Path) -> None:
    frame = _counts(500)
    frame.iloc[N - 1, 2] = 1156
    tables, notes = _read(_write(tmp_path, "t.csv", _text(_group(frame, ","), sep=";")))
    columns = [tables.train.features.index(gene) for gene in GENES]
    np.testing.assert_array_equal(tables.train.X[:, columns], frame)
    assert "commas between thousands, read as numbers: 'EGFR'" in notes


@pytest.mark.parametrize("others", [["5", "7"], ["100"], ["1234"]])
def test_commas_beside_numbers_of_either_meaning_are_refused(
    tmp_path: Path, others: list[str]
) -> None:
    texts = pd.DataFrame({"x": ["99,125", "98,338", *others] * 6, "y": range(12 + 6 * len(others))})
    path = _write(tmp_path, "t.csv", texts.to_csv(sep=";", index=False))
    with pytest.raises(DeepMapperError, match=r"'99,125'.*decimal comma or with a thousands"):
        read_training(path)


def test_few_rows_of_thousands_in_other_columns_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, "t.csv", "a;b;c\n1,156;875;912\n1,213;899;888\n")
    with pytest.raises(DeepMapperError, match="decimal comma or with a thousands"):
        read_training(path)


def test_decimal_points_in_other_columns_make_commas_thousands(tmp_path: Path) -> None:
    frame = (_expression() * 1000).round().astype(int)
    texts = _group(frame, ",").assign(age=np.arange(N) ** 2 / 4)
    tables, _ = _read(_write(tmp_path, "t.csv", _text(texts, sep=";")), label="status")
    _check(tables, frame.assign(age=texts.age))


@pytest.mark.parametrize("digits", [2, 3])
def test_decimal_commas_are_noted(tmp_path: Path, digits: int) -> None:
    frame = (_expression() + 5).round(digits)
    texts = frame.map(lambda value: f"{value:.{digits}f}".replace(".", ","))
    tables, notes = _read(_write(tmp_path, "t.csv", _text(texts, sep=";")), label="status")
    _check(tables, frame)
    assert "decimal commas, read as numbers" in notes


@pytest.mark.parametrize("scale", [1000, 10**6])
def test_points_between_thousands_beside_decimal_commas(tmp_path: Path, scale: int) -> None:
    weights = [f"{value},5" for value in range(60, 60 + N)]
    texts = _group(_counts(scale), ".").assign(weight=weights)
    tables, notes = _read(_write(tmp_path, "t.csv", _text(texts, sep=";")), label="status")
    _check(tables, _counts(scale).assign(weight=np.arange(60, 60 + N) + 0.5))
    assert "points between thousands" in notes
    texts["MYC"] = "1.234"
    path = _write(tmp_path, "t.csv", _text(texts, sep=";"))
    with pytest.raises(DeepMapperError, match=r"'MYC'.*'1\.234'.*Write 1234 or 1,234"):
        read_training(path, label="status")


@pytest.mark.parametrize("value", ["<0.1", "5.1 mg", "12%", "--", "2.200.1"])
def test_a_number_with_more_is_no_category(tmp_path: Path, value: str) -> None:
    frame = _expression().astype(str)
    frame.iloc[3, 0] = value
    path = _write(tmp_path, "t.csv", _text(frame))
    with pytest.raises(DeepMapperError, match=rf"'TP53' holds numbers.*{value}.*\(row S003\)"):
        read_training(path, label="status")
    if value == "--":
        tables, _ = _read(path, label="status", marks=["--"], missing="median")
        assert tables.preparation.features == GENES


def test_measurements_with_units_do_not_name_the_rows(tmp_path: Path) -> None:
    frame = _expression()
    frame["TP53"] = [f"{value:.3f} mg" for value in frame.TP53]
    with pytest.raises(DeepMapperError, match="'TP53' holds numbers"):
        read_training(_write(tmp_path, "t.csv", _text(frame, index=False)), label="status")


def test_a_table_of_texts_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({f"rs{i}": ["AA", "AG", "GG", "AG"] * 6 for i in range(4)})
    tables, _ = _read(_write(tmp_path, "t.csv", _text(frame, index=False)), label="status")
    assert tables.train.X.shape == (N, 12)


# Labels


@pytest.mark.parametrize("name", ["None", "null", "NULL"])
def test_a_class_may_be_called_none(tmp_path: Path, name: str) -> None:
    text = _text(_expression(), index_label="sample").replace("normal", name)
    path = _write(tmp_path, "t.csv", text)
    assert sorted(set(_read(path, label="status")[0].train.y)) == sorted(["tumor", name])
    with pytest.raises(DeepMapperError, match="12 of 24 rows have no label"):
        read_training(path, label="status", marks=[name])


def test_blanks_around_labels_are_cut(tmp_path: Path) -> None:
    text = _text(_expression(), index_label="sample").replace("normal", " normal  ", 3)
    assert set(_read(_write(tmp_path, "t.csv", text), label="status")[0].train.y) == set(STATUS)


@pytest.mark.parametrize("copy", ["number", "text"])
def test_a_copy_of_the_label_is_pointed_out(tmp_path: Path, copy: str) -> None:
    values = np.where(STATUS == "tumor", *((2, 1) if copy == "number" else ("T", "N")))
    path = _write(tmp_path, "t.csv", _text(_expression().assign(code=values)))
    assert "columns that alone separate the classes: 'code'" in _read(path, label="status")[1]


def test_columns_that_separate_few_rows_by_chance_are_not_pointed_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(8, 500)), columns=[f"g{i}" for i in range(500)])
    assert _read(_write(tmp_path, "t.csv", _text(frame)), label="status")[1] == ""


def test_counts_of_missing_values_are_those_of_the_file(tmp_path: Path) -> None:
    frame = _expression()
    frame.iloc[::2, 1] = np.nan
    path = _write(tmp_path, "t.csv", _text(frame, index_label="sample"))
    with pytest.raises(DeepMapperError, match=r"12 values are missing.*'MYC' \(12\)"):
        read_training(path, label="status", test_fraction=0.3)


# What names the rows


@pytest.mark.parametrize("name", ["sample_id", "Unnamed: 0", "index", "PatientID", "x"])
@pytest.mark.parametrize("start", [0, 1, 7001])
def test_numbers_of_rows_are_no_feature(tmp_path: Path, name: str, start: int) -> None:
    frame = _expression()
    frame.insert(2, name, np.arange(N) + start)
    path = _write(tmp_path, "t.csv", _text(frame, index=False))
    tables, _ = _read(path, label="status")
    assert tables.train.features == GENES
    assert tables.preparation.row_names == name
    kept, _ = _read(path, label="status", keep=[name])
    assert name in kept.train.features


@pytest.mark.parametrize("name", ["patient_id", "barcode", "Sample"])
def test_ids_that_repeat_are_no_feature(tmp_path: Path, name: str) -> None:
    ids = np.random.default_rng(0).permutation(np.r_[np.arange(20) * 37, 0, 37, 74, 111])
    path = _write(tmp_path, "t.csv", _text(_expression().assign(**{name: ids})))
    tables, _ = _read(path, label="status")
    assert tables.train.features == GENES
    assert tables.ids == (name,)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("is_sorted", [True, False])
def test_long_ids_keep_their_text(tmp_path: Path, ending: str, is_sorted: bool) -> None:
    ids = np.random.default_rng(0).integers(2 * 10**8, 10**9, N)
    ids = np.arange(N) + 200_000_001 if is_sorted else ids
    frame = _expression().reset_index(drop=True).assign(status=STATUS)
    frame.insert(0, "sample_id", ids)
    path = tmp_path / f"t.{ending}"
    frame.to_parquet(path, index=False) if ending == "parquet" else frame.to_csv(path, index=False)
    tables, notes = _read(path, label="status")
    _check(tables, _expression().set_index(ids.astype(str)))
    assert "left out: 'sample_id'. Use one as a feature with --keep COLUMN" in notes
    kept, _ = _read(path, label="status", keep=["sample_id"])
    assert kept.train.features == ["sample_id", *GENES]
    np.testing.assert_allclose(kept.train.X[:, 0], ids, rtol=1e-7)


@pytest.mark.parametrize("name", ["sample_id", "number"])
def test_ids_keep_their_zeros(tmp_path: Path, name: str) -> None:
    ids = [f"{i:04d}" for i in range(N)]
    path = _write(tmp_path, "t.csv", _text(_expression().assign(**{name: ids}), index=False))
    assert list(_read(path, label="status")[0].train.row_names) == ids


def test_long_ids_in_a_transposed_table_keep_their_text(tmp_path: Path) -> None:
    ids = (np.arange(N) + 200_000_001).astype(str)
    frame = _expression().T.astype(object)
    frame.loc["patient_id"] = ids
    frame.to_csv(tmp_path / "t.csv", index_label="gene")
    tables, notes = _read(tmp_path / "t.csv", transpose=True)
    _check(tables)
    assert tables.ids == ("patient_id",)
    assert "left out: 'patient_id'" in notes


@pytest.mark.parametrize("name", ["patient_id", "Donor"])
@pytest.mark.parametrize("letter", ["P", ""])
def test_ids_of_patients_with_several_rows_are_no_feature(
    tmp_path: Path, name: str, letter: str
) -> None:
    ids = [f"{letter}{1001 + i // 6}" for i in range(N)]
    path = _write(tmp_path, "t.csv", _text(_expression().assign(**{name: ids})))
    tables, notes = _read(path, label="status")
    assert tables.train.features == GENES
    assert tables.ids == (name,)
    assert tables.n_columns == 6
    assert f"left out: {name!r}. Use one as a feature with --keep COLUMN" in notes
    assert name in str(_read(path, label="status", keep=[name])[0].train.features)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("IDS", np.random.default_rng(0).poisson(20, N)),
        ("IDS", np.random.default_rng(0).permutation(N) ** 2 + 400),
        ("cells", np.random.default_rng(0).poisson(20, N)),
        ("donor", np.arange(N) % 2),
        ("case", np.array(["case", "control"])[np.arange(N) % 2]),
        ("sample", np.array(["blood", "tissue", "bone"])[np.arange(N) % 3]),
    ],
)
def test_measurements_and_categories_with_the_name_of_an_id_are_features(
    tmp_path: Path, name: str, values: np.ndarray
) -> None:
    path = _write(tmp_path, "t.csv", _text(_expression().assign(**{name: values})))
    tables, _ = _read(path, label="status")
    assert tables.ids == ()
    assert any(feature.startswith(name) for feature in tables.train.features)


def test_ranks_are_features(tmp_path: Path) -> None:
    frame = _expression().rank()
    _check(_read(_write(tmp_path, "t.csv", _text(frame)), label="status")[0], frame)


def test_an_index_of_pandas_is_no_feature(tmp_path: Path) -> None:
    frame = _expression().assign(status=STATUS)
    frame.index = pd.Index(np.arange(N) * 3, name="number")
    frame.to_parquet(tmp_path / "named.parquet")
    frame.index = pd.MultiIndex.from_arrays([[f"P{i // 2}" for i in range(N)], np.arange(N) % 2])
    frame.to_parquet(tmp_path / "levels.parquet")
    for name, first in (("named", "0"), ("levels", "P0/0")):
        tables, _ = _read(tmp_path / f"{name}.parquet", label="status")
        assert tables.train.features == GENES
        assert tables.train.row_names[0] == first


def test_names_that_a_spreadsheet_made_dates_are_pointed_out(tmp_path: Path) -> None:
    frame = _expression().rename(columns={"TP53": "1-Mar", "MYC": "Sep-02", "EGFR": "2004-09-04"})
    assert (
        "names that look like dates: '1-Mar', 'Sep-02', '2004-09-04'"
        in _read(_write(tmp_path, "t.csv", _text(frame)))[1]
    )


# Prediction


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv and a fitted run."""
    folder = tmp_path_factory.mktemp("run")
    frame = _expression().rename(columns={"TP53": "ENSG00000141510.16"})
    path = _write(folder, "train.csv", _text(frame, index_label="sample"))
    _command("fit", path, "--label", "status", "--out", folder / "run", *FAST)
    return folder


FAST = ("--device", "cpu", "--set", "passes=1", "--set", "max_epochs=1", "--test-fraction", "0")


def _command(*words: object) -> str:
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def _predict(folder: Path, frame: pd.DataFrame, *options: str) -> str:
    path = _write(folder, "new.csv", frame.to_csv(index_label="sample"))
    return _command("predict", folder / "run", path, *options)


def test_extra_columns_are_ignored_and_missing_ones_listed(run: Path) -> None:
    frame = pd.read_csv(run / "train.csv", index_col=0)
    output = _predict(run, frame.assign(EXTRA1=1, diagnosis="x"))
    assert "note: " in output
    assert "the training table does not have are no features: 'EXTRA1', 'diagnosis'" in output
    with pytest.raises(DeepMapperError, match="1 features of the model are missing: 'MYC'"):
        _predict(run, frame.drop(columns="MYC"))
    with pytest.raises(DeepMapperError, match="capitals only"):
        _predict(run, frame.rename(columns=str.lower))
    with pytest.raises(DeepMapperError, match="--transpose"):
        _predict(run, frame.drop(columns="status").T)


@pytest.mark.parametrize("header", ["", "geo_accession", "tumour", "patient"])
def test_new_rows_keep_their_names_under_another_header(tmp_path: Path, header: str) -> None:
    _write(tmp_path, "train.csv", _text(_expression(), index_label="sample"))
    preparation = _read(tmp_path / "train.csv", label="status")[0].preparation
    frame = _expression().rename_axis(header).assign(batch="b", EXTRA=np.arange(N) ** 2)
    frame.to_csv(tmp_path / "new.csv", index_label=header)
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always")
        new = read_new(tmp_path / "new.csv", preparation)
    assert list(new.row_names) == list(frame.index)
    notes = "\n".join(str(record.message) for record in records)
    assert not header or f"named by the column {header!r}" in notes
    frame.to_csv(tmp_path / "none.csv", index=False)
    with pytest.warns(UserWarning, match=r"rows are numbered, .*no column 'sample'.*--row-names"):
        assert read_new(tmp_path / "none.csv", preparation).row_names[0] == "1"


@pytest.mark.parametrize("version", ["", ".17"])
def test_versions_of_ensembl_are_ignored_on_request(run: Path, version: str) -> None:
    frame = pd.read_csv(run / "train.csv", index_col=0)
    other = frame.rename(columns={"ENSG00000141510.16": f"ENSG00000141510{version}"})
    with pytest.raises(DeepMapperError, match="use --ignore-versions"):
        _predict(run, other)
    _predict(run, frame, "--out", str(run / "same.csv"))
    _predict(run, other, "--ignore-versions", "--out", str(run / "other.csv"))
    assert (run / "other.csv").read_text() == (run / "same.csv").read_text()


def test_missing_values_of_new_rows_are_filled_as_the_message_says(run: Path) -> None:
    frame = pd.read_csv(run / "train.csv", index_col=0)
    frame.loc[["S001", "S004"], "MYC"] = np.nan
    with pytest.raises(DeepMapperError, match=r"2 values are missing.*--missing"):
        _predict(run, frame)
    for missing, n_rows in (("median", N), ("zero", N), ("drop-rows", N - 2)):
        _predict(run, frame, "--missing", missing, "--out", str(run / "out.csv"))
        assert len(pd.read_csv(run / "out.csv")) == n_rows


def test_a_transposed_table_is_predicted(run: Path) -> None:
    frame = pd.read_csv(run / "train.csv", index_col=0).drop(columns="status")
    _predict(run, frame, "--out", str(run / "rows.csv"))
    _predict(run, frame.T, "--transpose", "--out", str(run / "columns.csv"))
    assert (run / "rows.csv").read_text() == (run / "columns.csv").read_text()


# The command


def test_a_dry_run_shows_what_was_understood_and_stops(tmp_path: Path) -> None:
    frame = _expression().assign(number=np.arange(N), sex=["f", "m"] * 12, empty=np.nan)
    path = _write(tmp_path, "t.csv", _text(frame, index_label="sample"))
    output = _command(
        *("fit", path, "--label", "status", "--out", tmp_path / "run", "--dry-run"),
        *("--missing", "zero"),
    )
    for line in (
        "24 rows and 8 columns of features read, 7 features in use",
        "names of the rows: sample",
        "classes: normal (12), tumor (12)",
        "texts taken as categories (1): sex",
        "left out: ids number (1), columns empty (1)",
        "transformation: no logarithms, then standard",
    ):
        assert line in output.splitlines()
    assert not (tmp_path / "run").exists()


def test_a_table_without_signal_has_no_ranking(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(N, 30)), columns=[f"g{i}" for i in range(30)])
    path = _write(tmp_path, "t.csv", _text(frame))
    words = ("fit", path, "--label", "status", "--out", tmp_path / "run")
    output = _command(*words, "--device", "cpu", "--set", "passes=1")
    assert "No feature stands out: features with a q-value of at most 0.1: 0 of 30" in output
    report = (tmp_path / "run" / "report.html").read_text()
    assert "No feature stands out" in report
    assert "selection frequency</th>" not in report
    assert "q-value</th>" not in report


def test_the_number_of_classes_that_are_not_listed_is_shown(tmp_path: Path) -> None:
    frame = pd.DataFrame({"g1": np.arange(100) % 7, "g2": np.arange(100) % 11})
    frame["status"] = [f"c{i // 4}" for i in range(100)]
    path = _write(tmp_path, "t.csv", frame.to_csv(index=False))
    output = _command("fit", path, "--label", "status", "--out", tmp_path / "run", "--dry-run")
    line = next(line for line in output.splitlines() if line.startswith("classes: "))
    assert line.endswith(" (4) and 5 more")


def test_one_row_is_too_few_to_embed(tmp_path: Path) -> None:
    path = _write(tmp_path, "t.csv", "a,b,c\n1,2,3.5\n")
    with pytest.raises(DeepMapperError, match="found 1 row, expected at least 2 to embed"):
        _command("embed", path, "--out", tmp_path / "run")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("learning_rate=abc", "'learning_rate' parameter"),
        ("gate=maybe", "'gate' parameter"),
        ("passes=0", "'passes' parameter"),
        ("lr=0.1", "no parameter 'lr'; known: agreement"),
    ],
)
def test_a_setting_of_the_wrong_type_is_refused_before_reading(
    tmp_path: Path, setting: str, message: str
) -> None:
    with pytest.raises(DeepMapperError, match=message):
        _command("fit", "none.csv", "--label", "y", "--out", tmp_path / "run", "--set", setting)


def _start(folder: Path, *words: object, **options: Any) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "deepmapper", *map(str, words)]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, **options)


@pytest.mark.slow
def test_a_closed_pipe_does_not_cost_the_model(tmp_path: Path) -> None:
    text = _text(_expression(), index_label="sample").replace("normal", "größer ≥3")
    path = _write(tmp_path, "t.csv", text)
    read, write = os.pipe()
    os.close(read)
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    words = ("fit", path, "--label", "status", "--out", "run", *FAST)
    process = _start(tmp_path, *words, stdout=write, env=environment)
    os.close(write)
    error = process.communicate()[1]
    assert process.returncode == 0, error
    assert json.loads((tmp_path / "run" / "model.json").read_text())["format"]


def test_a_run_that_cannot_be_written_is_rescued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path, "t.csv", _text(_expression(), index_label="sample"))
    out = tmp_path / "run"
    swap = os.replace

    def replace(source: Any, target: Any) -> None:
        if Path(target) == out:
            raise OSError(28, "No space left on device")
        swap(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(DeepMapperError, match=r"No space left.*The run was written to") as caught:
        _command("fit", path, "--label", "status", "--out", out, *FAST)
    rescued = Path(str(caught.value).rpartition(" ")[2])
    assert (rescued / "model.json").is_file()


@pytest.mark.slow
def test_an_interrupt_is_one_line(tmp_path: Path) -> None:
    path = _write(tmp_path, "t.csv", _text(_expression(), index_label="sample"))
    words = ("fit", path, "--label", "status", "--out", "run", "--set", "max_epochs=100000")
    process = _start(tmp_path, *words, "--set", "target_loss=null", stdout=subprocess.PIPE)
    assert process.stdout is not None
    while b"transformation" not in process.stdout.readline():
        pass
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    error = process.communicate()[1].decode()
    assert process.returncode == 130
    assert error.splitlines()[-1] == "stopped; nothing was written"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["t.csv"]


def test_a_name_of_thousands_of_letters_is_cut_in_the_message(tmp_path: Path) -> None:
    path = tmp_path / "damaged.csv"
    path.write_text("id," + "s" * 5000 + "\na,1\nb,2\n")
    with pytest.raises(DeepMapperError, match=r"no column 'class'.*'sss.*s\.\.\.") as caught:
        read_training(path, label="class")
    assert len(str(caught.value)) < 500
