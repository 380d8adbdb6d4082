"""Meters of a simulated plant on real wires, each at its own rate: MQTT messages and Modbus registers.

What they tell is the simulated year, minute by minute: the minutes of a quarter hour add up to it exactly. Everything
is synthetic and says so. Devices drop out, restart and have wrong clocks, drawn from a seed.

Drop-outs (the radio is gone, and the device goes on counting), restarts (it begins to count anew) and clocks that are
off: a little always, and far into the future now and then.
"""

import json
import math
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from pydantic import Field

from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from controls.gateways.served_unit import ModbusUnit
from controls.gateways.sources.tally import Pauses
from controls.simulator.physics.noise import Counts, generator
from controls.simulator.physics.simulated import UNITS_PER_KWH
from controls.simulator.worlds.generate import SEED, generate_site
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import WorldFault
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.live_source import DeviceSource, MqttSource
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

# Seconds between two messages of a machine; others are slower.
RATES_S = {"main": 1, "injection_moulding": 1, "conveyor": 1, "hydraulic_pump": 10, "compressor_1": 10}
SLOW_S = 30
_TICK_S = 0.2
_QUARTER = timedelta(minutes=15)
_HOUR_S = 3600


class Troubles(Model):
    """Frequency and length of faults, of one device."""

    drop_outs_per_h: float = Field(default=1.0, ge=0)
    drop_out_s: float = Field(default=40.0, gt=0, description="Mean length")
    restarts_per_h: float = Field(default=0.25, ge=0)
    restart_s: float = Field(default=8.0, gt=0)
    clock_error_s: float = Field(default=0.5, ge=0, description="Standard deviation between devices")
    far_off_share: float = Field(default=0.02, ge=0, le=1, description="Of hours in which its clock is far ahead")
    far_off_s: float = 7200.0


class DeviceFault(NamedTuple):
    """The state of a device at one instant. is_away: nothing of it arrives. restarts: so many began in this hour."""

    is_away: bool
    restarts: int
    clock_error_s: float


def fault_at(troubles: Troubles, *, seed: int, device: str, now_utc: datetime) -> DeviceFault:
    """Present trouble of a device. Spans end with their hour at the latest."""
    hour, second = divmod(now_utc.timestamp(), _HOUR_S)
    drop_outs, restarts, clock_error_s = _drawn(troubles, seed, device, int(hour))
    begun = [start for start in restarts if start <= second]
    is_away = any(start <= second < start + length for start, length in drop_outs)
    is_away = is_away or any(second < start + troubles.restart_s for start in begun)
    return DeviceFault(is_away, len(begun), clock_error_s)


@lru_cache(maxsize=4096)
def _drawn(
    troubles: Troubles, seed: int, device: str, hour: int
) -> tuple[tuple[tuple[float, float], ...], tuple[float, ...], float]:
    rng = generator(seed, hour, device, "wire")
    drop_outs = tuple(
        (float(rng.uniform(0, _HOUR_S)), float(rng.exponential(troubles.drop_out_s)))
        for _ in range(int(rng.poisson(troubles.drop_outs_per_h)))
    )
    restarts = tuple(float(rng.uniform(0, _HOUR_S)) for _ in range(int(rng.poisson(troubles.restarts_per_h))))
    # The same every hour: a quartz is off by its own amount.
    clock_error_s = float(generator(seed, device, "clock").normal(0.0, troubles.clock_error_s))
    if rng.uniform() < troubles.far_off_share:
        clock_error_s += troubles.far_off_s
    return drop_outs, restarts, clock_error_s


def meter_values(power_kw: float, names: Iterable[str]) -> dict[str, float]:
    """Values of a three-phase meter by their names in its template, with the same power on each phase."""
    resting = {"v": 230.0, "hz": 50.0, "a": power_kw / 0.69}
    return {
        name: power_kw if name == "read_power_kw" else resting.get(name.rpartition("_")[2], power_kw / 3)
        for name in names
    }


