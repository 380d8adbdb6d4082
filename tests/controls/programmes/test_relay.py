"""Capacity limits by contact: the live board of a collector, the stored signal, and the agent in simulated time."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assets.sites.load_sites import load_site
from assets.stores.audit import bad_rows
from assets.stores.ledgers.grid_signals import GridSignals
from assets.stores.live.live_store import LiveReader, LiveStore
from assets.stores.transactions import Store
from controls.collector.main import run_collector
from controls.gateways.broker import Broker
from controls.gateways.mqtt_line import MqttLine
from controls.gateways.ports import free_port
from controls.programmes.relay import RelayListener
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.grid_signal import EXPORT_LIMIT, IMPORT_LIMIT, ceiling_kw
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import load_project
from data_quality.contracts.site_file.live_source import RelaySource
from tests.controls.agent.plant import Time
from tests.controls.programmes.test_openadr3 import until_home
from tests.controls.safety.house import House, site
from tests.orchestration.test_cli import run

CONTACT = [{"reading": 0}, {"reading": 1, "kw": 4.2}]
STEPS = [{"reading": n, "percent": percent} for n, percent in enumerate((0, 30, 60))] + [{"reading": 3}]


def relay(steps: list[dict[str, Any]], **more: Any) -> RelaySource:
    given = {"kind": "relay", "source_id": "box", "live_source": "io", "point": "k1", "steps": steps}
    return RelaySource.model_validate(given | more)


class Contact:
    """A contact as a collector shows it, and the listener that looks at it."""

    def __init__(self, folder: Path, store: Store, time: Time, source: RelaySource) -> None:
        self._board, self._time = LiveStore(folder), time
        self.signals = GridSignals(store)
        self.listener = RelayListener("home", source, LiveReader(folder), self.signals, time)

    def says(self, value: float, *, quality: str = "good", is_synthetic: bool = False, age_s: float = 0) -> None:
        at_s = self._time.wall.timestamp() - age_s
        live = (value, at_s, at_s, quality, at_s // 60 * 60, value, value, value, 1)
        self._board.put([("home", "io", "k1", "contacts", "", "live", "count", is_synthetic, *live)])

    def ceiling_kw(self, kind: str = IMPORT_LIMIT) -> float | None:
        return ceiling_kw(self.signals.open("home", self._time.wall), kind, self._time.wall)


def test_each_step_of_a_relay_is_the_stored_limit_and_an_open_contact_lifts_it(tmp_path: Path, store: Store) -> None:
    time = Time()
    contact = Contact(tmp_path, store, time, relay(STEPS, limits="export", of_kw=20))
    for value, kw in ((3, None), (2, 12.0), (1, 6.0), (0, 0.0), (0, 0.0), (3, None), (1, 6.0)):
        contact.says(value)
        contact.listener.poll()
        assert contact.ceiling_kw(EXPORT_LIMIT) == kw
        time.pass_(5)
    rows = contact.signals.current("home")
    assert [(each.kind, each.modification, each.programme) for each in rows] == [(EXPORT_LIMIT, 5, "relay")]
    assert bad_rows(store) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda contact: contact.says(0, age_s=90),
        lambda contact: contact.says(0, quality="doubtful"),
        lambda contact: contact.says(0, is_synthetic=True),
    ],
)
def test_what_is_old_doubtful_or_made_up_lifts_no_limit_and_renews_no_heartbeat(
    tmp_path: Path, store: Store, spoil: Callable[[Contact], None]
) -> None:
    time = Time()
    contact = Contact(tmp_path, store, time, relay(CONTACT))
    contact.says(1)
    contact.listener.poll()
    before = contact.signals.heartbeats("home")
    time.pass_(200)
    spoil(contact)
    with pytest.raises(Unreachable, match="no young value of io, point k1"):
        contact.listener.poll()
    assert contact.ceiling_kw() == 4.2
    assert contact.signals.heartbeats("home") == before


def test_a_state_that_is_no_step_is_stored_as_refused_and_the_limit_before_it_holds(
    tmp_path: Path, store: Store
) -> None:
    time = Time()
    contact = Contact(tmp_path, store, time, relay(CONTACT))
    contact.says(1)
    contact.listener.poll()
    before = contact.signals.heartbeats("home")
    time.pass_(5)
    contact.says(7)
    found = contact.listener.poll()
    assert [each.refused for each in found.new] == ["reading 7 of k1 is none of the steps"]
    assert contact.listener.poll().new == ()
    assert (contact.ceiling_kw(), contact.signals.heartbeats("home")) == (4.2, before)


def limited(tmp_path: Path, store: Store, **more: Any) -> tuple[House, Contact]:
    """A house that draws 6 kW, 1.5 kW of them into its battery by a verified command, and its open contact."""
    source = relay(**({"steps": CONTACT} | more))
    house = House(store, site().model_copy(update={"signal_sources": (source,)}))
    contact = Contact(tmp_path, store, house.time, source)
    contact.says(0)
    contact.listener.poll()
    house.wire.values["battery", "read_power_kw"], house.wire.values["meter", "read_power_kw"] = 1.5, 6.0
    house.plan("c1", 1.5)
    house.run(6)
    assert house.state("c1") is S.VERIFIED
    return house, contact


def test_fault_f78_a_relay_that_closes_is_obeyed_within_ten_seconds_and_asks_nobody(
    tmp_path: Path, store: Store
) -> None:
    house, contact = limited(tmp_path, store)
    contact.says(1)
    contact.listener.poll()
    assert until_home(house, 60) <= 10


def test_fault_f78_a_relay_that_falls_silent_means_the_failsafe_value_within_two_minutes(
    tmp_path: Path, store: Store
) -> None:
    house, contact = limited(tmp_path, store, failsafe_import_kw=4.2)
    contact.says(0)
    contact.listener.poll()
    # The listener lives, and looks at a board that says nothing new.
    house.run(50)
    contact.listener.poll()
    house.run(50)
    assert house.state("c1") is S.VERIFIED, "heard 100 s ago"
    assert until_home(house, 60) + 100 <= 113


def test_fault_f78_a_device_keeps_its_floor_under_a_relay_that_allows_nothing(tmp_path: Path, store: Store) -> None:
    house, contact = limited(tmp_path, store, device_floor_kw=4.2, steps=[{"reading": 0}, {"reading": 1, "kw": 0}])
    contact.says(1)
    contact.listener.poll()
    house.run(20)
    assert house.state("c1") is S.VERIFIED, "1.5 kW are below 4.2 kW"


@pytest.mark.parametrize(
    ("steps", "more", "sentence"),
    [
        ([{"reading": 1, "kw": 4, "percent": 30}], {"of_kw": 10}, "give kw or percent"),
        ([{"reading": 1, "percent": 30}], {}, "percent needs of_kw"),
        ([{"reading": 1}, {"reading": 1.0, "kw": 2}], {}, "reading"),
        ([{"reading": 1, "kw": -4}], {}, "greater than or equal to 0"),
    ],
)
def test_steps_that_say_two_things_or_nothing_are_refused(
    steps: list[dict[str, Any]], more: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        relay(steps, **more)


def test_a_relay_without_its_point_is_refused_with_those_that_there_are() -> None:
    given = site().model_dump() | {"signal_sources": [relay(CONTACT).model_dump()]}
    with pytest.raises(ValueError, match="no live source 'io' with point 'k1'; there are none"):
        type(site()).model_validate(given)


def test_a_contact_that_a_broker_tells_is_a_stored_limit_of_dr_listen(tmp_path: Path, broker: Broker) -> None:
    """Broker, collector, live board, `dr listen`, store: each as it is."""
    address = broker.address
    io = {
        "source_id": "io", "kind": "mqtt", "host": address.host, "port": address.port, "username": address.username,
        "password_env": "IO_PASSWORD", "is_synthetic": True,
        "points": [{"point": "k1", "stream": "main", "what": "live", "unit": "count", "topic": "relay/k1"}],
    }  # fmt: skip
    box = relay(CONTACT, is_synthetic=True).model_dump(mode="json")
    site_file = "site_id: home\nname: Home\ntime_zone: UTC\ncurrency: EUR\ncountry: DE\nmeters: [{meter_id: main}]\n"
    (tmp_path / "home.yaml").write_text(
        f"{site_file}sources: [{json.dumps(io)}]\nsignal_sources: [{json.dumps(box)}]\n"
    )
    assert run("init", str(tmp_path / "p"), "--site", str(tmp_path / "home.yaml"))[0] == 0
    project = load_project(tmp_path / "p", {"METERLOOM_SERVER__COLLECTOR_PORT": str(free_port())})
    stop, listen = threading.Event(), ("dr", "listen", "--site", "home", "--once", "--json")
    sites = [load_site(tmp_path / "p" / "sites" / "home.yaml")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IO_PASSWORD", address.password)
        collector = threading.Thread(target=run_collector, args=(project, sites), kwargs={"stop": stop}, daemon=True)
        collector.start()
        line = MqttLine(address, client_id="relay-box", subscriptions=())
        board, end_s = LiveReader(project.live_dir), time.monotonic() + 60
        while not board.values("home") and time.monotonic() < end_s:
            line.publish("relay/k1", b"1")
            time.sleep(0.2)
        code, out, error = run(*listen, folder=tmp_path / "p")
        stop.set()
        collector.join(30)
        line.close()
    assert code == 0, error
    (signal,) = json.loads(out)["signals"]
    assert (signal["kind"], signal["is_synthetic"], signal["intervals"][0]["value"]) == (IMPORT_LIMIT, True, 4.2)
