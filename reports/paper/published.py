"""The figures that the paper and its notebooks report, from published.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Published:
    """One published column; None: not given."""

    dataset: str
    label: str
    where: str
    caveat: str
    conversion_seconds: float | None = None
    image_shape: str | None = None
    train_seconds: float | None = None
    train_accuracy: float | None = None
    accuracy: float | None = None
    remark: str | None = None


_TEXT = Path(__file__).with_suffix(".toml").read_text()
PUBLISHED = tuple(Published(**column) for column in tomllib.loads(_TEXT)["column"])
