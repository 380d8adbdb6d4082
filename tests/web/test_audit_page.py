"""The audit trail in words: who did what with its link, by kind and page, and nothing of what a person may not see."""

import html
from collections.abc import Iterator

import pytest

from assets.stores.erasure.record import ERASURES
from assets.stores.retention import REMOVALS
from assets.stores.web.audit_events import AuditEvent, note_event
from controls.ledger.modes import set_mode
from data_quality.contracts.control.command import Mode
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from tests.reports.publish.conftest import REVISION, MakeDesk, desk
from tests.web.asking import PAGE
from tests.web.marts_world import Asking
from tests.web.test_report_pages import LATER, act, as_of

__all__ = ["desk"]
EVE = Person(person_id="eve", name="Eve", roles=(Role.ENGINEER, Role.OPERATOR))


@pytest.fixture
def keyless(desk: MakeDesk) -> Iterator[Asking]:
    used = desk()
    used.people(keys=False)
    project = OpenProject(str(used.folder))
    yield Asking(project, FixedClock(LATER), project.people.known("anna"))
    project.close()


def trail(asking: Asking, **query: str) -> str:
    answer = asking.get("/audit", [PAGE], **query)
    assert answer.status == 200, answer.text
    return html.unescape(answer.text)


def test_acts_are_sentences_with_names_and_links_the_newest_first(keyless: Asking) -> None:
    assert act(keyless, "review", "draft").status == 303
    assert act(as_of(keyless, "dirk"), "publish", "reviewed", reason="agreed <b>").status == 303
    shown = trail(keyless)
    published, reviewed = (
        "Dirk published Energy performance report Q1 2025 of",
        "Anna reviewed Energy performance report",
    )
    assert shown.index(published) < shown.index(reviewed)
    assert f"report={REVISION.replace('/', '%2F').replace('@', '%40')}" in shown
    assert "agreed &lt;b&gt;" in keyless.get("/audit", [PAGE]).text
    assert published in trail(keyless, kind="reports")
    assert published not in trail(keyless, kind="baselines")
    assert "approved baseline v1" in trail(keyless, kind="baselines")
    assert "was refused: POST" not in trail(keyless, kind="access")
    act(as_of(keyless, "ben"), "withdraw", "x")
    assert "Ben was refused: POST /reports" in trail(keyless, kind="access")


def test_what_was_removed_and_erased_is_told_by_how_much_and_whom(keyless: Asking) -> None:
    store, clock = keyless.project.store, keyless.clock
    row = {"class_name": "landing", "files": 1_234, "bytes": 5_000_000_000, "oldest_utc": LATER, "newest_utc": LATER}
    for person in ("dirk", ""):
        REMOVALS.add(store, clock, {**row, "run_id": f"run {person}", "person_id": person, "reason": "past their age"})
    erased = {"erasure_id": "1", "subject": "person/p7", "person_id": "dirk", "reason": "left", "record": {}}
    for step in ("recorded", "finished"):
        ERASURES.add(store, clock, {**erased, "step": step})
    shown = trail(keyless, kind="access")
    assert "Dirk removed old files of landing: 1,234, 5,000,000,000 bytes" in shown
    assert "The schedule removed old files of landing" in shown
    assert "past their age · last changed from 3 April 2025 to 3 April 2025" in shown
    assert "Dirk erased person/p7" in shown
    assert "Dirk finished the erasure of person/p7" in shown
    assert "Dirk entfernte alte Dateien aus Eingang: 1.234" in trail(keyless, kind="access", locale="de")
    elsewhere = Person(person_id="otto", name="Otto", roles=(Role.AUDITOR,), sites=("plant",))
    assert "person/p7" not in trail(Asking(keyless.project, clock, elsewhere))


def test_a_page_ends_and_the_next_goes_on_where_it_ended(keyless: Asking) -> None:
    for number in range(60):
        route = f"/act/{number:02}"
        note_event(
            keyless.project.store, keyless.clock, AuditEvent(person_id="ben", method="POST", route=route, outcome="200")
        )
    first = trail(keyless, kind="access")
    assert "/act/10" in first
    assert "/act/09" not in first
    before = first.partition("before=")[2].partition('"')[0].replace("%3A", ":").replace("%2B", "+")
    older = trail(keyless, kind="access", before=before)
    assert "/act/09" in older
    assert "/act/10" not in older


def test_what_a_person_may_not_see_is_not_in_their_trail(keyless: Asking) -> None:
    set_mode(keyless.project.store, "plant", mode=Mode.ADVISORY, person=EVE, reason="start", clock=keyless.clock)
    # A reviewer reads the trail, and no devices.
    assert "set mode" not in trail(keyless)
    auditor = Person(person_id="otto", name="Otto", roles=(Role.AUDITOR,))
    assert "eve set mode Advice only" in trail(Asking(keyless.project, keyless.clock, auditor))
    elsewhere = auditor.model_copy(update={"sites": ("other",)})
    assert "set mode" not in trail(Asking(keyless.project, keyless.clock, elsewhere))
    assert Asking(keyless.project, keyless.clock, EVE).get("/audit").status == 403
    assert Asking(keyless.project, keyless.clock, elsewhere).get("/audit", site="plant").status == 404
