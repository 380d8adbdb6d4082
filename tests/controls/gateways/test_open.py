"""An asset becomes a device by its template; addresses come from the asset, then from the settings."""

import pytest

from controls.gateways.modbus import ModbusDevice, ModbusReader
from controls.gateways.mqtt import MqttDevice, MqttReader
from controls.gateways.open import Gateways, broker_address, modbus_address
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import MqttSettings, ServerSettings, Settings
from data_quality.contracts.site_file.site import Asset
from data_quality.contracts.time import FixedClock

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
