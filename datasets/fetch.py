"""Locate, verify and download data files.

A download goes to a temporary folder beside its target, is verified, and is then moved into place.
A file with a wrong checksum is never used and never deleted. It is renamed after a good copy has
been downloaded.

A file without a published checksum is trusted on first use: its SHA-256 is stored beside it, with a
warning, and required from then on.

pooch does the HTTP. Its `retrieve` is not used: it has one address a file, no checksum of unpacked
content or of a Git blob, and it overwrites a file with a wrong checksum.
"""

import gzip
import hashlib
import os
import tempfile
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from datasets._folder import data_folder
from datasets.table import DataUnavailable

TIMEOUT_SECONDS = 30  # for the connection, and between two chunks of a download
CHUNK_BYTES = 1 << 20
ALGORITHMS = {"md5": "md5", "blob": "sha1", "tree": "sha1", "sha256": "sha256"}
FIRST_SEEN = "first:"  # for a file whose source publishes no checksum


@dataclass(frozen=True)
class DataFile:
    """A file that a dataset reads.

    Attributes
    ----------
    path : str
        Path below the data folder, such as "mnist/t10k-labels-idx1-ubyte.gz".
    addresses : tuple of str
        URLs of the file, in the order to try.
    checksum : str
        "sha256:<hex>" of the file, "blob:<hex>" (its Git blob id), or "md5:<hex>" of its content,
        unpacked if the name ends in .gz. "tree:<hex>" of a zip whose own bytes may differ between
        downloads: the Git tree id of the files in its folder of the same name, such as
        recordings/ in recordings.zip, all with the mode 100644. "first:" if the source publishes
        no checksum: the SHA-256 at first use is stored in <path>.sha256, in the format of
        sha256sum.

    Raises
    ------
    ValueError
        If the checksum has another prefix.
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
    """Return the path of the file, which may not exist."""
    return data_folder() / file.path


def state(file: DataFile) -> str:
    """Describe the file without downloading it.

    Returns
    -------
    str
        "present", "missing", "corrupt: expected ..., found ...", or "present, unverified: found
        ..." if its checksum is not known yet.
    """
    actual, expected = _checksum_of(file), _expected(file)
    if actual is None:
        return "missing"
    if expected is None:
        return f"present, unverified: found {actual}, and no checksum is published"
    return "present" if actual == expected else f"corrupt: expected {expected}, found {actual}"


def fetch(file: DataFile) -> Path:
    """Verify the file, download it if it is missing or corrupt, and return its path.

    Warns if a corrupt file was replaced, and if a file is trusted on first use.

    Raises
    ------
    DataUnavailable
        If DEEPMAPPER_OFFLINE=1, no address sends the right content, or the folder is read-only.
    """
    path, actual, expected = location(file), _checksum_of(file), _expected(file)
    if actual is not None and expected is None:
        _remember(file, actual)
        return path
    if actual is not None and actual == expected:
        return path
    if os.environ.get("DEEPMAPPER_OFFLINE", "0") not in ("", "0"):
        raise _unavailable(file, actual, "Nothing was downloaded, as DEEPMAPPER_OFFLINE is set.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=".download.")
    except OSError as error:
        reason = f"The folder {path.parent} cannot be written ({error.strerror})"
        raise _unavailable(file, actual, f"{reason}, so nothing was downloaded.") from error
    with folder:
        temporary = Path(folder.name) / path.name
        received = _download(file, temporary, actual)
        if expected is None:
            _remember(file, received)
        _put_in_place(file, temporary, received)
    return path


def _download(file: DataFile, temporary: Path, actual: str | None) -> str:
    """Try each address until one sends the right content, and return its checksum."""
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
    raise _unavailable(file, actual, f"Expected {expected or 'any content'}, but {reasons}.")


def _reason(error: OSError) -> str:
    """Return the cause of an error, without the text that urllib3 adds to it."""
    inner = getattr(error.args[0], "reason", None) if error.args else None
    cause = inner if isinstance(inner, Exception) else error
    return f"{type(cause).__name__}: {cause}"


def _put_in_place(file: DataFile, temporary: Path, expected: str) -> None:
    """Rename a corrupt file and move the verified one into its place."""
    path, actual = location(file), _checksum_of(file)
    try:
        if actual is not None and actual != expected:
            aside = path.with_name(f"{path.name}.corrupt-{actual.partition(':')[2][:8]}")
            os.replace(path, aside)
            message = (
                f"data file {path} was corrupt (expected {expected}, found {actual}): "
                f"moved to {aside.name} and downloaded again"
            )
            warnings.warn(message, stacklevel=3)
        os.replace(temporary, path)
    except OSError as error:
        reason = f"A good copy was downloaded, but cannot be moved into place ({error.strerror})."
        raise _unavailable(file, actual, reason) from error


def _remember(file: DataFile, checksum: str) -> None:
    """Store the checksum of a file at first use and warn."""
    path = location(file)
    record = path.with_name(f"{path.name}.sha256")
    hexadecimal = checksum.removeprefix("sha256:")
    try:
        record.write_text(f"{hexadecimal}  {path.name}\n", encoding="utf-8")
        kept = f"kept in {record.name}"
    except OSError as error:
        kept = f"which cannot be kept: {error.strerror}"
    message = f"no checksum is published for data file {path}: it is trusted as first seen"
    warnings.warn(f"{message} (sha256 {hexadecimal}, {kept})", stacklevel=3)


def _expected(file: DataFile) -> str | None:
    """Return the checksum that the file should have, or None before its first use."""
    if file.checksum != FIRST_SEEN:
        return file.checksum
    record = data_folder() / f"{file.path}.sha256"
    words = record.read_text(encoding="utf-8").split() if record.is_file() else []
    return f"sha256:{words[0]}" if words else None


def _unavailable(file: DataFile, actual: str | None, reason: str) -> DataUnavailable:
    path = location(file)
    if actual is None:
        problem = f"data file {file.path!r} is missing: expected it at {path}."
    else:
        problem = (
            f"data file {path} is corrupt: expected {_expected(file)}, found {actual}. "
            "It was left where it is and not used."
        )
    advice = (
        f"Download {' or '.join(file.addresses) or 'it'} to {path} yourself, set DEEPMAPPER_DATA "
        f"to a folder that contains {file.path}, or try again with a network, a writable folder, "
        "and without DEEPMAPPER_OFFLINE."
    )
    return DataUnavailable(f"{problem} {reason} {advice}")


def _checksum_of(file: DataFile) -> str | None:
    path = location(file)
    return _checksum(path, file) if path.is_file() else None


def _checksum(path: Path, file: DataFile) -> str:
    facts = path.stat()
    identity = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    kind = "sha256" if file.checksum == FIRST_SEEN else file.checksum.partition(":")[0]
    return _hash(path, identity, kind, unpack=kind == "md5" and path.suffix == ".gz")


@cache  # a process reads a file once, until its identity (inode, bytes, time) changes
def _hash(path: Path, identity: tuple[int, int, int], kind: str, *, unpack: bool) -> str:
    def new() -> Any:
        prefix = b"blob %d\0" % identity[1] if kind == "blob" else b""
        return hashlib.new(ALGORITHMS[kind], prefix, usedforsecurity=False)

    # zipfile raises many kinds of errors for a corrupt file.
    errors = (Exception,) if kind == "tree" else (EOFError, zlib.error, gzip.BadGzipFile)
    try:
        if kind == "tree":
            return f"tree:{_tree_id(path)}"
        with gzip.open(path) if unpack else path.open("rb") as content:
            return f"{kind}:{hashlib.file_digest(content, new).hexdigest()}"
    except errors:
        packed = _hash(path, identity, "sha256" if kind == "tree" else kind, unpack=False)
        return f"{packed} as packed (it cannot be unpacked)"


def _tree_id(path: Path) -> str:
    """Return the Git tree id of the files in the zip's folder that has the name of the zip."""
    entries = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            file = PurePosixPath(member.filename)
            if member.is_dir() or file.parent.name != path.stem:
                continue
            content = archive.read(member)
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
            entries.append(b"100644 %s\0%s" % (file.name.encode(), blob.digest()))
    tree = b"".join(sorted(entries))
    return hashlib.sha1(b"tree %d\0" % len(tree) + tree, usedforsecurity=False).hexdigest()
