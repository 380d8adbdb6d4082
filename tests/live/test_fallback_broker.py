"""Live sources at the demo's own broker, where no Mosquitto is installed: MQTT 3.1.1, in a thread of `meterloom up`."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controls.collector.main import run_collector
from controls.gateways import broker as broker_module
from controls.gateways.broker import Broker, start_broker
from controls.gateways.mqtt_line import MqttLine
from data_quality.contracts.settings import LiveSettings, MqttSettings, Project, Settings
from data_quality.contracts.site_file.site import Site
from tests.live.live_sites import mqtt_site_of
from tests.live.test_spool import lines_of_project

pytestmark = pytest.mark.real


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda name="mosquitto": None)
    with start_broker(tmp_path / "broker", allow_fallback=True) as running:
        assert (running.kind, running.address.version) == ("fallback", "3.1.1")
        yield running


@contextmanager
def collecting(folder: Path, broker: Broker) -> Iterator[None]:
    """The product's collector on the settings' broker, as `meterloom up` starts it."""
    document = mqtt_site_of(3, port=1).model_dump(mode="json", exclude_unset=True)
    source = {key: each for key, each in document["sources"][0].items() if key not in ("host", "port")}
    site = Site.model_validate(document | {"sources": [source]})
    settings = Settings(mqtt=MqttSettings(port=broker.address.port), live=LiveSettings(keep_free_mb=0))
    stop, project = threading.Event(), Project(root=folder, settings=settings)
    given = {"stop": stop, "mqtt_version": broker.address.version}
    thread = threading.Thread(target=run_collector, args=(project, [site]), kwargs=given)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def numbers(folder: Path) -> list[int]:
    return sorted(int(fields[6]) for fields in lines_of_project(folder))


def test_a_source_at_the_fallback_is_kept_from_its_first_message_on_and_comes_back(
    tmp_path: Path, broker: Broker
) -> None:
    """It keeps nothing for who is away, as its note says: what counts is what is sent while the collector listens."""
    line = MqttLine(broker.address, client_id="", subscriptions=())

    def publish(*numbered: int) -> None:
        for seq in numbered:
            body = {"at": time.time_ns() // 1_000_000, "seq": seq, "kwh": seq / 1000}
            line.publish(f"plant/m{seq % 3}", json.dumps(body).encode())

    def wait_for(seq: int, *, second: bool = False) -> None:
        until_s = time.monotonic() + 20
        while seq not in numbers(tmp_path) and time.monotonic() < until_s:
            if second:
                publish(seq)
            time.sleep(0.2)

    try:
        for first in (1, 100):
            with collecting(tmp_path, broker):
                wait_for(first, second=True)
                publish(*range(first + 1, first + 60))
                wait_for(first + 59)
            publish(first + 60)
    finally:
        line.close()
    assert sorted(set(numbers(tmp_path))) == [*range(1, 61), *range(100, 160)]
