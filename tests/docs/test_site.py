"""The site: built without a warning; links resolve; pages fit a phone, without script errors."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("sphinx", reason="the site needs the dependency group docs")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
NARROW = 400  # pixels: a phone
# Stores the scroll width of a page in a frame.
FRAME = """<!doctype html><iframe src="{page}" width="{width}" height="800"></iframe><script>
const frame = document.querySelector("iframe");
frame.onload = () => setTimeout(() => {{
  document.body.dataset.width = frame.contentDocument.documentElement.scrollWidth;
}}, 300);</script>"""


class Page(HTMLParser):
    """The ids, links and loaded files of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids |= {values[name] or "" for name in ("id", "name") if name in values}
        target = values.get("href") or values.get("src")
        if target and tag == "a":
            self.links.append(target)
        elif target and tag in ("link", "script", "img"):
            self.loaded.append(target)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    paths = sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)
    return {path: Page(path) for path in paths}


def test_links_and_anchors_resolve(site: Path, pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file():
                broken.append(f"{path.relative_to(site)}: {link}")
            elif anchor and target in pages and anchor not in pages[target].ids:
                broken.append(f"{path.relative_to(site)}: {link}: no such anchor")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    remote = {link for page in pages.values() for link in page.loaded if urlsplit(link).netloc}
    styles = (path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    remote |= {url for text in styles for url in re.findall(r"url\(['\"]?(https?://[^)]+)", text)}
    assert remote == set()


def browse(folder: Path, address: str) -> subprocess.CompletedProcess[str]:
    """The document at an address after its scripts ran, and the log of the browser."""
    chromium = shutil.which("chromium") or pytest.skip("chromium is not installed")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    options += ["--enable-logging=stderr", "--v=0", f"--user-data-dir={folder}"]
    options += ["--virtual-time-budget=3000", "--dump-dom"]
    return subprocess.run(
        [chromium, *options, address], capture_output=True, text=True, check=True, timeout=120
    )


def test_pages_fit_a_phone_without_script_errors(
    site: Path, pages: dict[Path, Page], tmp_path: Path
) -> None:
    problems = []
    for path in pages:
        frame = tmp_path / "frame.html"
        frame.write_text(FRAME.format(page=path.as_uri(), width=NARROW))
        done = browse(tmp_path / "browser", frame.as_uri())
        name = str(path.relative_to(site))
        problems += [
            f"{name}: {e}" for e in re.findall("CONSOLE.*(?:Uncaught|Error).*", done.stderr)
        ]
        width = re.search(r'data-width="(\d+)"', done.stdout)
        if width is None or int(width[1]) > NARROW:
            problems.append(f"{name}: {width[1] if width else 'unknown'} pixels wide")
    assert problems == []
