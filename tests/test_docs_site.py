"""The documentation as a site: built strictly and offline, nothing loaded from elsewhere, no page too heavy."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ml.conformance.register import all_cases

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / ".ci" / "docs" / "mkdocs.yml"
# What a browser loads by itself; a link that a person follows is none.
LOADED = re.compile(
    r"""(?:<(?:script|img|iframe|source)[^>]*\ssrc|<link[^>]*\shref|url\(|@import)[=\s"'(]*(https?:)?//"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    words = ["-m", "mkdocs", "build", "--strict", "--config-file", str(CONFIG), "--site-dir", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_nothing_is_loaded_from_elsewhere_and_every_page_is_light(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 100
    for path in (*pages, *site.rglob("*.css")):
        assert not LOADED.search(path.read_text(encoding="utf-8")), path.name
    assert max(path.stat().st_size for path in pages) <= 500_000


def test_every_picture_is_there(site: Path) -> None:
    seen = 0
    for path in site.rglob("*.html"):
        for name in re.findall(r'<img[^>]*\ssrc="([^"]+)"', path.read_text(encoding="utf-8")):
            assert (path.parent / name).exists(), (path.name, name)
            seen += 1
    assert seen > 10


def test_the_reference_holds_every_command(site: Path) -> None:
    text = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    kept = (ROOT / "tests" / "golden" / "commands.txt").read_text(encoding="utf-8").splitlines()
    names = {line.partition(":")[0].removeprefix("meterloom ") for line in kept if line.startswith("meterloom ")}
    heads = {
        html.unescape(re.sub(r"<[^>]+>", "", head)).rstrip("¶").strip() for head in re.findall(r"<h3.*?</h3>", text)
    }
    assert len(names) > 100
    assert {name for name in names if name not in heads and name != "meterloom"} == set()


def test_the_reference_is_made_of_the_program(site: Path) -> None:
    pages = {path.stem: html.unescape(path.read_text(encoding="utf-8")) for path in (site / "reference").glob("*.html")}
    cells = {name: set(re.findall(r"<td><code>([^<]+)</code>", text)) for name, text in pages.items()}
    assert {"site_id", "price_per_kwh", "public_key", "accuracy_profile", "read_back"} <= cells["schemas"]
    assert {"no_factor", "missing_month", "within_usual_drift"} <= cells["findings"]
    assert "no factor for {…} from {…} to {…}: its emissions are unknown, not zero" in pages["findings"]
    assert all(case.clause in pages["conformance"] for case in all_cases())
    assert pages["conformance"].count("<td>pass</td>") > 50
    benches = {f"python -m tests.bench.{path.stem}" for path in (ROOT / "tests" / "bench").glob("*_bench.py")}
    assert benches == cells["benches"]
    rooms = ("data_quality", "assets", "ml", "controls", "reports", "orchestration")
    modules = {path.name for room in rooms for path in (ROOT / room).rglob("*.py") if path.name != "__init__.py"}
    assert modules <= cells["modules"]
    # A bar within code of a table is one on the page.
    assert "meterloom meters add|change" in cells["modules"]


def test_every_tutorial_is_followed_by_a_test_and_named_on_both_start_pages() -> None:
    docs = ROOT / "docs"
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    german = (docs / "start_de.md").read_text(encoding="utf-8")
    manual = (docs / "ems" / "README.md").read_text(encoding="utf-8")
    pages = sorted(path.stem for path in (docs / "ems").glob("tutorial_*.md"))
    assert len(pages) == 7
    for name in pages:
        assert f"{name}.md" in german, name
        assert f"{name}.md" in manual, name
        assert f'"{name}' in tests, name


def test_a_dead_link_stops_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("[gone](nowhere.md)\n")
    strict = "site_name: x\nstrict: true\nvalidation: {links: {not_found: warn}}\n"
    (tmp_path / "mkdocs.yml").write_text(strict)
    words = [sys.executable, "-m", "mkdocs", "build", "--config-file", str(tmp_path / "mkdocs.yml")]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 1
