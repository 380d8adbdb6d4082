"""Every report of the demo as it is printed: pages in use, nothing clipped or over another, a chart on page one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data_quality.contracts.time import SystemClock, parse_period
from orchestration.resources import ProjectResource
from reports.content.template_report import datasets_of, template_report
from reports.content.templates import load_template, template_files
from reports.datasets.dataset_registry import make_datasets
from reports.render.render_pdf import render_pdf, render_print
from reports.report_content import Chart, ReportContent
from reports.report_input import report_input_of
from tests.reports.pages import charts_on, pages_of, problems

Demo = tuple[Path, dict[str, Any]]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
# The demo has no settled event and no ended experiment, and the factory no device that is commanded: such reports are
# drawn where those are made.
FACTORY = {
    name: "2025"
    for name in template_files()
    if load_template(name).subject not in {"dr_event", "experiment"} and name != "operations_month"
} | {"enpi_quarter": "2025-Q4"}
TOWER = dict.fromkeys(("enpi_quarter", "executive_summary", "data_quality"), "2025-Q4")
# The quick demo begins within the quarter, whose emissions are unknown then.
TOWER |= {"ghg_inventory": "2025-12"}
EVERY = [("factory", *each) for each in FACTORY.items()] + [("tower", *each) for each in TOWER.items()]


@pytest.fixture(scope="module")
def project(demo: Demo) -> Iterator[ProjectResource]:
    opened = ProjectResource(root=str(demo[0]))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def contents(project: ProjectResource) -> dict[tuple[str, str], ReportContent]:
    """Each report over the demo's own store and marts; nothing is written."""
    sources = project.sources()
    made = {}
    for site_id, name, label in EVERY:
        site, template = project.site(site_id), load_template(name)
        given = report_input_of(
            template,
            site,
            parse_period(label, site.time_zone),
            sources=sources,
            known_at_utc=project.reports.store.known_at(SystemClock()),
            seu_id=site.seus[0].seu_id if template.subject == "seu" else None,
            marts_dir=project.project.marts_dir,
        )
        datasets = make_datasets(given, datasets_of(template))
        made[site_id, name] = template_report(template, given, revision=1, datasets=datasets)
    return made


@pytest.mark.parametrize(("site_id", "name"), [each[:2] for each in EVERY])
def test_no_page_is_half_empty_nothing_is_clipped_and_nothing_lies_over_another(
    contents: dict[tuple[str, str], ReportContent], site_id: str, name: str
) -> None:
    content = contents[site_id, name]
    whole = render_pdf(content)
    assert problems(whole) == []
    assert problems(render_print(content)) == []
    assert charts_on(pages_of(whole)[0], content), "page one has no chart"


def test_a_report_that_cannot_assess_says_on_page_one_what_is_missing_and_what_mends_it(
    contents: dict[tuple[str, str], ReportContent],
) -> None:
    content = contents["tower", "enpi_quarter"]
    page = " ".join(box.text for box in pages_of(render_pdf(content))[0])
    assert "None of the 5 energy uses can be assessed" in page
    table = next(table for table in content.tables() if table.key == "unassessed")
    assert len(table.rows) == len([use for use in content.figures if use.path.endswith("/deviation_percent")]) / 4
    assert all("meterloom baseline fit --site tower --seu" in row.cells[2].text for row in table.rows)
    assert all(cell.text for row in table.rows for cell in row.cells)
    assert "meterloom baseline fit" in page


def test_charts_of_every_kind_stand_in_the_reports_of_the_demo(
    contents: dict[tuple[str, str], ReportContent],
) -> None:
    drawn = [chart for content in contents.values() for chart in content.charts()]
    assert {chart.shape for chart in drawn} == set(Chart.model_fields["shape"].annotation.__args__)  # type: ignore[union-attr]
    running = [chart for chart in drawn if "savings" in chart.key and chart.series[0].low]
    assert running
    for content in contents.values():
        known = {figure.figure_id: figure for figure in content.figures}
        for chart in content.charts():
            if chart in running:
                (end,) = (known[each].value for each in chart.figure_ids)
                last = [value for value in chart.series[0].values if value is not None][-1]
                assert last == pytest.approx(float(end or 0), abs=1e-5), chart.key
