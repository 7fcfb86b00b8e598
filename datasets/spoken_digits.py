"""Spoken digits: one second of sound of a spoken digit, 8,000 values at 8 kHz.

3,000 recordings, 8,000 features, ten classes of 300, six speakers with 50 recordings of each digit.
Official split: recordings 0 to 4 of each digit and speaker are the test (300). Free Spoken Digit
Dataset (Jackson et al. 2018, CC BY-SA 4.0). Values are in -1 to 1. Shorter recordings end with
zeros (56% of all values), and 20 longer ones are cut.
Trap: column order matters. A feature is a moment, and the same sound a little later has other
values in every column, so methods that ignore the order of columns find little. The zeros show the
length of a recording, which depends on the digit. The official test has the six voices of the
training recordings, and split="speaker" tests on other voices.
"""

import re
import sys
import wave
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from datasets._converted import Arrays, convert_once
from datasets.fetch import DataFile
from datasets.table import Source, Table, TableError, wrong_file

FILES = ("wide/spoken_digits/recordings.zip",)
COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
ADDRESS = f"https://codeload.github.com/Jakobovski/free-spoken-digit-dataset/zip/{COMMIT}"
# Of the folder recordings/ with all files in mode 100644. In the repository, the files of nicolas
# and theo are executable, so that its tree is d04322e322a9f937f6f4f7c8546693755184df5b.
TREE = "f5377fa58d517b63b3075998142f3878db1f30ef"
SOURCE = Source(
    citation="Jackson, Souza, Flaks, Pan, Nicolas, Thite, Free Spoken Digit Dataset v1.0.8 (2018), "
    "doi:10.5281/zenodo.1342401",
    address="https://github.com/Jakobovski/free-spoken-digit-dataset",
    licence="CC BY-SA 4.0",
)
NAME = re.compile(r"(?:.*/)?recordings/(\d)_([a-z]+)_(\d+)\.wav")
FORMAT = (1, 2, 8_000)  # channels, bytes a value, values a second
N_VALUES = 8_000  # of a row, one second
N_TEST = 5  # recordings of each digit and speaker
LARGEST = np.float32(1 << 15)  # of 16 bits
SPLITS = ("official", "speaker", "none")


def load(*, split: str = "official") -> Table:
    """Load the recordings, sorted by speaker, digit and number.

    Parameters
    ----------
    split : {"official", "speaker", "none"}
        "official": the test is recordings 0 to 4 of each digit and speaker. "speaker": no official
        split, and the rows of a speaker are a group, so that a drawn split tests on unknown voices.
        "none": neither.

    Returns
    -------
    Table
        X (3000, 8000), float32, 10 classes. `notes` has the speakers in the order of their groups.
    """
    if split not in SPLITS:
        message = f"table 'spoken_digits': expected split of {', '.join(SPLITS)}, got {split!r}"
        raise TableError(message)
    arrays = convert_once(sys.modules[__name__], data_files(), read_recordings)
    speakers, groups = np.unique(arrays["speakers"], return_inverse=True)
    in_test = arrays["numbers"] < N_TEST
    parts = (np.flatnonzero(~in_test), np.flatnonzero(in_test))
    return Table(
        name="spoken_digits",
        X=arrays["values"] / LARGEST,
        y=arrays["digits"],
        classes=[str(digit) for digit in range(10)],
        features=[f"value_{i}" for i in range(N_VALUES)],
        source=SOURCE,
        official_split=parts if split == "official" else None,
        groups=groups.astype(np.int64) if split == "speaker" else None,
        notes={"speakers": speakers.tolist()},
    )


def data_files(*, split: str = "official") -> list[DataFile]:
    """Return the archive of the commit, the same for any split."""
    return [DataFile(FILES[0], (ADDRESS,), f"tree:{TREE}")]


def read_recordings(path: Path) -> Arrays:
    """Read `values`, int16 (n, 8000), `digits`, `speakers` and `numbers`.

    Raises a TableError if this is no zip, or it has no recordings or recordings of another format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            matches = filter(None, map(NAME.fullmatch, archive.namelist()))
            files = sorted((match[2], int(match[1]), int(match[3]), match[0]) for match in matches)
            values = np.zeros((len(files), N_VALUES), dtype=np.int16)
            for row, (*_, name) in zip(values, files, strict=True):
                with archive.open(name) as file:
                    sound = _read_wav(path, name, file)[:N_VALUES]
                row[: len(sound)] = sound
    except TableError:
        raise
    except Exception as error:  # zipfile and wave raise many kinds
        expected = "a zip of recordings/*.wav"
        raise wrong_file(path, expected, f"{type(error).__name__}: {error}") from error
    if not files:
        raise wrong_file(path, "recordings/<digit>_<speaker>_<number>.wav", "no such file")
    speakers, digits, numbers, _ = (np.array(column) for column in zip(*files, strict=True))
    return {"values": values, "digits": digits, "speakers": speakers, "numbers": numbers}


def _read_wav(path: Path, name: str, file: IO[bytes]) -> np.ndarray:
    """Read the values of a recording, whole numbers of 16 bits."""
    with wave.open(file) as recording:
        form = recording.getnchannels(), recording.getsampwidth(), recording.getframerate()
        if form != FORMAT:
            expected = f"{FORMAT} channels, bytes and values a second in {name}"
            raise wrong_file(path, expected, form)
        return np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2")
