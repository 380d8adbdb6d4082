"""F114: five hundred connections lose one broker in one moment, and come back without trampling on anybody."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controls.gateways.broker import Broker, start_broker
from controls.gateways.capabilities import DeviceSilent
from controls.gateways.mqtt import MqttDevice
from controls.gateways.mqtt_line import BrokerAddress
from controls.gateways.ports import free_port
from controls.gateways.serve_mqtt import MqttServedDevice
from controls.gateways.sources.tally import Pauses
from controls.templates.load_templates import load_template
from data_quality.contracts.time import SystemClock
from tests.controls.conftest import need_mosquitto
from tests.controls.gateways.sources.live_sink import until

pytestmark = pytest.mark.real
CLOCK, MANY, A_PROCESS = SystemClock(), 500, 250


def test_pauses_grow_and_no_two_names_have_the_same() -> None:
    pauses = [Pauses(f"source-{number}") for number in range(MANY)]
    first, tenth = [each.next_s() for each in pauses], [[each.next_s() for _ in range(9)][-1] for each in pauses]
    assert len(set(first)) == MANY
    assert (min(first) >= 0.3, max(first) <= 1.0, max(tenth) <= 15.0) == (True, True, True)
    assert sum(tenth) / MANY > 9.0
    pauses[0].reset()
    assert pauses[0].next_s() <= 1.0


@contextmanager
def storm(broker: Broker, folder: Path) -> Iterator[list[Path]]:
    """The connections, in processes; files that say how many of each hold."""
    folders = [folder / f"held-{first}" for first in range(0, MANY, A_PROCESS)]
    module = "tests.controls.gateways.sources.storm_child"
    processes = []
    for number, path in enumerate(folders):
        more = [str(broker.address.port), broker.address.username, str(number * A_PROCESS), str(A_PROCESS), str(path)]
        processes.append(subprocess.Popen([sys.executable, "-m", module, *more]))
    try:
        yield folders
    finally:
        for process in processes:
            process.kill()
            process.wait()


def held(reported: list[Path]) -> int:
    return sum(int(path.read_text()) for path in reported if path.exists())


@contextmanager
def controlled(address: BrokerAddress) -> Iterator[tuple[list[float], threading.Event]]:
    """A device that is asked twice a second, as by the agent: how long each answer took, s."""
    served = MqttServedDevice(
        load_template("sim_pv_inverter"), address=address, site_id="home", device_id="pv",
        measure=lambda: {"read_power_kw": 1.0}, clock=CLOCK, monotonic=time.monotonic,
    ).start()  # fmt: skip
    device = MqttDevice(served.template, address=address, site_id="home", device_id="pv", epoch=1, clock=CLOCK)
    requests: list[float] = []
    begin, end = threading.Event(), threading.Event()

    def ask() -> None:
        begin.wait()
        while not end.wait(0.5):
            began = time.monotonic()
            try:
                device.read("read_power_kw")
            except DeviceSilent:
                # The broker is not there yet, or the device is not.
                continue
            requests.append(time.monotonic() - began)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield requests, begin
    finally:
        end.set()
        begin.set()
        asker.join()
        device.close()
        served.stop()


def test_fault_f114_five_hundred_are_back_within_a_minute_and_a_device_answers_meanwhile(tmp_path: Path) -> None:
    need_mosquitto()
    port = free_port()
    with (
        start_broker(tmp_path / "one", port=port, password="secret") as broker,
        storm(broker, tmp_path) as reported,
        controlled(broker.address) as (requested, begin),
    ):
        until(lambda: held(reported) == MANY, 60)
        os.kill(broker.pid, signal.SIGKILL)
        until(lambda: held(reported) == 0, 30)
        broker.stop()
        with start_broker(tmp_path / "two", port=port, password="secret"):
            began = time.monotonic()
            begin.set()
            until(lambda: held(reported) == MANY, 60)
            back_s = time.monotonic() - began
            until(lambda: len(requested) >= 5, 30)
    # Its own cycle is two seconds, and a question is answered within it, storm or none.
    assert max(requested) < 2.0, (
        f"{MANY} back after {back_s:.1f} s, slowest of {len(requested)} answers {max(requested):.2f} s"
    )
