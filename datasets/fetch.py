"""Files of data: where they lie, whether they are whole, and how they get there.

A download fills a temporary file beside its target, is verified, and is then moved into place. A
file with a wrong checksum is never used, and never deleted: once a good one has arrived, it is
moved aside.

Where no checksum is published, the file is trusted on first use: its SHA-256 is kept beside it,
with a warning, and holds from then on. What a run has used is in any case named by the checksum of
its table.
"""

import gzip
import hashlib
import os
import tempfile
import warnings
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from datasets._folder import data_folder
from datasets.table import DataUnavailable

TIMEOUT_SECONDS = 30  # to connect, and between two chunks of a download
CHUNK_BYTES = 1 << 20
ALGORITHMS = ("md5", "blob", "sha256")
FIRST_SEEN = "first:"  # the checksum of a file whose source publishes none


@dataclass(frozen=True)
class DataFile:
    """A file that a dataset reads.

    Args:
        path: where it lies below the data folder, such as "mnist/t10k-labels-idx1-ubyte.gz".
        addresses: where it can be downloaded, in the order to try.
        checksum: "sha256:<hex>" of the file as it lies; "blob:<hex>", its Git blob id; or
            "md5:<hex>" of its content, unpacked where the name ends in .gz; or, only where none is
            published, "first:", the SHA-256 of the file as it was first seen here, which is kept
            in <path>.sha256 (as sha256sum writes it).

    Raises:
        ValueError: a checksum of another kind.
    """

    path: str
    addresses: tuple[str, ...]
    checksum: str

    def __post_init__(self) -> None:
        known = self.checksum.partition(":")[0] in ALGORITHMS
        if not known and self.checksum != FIRST_SEEN:
            message = (
                f"data file {self.path!r}: expected {FIRST_SEEN!r} or a checksum that starts with "
                f"one of {', '.join(f'{kind}:' for kind in ALGORITHMS)}, got {self.checksum!r}"
            )
            raise ValueError(message)


def location(file: DataFile) -> Path:
    """Where the file lies, or would lie."""
    return data_folder() / file.path


def state(file: DataFile) -> str:
    """Either "at hand", "missing", or "corrupt: expected ..., found ..."; downloads nothing.

    A file that nothing speaks for yet is "at hand, unverified: found ...".
    """
    found, expected = _found(file), _expected(file)
    if found is None:
        return "missing"
    if expected is None:
        return f"at hand, unverified: found {found}, and no checksum is published"
    return "at hand" if found == expected else f"corrupt: expected {expected}, found {found}"


def fetch(file: DataFile) -> Path:
    """The path of the verified file, downloaded where it is missing or corrupt.

    Warns where a corrupt file was replaced, and where a file is trusted on first use.

    Raises:
        DataUnavailable: offline (DEEPMAPPER_OFFLINE=1), no address that sends the right content,
            or a folder that cannot be written.
    """
    found, expected = _found(file), _expected(file)
    if expected is None and found is not None and found.startswith("sha256:"):
        _remember(file, found)
        return location(file)
    if found is not None and found == expected:
        return location(file)
    if os.environ.get("DEEPMAPPER_OFFLINE", "0") not in ("", "0"):
        raise _unavailable(file, found, "Nothing was downloaded, as DEEPMAPPER_OFFLINE is set.")
    temporary = _temporary(file, found)
    try:
        _download(file, temporary, found)
        return _put_in_place(file, temporary)
    finally:
        temporary.unlink(missing_ok=True)
        if temporary.parent != data_folder():
            with suppress(OSError):  # it holds something
                temporary.parent.rmdir()


