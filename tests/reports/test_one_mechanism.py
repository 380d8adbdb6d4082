"""Reports are templates over datasets: a new one is one file, and what Python writes is a list that stands written."""

import ast
import re
from pathlib import Path

import pytest

from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import parse_period
from reports.make_report import RENDERERS, ReportRequest, make_report
from reports.report_content import Chart, Paragraph, Table
from tests.definitions import verify_pack
from tests.reports import plant
from tests.reports.conftest import MakeWorld, World
from tests.reports.evidence.conftest import Sealed, seal
from tests.syntax import parsed

ROOT = Path(__file__).resolve().parents[2]
# Tables by month, a status, a sentence and a chart of each sum, rows of sums, findings, texts that name facts.
NEW = """template: uses_by_month
version: 1
titles: Uses by month
descriptions: Every use by month.
periods: [quarter]
covers: months
register_form: made
language: en
sections:
  - key: uses
    titles: Uses
    blocks:
      - text:
          per: carrier_sum
          facts: {uses: performance.uses, way: performance.direction}
          texts: "{uses} uses took {delta} {way}."
          figures: {delta: {value: performance.delta_kwh, is_size: true, scale: [performance.actual_kwh]}}
      - findings: {is_whole: true}
      - table:
          key: uses
          titles: "Uses, {level}"
          sheet: Uses
          each: seu
          sums: carrier_sum
          facts: {level: performance.confidence}
          columns:
            - {titles: Actual, value: performance.actual_kwh, units: kWh measured}
            - {titles: Days, value: performance.compared_days, is_summed: false}
            - {titles: Status, fact: performance.status}
      - table:
          key: months
          titles: "{item}"
          sheet: Months
          per: seu
          each: month
          totals: Period
          columns:
            - {titles: Actual, value: performance.actual_kwh}
            - {titles: Status, fact: performance.status, in_totals: true}
      - chart:
          key: days
          titles: "{item} by day"
          per: seu
          each: day
          shape: lines
          units: kWh
          series: [{names: Actual, value: performance.actual_kwh}]
"""


def files(folder: Path) -> set[Path]:
    """Files of the project, those of runs left out."""
    return {path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_a_new_report_touches_exactly_one_file(world: MakeWorld, tmp_path: Path) -> None:
    used: Sealed = seal(tmp_path, world(site=plant.plant_site(locale="de")))
    project, room = tmp_path / "project", files(ROOT / "reports")
    (project / "templates").mkdir(parents=True)
    before = files(project)
    (project / "templates" / "uses_by_month.yaml").write_text(NEW)
    assert (files(project) - before, files(ROOT / "reports")) == ({project / "templates" / "uses_by_month.yaml"}, room)

    made = make_report(
        "uses_by_month",
        used.world.site,
        plant.quarter(),
        ReportRequest(
            sources=used.world.sources(),
            reports=used.world.reports,
            clock=used.world.clock,
            out_dir=tmp_path / "files",
            templates_dir=project,
        ),
    )
    assert set(made.files) == set(RENDERERS)
    content = made.content
    blocks = [block for section in content.sections for block in section.blocks]
    [sentence] = [block.text for block in blocks if isinstance(block, Paragraph)]
    assert re.fullmatch(r"3 uses took [\d.,]+ kWh less\.", sentence)
    uses = next(block for block in blocks if isinstance(block, Table) and block.key == "uses")
    assert (uses.title, uses.columns[1].unit, uses.rows[-1].is_total) == ("Uses, 90%", "kWh measured", True)
    assert [cell.text for cell in uses.rows[-1].cells[:1]] == ["Sum of 3 electricity uses"]
    assert uses.rows[-1].cells[2].text == "–"
    months = next(block for block in blocks if isinstance(block, Table) and block.key == "months/hvac")
    # Words of the template's language, numbers of the site's locale.
    assert [row.cells[0].text for row in months.rows] == ["January 2025", "February 2025", "March 2025", "Period"]
    assert "." in months.rows[0].cells[1].text
    assert all(row.cells[2].text for row in months.rows)
    assert len([block for block in blocks if isinstance(block, Chart) and len(block.categories) == 90]) == 3
    assert content.versions["template"] == "uses_by_month@1"
    used.revision = used.world.reports.get(content.report_id, content.revision)
    verdict = verify_pack(used.make(tmp_path / "one.zip").path, sample=10)
    assert (verdict.verified, verdict.problems) == (True, ())


def test_the_energy_performance_report_is_a_template_of_any_whole_months(good: World, tmp_path: Path) -> None:
    content = good.build(1)
    assert content.versions["template"] == "enpi_quarter@2"
    assert content.report_id == "enpi_quarter/plant/2025-Q1"
    with pytest.raises(BadInput, match="period '2025-01-10/2025-02-01' cuts a month; report 'enpi_quarter' covers"):
        make_report(
            "enpi_quarter",
            good.site,
            parse_period("2025-01-10/2025-02-01", plant.ZONE),
            ReportRequest(sources=good.sources(), reports=good.reports, clock=good.clock, out_dir=tmp_path),
        )


def calls(path: Path) -> set[str]:
    """Names that a module calls."""
    nodes = (node for node in ast.walk(parsed(path.read_text())) if isinstance(node, ast.Call))
    return {node.func.id for node in nodes if isinstance(node.func, ast.Name)}


def test_content_that_python_writes_is_the_short_list_of_the_readme() -> None:
    modules = list((ROOT / "reports").rglob("*.py"))
    assert {path.name for path in modules if "ReportContent" in calls(path)} == {"template_report.py", "figure_book.py"}
    told = (ROOT / "reports" / "README.md").read_text()
    listed = set(re.findall(r"^- `(\S+\.py)`", told, flags=re.MULTILINE))
    assert listed == {str(p.relative_to(ROOT / "reports")) for p in modules if "figure_list" in calls(p)}
    assert len(listed) <= 3
    # A report's pages come from templates alone: nobody else puts a table or a section of one together. What a browser
    # is shown (reports/pages) is no report.
    layout, pages = {"Section", "Tiles", "Chart"}, ROOT / "reports" / "pages"
    of_reports = [path for path in modules if not path.is_relative_to(pages)]
    assert {path.name for path in of_reports if calls(path) & layout} == {
        "template_report.py", "template_blocks.py", "template_charts.py", "register.py", "caveats.py", "uncertainty.py",
    }  # fmt: skip
