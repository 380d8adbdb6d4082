"""The plant's meters on real wires: their own rates, the year's energy, and troubles that are counted."""

from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import pytest

from controls.gateways.broker import Broker
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.sources.open_source import open_source
from controls.simulator.live_plant import LivePlant, PlantYear, Troubles, fault_at
from controls.simulator.worlds.generate import SEED
from data_quality.contracts.settings import MqttSettings, ServerSettings, Settings
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import SystemClock
from tests.controls.gateways.sources.live_sink import ListSink, until

QUIET = Troubles(drop_outs_per_h=0, restarts_per_h=0, clock_error_s=0, far_off_share=0)
NOON = datetime(2025, 6, 2, 12, 0, tzinfo=UTC)


class ClockAt:
    """Runs with the machine's clock, from another instant on."""

    def __init__(self, first_utc: datetime) -> None:
        self._first_utc, self._began_s = first_utc, monotonic()

    def now_utc(self) -> datetime:
        return self._first_utc + timedelta(seconds=monotonic() - self._began_s)


def test_the_minutes_of_a_quarter_hour_add_up_to_it(factory_site: Site, factory: Any) -> None:
    year = PlantYear(factory_site, seed=SEED)
    known = factory.meters.filter((factory.meters["meter"] == "main") & (factory.meters["timestamp"] == NOON))
    minutes = [year.minute_kwh("main", NOON + timedelta(minutes=each)) for each in range(1, 16)]
    assert sum(round(each * 10_000) for each in minutes) == round(known["kwh"][0] * 10_000)
    assert year.power_kw("main", NOON) == pytest.approx(4 * known["kwh"][0], rel=0.21)


def test_troubles_are_drawn_once_and_last_as_long_as_they_say() -> None:
    severe = Troubles(drop_outs_per_h=20, drop_out_s=60, restarts_per_h=5, clock_error_s=2, far_off_share=0.5)
    hour = [
        fault_at(severe, seed=1, device="a", now_utc=NOON + timedelta(seconds=each)) for each in range(3600)
    ]  # fmt: skip
    second = [
        fault_at(severe, seed=1, device="a", now_utc=NOON + timedelta(seconds=each)) for each in range(3600)
    ]  # fmt: skip
    assert hour == second
    assert 300 < sum(each.is_away for each in hour) < 2400
    assert [each.restarts for each in hour] == sorted(each.restarts for each in hour)
    assert hour[-1].restarts >= 1
    assert len({each.clock_error_s for each in hour}) == 1
    other = fault_at(severe, seed=1, device="b", now_utc=NOON)
    assert other.clock_error_s != hour[0].clock_error_s
    quiet = fault_at(QUIET, seed=1, device="a", now_utc=NOON)
    assert quiet == (False, 0, 0.0)


def served(site: Site, broker: Broker, troubles: Troubles, first_utc: datetime) -> tuple[LivePlant, ModbusServer]:
    plant = LivePlant(
        site, address=broker.address, clock=ClockAt(first_utc), monotonic=monotonic, troubles=troubles
    ).start()  # fmt: skip
    return plant, ModbusServer(plant.units).start()


@pytest.mark.real
def test_every_source_of_the_demo_plant_is_served(factory_site: Site, broker: Broker) -> None:
    # Two seconds before a minute ends, at which each meter tells its energy.
    plant, server = served(factory_site, broker, QUIET, NOON - timedelta(seconds=2))
    mine = MqttSettings(**broker.address.model_dump(exclude={"version"}))
    settings = Settings(mqtt=mine, server=ServerSettings(modbus_port=server.port))
    adapters = [
        open_source(factory_site, source, settings=settings, clock=SystemClock()) for source in factory_site.sources
    ]
    sinks = {adapter.source_id: ListSink() for adapter in adapters}
    for adapter in adapters:
        adapter.start(sinks[adapter.source_id])
    machines = sinks["machines"]
    until(lambda: len([1 for each in machines.samples if each.point == "main_kw"]) >= 5, 20)
    until(lambda: len({each.point for each in machines.samples if not each.point.endswith("_kw")}) == 8, 40)
    until(lambda: all(sinks[name].samples for name in ("main_meter", "hvac_main_meter")), 20)
    for adapter in adapters:
        adapter.stop()
    plant.stop()
    server.stop()
    assert machines.refusals == []
    values = {each.point: each.value for each in machines.samples if each.at_utc >= NOON}
    year = PlantYear(factory_site, seed=SEED)
    assert values["main"] == year.minute_kwh("main", NOON)
    (main, *_) = sinks["main_meter"].samples
    assert main.unit == "kw"
    assert main.value == pytest.approx(year.power_kw("main", NOON), rel=0.5)


@pytest.mark.real
def test_what_a_drop_out_swallowed_is_missing_by_number(factory_site: Site, broker: Broker) -> None:
    severe = QUIET.model_copy(update={"drop_outs_per_h": 1500.0, "drop_out_s": 1.5})
    mine = MqttSettings(**broker.address.model_dump(exclude={"version"}))
    source = factory_site.sources[0].model_copy(update={"source_id": "troubled"})
    adapter, sink = open_source(factory_site, source, settings=Settings(mqtt=mine), clock=SystemClock()), ListSink()
    adapter.start(sink)
    until(lambda: adapter.state().sentence == "connected")
    plant, server = served(factory_site, broker, severe, NOON + timedelta(seconds=5))
    until(lambda: adapter.state().missing >= 2, 30)
    plant.stop()
    adapter.stop()
    server.stop()
    numbers: dict[str, set[int]] = {}
    for each in sink.samples:
        numbers.setdefault(each.point, set()).add(each.seq or 0)
    left_out = sum(max(had) - min(had) + 1 - len(had) for name, had in numbers.items() if name.endswith("_kw"))
    assert adapter.state().missing == left_out
