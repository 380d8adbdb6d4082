"""OpenADR 3 against the local VTN: real HTTP, a real store, a site under the agent in simulated time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from assets.stores.audit import bad_rows
from assets.stores.ledgers.grid_signals import GridSignals
from assets.stores.schema.tables_signals import grid_signals
from assets.stores.transactions import Store
from controls.agent.site_values import SiteValues
from controls.programmes.listener import Listener
from controls.programmes.openadr3 import Event, Programme
from controls.programmes.signals_of import signals_of
from controls.programmes.vtn_client import VtnClient
from controls.simulator.vtn import LocalVtn
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.grid_signal import EXPORT_LIMIT, IMPORT_LIMIT, ceiling_kw
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.site_file.live_source import SignalSource
from tests.controls.agent.plant import Time
from tests.controls.safety.house import House, site

SECRET, NAME = "only for this test", "capacity"
NOW = Time().wall


@pytest.fixture
def vtn() -> Iterator[LocalVtn]:
    with LocalVtn("ven-1", SECRET, [NAME]) as served:
        yield served


def source(url: str, **changes: Any) -> SignalSource:
    return SignalSource.model_validate(
        {
            "source_id": "dso", "url": url, "client_id": "ven-1", "secret_env": "DSO_SECRET", "programme": NAME,
            "ven_name": "home", "is_synthetic": True,
        }
        | changes
    )  # fmt: skip


def event(kind: str, *values: Any, start: datetime = NOW, duration: str | None = "PT1H", **more: Any) -> dict[str, Any]:
    period = {"start": start.isoformat()} | ({} if duration is None else {"duration": duration})
    intervals = [{"id": 0, "payloads": [{"type": kind, "values": list(values)}]}]
    return {"intervalPeriod": period, "intervals": intervals} | more


def listener(vtn: LocalVtn, store: Store, time: Time, secret: str = SECRET, **changes: Any) -> Listener:
    client = VtnClient(source(vtn.url, **changes), secret, monotonic=time.monotonic)
    return Listener("home", client, GridSignals(store), time)


def read(body: dict[str, Any], **changes: Any) -> Any:
    """The only signal of an event's body."""
    known = Programme.model_validate({"id": "p", "programName": NAME})
    found = signals_of(
        Event.model_validate({"id": "e1", "programID": "p"} | body), known, source("http://127.0.0.1:1", **changes),
        "home",
    )  # fmt: skip
    (only,) = found
    return only


def test_what_the_vtn_publishes_is_stored_sealed_acknowledged_and_a_change_is_a_new_row(
    vtn: LocalVtn, store: Store
) -> None:
    time = Time()
    heard, ledger = listener(vtn, store, time), GridSignals(store)
    name = vtn.publish(event(IMPORT_LIMIT, 5.0, start=time.wall))
    first = heard.poll()
    assert [(each.kind, each.modification, each.unit) for each in first.new] == [(IMPORT_LIMIT, 1, "kw")]
    assert first.new[0].is_synthetic
    assert first.unsent == ""
    (report,) = vtn.objects["reports"].values()
    assert (report["eventID"], report["clientName"]) == (name, "home")
    assert [each["venName"] for each in vtn.objects["vens"].values()] == ["home"]
    assert heard.poll().new == ()
    vtn.publish(event(IMPORT_LIMIT, 4.0, start=time.wall) | {"id": name})
    assert [each.modification for each in heard.poll().new] == [2]
    assert ceiling_kw(ledger.open("home", time.wall), IMPORT_LIMIT, time.wall) == 4.0
    vtn.withdraw(name)
    assert [each.is_withdrawn for each in heard.poll().new] == [True]
    assert ceiling_kw(ledger.open("home", time.wall), IMPORT_LIMIT, time.wall) is None
    assert heard.poll().new == ()
    assert bad_rows(store) == []
    with pytest.raises(sa.exc.DatabaseError, match="append-only"), store.begin() as connection:
        connection.execute(grid_signals.delete())


def test_more_events_than_a_page_are_all_read(vtn: LocalVtn, store: Store) -> None:
    for level in range(120):
        vtn.publish(event("SIMPLE", level % 4))
    assert len(listener(vtn, store, Time()).poll().new) == 120


