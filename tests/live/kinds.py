"""A device of each kind of live source, for the contract that all adapters keep: it appears, tells on, and vanishes."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from controls.gateways.broker import USERNAME, start_broker
from controls.gateways.mqtt_line import MqttLine
from controls.gateways.ports import free_port
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.served_unit import ModbusUnit
from controls.templates.load_templates import load_template
from data_quality.contracts.settings import MqttSettings, Settings
from tests.controls.gateways.sources.p1_bridge import P1Bridge, PlayingMeter

REGISTER = {"stream": "main", "what": "register", "unit": "kwh"}
POWER = {"stream": "main", "what": "live", "unit": "kw"}
PASSWORD = "secret"


class Device(Protocol):
    """One device that tells a growing register `in` of kWh and a power `kw`, as long as it is there."""

    settings: Settings

    def source(self) -> dict[str, Any]:
        """Its entry in the site file."""
        ...

    def appear(self) -> None:
        """It is there, and tells by itself or answers."""
        ...

    def vanish(self) -> None:
        """It is gone, without a word."""
        ...


class _Held:
    """vanish ends what appear began, last first."""

    settings = Settings()

    def __init__(self) -> None:
        self._begun = ExitStack()

    def vanish(self) -> None:
        self._begun.close()


class MqttDevice(_Held):
    """A broker, and a meter that publishes twenty times a second."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder, self._port, self._seq = folder, free_port(), 0
        self.settings = Settings(mqtt=MqttSettings(port=self._port, username=USERNAME, password=PASSWORD))

    def source(self) -> dict[str, Any]:
        return {
            "kind": "mqtt",
            "points": [
                REGISTER | {"point": "in", "topic": "meter", "path": "kwh"},
                POWER | {"point": "kw", "topic": "meter", "path": "kw"},
            ],
        }

    def appear(self) -> None:
        broker = self._begun.enter_context(start_broker(self._folder, port=self._port, password=PASSWORD))
        line = MqttLine(broker.address, client_id="", subscriptions=())
        self._begun.callback(line.close)

        def publish() -> None:
            self._seq += 1
            line.publish("meter", json.dumps({"kwh": 1000 + self._seq / 1000, "kw": 1.5}).encode())

        self._begun.callback(_beating(publish))


class ModbusDevice(_Held):
    """A meter behind Modbus TCP."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._port = free_port()

    def source(self) -> dict[str, Any]:
        return {
            "kind": "device",
            "address": f"127.0.0.1:{self._port}/1",
            "template": "meter_sdm630",
            "every_s": 0.1,
            "timeout_s": 0.3,
            "points": [
                REGISTER | {"point": "in", "value_name": "read_import_kwh"},
                POWER | {"point": "kw", "value_name": "read_power_kw"},
            ],
        }

    def appear(self) -> None:
        template = load_template("meter_sdm630")
        began_s = time.monotonic()

        def measured() -> dict[str, float]:
            return dict.fromkeys(template.readable, 1.0) | {"read_import_kwh": 1000 + time.monotonic() - began_s}

        unit = ModbusUnit(template, measure=measured, monotonic=time.monotonic, unit_id=1)
        self._begun.callback(ModbusServer([unit], port=self._port).start().stop)


class P1Device(_Held):
    """A smart meter behind a bridge, twenty telegrams a second."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._port = free_port()

    def source(self) -> dict[str, Any]:
        return {
            "kind": "p1_tcp",
            "host": "127.0.0.1",
            "port": self._port,
            "points": [
                REGISTER | {"point": "in", "obis": "1-0:1.8.0"},
                POWER | {"point": "kw", "obis": "1-0:1.7.0"},
            ],
        }

    def appear(self) -> None:
        bridge = self._begun.enter_context(P1Bridge(self._port))
        self._begun.callback(PlayingMeter(bridge, beat_s=0.05).close)


class BacnetController(_Held):
    """A controller with a meter behind BACnet/IP."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._port = free_port()

    def source(self) -> dict[str, Any]:
        return {
            "kind": "bacnet",
            "address": f"127.0.0.1:{self._port}",
            "device_id": 1234,
            "every_s": 0.1,
            "timeout_s": 0.5,
            "points": [
                REGISTER | {"point": "in", "object": "analog-input,0"},
                POWER | {"point": "kw", "object": "analog-input,1"},
            ],
        }

    def appear(self) -> None:
        from tests.controls.gateways.sources.bacnet_device import BacnetDevice

        device = self._begun.enter_context(BacnetDevice(port=self._port))
        device.change("analog-input,1", units="kilowatts")
        began_s = time.monotonic()

        def count() -> None:
            device.change("analog-input,0", presentValue=1000 + time.monotonic() - began_s)

        self._begun.callback(_beating(count))


# A kind that joins needs a line here: tests/live/test_adapter_contract.py asks for each of them.
KINDS: dict[str, Callable[[Path], Device]] = {
    "mqtt": MqttDevice,
    "device": ModbusDevice,
    "p1_tcp": P1Device,
    "bacnet": BacnetController,
}


def _beating(act: Callable[[], None], beat_s: float = 0.05) -> Callable[[], None]:
    """Do it in a thread every beat; call what comes back to end it."""
    end = threading.Event()

    def run() -> None:
        while not end.wait(beat_s):
            act()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def close() -> None:
        end.set()
        thread.join()

    return close