def _temporary(file: DataFile, found: str | None) -> Path:
    """An empty file beside the target, where a move is atomic."""
    path = location(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        done = f"The folder {path.parent} cannot be written ({error.strerror}), so "
        done += "nothing was downloaded" if found is None else "the file could not be moved aside"
        raise _unavailable(file, found, f"{done}.") from error
    os.close(handle)
    return Path(name)


def _download(file: DataFile, temporary: Path, found: str | None) -> None:
    """Fill the temporary file from the first address that sends the right content."""
    from pooch import HTTPDownloader

    # "identity": a server that unpacks .gz on the way would change the bytes.
    headers = {"Accept-Encoding": "identity"}
    download = HTTPDownloader(timeout=TIMEOUT_SECONDS, chunk_size=CHUNK_BYTES, headers=headers)
    expected = _expected(file)
    failures = []
    for address in file.addresses:
        try:
            with temporary.open("wb") as target:
                download(address, target, None)
                target.flush()
                os.fsync(target.fileno())
        except OSError as error:  # all errors of requests are OSErrors
            failures.append(f"{address} failed ({_plainly(error)})")
            continue
        received = _checksum(temporary, file)
        if expected in (None, received):
            return
        failures.append(f"{address} sent other content (found {received})")
    wanted = f"Expected {expected}" if expected else "Any content would do"
    done = f"{wanted}, but {'; '.join(failures) or 'it has no address'}."
    raise _unavailable(file, found, done)


def _plainly(error: OSError) -> str:
    """What went wrong, without the pools and retries that urllib3 wraps around it."""
    inner = getattr(error.args[0], "reason", None) if error.args else None
    cause = inner if isinstance(inner, Exception) else error
    return f"{type(cause).__name__}: {cause}"


def _put_in_place(file: DataFile, temporary: Path) -> Path:
    """Move a corrupt file aside and the verified one to where it belongs."""
    path = location(file)
    expected = _expected(file)
    if expected is None:
        expected = _checksum(temporary, file)
        _remember(file, expected)
    found = _found(file)
    try:
        temporary.chmod(0o644)  # mkstemp gives 0o600; a data folder may be shared
        if found not in (None, expected):
            aside = path.with_name(f"{path.name}.corrupt-{str(found).partition(':')[2][:8]}")
            os.replace(path, aside)
            message = (
                f"data file {path} was corrupt (expected {expected}, found {found}): "
                f"moved to {aside.name} and downloaded again"
            )
            warnings.warn(message, stacklevel=3)
        os.replace(temporary, path)
    except OSError as error:
        done = f"A good copy was downloaded, but cannot be moved into place ({error.strerror})."
        raise _unavailable(file, found, done) from error
    return path


def _remember(file: DataFile, checksum: str) -> None:
    """Keep the checksum of a file that is seen for the first time, and warn."""
    path, record = location(file), _record(file)
    hexadecimal = checksum.removeprefix("sha256:")
    message = f"no checksum is published for data file {path}: it is trusted as it is first seen"
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{record.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as content:
            content.write(f"{hexadecimal}  {path.name}\n")
        Path(name).chmod(0o644)
        os.replace(name, record)
        message += f" (sha256 {hexadecimal}, kept in {record.name})"
    except OSError as error:
        message += f" (sha256 {hexadecimal}, which cannot be kept: {error.strerror})"
    warnings.warn(message, stacklevel=3)


def _record(file: DataFile) -> Path:
    return data_folder() / f"{file.path}.sha256"


def _expected(file: DataFile) -> str | None:
    """The checksum that the file should have; None for one that was never seen here."""
    if file.checksum != FIRST_SEEN:
        return file.checksum
    record = _record(file)
    words = record.read_text(encoding="utf-8").split() if record.is_file() else []
    return f"sha256:{words[0]}" if words else None


def _unavailable(file: DataFile, found: str | None, done: str) -> DataUnavailable:
    path = location(file)
    if found is None:
        problem = f"data file {file.path!r} is missing: expected it at {path}."
    else:
        problem = (
            f"data file {path} is corrupt: expected {_expected(file)}, found {found}. "
            "It was left where it is and not used."
        )
    advice = (
        f"Download {' or '.join(file.addresses) or 'it'} to {path} yourself, let DEEPMAPPER_DATA "
        f"name a folder that holds {file.path}, or try again with a network, a folder that can be "
        "written, and without DEEPMAPPER_OFFLINE."
    )
    return DataUnavailable(f"{problem} {done} {advice}")


def _found(file: DataFile) -> str | None:
    """The checksum of the file that lies there; None where there is none."""
    path = location(file)
    return _checksum(path, file) if path.is_file() else None


def _checksum(path: Path, file: DataFile) -> str:
    """The checksum of what lies at `path`, of the kind that `file` states."""
    facts = path.stat()
    identity = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    algorithm = "sha256" if file.checksum == FIRST_SEEN else file.checksum.partition(":")[0]
    try:
        if algorithm == "md5" and file.path.endswith(".gz"):
            return _md5_unpacked(path, identity)
        return _as_it_lies(path, identity, algorithm)
    except OSError as error:
        return f"none:unreadable ({error.strerror})"


# A process reads each content once: the identity (inode, bytes, time) changes with the file.
@cache
def _as_it_lies(path: Path, identity: tuple[int, int, int], algorithm: str) -> str:
    prefix = b""
    with path.open("rb") as content:
        if algorithm == "blob":
            prefix = b"blob %d\0" % identity[1]
        hexadecimal = _hash(content, "sha1" if algorithm == "blob" else algorithm, prefix)
    return f"{algorithm}:{hexadecimal}"


@cache
def _md5_unpacked(path: Path, identity: tuple[int, int, int]) -> str:
    try:
        with gzip.open(path) as content:
            return f"md5:{_hash(content, 'md5')}"
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return f"{_as_it_lies(path, identity, 'md5')} as packed (it cannot be unpacked)"


def _hash(content: BinaryIO | gzip.GzipFile, algorithm: str, prefix: bytes = b"") -> str:
    digest = hashlib.new(algorithm, prefix, usedforsecurity=False)
    while chunk := content.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
