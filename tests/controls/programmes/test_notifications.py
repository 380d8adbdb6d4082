"""Notifications over MQTT: a real broker, the local VTN, and `dr listen` as the process it is."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assets.stores.ledgers.grid_signals import GridSignals
from assets.stores.ledgers.job_outcomes import failed_jobs
from assets.stores.transactions import Store, connect_store
from controls.demand_response.notifier import Notifier
from controls.gateways.access.demo_certificate import Certificate
from controls.gateways.broker import find_mosquitto, start_broker
from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from controls.gateways.ports import free_port, is_listening
from controls.programmes.vtn_client import VtnClient
from controls.simulator.vtn import LocalVtn
from data_quality.contracts.control.grid_signal import IMPORT_LIMIT
from data_quality.contracts.settings import load_project
from tests.controls.agent.plant import Time
from tests.controls.conftest import need_mosquitto
from tests.controls.programmes.published import faults
from tests.controls.programmes.test_openadr3 import NAME, SECRET, event, listener, source
from tests.orchestration.test_cli import run


@dataclass
class OpenBroker:
    """A Mosquitto on the loopback that asks nobody for a name: so it starts without a configuration."""

    port: int
    process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        command = [str(find_mosquitto()), "-p", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert until(lambda: is_listening(self.port))

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"


@pytest.fixture
def broker() -> Iterator[OpenBroker]:
    need_mosquitto()
    own = OpenBroker(free_port())
    own.begin()
    yield own
    own.end()


@pytest.fixture
def vtn(broker: OpenBroker) -> Iterator[LocalVtn]:
    with LocalVtn("ven-1", SECRET, [NAME], broker=BrokerAddress(port=broker.port)) as served:
        yield served


def until(holds: Callable[[], bool], most_s: float = 40.0) -> bool:
    end_s = time.monotonic() + most_s
    while not holds() and time.monotonic() < end_s:
        time.sleep(0.05)
    return holds()


def notified(vtn: LocalVtn, url: str) -> tuple[Notifier, threading.Event, str]:
    """A notifier that hears, what it sets, and the programme's id."""
    news, client = threading.Event(), VtnClient(source(vtn.url, broker=url), SECRET)
    return Notifier(client, news.set), news, client.programme().id


def test_each_change_of_an_event_is_told_and_the_look_that_follows_finds_it(
    vtn: LocalVtn, broker: OpenBroker, store: Store
) -> None:
    at = Time()
    heard = listener(vtn, store, at)
    notifier, news, programme_id = notified(vtn, broker.url)
    bodies = list[bytes]()
    address = BrokerAddress(port=broker.port)
    line = MqttLine(
        address, client_id="anybody", subscriptions=("openadr/#",), on_message=lambda _, body, __: bodies.append(body)
    )
    assert notifier.keep(programme_id) == ""
    assert news.is_set(), "whatever changed while nobody listened is asked for"
    news.clear()
    name = vtn.publish(event(IMPORT_LIMIT, 5.0, start=at.wall))
    acts: list[Callable[[], object]] = [
        lambda: None,
        lambda: vtn.publish(event(IMPORT_LIMIT, 4.0, start=at.wall) | {"id": name}),
        lambda: vtn.withdraw(name),
        # For this node alone: on a topic of its own.
        lambda: vtn.publish(event(IMPORT_LIMIT, 3.0, start=at.wall, targets=["group-7"])),
    ]
    for act in acts:
        act()
        assert until(news.is_set)
        news.clear()
        assert len(heard.poll().new) == 1
    notifier.close()
    line.close()
    assert [json.loads(each)["operation"] for each in bodies] == ["CREATE", "UPDATE", "DELETE", "CREATE"]
    assert faults("3.1", "notification", [json.loads(each) for each in bodies]) == []