def test_a_wrong_secret_is_refused_in_one_sentence_and_renews_no_heartbeat(vtn: LocalVtn, store: Store) -> None:
    with pytest.raises(BadInput, match=r"refuses the question with 401: client id or secret is wrong"):
        listener(vtn, store, Time(), "another").poll()
    assert GridSignals(store).heartbeats("home") == {}


def test_a_token_that_counts_no_longer_is_replaced_at_the_next_look(vtn: LocalVtn, store: Store) -> None:
    heard = listener(vtn, store, Time())
    heard.poll()
    vtn._tokens.clear()
    with pytest.raises(BadInput, match="401"):
        heard.poll()
    assert heard.poll().n_events == 0


def test_a_vtn_that_is_down_is_named_and_renews_no_heartbeat(store: Store) -> None:
    with LocalVtn("ven-1", SECRET, [NAME]) as gone:
        heard, time = listener(gone, store, Time()), Time()
        heard.poll()
    with pytest.raises(Unreachable, match="does not answer"):
        heard.poll()
    assert GridSignals(store).heartbeats("home") == {"dso": time.wall}


def test_a_programme_that_the_vtn_has_not_is_named_with_those_it_has(vtn: LocalVtn, store: Store) -> None:
    with pytest.raises(BadInput, match="no programme 'prices'; it has capacity"):
        listener(vtn, store, Time(), programme="prices").poll()


def test_an_unknown_payload_is_kept_and_refused_by_name(vtn: LocalVtn, store: Store) -> None:
    vtn.publish(event("CONTROL_SETPOINT_OF_TOMORROW", 3.0))
    (signal,) = listener(vtn, store, Time()).poll().new
    assert signal.refused == "payload type 'CONTROL_SETPOINT_OF_TOMORROW' is not known here; nothing follows from it"
    assert signal.kind == "CONTROL_SETPOINT_OF_TOMORROW"
    (report,) = vtn.objects["reports"].values()
    assert report["resources"][0]["intervals"][0]["payloads"] == [{"type": "OPERATING_STATE", "values": ["ERROR"]}]


def test_a_body_that_is_no_event_is_kept_and_lifts_no_limit(vtn: LocalVtn, store: Store) -> None:
    time, ledger = Time(), GridSignals(store)
    heard = listener(vtn, store, time)
    name = vtn.publish(event(IMPORT_LIMIT, 5.0, start=time.wall))
    heard.poll()
    vtn.objects["events"][name]["intervals"] = "none"
    assert [(each.kind, "intervals" in each.refused) for each in heard.poll().new] == [("INVALID", True)]
    assert ceiling_kw(ledger.open("home", time.wall), IMPORT_LIMIT, time.wall) == 5.0


def test_a_capacity_limit_read_as_a_reduction_is_refused_and_the_one_before_holds(vtn: LocalVtn, store: Store) -> None:
    time, ledger = Time(), GridSignals(store)
    heard = listener(vtn, store, time)
    name = vtn.publish(event(IMPORT_LIMIT, 5.0, start=time.wall))
    heard.poll()
    vtn.publish(event(IMPORT_LIMIT, -50.0, start=time.wall) | {"id": name})
    (signal,) = heard.poll().new
    assert "-50 reads as a reduction; a limit is a ceiling of 0 kW or more" in signal.refused
    assert ceiling_kw(ledger.open("home", time.wall), IMPORT_LIMIT, time.wall) == 5.0


