"""Recognise a file by its first bytes: its reader, its compression, its encoding.

The ending of a name decides nothing: spreadsheets write tabs into `.csv`, and archives drop `.gz`.
"""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deepmapper.errors import DeepMapperError

FIRST_BYTES = 1 << 16
# What reading a damaged file raises.
READ_ERRORS = (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error)

# First bytes -> how to open the file decompressed.
COMPRESSIONS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
# First bytes -> module `deepmapper.tables._<name>`. Other files are text.
READERS = {b"PAR1": "parquet", b"\x89HDF\r\n\x1a\n": "h5ad", b"\x93NUMPY": "raw"}
# First bytes of files that no reader knows -> their kind, and how to get a table from them.
OTHERS = {
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "unpack it: zstd -d {path}"),
    b"7z\xbc\xaf\x27\x1c": ("a 7-Zip archive", "unpack it: 7z x {path}"),
    b"Rar!": ("a RAR archive", "unpack it: unrar x {path}"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook (.xls)", "save its sheet as CSV UTF-8"),
    b"%PDF": ("a PDF document", "save the table as CSV"),
    b"RDX": ("an R data file", "in R: load('{path}'); write.csv(TABLE, 'table.csv')"),
    b"X\n\x00\x00": ("an R object (.rds)", "in R: write.csv(readRDS('{path}'), 'table.csv')"),
    b"ARROW1": (
        "an Arrow (feather) file",
        'python -c "import pandas; pandas.read_feather({path!r}).to_parquet({parquet!r})"',
    ),
    b"\x80": (
        "a Python pickle, which can run code",
        'if you trust it: python -c "import pandas; '
        'pandas.read_pickle({path!r}).to_parquet({parquet!r})"',
    ),
}
# First words of text that is not a table -> the same.
TEXTS = {
    "{": ("JSON", "write the table as CSV"),
    "[": ("JSON", "write the table as CSV"),
    "<": ("HTML or XML", "download the table itself, or save it as CSV"),
    "@relation": ("ARFF", "write the table as CSV (scipy.io.arff.loadarff reads it)"),
    "##fileformat=vcf": (
        "VCF, with variants in rows",
        "plink2 --vcf {path} --export A writes samples in rows",
    ),
    "%%matrixmarket": (
        "a Matrix Market file without names",
        "give the folder that also holds barcodes.tsv and features.tsv",
    ),
}
ENCODINGS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


def recognise(path: Path) -> str:
    """The reader of a file or folder: "delimited", "h5ad", "parquet", "raw" (.npy) or "tenx".

    A file that no reader knows raises DeepMapperError with its kind and a remedy.
    """
    if path.is_dir():
        return _recognise_folder(path)
    if not path.is_file():
        message = f"there is no file {path}"
        raise DeepMapperError(message)
    start = first_bytes(path, decompressed=False)
    if not start:
        message = f"{path} is empty; a table starts with a line of column names"
        raise DeepMapperError(message)
    for magic, reader in READERS.items():
        if start.startswith(magic):
            return reader
    if start.startswith(b"PK"):
        _refuse_archive(path)
    start = first_bytes(path)
    for magic, (kind, remedy) in OTHERS.items():
        if start.startswith(magic):
            raise _not_a_table(path, kind, remedy)
    inner = next((reader for magic, reader in READERS.items() if start.startswith(magic)), None)
    if inner is not None:
        raise _not_a_table(path, f"a compressed {inner} file", "unpack it first (gunzip)")
    if start[257:262] == b"ustar":
        raise _not_a_table(path, "a tar archive", "unpack it: tar -xf {path}")
    encoding = text_encoding(start)
    if encoding.startswith("utf-8") and b"\x00" in start:
        raise _not_a_table(path, f"not text: it begins with {start[:8]!r}", "write it as CSV")
    first_word = start.decode(encoding, errors="replace").lstrip().lower()
    for word, (kind, remedy) in TEXTS.items():
        if first_word.startswith(word):
            raise _not_a_table(path, kind, remedy)
    return "delimited"


