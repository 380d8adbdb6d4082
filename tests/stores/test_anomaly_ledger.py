"""Anomaly events: one event keeps one id, the same scoring again adds nothing, and a label contradicts none unsaid."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger, Published, open_events, recent
from assets.stores.schema.tables_findings import anomaly_events
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.reporting.anomaly_event import AnomalyEvent, event_id_of
from data_quality.contracts.reporting.open_finding import OpenFinding
from data_quality.contracts.time import FixedClock

OTTO = Person(person_id="otto", name="Otto", roles=(Role.OPERATOR,))
VERA = Person(person_id="vera", name="Vera", roles=(Role.VIEWER,))
MARCH, APRIL = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
JUDGED = {("press", "import")}


def event(start_utc: datetime = MARCH + 48 * HOUR, hours: int = 10, **more: Any) -> AnomalyEvent:
    kind = more.get("kind", "night_waste")
    facts: dict[str, Any] = {
        "event_id": event_id_of("works", "press", "import", kind, start_utc), "site_id": "works", "meter_id": "press",
        "register_id": "import", "kind": kind, "severity": 3, "start_utc": start_utc, "currency": "EUR", "kwh": 12.5,
        "end_utc": start_utc + hours * HOUR, "params_version": "1", "cost": 3.1,
        "evidence": ({"name": "measured", "value": 30.125, "unit": "kwh"},),
    }  # fmt: skip
    return AnomalyEvent.model_validate(facts | more)


def publish(store: Store, clock: FixedClock, *found: AnomalyEvent, **more: Any) -> Published:
    clock.advance(timedelta(minutes=1))
    given = {"start_utc": MARCH, "end_utc": APRIL, "seen_until_utc": APRIL + 170 * HOUR, "judged": JUDGED, **more}
    return AnomalyLedger(store).publish("works", found, clock=clock, **given)


def rows(store: Store) -> int:
    return len(store.rows(anomaly_events.select()))


def test_the_same_month_again_writes_nothing(store: Store, clock: FixedClock) -> None:
    assert publish(store, clock, event(), event(MARCH + 200 * HOUR)) == (2, 0, 0)
    assert publish(store, clock, event(), event(MARCH + 200 * HOUR)) == (0, 0, 0)
    assert rows(store) == 2


def test_an_event_that_grows_is_a_new_row_under_its_id(store: Store, clock: FixedClock) -> None:
    publish(store, clock, event())
    then = clock.now_utc()
    # Judged with another past, it may begin an hour earlier.
    assert publish(store, clock, event(MARCH + 47 * HOUR, hours=30, kwh=40.0)) == (0, 1, 0)
    [known] = AnomalyLedger(store).current("works")
    assert (known.event_id, known.kwh) == (event().event_id, 40.0)
    assert AnomalyLedger(store).current("works", as_of_utc=then) == [event()]


def test_what_is_found_no_more_is_withdrawn_and_can_come_back(store: Store, clock: FixedClock) -> None:
    publish(store, clock, event())
    assert publish(store, clock) == (0, 0, 1)
    assert AnomalyLedger(store).current("works") == []
    assert publish(store, clock) == (0, 0, 0)
    assert publish(store, clock, event()) == (1, 0, 0)
    assert [each.event_id for each in AnomalyLedger(store).current("works")] == [event().event_id]


def test_what_was_not_judged_stays_as_it_is(store: Store, clock: FixedClock) -> None:
    publish(store, clock, event())
    assert publish(store, clock, judged={("oven", "import")}) == (0, 0, 0)
    assert publish(store, clock, start_utc=APRIL, end_utc=APRIL + 700 * HOUR) == (0, 0, 0)
    assert AnomalyLedger(store).current("works") == [event()]


def test_an_event_at_the_end_of_what_was_read_is_not_cut(store: Store, clock: FixedClock) -> None:
    long = event(APRIL - 24 * HOUR, hours=400)
    publish(store, clock, long)
    cut = event(APRIL - 24 * HOUR, hours=24 + 168)
    assert publish(store, clock, cut) == (0, 0, 0)
    # One that ends before is shorter indeed.
    assert publish(store, clock, event(APRIL - 24 * HOUR, hours=30)) == (0, 1, 0)


def test_an_event_that_goes_on_in_the_next_month_keeps_its_id(store: Store, clock: FixedClock) -> None:
    publish(store, clock, event(APRIL - 24 * HOUR, hours=24))
    grown = event(APRIL - 25 * HOUR, hours=60)
    assert publish(store, clock, grown, start_utc=APRIL, end_utc=APRIL + 700 * HOUR) == (0, 1, 0)
    [known] = AnomalyLedger(store).current("works")
    assert known.event_id == event(APRIL - 24 * HOUR).event_id


def test_an_event_of_long_ago_or_that_somebody_muted_is_not_open(store: Store, clock: FixedClock) -> None:
    old, new, muted = event(MARCH - 3000 * HOUR), event(), event(MARCH + 200 * HOUR)
    assert recent([old, new, muted]) == [new, muted]
    finding = OpenFinding(
        site_id="works", source="anomalies", cause="press", severity=3, what="x", stored_id=muted.event_id
    )
    acts = AlertEvents(store)
    until = clock.now_utc() + HOUR
    acts.record(finding, "muted", person=OTTO, reason="known", clock=clock, until_utc=until)
    assert open_events([old, new, muted], acts, now_utc=clock.now_utc()) == [new]
    assert open_events([old, new, muted], acts, now_utc=until) == [new, muted]
    assert open_events([], acts, now_utc=until) == []


def test_a_label_says_a_cause_and_a_second_cause_says_that_it_replaces_it(store: Store, clock: FixedClock) -> None:
    ledger, given = AnomalyLedger(store), {"person": OTTO, "reason": "fans ran", "clock": clock}
    first = ledger.label(event(), "waste", **given)  # type: ignore[arg-type]
    assert ledger.label(event(), "waste", **given) == first  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"otto labelled .* as waste") as fault:
        ledger.label(event(), "weather", **given)  # type: ignore[arg-type]
    assert (fault.value.reason, fault.value.mend) == ("contradicts", "--replace puts the new cause in its place")
    clock.advance(HOUR)
    ledger.label(event(), "weather", replaces=True, **given)  # type: ignore[arg-type]
    assert ledger.labels("works")[event().event_id].cause == "weather"
    assert ledger.labels("works", as_of_utc=first.recorded_at_utc)[event().event_id].cause == "waste"


@pytest.mark.parametrize(("changes", "reason"), [({"person": VERA}, "missing_role"), ({"reason": " "}, "no_reason")])
def test_a_wrong_label_is_refused(store: Store, clock: FixedClock, changes: dict[str, Any], reason: str) -> None:
    given = {"person": OTTO, "reason": "fans ran", "clock": clock, **changes}
    with pytest.raises(BadInput) as fault:
        AnomalyLedger(store).label(event(), "waste", **given)
    assert fault.value.reason == reason
    assert AnomalyLedger(store).labels("works") == {}
