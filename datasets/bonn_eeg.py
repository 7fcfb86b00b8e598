"""Bonn EEG: segments of brain waves of 23.6 seconds, healthy, between and in seizures.

500 segments, 4,097 features, five classes of 100, no official split. Andrzejak et al. 2001,
University of Bonn, for research, with citation. Single-channel EEG at 173.61 Hz in whole numbers,
cut by the authors from longer recordings and free of artefacts. Sets A to E are in files Z, O, N, F
and S.
Trap: column order matters. A feature is a moment, and segments start at any moment, so methods that
ignore the order of columns see little but amplitudes. Each set comes from five people, whom the
files do not name, so segments of one person are on both sides of a drawn split. Sets A and B were
recorded on the scalp, C to E in the brain.
"""

import re
import sys
import zipfile
from pathlib import Path

import numpy as np

from datasets._converted import Arrays, convert_once, repository_file
from datasets.fetch import DataFile
from datasets.table import Source, Table, TableError, wrong_file

FILES = ("wide/bonn_eeg/Bonn EEG dataset.zip",)
REPOSITORY, COMMIT = "RYH2077/EEG-Epilepsy-Datasets", "185859ab48bc701c9a10f6bb2b5f76d8e28e4003"
SHA256 = "f4c2dc52fd5320d4404fcbc6ecb9db69a4a7e408df4e3d5456530343dbcb75ad"
SOURCE = Source(
    citation="Andrzejak et al., Indications of nonlinear deterministic and finite-dimensional "
    "structures in time series of brain electrical activity: dependence on recording region and "
    "brain state, Physical Review E 64 (2001) 061907",
    address=f"https://github.com/{REPOSITORY}",
    licence="University of Bonn, research with citation; the repository under MIT",
)
CLASSES = {  # by the first letter of a file
    "Z": "A healthy, eyes open",
    "O": "B healthy, eyes closed",
    "N": "C no seizure, other hemisphere",
    "F": "D no seizure, epileptogenic zone",
    "S": "E seizure",
}
NAME = re.compile(r"[A-E]_[ZONFS]/([ZONFS]\d{3})\.txt", re.IGNORECASE)
N_SEGMENTS, N_VALUES = 100, 4_097  # segments of a set, values of a segment


def load() -> Table:
    """Load the segments, sorted by set and number.

    Returns
    -------
    Table
        X (500, 4097), float32, 5 classes, no official split.
    """
    arrays = convert_once(sys.modules[__name__], data_files(), read_segments)
    return Table(
        name="bonn_eeg",
        X=arrays["values"].astype(np.float32),
        y=np.repeat(np.arange(len(CLASSES)), N_SEGMENTS),
        classes=list(CLASSES.values()),
        features=[f"value_{i}" for i in range(N_VALUES)],
        source=SOURCE,
    )


def data_files() -> list[DataFile]:
    """Return the one zip."""
    return [repository_file(FILES[0], REPOSITORY, COMMIT, Path(FILES[0]).name, SHA256)]


def read_segments(path: Path) -> Arrays:
    """Read `values`, int16 (500, 4097), sorted by set and number.

    Raises a TableError if this is no zip, or it has other files or other numbers of values.
    """
    wanted = [f"{letter}{i + 1:03}" for letter in CLASSES for i in range(N_SEGMENTS)]
    try:
        with zipfile.ZipFile(path) as archive:
            matches = filter(None, map(NAME.fullmatch, archive.namelist()))
            names = {match[1].upper(): match[0] for match in matches}
            if missing := [segment for segment in wanted if segment not in names]:
                raise wrong_file(path, f"{len(wanted)} texts", f"no {missing[0]}")
            texts = [(names[segment], archive.read(names[segment])) for segment in wanted]
        return {"values": np.stack([_parse(path, *text) for text in texts])}
    except TableError:
        raise
    except Exception as error:  # zipfile raises many kinds
        raise wrong_file(path, "a zip of texts", f"{type(error).__name__}: {error}") from error


def _parse(path: Path, name: str, content: bytes) -> np.ndarray:
    """Parse one number a line."""
    try:
        values = np.array(content.split(), dtype=np.int16)
    except (OverflowError, ValueError) as error:
        raise wrong_file(path, f"numbers in {name}", error) from error
    if len(values) != N_VALUES:
        raise wrong_file(path, f"{N_VALUES:,} values in {name}", f"{len(values):,}")
    return values