def test_a_message_that_is_a_lie_costs_a_look_and_binds_nothing(
    vtn: LocalVtn, broker: OpenBroker, store: Store
) -> None:
    heard = listener(vtn, store, Time())
    notifier, news, programme_id = notified(vtn, broker.url)
    notifier.keep(programme_id)
    news.clear()
    liar = MqttLine(BrokerAddress(port=broker.port), client_id="liar", subscriptions=())
    liar.publish(f"openadr/programs/{programme_id}/events/create", json.dumps(event(IMPORT_LIMIT, 0.0)).encode())
    assert until(news.is_set)
    assert heard.poll().new == ()
    liar.close()
    notifier.close()


def test_a_broker_that_is_lost_is_named_and_heard_again_when_it_is_back(vtn: LocalVtn, broker: OpenBroker) -> None:
    seconds, news, client = [0.0], threading.Event(), VtnClient(source(vtn.url, broker=broker.url), SECRET)
    notifier, programme_id = Notifier(client, news.set, monotonic=lambda: seconds[0]), client.programme().id
    assert notifier.keep(programme_id) == ""
    broker.end()
    assert until(lambda: notifier.keep(programme_id) != "")
    assert "no notifications, polling goes on: MQTT broker 127.0.0.1" in notifier.keep(programme_id)
    broker.begin()
    news.clear()
    assert notifier.keep(programme_id) != "", "not asked again at once"
    seconds[0] = 11.0
    assert notifier.keep(programme_id) == ""
    assert news.is_set()
    notifier.close()


TOKEN = "only-for-this-test"


class TokenVtn(LocalVtn):
    """A VTN whose tokens are known, so that a broker can be given one as a password."""

    def token_for(self, form: dict[str, list[str]]) -> dict[str, Any] | None:
        made = super().token_for(form)
        if made is None:
            return None
        self._tokens[TOKEN] = self._tokens.pop(made["access_token"])
        return made | {"access_token": TOKEN}


