"""The register of anomalies: stored events quoted as figures that trace, go stale, and are recomputed from a pack."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from assets.stores.published.event_figures import figures_quoting
from assets.stores.published.publications import PublicationStore
from assets.stores.sign import new_key
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.reporting.figure import Figure
from orchestration.views.finding_sources import finding_of
from reports.assess import Asking
from reports.content.template_report import template_report
from reports.content.templates import load_template
from reports.evidence.pack import PackMaker
from reports.evidence.verify_pack import verify_pack
from reports.figures.answer import figures_of
from reports.figures.query import question_of, read_question
from reports.figures.trace import stale_revisions, trace_figure
from reports.make_report import ReportRequest, make_report
from reports.report_content import ReportContent
from tests.definitions import DEFINITIONS
from tests.reports import year_world
from tests.reports.year_world import Year, event, publish

REPORT = "anomalies/plant/2025-06"
# Once for all tests: worlds of the same rows are copies of one.
ROWS = year_world.year_rows(date(2025, 8, 1))
OTTO = Person(person_id="otto", name="Otto Lang", roles=(Role.ENGINEER,))


@pytest.fixture
def year(tmp_path: Path) -> Iterator[Year]:
    made = year_world.make_year(tmp_path / "year", rows=ROWS)
    yield made
    year_world.close(made)


def by_path(content: ReportContent) -> dict[str, Decimal | None]:
    return {figure.path: figure.value for figure in content.figures}


def table(content: ReportContent, key: str) -> list[list[str]]:
    found = next(each for each in content.tables() if each.key == key)
    return [[cell.text for cell in row.cells] for row in found.rows]


def test_events_are_quoted_with_their_sum_their_state_and_who_said_what(year: Year) -> None:
    known = event(12)
    publish(year, known, event(20, meter="main", kwh=-5.0, cost=-1.05), event(25, cost=None))
    AlertEvents(year.world.lake.store).record(
        finding_of(known, year.site), "explained", person=OTTO, reason="inventory at night", clock=year.world.clock
    )
    year.world.clock.advance(timedelta(minutes=5))
    content = year.report("anomalies", "2025-06")
    values = by_path(content)
    assert values["anomalies/site:plant/2025-06/events"] == 3
    assert values["anomalies/site:plant/2025-06/kwh"] == Decimal("75.0")
    assert values["anomalies/site:plant/2025-06/cost"] == Decimal("7.35")
    first = table(content, "events")[0]
    assert first[1] == "use at night unusually high"
    assert first[2:4] == ["12 June 2025, 22:00", "13 June 2025, 06:00"]
    assert first[6:8] == ["Waste", "explained"]
    assert table(content, "acts")[0][1:5] == [known.event_id, "High", "explained", "otto: inventory at night"]
    assert {each.code for each in content.findings} >= {"events_without_cost", "open_events"}


def test_an_event_until_midnight_is_of_the_day_that_ends_there(year: Year) -> None:
    known = event(12)
    known = known.model_copy(update={"end_utc": known.start_utc + timedelta(hours=2)})
    publish(year, known)
    paths = [
        each for each in by_path(year.report("anomalies", "2025-06")) if known.event_id in each and "/cost" in each
    ]
    assert paths == [f"anomalies/event:{known.event_id}/2025-06-12/cost"]


def test_words_of_an_event_are_in_the_language_of_the_report_and_what_people_wrote_as_it_is(year: Year) -> None:
    known = event(12)
    publish(year, known, event(20, meter="main"))
    ledger = AnomalyLedger(year.world.lake.store)
    ledger.label(known, "scheduled_change", person=OTTO, reason="open", clock=year.world.clock)
    AlertEvents(year.world.lake.store).record(
        finding_of(known, year.site), "explained", person=OTTO, reason="open", clock=year.world.clock
    )
    year.world.clock.advance(timedelta(minutes=5))
    german = year.site.model_copy(update={"locale": "de"})
    content = template_report(load_template("anomalies"), replace(year.given("2025-06"), site=german))
    first, second, _ = table(content, "events")
    assert first[1] == "Verbrauch nachts ungewöhnlich hoch"
    assert first[6:8] == ["Geplante Änderung (laut otto)", "erklärt"]
    assert second[7] == "offen"
    assert table(content, "acts")[0][2:5] == ["Hoch", "erklärt", "otto: open"]


def test_a_site_that_was_never_judged_is_told_apart_from_a_month_without_events(year: Year) -> None:
    assert "not_scored" in {each.code for each in year.report("anomalies", "2025-06").findings}
    publish(year, event(12))
    found = {each.code for each in year.report("anomalies", "2025-07").findings}
    assert "no_events" in found
    assert "not_scored" not in found
    assert by_path(year.report("anomalies", "2025-07"))["anomalies/site:plant/2025-07/events"] == 0


def stored(year: Year, folder: Path) -> list[Figure]:
    report = make_report(
        "anomalies",
        year.site,
        year.given("2025-06").period,
        ReportRequest(
            sources=year.sources(),
            reports=year.world.reports,
            clock=year.world.clock,
            out_dir=folder,
            formats=("json",),
        ),
    )
    return list(report.content.figures)


def test_each_figure_is_made_again_and_the_report_is_stale_once_an_event_changes(year: Year, tmp_path: Path) -> None:
    publish(year, event(12))
    figures = stored(year, tmp_path / "out")
    assert {each.trace.computation for each in figures} >= {"event_number", "event_count", "sum"}
    of_event = [each.figure_id for each in figures if each.scope == f"event:{event(12).event_id}"]
    assert figures_quoting(year.world.lake.store, "plant") == {event(12).event_id: of_event}
    assert len(of_event) == 2
    for figure in figures:
        assert trace_figure(figure.figure_id, reports=year.world.reports, sources=year.sources()).is_equal
    assert stale_revisions(year.world.reports, year.sources()) == {(REPORT, 1): []}
    publish(year, event(12, kwh=44.0), event(14))
    [changes] = stale_revisions(year.world.reports, year.sources()).values()
    known = event(12)
    assert {each.id for each in changes} == {f"plant/{known.event_id}", "plant/2025-06-01/2025-07-01"}


def test_a_pack_carries_the_events_and_makes_their_figures_again(year: Year, tmp_path: Path) -> None:
    publish(year, event(12))
    stored(year, tmp_path / "out")
    world = year.world
    maker = PackMaker(
        reports=world.reports, publications=PublicationStore(world.lake.store), lake=world.lake, definitions=DEFINITIONS
    )
    path = tmp_path / "pack.zip"
    maker.make(
        world.reports.revisions()[-1], path, signer=new_key(tmp_path / "keys", "project"), signer_name="project",
        policy="full", clock=world.clock,
    )  # fmt: skip
    found = verify_pack(path, definition=DEFINITIONS.current(), sample=None)
    assert found.problems == ()
    assert found.recomputed == len(world.reports.figures("anomalies/plant/2025-06", 1))


def test_a_number_of_an_event_is_asked_like_any_other(year: Year) -> None:
    known = event(12)
    publish(year, known)
    given = Asking(
        site=year.site, sources=year.sources(), marts_dir=None, read=no_marts,
        as_of_utc=year.given("2025-06").as_of_utc,
    )  # fmt: skip
    question = read_question(f"cost@event:{known.event_id}@2025-06-12/2025-06-14@event")
    figure, _ = figures_of(question, given)
    assert (figure.value, figure.unit, figure.trace.computation) == (Decimal("8.4"), "EUR", "event_number")
    assert question_of(figure) == read_question(f"{question}@plant")
    with pytest.raises(BadInput, match="has no event 'nothing'"):
        figures_of(read_question("cost@event:nothing@2025-06-12/2025-06-14@event"), given)


def no_marts(*_asked: object, **_named: object) -> pl.DataFrame:
    """A reader of marts where there are none."""
    raise BadInput("no marts", reason="mart_missing")