def first_bytes(path: Path, *, decompressed: bool = True) -> bytes:
    """The first bytes of a file, decompressed by default.

    A compressed file that is cut off raises DeepMapperError.
    """
    try:
        with open_bytes(path) if decompressed else path.open("rb") as file:
            return bytes(file.read(FIRST_BYTES))
    except READ_ERRORS as error:
        message = f"cannot read {path}: {error}"
        raise DeepMapperError(message) from error


def open_bytes(path: Path) -> Any:
    """The file opened to read its bytes, decompressed. A zip archive has one file."""
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PK"):
        archive = zipfile.ZipFile(path)
        return archive.open(archive.namelist()[0])
    return next((o for m, o in COMPRESSIONS.items() if start.startswith(m)), open)(path, "rb")


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """The file opened to read its text, decompressed. Line ends are kept."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, newline="")


def text_encoding(start: bytes) -> str:
    """UTF-8 unless the first bytes show another one."""
    for mark, encoding in ENCODINGS.items():
        if start.startswith(mark):
            return encoding
    if len(start) >= 4 and not any(start[1:200:2]):
        return "utf-16-le"  # without its mark: every second byte of Latin text is 0
    if len(start) >= 4 and not any(start[0:200:2]):
        return "utf-16-be"
    return "utf-8"


def _recognise_folder(path: Path) -> str:
    names = [file.name for file in path.iterdir()]
    if any(name.startswith("matrix.mtx") for name in names):
        return "tenx"
    if any(path.rglob("*.parquet")):
        return "parquet"
    kind = "a folder without a table"
    remedy = "give a file, a folder of .parquet files, or a 10x folder with matrix.mtx"
    if ".zattrs" in names or "zarr.json" in names:
        kind = "a zarr folder"
        remedy = 'python -c "import anndata; anndata.read_zarr({path!r}).write_h5ad({h5ad!r})"'
    raise _not_a_table(path, kind, remedy)


def _refuse_archive(path: Path) -> None:
    """Raise DeepMapperError unless a zip archive holds one file of text."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except zipfile.BadZipFile as error:
        message = f"cannot read {path}: {error}. Download or write it again"
        raise DeepMapperError(message) from error
    if "xl/workbook.xml" in names:
        remedy = (
            "save its sheet as CSV UTF-8, or: pip install openpyxl; python -c "
            '"import pandas; pandas.read_excel({path!r}).to_csv({csv!r}, index=False)"'
        )
        raise _not_a_table(path, "an Excel workbook", remedy)
    if "mimetype" in names:
        raise _not_a_table(path, "a document such as .ods", "save its sheet as CSV UTF-8")
    if names and all(name.endswith(".npy") for name in names):
        remedy = "np.save('table.npy', np.load({path!r})[NAME]) writes one of its arrays"
        raise _not_a_table(path, f"numpy arrays named {', '.join(names)}", remedy)
    if len(names) != 1:
        remedy = f"unpack it (unzip {{path}}) and give one of its files: {', '.join(names[:10])}"
        raise _not_a_table(path, f"an archive of {len(names)} files", remedy)


def _not_a_table(path: Path, kind: str, remedy: str) -> DeepMapperError:
    texts = {
        "path": str(path),
        "csv": str(path.with_suffix(".csv")),
        "h5ad": str(path.with_suffix(".h5ad")),
        "parquet": str(path.with_suffix(".parquet")),
    }
    for name, text in texts.items():
        remedy = remedy.replace(f"{{{name}!r}}", repr(text)).replace(f"{{{name}}}", text)
    message = (
        f"{path} is {kind}. Known are text (CSV, TSV, GCT, GEO series matrix; also compressed), "
        f"Parquet, AnnData (.h5ad), 10x and .npy. To get one of these: {remedy}"
    )
    return DeepMapperError(message)