def test_an_event_for_another_node_is_not_ours(vtn: LocalVtn, store: Store) -> None:
    vtn.publish(event(IMPORT_LIMIT, 5.0, targets=[{"type": "VEN_NAME", "values": ["neighbour"]}]))
    vtn.publish(event(EXPORT_LIMIT, 5.0, targets=["group-7"]))
    assert [each.kind for each in listener(vtn, store, Time()).poll().new] == [EXPORT_LIMIT]


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        ("SIMPLE", (4,), "expected level 0 to 3, got 4"),
        ("SIMPLE", ("high",), "expected a number, got"),
        ("PRICE", (True,), "expected a number, got"),
        ("PRICE", ({"x": 1, "y": 2},), "expected a number, got"),
        ("PRICE", (), "0 values"),
        ("EXPORT_CAPACITY_LIMIT", (-0.1,), "reads as a reduction"),
    ],
)
def test_values_that_say_nothing_are_refused_by_name(kind: str, values: tuple[Any, ...], sentence: str) -> None:
    assert sentence in read(event(kind, *values)).refused


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (event("SIMPLE", 2), ("level", 2.0)),
        (event("PRICE", 0.3, payloadDescriptors=[{"payloadType": "PRICE", "units": "KWH", "currency": "EUR"}]),
         ("EUR per KWH", 0.3)),
        (event(IMPORT_LIMIT, 4200, payloadDescriptors=[{"payloadType": IMPORT_LIMIT, "units": "W"}]), ("kw", 4.2)),
        (event("GHG", 320.0), ("", 320.0)),
        (event("ALERT_GRID_EMERGENCY", "lines down"), ("", None)),
    ],
)  # fmt: skip
def test_values_are_kept_in_plain_units(body: dict[str, Any], expected: tuple[str, float | None]) -> None:
    signal = read(body)
    assert (signal.refused, signal.unit, signal.intervals[0].value) == ("", *expected)


def test_a_limit_in_amperes_is_refused_instead_of_taken_for_kilowatts() -> None:
    found = read(event(IMPORT_LIMIT, 16, payloadDescriptors=[{"payloadType": IMPORT_LIMIT, "units": "A"}]))
    assert found.refused == "IMPORT_CAPACITY_LIMIT in 'A': expected a power, KW"


def test_intervals_follow_each_other_and_one_without_end_stays_open() -> None:
    hour = timedelta(hours=1)
    rows = [{"id": n, "payloads": [{"type": "PRICE", "values": [n]}]} for n in (1, 0)]
    found = read({"intervalPeriod": {"start": NOW.isoformat(), "duration": "PT1H"}, "intervals": rows}).intervals
    assert [(each.start_utc, each.end_utc, each.value) for each in found] == [
        (NOW, NOW + hour, 0.0), (NOW + hour, NOW + 2 * hour, 1.0),
    ]  # fmt: skip
    for endless in (None, "P9999Y"):
        assert read(event(IMPORT_LIMIT, 5, duration=endless)).intervals[0].end_utc is None
    assert "lasts no time" in read(event(IMPORT_LIMIT, 5, duration="PT0S")).refused


def test_a_random_start_spreads_events_by_the_same_time_at_each_look_and_never_a_limit() -> None:
    def begins(kind: str, name: str) -> datetime:
        body = event(kind, 1)
        body["intervalPeriod"]["randomizeStart"] = "PT10M"
        start: datetime = read(body, ven_name=name).intervals[0].start_utc
        return start

    delays = [(begins("SIMPLE", f"ven-{n}") - NOW).total_seconds() for n in range(50)]
    assert -600 < min(delays) < -200 < 200 < max(delays) < 600
    assert delays == [(begins("SIMPLE", f"ven-{n}") - NOW).total_seconds() for n in range(50)]
    assert begins(IMPORT_LIMIT, "ven-1") == NOW


AT_ONCE = {"duration": "PT1H", "start": "0001-01-01"}


def spans(kind: str, *values: Any, **more: Any) -> list[tuple[float, float | None, float | None]]:
    """Begin and end in hours from NOW, and value."""
    found = read(event(kind, *values) | more)
    assert found.refused == ""
    return [
        (
            (each.start_utc - NOW).total_seconds() / 3600,
            None if each.end_utc is None else (each.end_utc - NOW).total_seconds() / 3600,
            each.value,
        )
        for each in found.intervals
    ]


@pytest.mark.parametrize("start", ["0001-01-01", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "0000-00-00"])
def test_an_event_at_once_begins_when_it_was_made_and_not_in_the_year_one(start: str) -> None:
    at_once = {"intervalPeriod": {"start": start, "duration": "PT1H"}}
    assert spans(IMPORT_LIMIT, 5, **at_once, modificationDateTime=NOW.isoformat()) == [(0, 1, 5.0)]
    assert spans(IMPORT_LIMIT, 5, **at_once, createdDateTime=NOW.isoformat()) == [(0, 1, 5.0)]
    assert "does not say when it was made" in read(event(IMPORT_LIMIT, 5) | at_once).refused
    endless = {"intervalPeriod": {"start": start, "duration": "P9999Y"}}
    assert ceiling_kw([read(event(IMPORT_LIMIT, 5) | endless)], IMPORT_LIMIT, NOW) == 5.0


