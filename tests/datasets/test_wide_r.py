"""Real wide tables in R's formats: the published tables, and files that are not them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("rdata", reason="optional: pip install rdata")

import rdata
import xarray

from datasets import (
    _r_objects,
    cptac_ovarian,
    hmp_body_sites,
    pancan12_mutations,
    risk_ileum,
    tcga_colorectal,
)
from datasets.fetch import location
from datasets.table import DataUnavailable, Table, TableError


@dataclass(frozen=True)
class Published:
    """What a table must be. The checksum is that of counts, which no arithmetic changed."""

    module: ModuleType
    shape: tuple[int, int]
    sizes: dict[str, int]
    checksum: str
    params: dict[str, str] = field(default_factory=dict)
    n_groups: int = 0
    n_missing: int = 0


COUNTS = {"preparation": "counts"}
TABLES = {
    "msi": Published(
        tcga_colorectal,
        (74, 17_045),
        {"MSIH": 13, "MSS": 61},
        "9576dad0e1728bc367369f873143329fa45972ba404237833adbcf3b5e2c6c5b",
        COUNTS,
    ),
    "cms": Published(
        tcga_colorectal,
        (63, 17_045),
        {"CMS1": 8, "CMS2": 26, "CMS3": 10, "CMS4": 19},
        "f695d3748ff995a0b336c8c31cc57c803e7524f792c6f4c0c6241ab021210fa6",
        {"label": "CMS", **COUNTS},
    ),
    "cptac_ovarian": Published(
        cptac_ovarian,
        (73, 8_103),
        {"Differentiated": 18, "Immunoreactive": 19, "Mesenchymal": 17, "Proliferative": 19},
        "ba1f16fd2d95b592f36ce7f87dcd0647a933bf234239752d760eb7306f46d726",
        n_groups=28,
        n_missing=64_085,
    ),
    "hmp_body_sites": Published(
        hmp_body_sites,
        (5_145, 10_730),
        {
            "Anterior_nares": 314,
            "Attached_Keratinized_gingiva": 333,
            "Buccal_mucosa": 334,
            "Hard_palate": 332,
            "L_Antecubital_fossa": 153,
            "L_Retroauricular_crease": 345,
            "Mid_vagina": 149,
            "Palatine_Tonsils": 341,
            "Posterior_fornix": 148,
            "R_Antecubital_fossa": 170,
            "R_Retroauricular_crease": 356,
            "Saliva": 300,
            "Stool": 353,
            "Subgingival_plaque": 344,
            "Supragingival_plaque": 349,
            "Throat": 337,
            "Tongue_dorsum": 350,
            "Vaginal_introitus": 137,
        },
        "66d8526fc98488565dce07b86d30f8867d49a42ada713bb73091536defc0bf15",
        COUNTS,
        n_groups=4_361,
    ),
    "pancan12_mutations": Published(
        pancan12_mutations,
        (3_266, 19_566),
        {
            "acute myeloid leukemia": 196,
            "bladder urothelial carcinoma": 99,
            "breast invasive carcinoma": 767,
            "colon adenocarcinoma": 155,
            "glioblastoma multiforme": 291,
            "head & neck squamous cell carcinoma": 306,
            "kidney clear cell carcinoma": 414,
            "lung adenocarcinoma": 227,
            "lung squamous cell carcinoma": 178,
            "ovarian serous cystadenocarcinoma": 316,
            "rectum adenocarcinoma": 69,
            "uterine corpus endometrioid carcinoma": 248,
        },
        "27172308c73ccb7b16ed6d4c14eb2fe9c144d1ea48243e291bc63e3ec65f50e6",
    ),
    "risk_ileum": Published(
        risk_ileum,
        (524, 9_511),
        {"CD": 332, "no": 192},
        "21795746e7db850d086812203461706bde58baf13dbc040cb37f8ab86a185b9b",
        COUNTS,
        n_groups=458,
    ),
}
MODULES = (tcga_colorectal, cptac_ovarian, hmp_body_sites, risk_ileum, pancan12_mutations)
# Functions that read one file, and the name of the object that they need.
READERS = {
    "tcga_colorectal": (tcga_colorectal.read_file, "crcTCGAsubset"),
    "cptac_ovarian": (cptac_ovarian.read_file, "oca.set"),
    "hmp_body_sites": (hmp_body_sites.read_file, "HMPv35"),
    "risk_ileum": (risk_ileum.read_file, "RISK_CCFA"),
    "pancan12_mutations": (
        lambda path: pancan12_mutations.read_files(path, path),
        "mutation.cb",
    ),
}
FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})


def write_rda(path: Path, name: str, frame: pd.DataFrame) -> None:
    """Write a data frame. rdata cannot write pandas' type of texts."""
    texts = {column: object for column in frame if frame[column].dtype != np.float64}
    rdata.write_rda(path, {name: frame.astype(texts)})


