"""Board of proof for an auditor: packs verified on demand, who did what, ten figures by a form."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from assets.stores.published import report_ledger
from assets.stores.web.audit_events import AuditEvent, newest_events, note_event
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock, SystemClock
from reports.evidence.manifest import pack_file
from tests.reports import plant
from tests.web.asking import PAGE
from tests.web.marts_world import Asking, make_project, plant_of_the_web
from tests.web.test_boards import text_of
from tests.web.test_reading_api import command
from tests.web.why_world import posted

pytestmark = pytest.mark.slow
OTTO = Person(person_id="otto", name="Otto", roles=(Role.AUDITOR,))


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    project = make_project(tmp_path / "project", plant_of_the_web())
    yield Asking(project, FixedClock(SystemClock().now_utc()), OTTO)
    project.close()


def board(asking: Asking, **query: str) -> str:
    """The board once nothing is being verified any more."""
    for _ in range(600):
        now = Asking(asking.project, FixedClock(SystemClock().now_utc()), asking.person)
        answer = now.get("/board/audit", [PAGE], site="plant", **query)
        assert answer.status == 200, answer.text
        if "refresh" not in answer.headers:
            return text_of(answer.text)
        time.sleep(0.2)
    raise AssertionError("never verified")


def verified(asking: Asking) -> str:
    now = Asking(asking.project, FixedClock(SystemClock().now_utc()), asking.person)
    assert posted(now, "/board/audit/verify?site=plant", form={"x": "1"}).status == 303
    return board(asking)


def test_a_pack_is_verified_on_demand_and_an_altered_one_is_told(asking: Asking) -> None:
    said = board(asking)
    assert "no report is packed yet" in said
    assert "Verify evidence packs" not in said
    command(asking.project, "kpis", "--site", "plant", "--period", "2025-03")
    [revision] = asking.project.reports.revisions(with_content=False)
    command(asking.project, "pack", f"{revision.report_id}@{revision.revision}")
    said = board(asking)
    assert "not since these pages were started" in said
    assert "Verify evidence packs" in said
    assert "files as they were sealed, 20 of" in verified(asking)
    path = pack_file(asking.project.project.reports_dir, revision.report_id, revision.revision)
    path.write_bytes(path.read_bytes() + b"x")
    # What was found of the file before says nothing of this one.
    assert "not since these pages were started" in board(asking)
    assert "NOT as it was sealed" in verified(asking)
    path.unlink()
    assert "its file is not among the reports" in board(asking)
    told = posted(asking, "/board/audit/draw?site=plant", form={"draw": "7"})
    assert (told.status, told.headers["location"]) == (303, "/board/audit?site=plant&draw=7")
    assert "are equal to the last digit" in board(asking, draw="7")
    german = text_of(asking.get("/board/audit", [PAGE], site="plant", draw="7", locale="de").text)
    assert "bis zur letzten Stelle gleich" in german
    assert "Equal" not in german


def test_who_did_what_is_told_newest_first_and_of_ones_own_sites(asking: Asking) -> None:
    store, clock = asking.project.store, FixedClock(plant.NOON)
    for number in range(25):
        about = "other site:other" if number % 5 == 0 else "plant"
        note_event(store, clock, AuditEvent(person_id="vera", method="POST", route=f"/act/{number:02}", subject=about,
                                            outcome="200"))  # fmt: skip
    page = board(asking)
    assert page.index("/act/24") < page.index("/act/23") < page.index("/act/06")
    assert "/act/20" not in page
    lines = newest_events(store, most=20, sites=("plant",))
    older = text_of(asking.get("/audit", [PAGE], site="plant", before=lines[-1]["recorded_at_utc"].isoformat()).text)
    assert "/act/24" not in older
    assert "/act/00" not in older
    limited = Asking(asking.project, asking.clock, OTTO.model_copy(update={"sites": ("plant",)}))
    assert "/act/20" not in text_of(limited.get("/board/audit", [PAGE]).text)
    assert "/act/20" in text_of(asking.get("/board/audit", [PAGE]).text)
    assert asking.get("/audit", [PAGE], before="x").status == 400
    assert asking.get("/audit", [PAGE], kind="x").status == 400


def test_an_old_row_that_was_changed_is_told_at_the_next_look_and_what_is_whole_is_proved_once(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(asking.project, "kpis", "--site", "plant", "--period", "2025-03")
    assert "broken" not in board(asking)
    proved: list[dict[str, Any]] = []
    link = report_ledger.figure_link

    def counted(row: dict[str, Any], given: list[dict[str, Any]]) -> str:
        proved.append(row)
        return link(row, given)

    monkeypatch.setattr(report_ledger, "figure_link", counted)
    assert "broken" not in board(asking)
    assert not proved
    # As a hand would, past this process and its connections.
    with closing(sqlite3.connect(asking.project.project.root / "var" / "store.db")) as beside, beside:
        beside.execute("DROP TRIGGER figures_no_update")
        beside.execute("""UPDATE figures SET figure = replace(figure, '"unit":"', '"unit":"x') WHERE position = 1""")
    for _ in range(2):
        assert "broken at figure" in board(asking)
        assert proved
    with closing(sqlite3.connect(asking.project.project.root / "var" / "store.db")) as beside, beside:
        beside.execute("""UPDATE figures SET figure = replace(figure, '"unit":"x', '"unit":"') WHERE position = 1""")
    assert "broken at figure" not in board(asking)
