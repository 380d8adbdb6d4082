"""From a site's asset to a connected device: the one place that knows which protocol a template speaks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controls.gateways.access.device_keys import find_device_key
from controls.gateways.capabilities import DeviceReader, DeviceWriter
from controls.gateways.foreign.foreign_mqtt import TopicsDevice, TopicsReader
from controls.gateways.modbus import ModbusDevice, ModbusReader
from controls.gateways.mqtt import MqttDevice, MqttReader
from controls.gateways.mqtt_line import BrokerAddress, SharedLine, Version
from controls.templates.load_templates import Template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Settings
from data_quality.contracts.site_file.site import Asset
from data_quality.contracts.time import Clock

if TYPE_CHECKING:
    from controls.gateways.charge_points.chargers import Chargers


# These answer whoever asks.
Polled = ModbusReader | MqttReader | TopicsReader


@dataclass(frozen=True)
class Gateways:
    """Devices of one site over the real gateways, by the project's settings. A device connects at its first query.

    Under a lease (epoch above 0) all MQTT devices share one connection, which is named after site and epoch: an agent
    that comes back beside its successor does not throw it off the broker. keys: folder of the keys of devices that
    want their commands proven.
    """

    site_id: str
    settings: Settings
    clock: Clock
    mqtt_version: Version = "5"
    keys: Path | None = None
    root: Path = Path()
    _held: "list[Chargers]" = field(default_factory=list, init=False, repr=False, compare=False)
    # The newest only: those of earlier epochs end with the last device that holds one.
    _lines: dict[int, SharedLine] = field(default_factory=dict, init=False, repr=False, compare=False)

    def open_reader(self, asset: Asset, template: Template, *, epoch: int = 0) -> DeviceReader:
        """A device that can be read and not written. Raises BadInput."""
        if template.protocol in ("ocpp16", "ocpp201"):
            return self._chargers().open_reader(asset, template)
        return self.open_polled(asset, template, epoch=epoch)

    def open_polled(self, asset: Asset, template: Template, *, epoch: int = 0, **wait: Any) -> Polled:
        """Reader of several values at once. wait: timeout_s, where not the wire's own. Raises BadInput."""
        if template.protocol == "modbus_tcp":
            return ModbusReader(template, **self._modbus(asset, template), **wait)
        if template.protocol == "mqtt_topics":
            return TopicsReader(template, name=asset.address, figures=asset.numbers, **self._mqtt(asset, epoch), **wait)
        if template.protocol == "mqtt5":
            return MqttReader(template, **self._mqtt(asset, epoch), **wait)
        raise BadInput(
            f"template {template.template!r} speaks {template.protocol}: the agent alone can ask a charger, which "
            "connects to it", reason="unknown_kind",
        )  # fmt: skip

    def open_device(self, asset: Asset, template: Template, *, epoch: int = 0) -> DeviceWriter:
        """A device that can be read and written. Raises BadInput."""
        if template.protocol == "modbus_tcp":
            return ModbusDevice(template, **self._modbus(asset, template), device_id=asset.asset_id)
        if template.protocol in ("ocpp16", "ocpp201"):
            return self._chargers().open_device(asset, template)
        if template.protocol == "mqtt_topics":
            return TopicsDevice(template, name=asset.address, figures=asset.numbers, **self._mqtt(asset, epoch))
        key = None if self.keys is None else find_device_key(self.keys, asset.asset_id)
        return MqttDevice(template, key=key, **self._mqtt(asset, epoch))

    def _modbus(self, asset: Asset, template: Template) -> dict[str, Any]:
        host, port, unit_id = modbus_address(asset, template, self.settings)
        return {"host": host, "port": port, "unit_id": unit_id, "figures": asset.numbers, "clock": self.clock}

    def _mqtt(self, asset: Asset, epoch: int) -> dict[str, Any]:
        address = broker_address(self.settings, self.mqtt_version)
        if epoch and epoch not in self._lines:
            self._lines.clear()
            self._lines[epoch] = SharedLine(address, client_id=f"ml-{self.site_id}-{epoch}")
        return {
            "address": address,
            "site_id": self.site_id,
            "device_id": asset.asset_id,
            "epoch": epoch,
            "clock": self.clock,
            "line": self._lines.get(epoch),
        }

    def _chargers(self) -> "Chargers":
        """OCPP server of the chargers: started by the first of them, with libraries that no other site loads."""
        if not self._held:
            from controls.gateways.charge_points.chargers import Chargers

            self._held.append(Chargers(self.settings.ocpp, root=self.root, clock=self.clock))
        return self._held[0]

    def close(self) -> None:
        """End what devices share; safe to call twice."""
        while self._held:
            self._held.pop().close()


def modbus_address(asset: Asset, template: Template, settings: Settings) -> tuple[str, int, int]:
    """Host, port and unit from `host:port/unit`; what is left out comes from settings and template. Raises BadInput."""
    where, _, unit = asset.address.partition("/")
    host, _, port = where.partition(":")
    try:
        return (
            host or "127.0.0.1",
            int(port) if port else settings.server.modbus_port,
            int(unit) if unit else template.unit_id,
        )
    except ValueError as error:
        raise BadInput(
            f"asset {asset.asset_id!r}: cannot read address {asset.address!r}; expected host:port/unit",
            reason="bad_address",
        ) from error


def broker_address(settings: Settings, version: Version = "5") -> BrokerAddress:
    """The broker of the settings."""
    mqtt = settings.mqtt
    return BrokerAddress(
        host=mqtt.host,
        port=mqtt.port,
        username=mqtt.username,
        password=mqtt.password,
        version=version,
        ca_file=mqtt.ca_file,
    )