def authority(folder: Path) -> tuple[Path, Certificate]:
    """The certificate of an authority of our own, and one for the loopback that it signed."""
    folder.mkdir()
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
    ca, ca_key, leaf, request = (folder / name for name in ("ca.pem", "ca.key", "leaf.pem", "leaf.csr"))
    own, alt = folder / "leaf.key", folder / "alt"
    alt.write_text("subjectAltName=IP:127.0.0.1")
    for words in (
        ["req", "-x509", *key, "-days", "9", "-subj", "/CN=ca", "-keyout", str(ca_key), "-out", str(ca)],
        ["req", "-new", *key, "-subj", "/CN=localhost", "-keyout", str(own), "-out", str(request)],
        ["x509", "-req", "-in", str(request), "-CA", str(ca), "-CAkey", str(ca_key), "-CAcreateserial", "-days", "9",
         "-extfile", str(alt), "-out", str(leaf)],
    ):  # fmt: skip
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    return ca, Certificate(certificate=leaf, key=own)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, ""),
        ({"password": "another"}, "refused the connection"),
        ({"username": "ven-2"}, "refused the connection"),
        ({"ca_file": "stranger"}, "shows no certificate that"),
    ],
    ids=["token and authority", "wrong token", "wrong user", "another authority"],
)
def test_a_broker_over_tls_is_entered_by_the_servers_token_and_by_nothing_else(
    tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    need_mosquitto()
    ca, certificate = authority(tmp_path / "ca")
    stranger, _ = authority(tmp_path / "stranger")
    entry: dict[str, Any] = {"username": "ven-1", "password": TOKEN} | change
    ca_file = str(stranger if entry.pop("ca_file", "") else ca)
    with start_broker(tmp_path / "broker", certificate=certificate, **entry) as broker:
        address = broker.address.model_copy(update={"ca_file": str(ca)})
        with TokenVtn("ven-1", SECRET, [NAME], broker=address) as vtn:
            client = VtnClient(source(vtn.url, broker=address.url, broker_ca_file=ca_file), SECRET)
            news = threading.Event()
            notifier, programme_id = Notifier(client, news.set), client.programme().id
            trouble = notifier.keep(programme_id)
            assert (sentence in trouble) if sentence else (trouble == ""), trouble
            news.clear()
            vtn.publish(event(IMPORT_LIMIT, 5.0, start=Time().wall))
            assert until(news.is_set, 10 if not sentence else 0.5) is not bool(sentence)
            notifier.close()


@pytest.mark.parametrize(
    ("message", "named", "sentence"),
    [
        (None, "mqtt://localhost:1", "tells of changes by no broker"),
        ({"URIS": ["mqtt://127.0.0.1:1"], "authentication": {"method": "ANONYMOUS"}}, "mqtt://127.0.0.1:2",
         "the server names mqtt://127.0.0.1:1, the site file mqtt://127.0.0.1:2"),
        ({"URIS": ["mqtt://127.0.0.1:1"], "authentication": {"method": "CERTIFICATE"}}, "mqtt://127.0.0.1:1",
         "'CERTIFICATE', which is not spoken here"),
    ],
)  # fmt: skip
def test_fault_f103_no_broker_is_asked_but_the_one_of_the_site_file(
    message: dict[str, Any] | None, named: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalVtn("ven-1", SECRET, [NAME]) as vtn:
        topics = {"topics": {"UPDATE": "a", "DELETE": "b"}}
        answer = {"WEBHOOK": True} | ({} if message is None else {"MQTT": message | {"serialization": "JSON"}})
        monkeypatch.setattr(vtn, "notifiers", lambda path: answer if path == "notifiers" else topics)
        notifier, _, programme_id = notified(vtn, named)
        assert sentence in notifier.keep(programme_id)


@pytest.mark.parametrize("broker", ["mqtt://broker.example", "mqtts://broker.example", "http://127.0.0.1"])
def test_a_broker_in_the_clear_or_vouched_for_by_nobody_is_refused(broker: str) -> None:
    with pytest.raises(ValueError, match="expected mqtts"):
        source("http://127.0.0.1:1", broker=broker)


def codes(store: Store) -> list[str]:
    """Findings that stand at the site."""
    return [each.code for each in failed_jobs(store, ["home"])]


def test_dr_listen_stores_a_limit_at_once_that_the_next_poll_would_bring_a_minute_later(
    vtn: LocalVtn, broker: OpenBroker, tmp_path: Path
) -> None:
    own = source(vtn.url, broker=broker.url, poll_s=60).model_dump(mode="json", exclude_defaults=True)
    site = "site_id: home\nname: Home\ntime_zone: UTC\ncurrency: EUR\ncountry: DE\nmeters: [{meter_id: main}]\n"
    (tmp_path / "home.yaml").write_text(f"{site}signal_sources: [{json.dumps(own)}]\n")
    assert run("init", str(tmp_path / "p"), "--site", str(tmp_path / "home.yaml"))[0] == 0
    words = ["dr", "listen", "--site", "home", "--project", str(tmp_path / "p")]
    command = [sys.executable, "-c", "from orchestration.cli.main import main; main()", *words]
    output_file = tmp_path / "said"
    with output_file.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | {"DSO_SECRET": SECRET})
    store = connect_store(load_project(tmp_path / "p", {}).store_url)
    try:
        assert until(lambda: "notifications are heard" in output_file.read_text(), 90), output_file.read_text()
        vtn.publish(event("GHG", 300.0, start=Time().wall))
        assert until(lambda: len(GridSignals(store).current("home")) == 1), output_file.read_text()
        # Whatever the connection itself and that event called for is over.
        time.sleep(3)
        vtn.publish(event(IMPORT_LIMIT, 5.0, start=Time().wall, duration=None))
        # The next poll is due after a minute; this waits for less.
        assert until(lambda: len(GridSignals(store).current("home")) == 2, 40), output_file.read_text()
        broker.end()
        assert until(lambda: codes(store) == ["notifications_lost"]), output_file.read_text()
        broker.begin()
        assert until(lambda: codes(store) == []), output_file.read_text()
        vtn.publish(event(IMPORT_LIMIT, 6.0, start=Time().wall, duration=None))
        assert until(lambda: len(GridSignals(store).current("home")) == 3), "the server speaks to it again, too"
    finally:
        process.kill()
        process.wait()
        store.close()
