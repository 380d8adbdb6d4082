"""A site with one charger over OCPP, as tests of it share it."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controls.gateways.capabilities import DeviceReader, DeviceWriter
from controls.gateways.open import Gateways
from controls.templates.load_templates import Template
from data_quality.contracts.control.command import Command
from data_quality.contracts.site_file.site import Asset
from data_quality.contracts.time import FixedClock
from tests.controls.devices import command
from tests.controls.gateways.serve_ocpp import ServedCharger

POWER = "set_charge_power_kw"
VERSIONS = ("ocpp16", "ocpp201")
SECRET = "secret"


@dataclass
class Yard:
    """A site with one charger, its gateways, and its clock."""

    gateways: Gateways
    clock: FixedClock
    template: Template
    asset: Asset
    keys: Path
    opened: list[Any] = field(default_factory=list)

    @property
    def system(self) -> Any:
        return self.gateways._chargers().system

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.system.port}"

    def device(self) -> DeviceWriter:
        self.opened.append(self.gateways.open_device(self.asset, self.template))
        return self.opened[-1]

    def reader(self) -> DeviceReader:
        return self.gateways.open_reader(self.asset, self.template)

    def charger(self, **given: Any) -> ServedCharger:
        password = given.pop("password", "secret")
        return ServedCharger(self.template, url=self.url, charger_id="ev", password=password, clock=self.clock, **given)

    def command(self, value: float, **given: Any) -> Command:
        return command(self.clock, device_id="ev", capability=POWER, value=value, **given)


def until(is_so: Any, *, timeout_s: float = 60.0) -> None:
    """Wait for what another thread brings about."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.01)
