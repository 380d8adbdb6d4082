"""The operations report: the agent's availability and what was put back, counted from the ledger and recomputed."""

import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from assets.stores.published.publications import PublicationStore
from assets.stores.sign import new_key
from assets.stores.transactions import site_transaction
from controls.ledger.rows import select_commands, transition
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.reporting.figure import Figure
from reports.evidence.manifest import STORE
from reports.evidence.pack import PackMaker
from reports.evidence.verify_pack import verify_pack
from reports.figures.trace import stale_revisions, trace_figure
from reports.make_report import ReportRequest, make_report
from reports.render.render_pdf import render_pdf
from reports.report_content import ReportContent
from tests.controls.ledger.rows_of import command, propose
from tests.definitions import DEFINITIONS
from tests.reports import year_world
from tests.reports.pages import charts_on, pages_of, problems
from tests.reports.test_tagged_pdf import assert_is_tagged
from tests.reports.year_world import Year

JUNE, JULY = datetime(2025, 6, 10, 8, tzinfo=UTC), datetime(2025, 7, 10, 6, tzinfo=UTC)
TAKEN = ((S.RELEASED, "released in mode PARTIAL"), (S.PENDING, "picked up"), (S.ISSUED, "all guards allow it"))
TO_HOLD = ((S.ACKED, "acknowledged"), (S.VERIFIED, "read back"))
ROWS = year_world.year_rows(date(2025, 8, 1))


@pytest.fixture
def year(tmp_path: Path) -> Iterator[Year]:
    made = year_world.make_year(tmp_path / "year", rows=ROWS)
    yield made
    year_world.close(made)


def lived(
    year: Year, name: str, begin: datetime, *steps: tuple[S, str], epoch: int = 1, late_s: int = 5, guard: str = ""
) -> None:
    """A command of a quarter hour through its states, a second each; the agent's first `late_s` after its release."""
    item = command(
        name, site_id="plant", plan_id=f"p-{name}", valid_from_utc=begin, valid_until_utc=begin + timedelta(minutes=15)
    )
    with site_transaction(year.world.lake.store, "plant") as connection:
        propose(connection, item, at_utc=begin - timedelta(hours=1))
        at = begin
        for state, reason in steps:
            row = select_commands(connection, "plant", command_ids=[name])[0]
            facts = {"guard": guard} if guard and state is S.REVERTED else {}
            wire = (epoch, 1) if state is S.ISSUED else None
            assert transition(connection, row, state, at_utc=at, reason=reason, facts=facts, wire=wire)
            at += timedelta(seconds=late_s if state is S.RELEASED else 1)


def months(year: Year) -> None:
    """June: three quarter hours kept, one missed, two takings over. July: one kept."""
    quarter = timedelta(minutes=15)
    lived(year, "a", JUNE, *TAKEN, *TO_HOLD, (S.COMPLETED, "the window ended"))
    lived(year, "b", JUNE + quarter, *TAKEN, *TO_HOLD, (S.REVERTED, "I06: too hot"), epoch=2, late_s=40, guard="I06")
    lived(year, "c", JUNE + 2 * quarter, (S.RELEASED, "released"), (S.EXPIRED, "the window ended before it was sent"))
    lived(year, "d", JUNE + 3 * quarter, (S.RELEASED, "released"), (S.SUPERSEDED, "a newer plan has a command"))
    lived(year, "e", JUNE + 4 * quarter, *TAKEN, *TO_HOLD, (S.REVERTED, "the mode is ADVISORY"), epoch=3)
    lived(year, "f", JULY, *TAKEN, *TO_HOLD, (S.REVERTED, "given back to the plan"), epoch=3)


def by_path(content: ReportContent) -> dict[str, Decimal | None]:
    return {figure.path: figure.value for figure in content.figures}


def test_availability_misses_takings_over_and_reverts_are_counted_by_month(year: Year) -> None:
    months(year)
    content = year.report("operations_month", "2025-06")
    june = {path.removeprefix("dispatch/site:plant/2025-06/"): value for path, value in by_path(content).items()}
    assert june["availability"] == Decimal("0.75")
    counted = {name: int(value or 0) for name, value in june.items() if "availability" not in name}
    assert counted == {
        "kept_quarter_hours": 3, "missed_quarter_hours": 1, "wanted_quarter_hours": 4, "takings_over": 2,
        "longest_wait_s": 41, "reverted_commands": 2, "reverted_interlock": 1, "reverted_mode": 1,
        "reverted_person": 0, "reverted_stop": 0, "reverted_recovery": 0, "reverted_device": 0, "reverted_other": 0,
    }  # fmt: skip
    assert "agent_missed" in {each.code for each in content.findings}
    assert charts_on(pages_of(render_pdf(content))[0], content)
    assert problems(render_pdf(content)) == []
    assert_is_tagged(content)
    whole = by_path(year.report("operations_month", "2025"))
    assert whole["dispatch/site:plant/2025/reverted_person"] == 1
    assert whole["dispatch/site:plant/2025/wanted_quarter_hours"] == 5


def test_a_month_without_a_released_command_has_no_availability_and_says_so(year: Year) -> None:
    content = year.report("operations_month", "2025-06")
    assert by_path(content)["dispatch/site:plant/2025-06/availability"] is None
    (told,) = [each for each in content.findings if each.code == "nothing_dispatched"]
    assert told.message == "No command was released in this period: the availability of the agent is not known."


def made(year: Year, folder: Path) -> list[Figure]:
    report = make_report(
        "operations_month",
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


def test_a_count_traces_to_its_events_and_is_stale_once_the_ledger_says_more_of_its_month(
    year: Year, tmp_path: Path
) -> None:
    months(year)
    for figure in made(year, tmp_path):
        assert trace_figure(figure.figure_id, reports=year.world.reports, sources=year.sources()).is_equal
    assert stale_revisions(year.world.reports, year.sources()) == {("operations_month/plant/2025-06", 1): []}
    lived(year, "late", JUNE + timedelta(days=1), (S.RELEASED, "released"), (S.EXPIRED, "the window ended"))
    [changes] = stale_revisions(year.world.reports, year.sources()).values()
    assert {each.id for each in changes} == {"plant/2025-06-01/2025-07-01"}


def test_a_pack_carries_the_events_of_its_month_and_makes_the_counts_again(year: Year, tmp_path: Path) -> None:
    months(year)
    figures, world = made(year, tmp_path), year.world
    maker = PackMaker(
        reports=world.reports, publications=PublicationStore(world.lake.store), lake=world.lake, definitions=DEFINITIONS
    )
    path = tmp_path / "pack.zip"
    maker.make(
        world.reports.revisions()[-1], path, signer=new_key(tmp_path / "keys", "project"), signer_name="project",
        policy="full", clock=world.clock,
    )  # fmt: skip
    found = verify_pack(path, definition=DEFINITIONS.current(), sample=None)
    assert (found.problems, found.recomputed) == ((), len(figures))
    with zipfile.ZipFile(path) as pack:
        carried = json.loads(pack.read(f"{STORE}command_events.json"))
    assert {each["at_utc"][:7] for each in carried} == {"2025-06"}