def load(published: Published) -> Table:
    for file in published.module.data_files():
        if not location(file).is_file():
            pytest.skip(f"missing data file: {file.path}")
    table = published.module.load(**published.params)
    assert isinstance(table, Table)
    return table


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_the_real_table_is_the_published_one(real_data: Path, name: str) -> None:
    published = TABLES[name]
    table = load(published)
    assert table.X.shape == published.shape
    assert dict(zip(table.classes, np.bincount(table.y), strict=True)) == published.sizes
    assert table.n_missing == published.n_missing
    n_groups = 0 if table.groups is None else len(np.unique(table.groups))
    assert n_groups == published.n_groups
    assert len(table.notes["samples"]) == table.n_samples  # type: ignore[arg-type]
    assert table.checksum == published.checksum


@pytest.mark.slow
def test_the_tumours_of_a_run_lack_the_same_proteins(real_data: Path) -> None:
    table = load(TABLES["cptac_ovarian"])
    assert isinstance(table.X, np.ndarray)
    missing = np.isnan(table.X)
    assert (~missing.any(axis=0)).sum() == 4_738
    assert missing.sum(axis=0).max() == 53
    assert table.groups is not None
    for group in np.unique(table.groups):
        run = missing[table.groups == group]
        assert 1 <= len(run) <= 3
        assert_array_equal(run, run[:1].repeat(len(run), axis=0))
    assert_array_equal(np.nanmean(table.X, axis=0).round(5), 0)  # centred by the source


@pytest.mark.slow
def test_a_group_of_body_sites_is_one_specimen_of_one_site(real_data: Path) -> None:
    table = load(TABLES["hmp_body_sites"])
    assert table.X.sum(axis=1).min() >= 1_000
    assert table.groups is not None
    pairs = np.unique(np.column_stack([table.groups, table.y]), axis=0)
    assert len(pairs) == 4_361
    assert np.bincount(table.groups).max() == 5


@pytest.mark.slow
def test_the_run_alone_is_right_for_68_percent_of_the_biopsies(real_data: Path) -> None:
    table = load(TABLES["risk_ileum"])
    assert table.X.sum(axis=1).min() >= 1_000
    assert table.groups is not None
    assert np.bincount(table.groups).max() == 3
    per_run = pd.crosstab(np.array(table.notes["runs"]), table.y)
    assert len(per_run) == 11
    assert ((per_run[1] == 0).sum(), (per_run[0] == 0).sum()) == (2, 1)
    assert round(per_run.max(axis=1).sum() / table.n_samples, 2) == 0.68
    cohorts = np.array(table.notes["cohorts"])
    assert (cohorts == "PRISM").sum() == 25
    assert (table.y[cohorts == "PRISM"] == 0).all()
    antibiotics = np.array(table.notes["antibiotics"])
    assert (antibiotics == "true").sum() == 29
    assert (table.y[antibiotics == "true"] == 0).all()


@pytest.mark.slow
def test_every_gene_is_mutated_somewhere_and_every_value_is_one(real_data: Path) -> None:
    table = load(TABLES["pancan12_mutations"])
    assert_array_equal(np.unique(table.X.data), 1)
    assert table.X.sum(axis=0).min() >= 1
    assert table.X.sum(axis=1).max() == 6_898
    assert "FOX" not in table.features


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_wrong_bytes_are_not_read(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path))
    path = tmp_path / module.FILES[0]
    path.parent.mkdir(parents=True)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataUnavailable, match=rf"{path.name} is corrupt: expected sha256:\w+, fou"):
        module.load()


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"BZh91AY&SY", b"RDX2\nX\n"])
@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_not_from_r_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    read, object_name = READERS[name]
    path = tmp_path / "table.rda"
    path.write_bytes(content)
    with pytest.raises(TableError, match=rf"table.rda is trunc.*expected .*'{object_name}', got "):
        read(path)


@pytest.mark.parametrize("name", READERS)
def test_a_truncated_file_is_refused(name: str, tmp_path: Path) -> None:
    read, object_name = READERS[name]
    path = tmp_path / "table.rda"
    write_rda(path, object_name, FRAME)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(TableError, match=rf"table.rda is trunc.*expected .*'{object_name}', got "):
        read(path)


@pytest.mark.parametrize("name", READERS)
def test_a_file_without_the_object_is_refused(name: str, tmp_path: Path) -> None:
    read, object_name = READERS[name]
    path = tmp_path / "table.rda"
    write_rda(path, "other", FRAME)
    with pytest.raises(TableError, match=rf"expected .*'{object_name}', got .*other"):
        read(path)


@pytest.mark.parametrize("name", [name for name in READERS if name != "pancan12_mutations"])
def test_an_object_of_another_class_is_refused(name: str, tmp_path: Path) -> None:
    read, object_name = READERS[name]
    path = tmp_path / "table.rda"
    write_rda(path, object_name, FRAME)
    with pytest.raises(TableError, match=rf"expected an? \w+.* '{object_name}', got AttributeErr"):
        read(path)


