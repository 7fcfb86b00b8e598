"""Data files: locate, verify and download them.

A download goes to a temporary folder beside its target, is verified, and is then moved into place.
A file with a wrong checksum is never used and never deleted: it is moved aside once a good one has
arrived.

A file without a published checksum is trusted on first use: its SHA-256 is stored beside it, with a
warning, and required from then on. The checksum of a run's table names the content in any case.

pooch does the HTTP. Its `retrieve` has one address a file, no checksum of unpacked content or of a
Git blob, and overwrites a file with a wrong checksum.
"""

import gzip
import hashlib
import os
import tempfile
import warnings
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from datasets._folder import data_folder
from datasets.table import DataUnavailable

TIMEOUT_SECONDS = 30  # to connect, and between two chunks of a download
CHUNK_BYTES = 1 << 20
ALGORITHMS = {"md5": "md5", "blob": "sha1", "sha256": "sha256"}
FIRST_SEEN = "first:"  # the checksum of a file whose source publishes none


@dataclass(frozen=True)
class DataFile:
    """A file that a dataset reads.

    Args:
        path: below the data folder, such as "mnist/t10k-labels-idx1-ubyte.gz".
        addresses: where it can be downloaded, in the order to try.
        checksum: "sha256:<hex>" of the file; "blob:<hex>", its Git blob id; "md5:<hex>" of its
            content, unpacked if the name ends in .gz; "first:", if none is published, for the
            SHA-256 at first use, stored in <path>.sha256 (in the format of sha256sum).

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
                f"one of {', '.join(f'{name}:' for name in ALGORITHMS)}, got {self.checksum!r}"
            )
            raise ValueError(message)


def location(file: DataFile) -> Path:
    """The path of the file, which may not exist."""
    return data_folder() / file.path


def state(file: DataFile) -> str:
    """Return "present", "missing" or "corrupt: expected ..., found ..."; downloads nothing.

    A file whose checksum is not known yet is "present, unverified: found ...".
    """
    found, expected = _found(file), _expected(file)
    if found is None:
        return "missing"
    if expected is None:
        return f"present, unverified: found {found}, and no checksum is published"
    return "present" if found == expected else f"corrupt: expected {expected}, found {found}"


def fetch(file: DataFile) -> Path:
    """The path of the verified file, downloaded if it is missing or corrupt.

    Warns if a corrupt file was replaced, and if a file is trusted on first use.

    Raises:
        DataUnavailable: offline (DEEPMAPPER_OFFLINE=1), no address that sends the right content,
            or a folder that cannot be written.
    """
    path, found, expected = location(file), _found(file), _expected(file)
    if found is not None and expected is None:
        _remember(file, found)
        return path
    if found is not None and found == expected:
        return path
    if os.environ.get("DEEPMAPPER_OFFLINE", "0") not in ("", "0"):
        raise _unavailable(file, found, "Nothing was downloaded, as DEEPMAPPER_OFFLINE is set.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=".download.")
    except OSError as error:
        reason = f"The folder {path.parent} cannot be written ({error.strerror})"
        raise _unavailable(file, found, f"{reason}, so nothing was downloaded.") from error
    with folder:
        temporary = Path(folder.name) / path.name
        received = _download(file, temporary, found)
        if expected is None:
            _remember(file, received)
        _put_in_place(file, temporary, received)
    return path


def _download(file: DataFile, temporary: Path, found: str | None) -> str:
    """The checksum of the file from the first address that sends the right content."""
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
            failures.append(f"{address} failed ({_reason(error)})")
            continue
        received = _checksum(temporary, file)
        if expected in (None, received):
            return received
        failures.append(f"{address} sent other content (found {received})")
    reasons = "; ".join(failures) or "it has no address"
    raise _unavailable(file, found, f"Expected {expected or 'any content'}, but {reasons}.")


def _reason(error: OSError) -> str:
    """The cause of an error, without the pools and retries that urllib3 wraps around it."""
    inner = getattr(error.args[0], "reason", None) if error.args else None
    cause = inner if isinstance(inner, Exception) else error
    return f"{type(cause).__name__}: {cause}"


def _put_in_place(file: DataFile, temporary: Path, expected: str) -> None:
    """Move a corrupt file aside and the verified one into its place."""
    path, found = location(file), _found(file)
    try:
        if found is not None and found != expected:
            aside = path.with_name(f"{path.name}.corrupt-{found.partition(':')[2][:8]}")
            os.replace(path, aside)
            message = (
                f"data file {path} was corrupt (expected {expected}, found {found}): "
                f"moved to {aside.name} and downloaded again"
            )
            warnings.warn(message, stacklevel=3)
        os.replace(temporary, path)
    except OSError as error:
        reason = f"A good copy was downloaded, but cannot be moved into place ({error.strerror})."
        raise _unavailable(file, found, reason) from error


def _remember(file: DataFile, checksum: str) -> None:
    """Store the checksum of a file at first use, and warn."""
    path = location(file)
    record = path.with_name(f"{path.name}.sha256")
    hexadecimal = checksum.removeprefix("sha256:")
    try:
        record.write_text(f"{hexadecimal}  {path.name}\n", encoding="utf-8")
        kept = f"kept in {record.name}"
    except OSError as error:
        kept = f"which cannot be kept: {error.strerror}"
    message = f"no checksum is published for data file {path}: it is trusted as it is first seen"
    warnings.warn(f"{message} (sha256 {hexadecimal}, {kept})", stacklevel=3)


def _expected(file: DataFile) -> str | None:
    """The checksum that the file should have; None before its first use."""
    if file.checksum != FIRST_SEEN:
        return file.checksum
    record = data_folder() / f"{file.path}.sha256"
    words = record.read_text(encoding="utf-8").split() if record.is_file() else []
    return f"sha256:{words[0]}" if words else None


def _unavailable(file: DataFile, found: str | None, reason: str) -> DataUnavailable:
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
    return DataUnavailable(f"{problem} {reason} {advice}")


def _found(file: DataFile) -> str | None:
    """The checksum of the present file; None if it is missing."""
    path = location(file)
    return _checksum(path, file) if path.is_file() else None


def _checksum(path: Path, file: DataFile) -> str:
    """The checksum of the content of `path`, of the kind that `file` states."""
    facts = path.stat()
    identity = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    kind = "sha256" if file.checksum == FIRST_SEEN else file.checksum.partition(":")[0]
    return _hash(path, identity, kind, unpack=kind == "md5" and path.suffix == ".gz")


@cache  # a process reads each content once: the identity (inode, bytes, time) changes with the file
def _hash(path: Path, identity: tuple[int, int, int], kind: str, *, unpack: bool) -> str:
    def new() -> Any:
        prefix = b"blob %d\0" % identity[1] if kind == "blob" else b""
        return hashlib.new(ALGORITHMS[kind], prefix, usedforsecurity=False)

    try:
        with gzip.open(path) if unpack else path.open("rb") as content:
            return f"{kind}:{hashlib.file_digest(content, new).hexdigest()}"
    except (EOFError, zlib.error, gzip.BadGzipFile):
        packed = _hash(path, identity, kind, unpack=False)
        return f"{packed} as packed (it cannot be unpacked)"
