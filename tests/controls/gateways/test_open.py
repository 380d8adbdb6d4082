"""An asset becomes a device by its template; addresses come from the asset, then from the settings."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from controls.gateways.broker import start_broker
from controls.gateways.capabilities import DeviceSilent
from controls.gateways.modbus import ModbusDevice, ModbusReader
from controls.gateways.mqtt import MqttDevice, MqttReader
from controls.gateways.mqtt_line import BrokerAddress, SharedLine
from controls.gateways.open import Gateways, broker_address, modbus_address
from controls.gateways.serve_mqtt import MqttServedDevice
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import MqttSettings, ServerSettings, Settings
from data_quality.contracts.site_file.site import Asset
from data_quality.contracts.time import FixedClock
from tests.controls.conftest import need_mosquitto
from tests.controls.devices import HandClock, measured

SETTINGS = Settings(
    mqtt=MqttSettings(host="broker", port=1884, username="u", password="p"), server=ServerSettings(modbus_port=5021)
)
BATTERY = Asset(asset_id="battery", kind="battery", template="sim_battery_10kwh")
INVERTER = Asset(asset_id="pv", kind="pv", template="sim_pv_inverter")


@pytest.mark.parametrize(("asset", "reader", "writer"), [
    (BATTERY, ModbusReader, ModbusDevice),
    (INVERTER, MqttReader, MqttDevice),
])  # fmt: skip
def test_a_reader_is_opened_without_and_a_device_with_a_write_method(
    asset: Asset, reader: type, writer: type, clock: FixedClock
) -> None:
    template = load_template(asset.template)
    gateways = Gateways("home", SETTINGS, clock)
    opened = gateways.open_reader(asset, template)
    assert type(opened) is reader
    assert not hasattr(opened, "write")
    writing = gateways.open_device(asset, template, epoch=3)
    assert type(writing) is writer
    opened.close()
    writing.close()


def test_a_site_without_chargers_loads_nothing_of_them() -> None:
    code = "import sys, controls.gateways.open, controls.agent.main; print({'ocpp', 'websockets'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("", ("127.0.0.1", 5021, 1)),
        ("10.0.0.5", ("10.0.0.5", 5021, 1)),
        ("10.0.0.5:502", ("10.0.0.5", 502, 1)),
        ("10.0.0.5:502/7", ("10.0.0.5", 502, 7)),
    ],
)
def test_what_an_address_leaves_out_is_filled_in(address: str, expected: tuple[str, int, int]) -> None:
    asset = BATTERY.model_copy(update={"address": address})
    assert modbus_address(asset, load_template("sim_battery_10kwh"), SETTINGS) == expected


def test_an_address_that_cannot_be_read_is_refused() -> None:
    asset = BATTERY.model_copy(update={"address": "host:port"})
    with pytest.raises(BadInput, match="'battery': cannot read address 'host:port'; expected host:port/unit"):
        modbus_address(asset, load_template("sim_battery_10kwh"), SETTINGS)


def test_the_broker_comes_from_the_settings() -> None:
    address = broker_address(SETTINGS)
    assert (address.host, address.port, address.username, address.password, address.version) == (
        "broker", 1884, "u", "p", "5",
    )  # fmt: skip


@pytest.mark.real
def test_under_a_lease_all_devices_share_one_connection_and_a_silent_one_costs_the_others_nothing(
    clock: FixedClock, tmp_path: Path
) -> None:
    need_mosquitto()
    template = load_template(INVERTER.template)
    with start_broker(tmp_path / "b") as broker, ExitStack() as stack:
        served = {}
        for name in ("one", "two"):
            device = MqttServedDevice(
                template, address=broker.address, site_id="home", device_id=name, clock=clock,
                measure=lambda: measured(template), monotonic=HandClock(),
            )  # fmt: skip
            served[name] = device.start()
            stack.callback(device.stop)
        address = broker.address
        mqtt = MqttSettings(host=address.host, port=address.port, username=address.username, password=address.password)
        gateways = Gateways("home", Settings(mqtt=mqtt), clock)
        one, two = (
            gateways.open_device(INVERTER.model_copy(update={"asset_id": name}), template, epoch=3) for name in served
        )
        assert one.read_back("set_power_limit_kw").value == two.read_back("set_power_limit_kw").value == 8.0
        log = (tmp_path / "b" / "mosquitto.log").read_text()
        assert log.count("as ml-home-3 ") == 1
        served["one"].fault = "silent"
        with pytest.raises(DeviceSilent, match="'one' gave no answer"):
            one.read("read_power_kw")
        one.close()
        two.read("read_power_kw")
        assert (tmp_path / "b" / "mosquitto.log").read_text().count("as ml-home-3 ") == 1
        two.close()
        newer = gateways.open_reader(INVERTER.model_copy(update={"asset_id": "two"}), template, epoch=4)
        newer.read("read_power_kw")
        newer.close()


def test_a_broker_that_is_away_is_not_asked_by_every_device_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def away(*_: object, **__: object) -> None:
        tried.append(1)
        raise DeviceSilent("the broker is away")

    monkeypatch.setattr("controls.gateways.mqtt_line.MqttLine", away)
    line = SharedLine(BrokerAddress(port=1))
    for _ in range(50):
        with pytest.raises(DeviceSilent, match="the broker is away"):
            line.open(("state/home/pv",))
    assert len(tried) == 1