def test_a_limit_is_cancelled_by_an_event_at_once_without_length(vtn: LocalVtn, store: Store) -> None:
    time, ledger = Time(), GridSignals(store)
    heard = listener(vtn, store, time)
    name = vtn.publish(event(IMPORT_LIMIT, 5.0, start=time.wall))
    heard.poll()
    vtn.publish(event(IMPORT_LIMIT, 5.0) | {"id": name, "intervalPeriod": {"start": "0001-01-01", "duration": "PT0S"}})
    (signal,) = heard.poll().new
    assert (signal.refused, signal.intervals) == ("", ())
    assert ceiling_kw(ledger.open("home", time.wall), IMPORT_LIMIT, time.wall) is None


def test_several_values_share_their_interval_evenly() -> None:
    assert spans("PRICE", 0.1, 0.2) == [(0, 0.5, 0.1), (0.5, 1, 0.2)]
    assert "2 values in an interval without end" in read(event("PRICE", 0.1, 0.2, duration=None)).refused


def test_an_interval_that_states_its_length_alone_follows_the_one_before() -> None:
    rows = [
        {"id": 0, "payloads": [{"type": "GHG", "values": [1]}]},
        {"id": 1, "intervalPeriod": {"duration": "PT30M"}, "payloads": [{"type": "GHG", "values": [2]}]},
        {"id": 2, "intervalPeriod": AT_ONCE, "payloads": [{"type": "GHG", "values": [3]}]},
    ]
    assert spans("GHG", 0, intervals=rows) == [(0, 1, 1.0), (1, 1.5, 2.0), (1.5, 2.5, 3.0)]


def test_an_event_longer_than_its_intervals_repeats_them_and_a_shorter_one_cuts_them() -> None:
    assert spans(IMPORT_LIMIT, 4, 6, duration="PT2H") == [(0, 0.5, 4.0), (0.5, 1, 6.0), (1, 1.5, 4.0), (1.5, 2, 6.0)]
    assert spans(IMPORT_LIMIT, 4, 6, duration="PT45M") == [(0, 0.5, 4.0), (0.5, 0.75, 6.0)]
    assert spans(IMPORT_LIMIT, 4, duration="P9999Y") == [(0, None, 4.0)]
    assert spans(IMPORT_LIMIT, 4, duration="PT0S") == [(0, 1, 4.0)], "the default of the schema says nothing"
    *listed, last = spans(IMPORT_LIMIT, 6, 4, duration="P9999Y")
    assert (len(listed), last) == (2016, (1008.0, None, 4.0)), "beyond what is kept the lowest ceiling holds"
    assert "more than 2016 times" in read(event("PRICE", 1, 2) | {"duration": "P9999Y"}).refused


def test_an_event_that_only_asks_for_reports_gives_no_signal_and_is_not_refused(vtn: LocalVtn, store: Store) -> None:
    vtn.publish({"intervalPeriod": {"start": "0001-01-01", "duration": "PT0H"}})
    assert listener(vtn, store, Time()).poll().new == ()