def test_a_tumour_without_a_type_is_refused(tmp_path: Path) -> None:
    mutations, clinical = tmp_path / "mutation.cb.rda", tmp_path / "clinical.cb.rda"
    frame = pd.DataFrame({"Sample": ["TP53", "KRAS"], "A.1": [1.0, 0.0], "B.2": [0.0, 1.0]})
    write_rda(mutations, "mutation.cb", frame)
    types = pd.DataFrame({"sampleID": ["A-1"], "X_primary_disease": ["colon"]})
    write_rda(clinical, "clinical.cb", types)
    expected = r"clinical.cb.rda .*a type of each of the 2 tumours, got none of 1, such as B-2"
    with pytest.raises(TableError, match=expected):
        pancan12_mutations.read_files(mutations, clinical)


def test_missing_and_unmutated_genes_and_the_pilot_are_left_out(tmp_path: Path) -> None:
    mutations, clinical = tmp_path / "mutation.cb.rda", tmp_path / "clinical.cb.rda"
    frame = pd.DataFrame({"Sample": ["TP53", "FOX", "PILOT_ONLY", "NEVER", "KRAS"]})
    frame["A.1"] = [1, np.nan, 0, 0, 0.0]
    frame["B.2"] = [1, np.nan, 0, 0, 1.0]
    frame["C.3"] = [1, np.nan, 1, 0, 0.0]
    write_rda(mutations, "mutation.cb", frame)
    types = pd.DataFrame({"sampleID": ["C-3", "B-2", "A-1"]})
    types["X_primary_disease"] = [pancan12_mutations.NO_TYPE, "rectum", "colon"]
    write_rda(clinical, "clinical.cb", types)
    arrays = pancan12_mutations.read_files(mutations, clinical)
    assert arrays["genes"].tolist() == ["TP53", "KRAS"]
    assert arrays["samples"].tolist() == ["A-1", "B-2"]
    assert arrays["types"].tolist() == ["colon", "rectum"]
    assert_array_equal(arrays["shape"], (2, 2))
    assert_array_equal(arrays["indices"], [0, 0, 1])  # TP53 of A-1, TP53 and KRAS of B-2


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Set the object that a file has."""

    def set_object(content: object) -> None:
        monkeypatch.setattr(_r_objects, "read_object", lambda *_, **__: content)

    return set_object


def matrix() -> object:
    """Two features x three samples, as rdata reads a matrix with names."""
    names = {"dim_0": ["g1", "g2"], "dim_1": ["s1", "s2", "s3"]}
    return xarray.DataArray(np.arange(6.0).reshape(2, 3), coords=names, dims=list(names))


def expression_set(samples: list[str], features: list[str]) -> object:
    return SimpleNamespace(
        assayData={"exprs": matrix()},
        phenoData=SimpleNamespace(data=pd.DataFrame({"label": "a"}, index=samples)),
        featureData=SimpleNamespace(data=pd.DataFrame({"symbol": "b"}, index=features)),
    )


def test_rows_of_an_expression_set_are_samples(saved: Callable[[object], None]) -> None:
    saved(expression_set(["s1", "s2", "s3"], ["g1", "g2"]))
    values, samples, features = _r_objects.read_expression_set(Path("x.rda"), "x")
    assert_array_equal(values, [[0, 3], [1, 4], [2, 5]])
    assert values.index.tolist() == samples.index.tolist() == ["s1", "s2", "s3"]
    assert values.columns.tolist() == features.index.tolist() == ["g1", "g2"]


@pytest.mark.parametrize(
    ("samples", "features", "message"),
    [
        (["s1", "s3", "s2"], ["g1", "g2"], "the 3 samples of the matrix .* got 3, .* 's1'"),
        (["s1", "s2", "s3"], ["g2", "g1"], "the 2 features of the matrix .* got 2, .* 'g2'"),
    ],
)
def test_names_in_another_order_are_refused(
    saved: Callable[[object], None], samples: list[str], features: list[str], message: str
) -> None:
    saved(expression_set(samples, features))
    with pytest.raises(TableError, match=f"x.rda .*expected {message}"):
        _r_objects.read_expression_set(Path("x.rda"), "x")


def test_samples_of_a_phyloseq_object_in_another_order_are_refused(
    saved: Callable[[object], None],
) -> None:
    samples = pd.DataFrame({"site": "a"}, index=["s1", "s2", "s3"])
    saved(SimpleNamespace(otu_table=matrix(), sam_data=samples))
    counts, _ = _r_objects.read_phyloseq(Path("x.rda"), "x")
    assert_array_equal(counts, [[0, 3], [1, 4], [2, 5]])
    saved(SimpleNamespace(otu_table=matrix(), sam_data=samples[::-1]))
    with pytest.raises(TableError, match=r"expected the 3 samples of the matrix .* got 3, .* 's3'"):
        _r_objects.read_phyloseq(Path("x.rda"), "x")


def test_a_missing_value_of_a_text_column_is_empty() -> None:
    column = pd.Series(pd.Categorical(["MSS", None], ["MSIH", "MSS"]))
    assert _r_objects.text(column).tolist() == ["MSS", ""]
    assert _r_objects.text(pd.Series([700, None], dtype="Int32")).tolist() == ["700", ""]


def test_an_unknown_label_is_refused() -> None:
    with pytest.raises(TableError, match="'tcga_colorectal': expected label of MSI, CMS, got 'MS'"):
        tcga_colorectal.load(label="MS")
