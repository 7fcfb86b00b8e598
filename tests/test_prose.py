"""Plain English: no difficult phrase, and no name that is not a noun."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Phrases that reviews of this tree rejected.
PHRASES = re.compile(
    r"\b(so many|as they are|at hand|to be had|told apart|whoever|himself|nobody|whatever|"
    r"in the place of|where there (?:is|are)|of what|what they|what it (?:has|takes)|at work|"
    r"what is (?:there|missing)|how (?:far|many of)|as many as|once more|goes wrong|becomes of|"
    r"(?:is|are|if) none|(?:says|knows|feels|wants) (?:it|that|what|whether|how))\b"
)
NAMES = {"some", "told", "found", "asked", "arriving", "judging"}
FILES = subprocess.run(
    ["git", "ls-files", "*.py", "*.md", "*.toml", "*.html", "*.yml"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split()
FILES.remove("tests/test_prose.py")  # it holds the phrases


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_no_phrase_or_name_of_the_list(name: str) -> None:
    text = (ROOT / name).read_text()
    hits = [
        f"{number}: {match[0]!r} in {line.strip()}"
        for number, line in enumerate(text.splitlines(), 1)
        for match in PHRASES.finditer(line)
    ]
    if name.endswith(".py"):
        nodes = ast.walk(ast.parse(text))
        stored = (n for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        hits += [f"{n.lineno}: the name {n.id!r}" for n in stored if n.id in NAMES]
    assert hits == []
