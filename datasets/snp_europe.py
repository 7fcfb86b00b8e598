"""SNPs of Europe: 10,025 genotypes of chromosome 2, and the population of each person.

503 people, 10,025 features, five classes of 91 to 107 (CEU, FIN, GBR, IBS, TSI), no official
split. The 1000 Genomes Project (2015), as in the R package gaston (GPL-3). A value is the number of
copies of allele A2: 0, 1 or 2. SNPs are in the order of their positions, and the rarer allele of
each has a share of at least 5%. 5,108 genotypes (0.1%) are missing.
Trap: thousands of weak features have about the same weight, so a selection of a few SNPs loses much
of the signal. CEU (Utah residents of northern and western European ancestry) and GBR are close, and
so are IBS and TSI. Neighbours on the chromosome correlate.
"""

import sys
from pathlib import Path

import numpy as np

from datasets._converted import Arrays, convert_once, repository_file
from datasets._r_file import read_object
from datasets.fetch import DataFile
from datasets.table import Source, Table, wrong_file

REQUIRES = {"rdata": "rdata"}
FILES = ("wide/snp_europe/chr2.bed", "wide/snp_europe/chr2.rds")
REPOSITORY, COMMIT = "cran/gaston", "4db5af105595c1b46d8c8926ad9d56a16e6765cb"
SHA256 = (
    "a3f21f71ea457d2357d2b75bb998d409b05c4a7d2b7a939e408d13951afa12c6",
    "fd0377bf25146d3cda1bbf87de929fe88d1ac681d98983e90dcb73d331548628",
)
SOURCE = Source(
    citation="The 1000 Genomes Project Consortium, A global reference for human genetic variation, "
    "Nature 526 (2015) 68-74; as in the R package gaston of Perdry and Dandine-Roulland",
    address=f"https://github.com/{REPOSITORY}",
    licence="1000 Genomes open access; the package under GPL-3",
)
MAGIC = bytes((0x6C, 0x1B, 0x01))  # of a PLINK file with one row a SNP
COPIES = np.array([0, np.nan, 1, 2], dtype=np.float32)  # of A2, by PLINK's code; 1 is missing


def load() -> Table:
    """Load the genotypes, one feature a SNP, named by its rs number.

    Returns
    -------
    Table
        X (503, 10025), float32, with NaN, 5 classes in alphabetical order, no official split.
    """
    arrays = convert_once(sys.modules[__name__], data_files(), read_files)
    classes, y = np.unique(arrays["populations"], return_inverse=True)
    return Table(
        name="snp_europe",
        X=COPIES[arrays["codes"]],
        y=y.astype(np.int64),
        classes=classes.tolist(),
        features=arrays["snps"].tolist(),
        source=SOURCE,
    )


def data_files() -> list[DataFile]:
    """Return the genotypes in PLINK's format, and the names of people and SNPs."""
    return [
        repository_file(path, REPOSITORY, COMMIT, f"inst/extdata/{Path(path).name}", sha256)
        for path, sha256 in zip(FILES, SHA256, strict=True)
    ]


def read_files(bed: Path, rds: Path) -> Arrays:
    """Read `codes`, `populations` and `snps`. Raises a TableError for other files."""
    content = read_object(rds)
    try:
        people, snps = content.ped, content.snps
        populations = people["population"].to_numpy(dtype=str)
        names = snps["id"].to_numpy(dtype=str)
    except Exception as error:
        expected = "a bed.matrix of gaston with ped$population and snps$id"
        raise wrong_file(rds, expected, f"{type(error).__name__}: {error}") from error
    codes = parse_bed(bed, len(populations), len(names))
    return {"codes": codes, "populations": populations, "snps": names}


def parse_bed(path: Path, n_people: int, n_snps: int) -> np.ndarray:
    """Parse PLINK's codes, uint8 (n_people, n_snps).

    A SNP is a row of bytes. A byte has the codes of four people, the first in its lowest bits.
    Raises a TableError for another length or another start.
    """
    content = path.read_bytes()
    n_bytes = -(-n_people // 4)
    if not content.startswith(MAGIC):
        expected = f"a PLINK .bed file, which starts with {MAGIC.hex()}"
        raise wrong_file(path, expected, content[:3].hex() or "an empty file")
    if len(content) != len(MAGIC) + n_snps * n_bytes:
        expected = f"{len(MAGIC) + n_snps * n_bytes:,} bytes for {n_snps:,} SNPs of {n_people}"
        raise wrong_file(path, f"{expected} people", f"{len(content):,} bytes")
    rows = np.frombuffer(content, np.uint8, offset=len(MAGIC)).reshape(n_snps, n_bytes, 1)
    codes = rows >> np.arange(0, 8, 2, dtype=np.uint8) & 3  # (n_snps, n_bytes, 4)
    return np.ascontiguousarray(codes.reshape(n_snps, -1)[:, :n_people].T)