class QuarterHours:
    """Energy of a simulated site's streams in any quarter hour. meters_of: frame of a local year, which is made when it
    is asked for; two are kept.
    """

    def __init__(self, time_zone: str, meters_of: Callable[[int], pl.DataFrame]) -> None:
        self._zone, self._meters_of = ZoneInfo(time_zone), meters_of
        self._year = lru_cache(maxsize=2)(self._made)

    def units(self, meter: str, at_utc: datetime, register: str = "import") -> int:
        """Ten-thousandths of a kWh in the quarter hour that holds the instant."""
        start_utc, streams = self._year(at_utc.astimezone(self._zone).year)
        # Elapsed UTC time, not the wall clock: on the day of a clock change local quarters do not count through.
        return int(streams[meter, register][(at_utc - start_utc) // _QUARTER])

    def _made(self, year: int) -> tuple[datetime, dict[tuple[str, str], Counts]]:
        meters = self._meters_of(year).with_columns(pl.col("kwh") * UNITS_PER_KWH)
        return meters["timestamp"].min(), {  # type: ignore[return-value]  # of a column of instants
            (str(meter), str(register)): np.rint(each["kwh"].to_numpy()).astype(np.int64)
            for (meter, register), each in meters.partition_by("meter", "register", as_dict=True).items()
        }


class PlantYear:
    """Energy and power of a simulated site's meters at any instant."""

    def __init__(self, site: Site, *, seed: int) -> None:
        def meters_of(year: int) -> pl.DataFrame:
            return generate_site(site, start=date(year, 1, 1), end=date(year + 1, 1, 1), seed=seed).meters

        self._quarters = QuarterHours(site.time_zone, meters_of)

    def power_kw(self, meter: str, at_utc: datetime) -> float:
        """Around the mean of its quarter hour, in machine cycles of some seconds."""
        cycle_s = 20.0 + len(meter)
        swing = 1.0 + 0.2 * math.sin(2 * math.pi * at_utc.timestamp() / cycle_s)
        return round(4.0 * self._quarters.units(meter, at_utc) / UNITS_PER_KWH * swing, 3)

    def minute_kwh(self, meter: str, end_utc: datetime) -> float:
        """Energy of the minute that ends there."""
        start = quarter_start(end_utc - timedelta(minutes=1))
        minute = round((end_utc - start).total_seconds() / 60)
        units = self._quarters.units(meter, start)
        # Cut from the sum, so that fifteen of them are the quarter hour to the last digit.
        return (units * minute // 15 - units * (minute - 1) // 15) / UNITS_PER_KWH


class LivePlant:
    """The devices behind a simulated site's sources. `units` are for a Modbus server; `start` begins the messages."""

    def __init__(
        self,
        site: Site,
        *,
        address: BrokerAddress,
        clock: Clock,
        monotonic: Callable[[], float],
        seed: int = SEED,
        troubles: Troubles | None = None,
    ) -> None:
        self._site, self._address, self._clock, self._seed = site, address, clock, seed
        self._troubles, self._year = troubles or Troubles(), PlantYear(site, seed=seed)
        mqtt = [source for source in site.sources if isinstance(source, MqttSource)]
        self._topics = {point.topic: point.stream for source in mqtt for point in source.points}
        self._sequence = dict.fromkeys(self._topics, 0)
        self._restarts = dict.fromkeys(self._topics, 0)
        self._published_s = dict.fromkeys(self._topics, 0)
        self._minute = dict.fromkeys(self._topics, int(clock.now_utc().timestamp()) // 60)
        self.units: list[ModbusUnit] = []
        self._polled: dict[int, str] = {}
        for source in site.sources:
            if isinstance(source, DeviceSource) and source.asset is None:
                template = load_template(source.template)
                if template.protocol != "modbus_tcp":
                    continue
                unit_id, meter = int(source.address.partition("/")[2] or 1), source.points[0].stream
                self._polled[unit_id] = meter
                self.units.append(
                    ModbusUnit(
                        template,
                        # Bound now: the loop goes on to the next meter.
                        measure=lambda meter=meter, names=template.readable: meter_values(  # type: ignore[misc]
                            self._year.power_kw(meter, self._clock.now_utc()), names
                        ),
                        monotonic=monotonic,
                        unit_id=unit_id,
                    )
                )
        self._line: MqttLine | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"plant-{site.site_id}", daemon=True)

    def start(self) -> "LivePlant":
        """Begin; a broker that is away is tried again."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End; safe to call twice."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._line is not None:
            self._line.close()
            self._line = None

    def _trouble(self, device: str, now_utc: datetime) -> DeviceFault:
        return fault_at(self._troubles, seed=self._seed, device=device, now_utc=now_utc)

    def _run(self) -> None:
        pauses = Pauses(self._site.site_id)
        while not self._end.wait(_TICK_S):
            now_utc = self._clock.now_utc()
            for unit in self.units:
                away = self._trouble(f"unit-{unit.unit_id}", now_utc).is_away
                unit.fault = "silent" if away else "none"
            # A plant of Modbus meters alone has nothing to say.
            if self._topics and (self._line is None or not self._line.is_open):
                try:
                    self._line = MqttLine(self._address, client_id=f"plant-{self._site.site_id}", subscriptions=())
                    pauses.reset()
                except WorldFault:
                    self._line = None
                    self._end.wait(pauses.next_s())
            for topic in self._topics:
                with suppress(WorldFault):
                    self._send(topic, now_utc)

    def _send(self, topic: str, now_utc: datetime) -> None:
        """A message, if it is time for one."""
        meter, every_s = self._topics[topic], RATES_S.get(self._topics[topic], SLOW_S)
        beat = int(now_utc.timestamp()) // every_s
        if beat == self._published_s[topic] or self._line is None:
            return
        self._published_s[topic] = beat
        trouble = self._trouble(meter, now_utc)
        if trouble.restarts > self._restarts[topic]:
            self._sequence[topic] = 0
        self._restarts[topic] = trouble.restarts
        # It counts on while nobody hears it: that is how what is missing is known.
        self._sequence[topic] += 1
        minute = int(now_utc.timestamp()) // 60
        document: dict[str, object] = {
            "seq": self._sequence[topic],
            "at": (now_utc + timedelta(seconds=trouble.clock_error_s)).isoformat(),
            "is_synthetic": True,
            "power_kw": self._year.power_kw(meter, now_utc),
        }
        if minute != self._minute[topic]:
            self._minute[topic] = minute
            end_utc = datetime.fromtimestamp(60 * minute, now_utc.tzinfo)
            document["minute_kwh"] = self._year.minute_kwh(meter, end_utc)
        if not trouble.is_away:
            self._line.post(topic, json.dumps(document).encode())


def quarter_start(at_utc: datetime) -> datetime:
    """The start of the quarter hour that holds the instant."""
    return at_utc - timedelta(seconds=at_utc.timestamp() % _QUARTER.total_seconds())
