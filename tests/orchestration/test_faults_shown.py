"""F15, F16, F17: a name stays a name on every page, in every cell and on every line that people read."""

import html
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from assets.readings.ingest.ingest_file import IngestReport
from assets.readings.ingest.ingest_page import ingestion_page
from data_quality.contracts.text import markdown, one_line, printable
from orchestration.cli.main import build_app
from orchestration.previews import table
from tests.orchestration.hostile import FORMULAS, LOG_LINES, SCRIPTS

RUNNER = CliRunner()
# The most that any viewer may make of it: HTML let through, tables, bare addresses as links.
RENDERER = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
TABLE_TAGS = {"table", "thead", "tbody", "tr", "th", "td", "p", "h3", "code"}
BARE_LINK = re.compile(r"(?i)(https?://|www\.|[a-z0-9]@[a-z])")


def tags(page: str) -> set[str]:
    return set(re.findall(r"<\s*/?\s*([a-zA-Z!][^\s>/]*)", page))


def cells(page: str) -> list[str]:
    return [html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", page, flags=re.DOTALL)]


# F16


@pytest.mark.parametrize("name", [*SCRIPTS, *FORMULAS])
def test_fault_f16_a_name_in_a_table_of_the_ui_is_shown_as_it_is_written(name: str) -> None:
    source = table(["meter", "kWh"], [[name, 1.5], ["main", 2.5]]).value
    page = RENDERER.render(source)
    assert tags(page) <= TABLE_TAGS
    assert cells(page) == [one_line(name).strip(), "1.50", "main", "2.50"]
    assert not BARE_LINK.search(source)


@pytest.mark.parametrize("name", [*SCRIPTS, *FORMULAS])
def test_fault_f16_a_name_on_the_ingestion_page_is_shown_as_it_is_written(name: str) -> None:
    report = IngestReport(
        path=f"/landing/{name.replace('/', ':')}.csv", format="csv", sha256="f" * 64, verdict="quarantine",
        accepted_rows=1, rejected_rows=1, reasons={"unknown_meter": 1},
    )  # fmt: skip
    item = {
        "item_id": "0" * 32, "source_name": name, "source_sha256": "f" * 64, "line": 2, "reason": "unknown_meter",
        "message": f"a.csv, line 2: expected a meter, got {name!r}", "row_count": 1,
    }  # fmt: skip
    source = ingestion_page([report], [item], site_id="plant")
    page = RENDERER.render(source)
    assert tags(page) <= TABLE_TAGS
    assert any(name.strip() in cell for cell in cells(page))
    assert not BARE_LINK.search(source)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_fault_f16_no_text_at_all_becomes_markup(name: str) -> None:
    page = RENDERER.render(f"| a |\n|---|\n| {markdown(name)} |\n")
    assert tags(page) <= TABLE_TAGS
    assert cells(page) == [one_line(name).strip()]


def test_fault_f16_the_check_can_fail() -> None:
    raw = RENDERER.render("| a |\n|---|\n| <script>alert(1)</script> [x](http://evil.example) |\n")
    assert {"script", "a"} <= tags(raw)


# F17


@pytest.mark.parametrize("name", LOG_LINES)
def test_fault_f17_a_name_is_one_short_line_for_people(name: str) -> None:
    line = one_line(name)
    assert line.isprintable()
    assert len(line) <= 1002
    assert all(part.isprintable() for part in printable(name).split("\n"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One project for all: what one name leaves behind must not spoil the next one's lines either."""
    folder = tmp_path_factory.mktemp("shown") / "p"
    assert RUNNER.invoke(build_app(), ["init", str(folder)]).exit_code == 0
    return folder


def run(project: Path, *arguments: str) -> tuple[int, str, str]:
    result = RUNNER.invoke(build_app(), [*arguments, "--project", str(project)])
    return result.exit_code, result.stdout, result.stderr


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


BREAKS = ("\n", "\r", "\x00", "\x85", "\u2028")
GROUPS = {
    "plain": [name for name in [*LOG_LINES, *FORMULAS, *SCRIPTS] if not any(mark in name for mark in BREAKS)],
    "line breaks": [name for name in [*LOG_LINES, *FORMULAS] if any(mark in name for mark in BREAKS if mark != "\x00")],
    "zero byte": [name for name in LOG_LINES if "\x00" in name],
}


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_fault_f17_the_command_line_prints_one_line_a_fault(group: str, project: Path) -> None:
    """Evil meter names through sniff, ingest and quarantine: no control character, no line too many, no long field."""
    path = project / f"{group}.csv"
    evil = "".join(f"{quoted(name)},2025-01-01T00:00Z,1\n" for name in GROUPS[group])
    rows = f"{evil}main,2025-01-01T00:00Z,1\nmain,2025-01-01T00:15Z,1\n"
    path.write_bytes(f"meter,timestamp,kwh\n{rows}".encode())
    for words in (["sniff", str(path)], ["ingest", str(path), "--site", "my_site"], ["quarantine", "list"]):
        code, out, errors = run(project, *words)
        assert code in (0, 2), errors
        for line in (out + errors).splitlines():
            assert line.isprintable(), line
            assert len(line) < 4000
    code, out, _ = run(project, "quarantine", "list", "--json")
    items = [item for item in json.loads(out)["items"] if item["source_name"] == path.name]
    assert len(items) == len({item["line"] for item in items}) <= len(GROUPS[group]) * 2
    for item in items:
        assert item["message"].isprintable()
        assert len(item["message"]) < 1500
    code, out, errors = run(project, "quarantine", "show", items[0]["item_id"])
    assert (code, errors) == (0, "")
    assert all(line.isprintable() and len(line) < 1500 for line in out.splitlines())


# F15: no cell of a printed table begins a formula. Workbooks: tests/reports/test_faults_export.py.


def test_fault_f15_no_line_of_the_quarantine_begins_a_formula(project: Path) -> None:
    path = project / "=1+1.csv"
    rows = "".join(f"{quoted(name)},2025-01-01T00:00Z,1\n" for name in FORMULAS)
    path.write_text(f"meter,timestamp,kwh\n{rows}main,2025-01-01T00:00Z,1\nmain,2025-01-01T00:15Z,1\n")
    run(project, "ingest", str(path), "--site", "my_site")
    for words in (["quarantine", "list"], ["quarantine", "list", "--files"]):
        code, out, _ = run(project, *words)
        assert code == 0
        assert "1+1" in out
        for line in out.splitlines():
            assert not line.startswith(("=", "+", "-", "@"))
