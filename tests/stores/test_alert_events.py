"""Acts of people on findings: rows are added, a mute ends by itself, what comes back later is open again."""

from datetime import datetime, timedelta

import pytest

from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.reporting.open_finding import FindingAct, OpenFinding, state_after
from data_quality.contracts.time import FixedClock

OTTO = Person(person_id="otto", name="Otto", roles=(Role.OPERATOR,))
VERA = Person(person_id="vera", name="Vera", roles=(Role.VIEWER,))
FINDING = OpenFinding(
    site_id="works", source="quarantine", cause="bad_timestamp", severity=3, what="three rows refused"
)
HOUR = timedelta(hours=1)


def state(store: Store, now_utc: datetime, at_utc: datetime | None = None) -> str:
    events = AlertEvents(store).of_site("works").get(FINDING.finding_id, [])
    return state_after(events, at_utc=at_utc, now_utc=now_utc)[0]


def act(store: Store, clock: FixedClock, what: FindingAct, until_utc: datetime | None = None) -> None:
    AlertEvents(store).record(FINDING, what, person=OTTO, reason="seen", clock=clock, until_utc=until_utc)
    clock.advance(timedelta(minutes=1))


def test_a_finding_keeps_its_id_while_its_sentence_changes() -> None:
    later = FINDING.model_copy(update={"what": "four rows refused", "count": 4})
    assert later.finding_id == FINDING.finding_id
    others = [FINDING.model_copy(update=each) for each in ({"site_id": "hall"}, {"cause": "gap"}, {"source": "bills"})]
    assert FINDING.finding_id not in {each.finding_id for each in others}


def test_the_last_act_counts_and_reopening_takes_it_back(store: Store, clock: FixedClock) -> None:
    assert state(store, clock.now_utc()) == "open"
    for what in ("acknowledged", "explained"):
        act(store, clock, what)  # type: ignore[arg-type]
        assert state(store, clock.now_utc()) == what
    act(store, clock, "reopened")
    assert state(store, clock.now_utc()) == "open"
    assert len(AlertEvents(store).of_site("works")[FINDING.finding_id]) == 3


def test_a_mute_ends_by_itself_and_what_stood_before_holds_again(store: Store, clock: FixedClock) -> None:
    act(store, clock, "acknowledged")
    act(store, clock, "muted", clock.now_utc() + HOUR)
    assert state(store, clock.now_utc()) == "muted"
    assert state(store, clock.now_utc() + HOUR) == "acknowledged"


def test_what_is_reported_a_day_after_an_act_is_open_again(store: Store, clock: FixedClock) -> None:
    then = clock.now_utc()
    act(store, clock, "explained")
    assert state(store, then + 30 * HOUR, at_utc=then + 23 * HOUR) == "explained"
    assert state(store, then + 30 * HOUR, at_utc=then + 25 * HOUR) == "open"


def test_a_mute_holds_whatever_is_reported(store: Store, clock: FixedClock) -> None:
    then = clock.now_utc()
    act(store, clock, "muted", then + 72 * HOUR)
    assert state(store, then + 48 * HOUR, at_utc=then + 47 * HOUR) == "muted"


def test_a_view_of_then_knows_no_later_act(store: Store, clock: FixedClock) -> None:
    then = clock.now_utc()
    clock.advance(HOUR)
    act(store, clock, "acknowledged")
    assert AlertEvents(store).of_site("works", as_of_utc=then) == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"person": VERA}, "missing_role"),
        ({"reason": " "}, "no_reason"),
        ({"act": "muted"}, "no_end"),
        ({"until_utc": datetime(2026, 2, 1).astimezone()}, "no_end"),
        ({"act": "muted", "until_utc": datetime(2025, 2, 1).astimezone()}, "bad_end"),
    ],
)
def test_a_wrong_act_is_refused_and_nothing_is_written(
    store: Store, clock: FixedClock, changes: dict[str, object], reason: str
) -> None:
    given = {"act": "acknowledged", "person": OTTO, "reason": "seen", "until_utc": None, **changes}
    what = given.pop("act")
    with pytest.raises(BadInput) as fault:
        AlertEvents(store).record(FINDING, what, clock=clock, **given)  # type: ignore[arg-type]
    assert fault.value.reason == reason
    assert AlertEvents(store).of_site("works") == {}