@pytest.mark.parametrize(
    "url", ["http://vtn.example", "http://169.254.169.254", "file:///etc/passwd", "https://a@b.example"]
)
def test_fault_f103_a_secret_goes_nowhere_in_the_clear(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        source(url)


def test_fault_f103_a_vtn_at_a_link_local_address_is_asked_nothing(store: Store) -> None:
    client = VtnClient(source("https://169.254.169.254"), SECRET)
    with pytest.raises(BadInput, match="link-local"):
        Listener("home", client, GridSignals(store), Time()).poll()


def limited(vtn: LocalVtn, store: Store, **changes: Any) -> tuple[House, Listener]:
    """A house that draws 6 kW, 1.5 kW of them into its battery by a verified command, and its listener."""
    own = source(vtn.url, **changes)
    house = House(store, site().model_copy(update={"signal_sources": (own,)}))
    heard = listener(vtn, store, house.time, **changes)
    heard.poll()
    house.wire.values["battery", "read_power_kw"], house.wire.values["meter", "read_power_kw"] = 1.5, 6.0
    house.plan("c1", 1.5)
    house.run(6)
    assert house.state("c1") is S.VERIFIED
    return house, heard


def until_home(house: House, most_s: float) -> float:
    """Seconds until the command is no longer in force."""
    since = house.time.mono
    while house.state("c1") is S.VERIFIED and house.time.mono < since + most_s:
        house.run(0.5)
    assert (house.state("c1"), house.guard("c1")) == (S.REVERTED, "I05")
    assert house.wire.writes[-1] == ("battery", 0.0)
    return house.time.mono - since


def test_fault_f78_a_limit_of_the_vtn_is_obeyed_within_ten_seconds_and_asks_nobody(vtn: LocalVtn, store: Store) -> None:
    house, heard = limited(vtn, store)
    vtn.publish(event(IMPORT_LIMIT, 4.2, start=house.time.wall, duration=None))
    heard.poll()
    assert until_home(house, 60) <= 10


def test_fault_f78_a_limit_of_feeding_in_is_obeyed_too(vtn: LocalVtn, store: Store) -> None:
    house, heard = limited(vtn, store)
    house.wire.values["meter", "read_power_kw"] = -3.0
    house.wire.values["battery", "read_power_kw"] = -1.5
    house.plan("c2", -1.5)
    house.run(6)
    assert house.state("c2") is S.VERIFIED
    vtn.publish(event(EXPORT_LIMIT, 2.0, start=house.time.wall))
    heard.poll()
    house.run(10)
    assert (house.state("c2"), house.guard("c2")) == (S.REVERTED, "I05")


def test_fault_f78_a_lost_heartbeat_means_the_failsafe_value_within_two_minutes(vtn: LocalVtn, store: Store) -> None:
    house, heard = limited(vtn, store, failsafe_import_kw=4.2)
    heard.poll()
    house.run(100)
    assert house.state("c1") is S.VERIFIED, "heard 100 s ago"
    assert until_home(house, 60) + 100 <= 113, "at once when it counts as silent, and not at the next renewal"


def test_fault_f78_a_stored_limit_outlives_the_heartbeat_and_ends_by_its_own_time(vtn: LocalVtn, store: Store) -> None:
    house, heard = limited(vtn, store)
    vtn.publish(event(IMPORT_LIMIT, 4.2, start=house.time.wall, duration="PT10M"))
    heard.poll()
    house.run(8 * 60, step_s=5)
    house.plan("c2", 1.5)
    house.run(6)
    assert (house.state("c2"), house.guard("c2")) == (S.BLOCKED, "I05")
    house.run(3 * 60, step_s=5)
    house.plan("c3", 1.5)
    house.run(6)
    assert house.state("c3") is S.VERIFIED


def test_a_source_never_heard_is_one_that_is_silent(vtn: LocalVtn, store: Store) -> None:
    house = House(store, site().model_copy(update={"signal_sources": (source(vtn.url, failsafe_import_kw=0.5),)}))
    house.wire.values["meter", "read_power_kw"] = 0.0
    house.plan("c1", 1.0)
    house.run(6)
    assert (house.state("c1"), house.guard("c1")) == (S.BLOCKED, "I05")


def test_a_device_keeps_its_floor_of_the_energy_act_under_any_limit(vtn: LocalVtn, store: Store) -> None:
    house, heard = limited(vtn, store, device_floor_kw=4.2)
    vtn.publish(event(IMPORT_LIMIT, 0.0, start=house.time.wall))
    heard.poll()
    house.run(20)
    assert house.state("c1") is S.VERIFIED, "1.5 kW are below 4.2 kW"


def test_a_limit_that_somebody_changed_in_the_store_lets_nothing_draw(vtn: LocalVtn, store: Store) -> None:
    house, heard = limited(vtn, store)
    vtn.publish(event(IMPORT_LIMIT, 100.0, start=house.time.wall))
    heard.poll()
    house.run(4)
    assert house.state("c1") is S.VERIFIED
    with store.begin() as connection:
        connection.execute(sa.text("DROP TRIGGER IF EXISTS grid_signals_no_update"))
        connection.execute(grid_signals.update().values(is_withdrawn=True))
    assert until_home(house, 60) <= 10
    assert isinstance(house.values, SiteValues)
    assert house.values.signal_kw == (0.0, 0.0)
