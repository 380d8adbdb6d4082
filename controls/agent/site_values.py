"""Readings beside a command's own device: the meter at the grid, the network operator's line and signals,
sensors of zones, the clock of the store, and what devices did until now. Read once a cycle; a silent one holds up none.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa

from assets.stores.ledgers.grid_signals import GridSignals
from assets.stores.live.live_store import LiveReader
from assets.stores.transactions import Store
from controls.agent.context import AgentContext, Device, Slot, known
from controls.gateways.capabilities import DeviceReader, DeviceRefused, DeviceSilent
from controls.safety.interlocks.soc import SocTrack
from controls.safety.limits import DSO_READING, DSO_SILENT_S, PHASE_READINGS, dso_assets, grid_asset
from controls.safety.live_meters import LivePowers
from controls.safety.meter_proof import READING, Proofs
from controls.safety.state_history import StateHistory
from controls.templates.load_templates import Template, load_template
from data_quality.contracts.control.grid_signal import EXPORT_LIMIT, IMPORT_LIMIT, ceiling_kw
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.site_file.site import Asset, Site

# Half of what is young enough for a guard; a ceiling of the network operator must reach devices within ten seconds.
METER_S = 2.0
# A meter that did not answer is left alone for so long.
SILENT_S = 5.0
REFERENCE_S = 10.0
# A compressor that draws less than this share of its rating is off: its crankcase is heated all the same.
ON_SHARE = 0.05
_SIGNS = tuple(f"read_power_l{n}_kw" for n in (1, 2, 3))
T = TypeVar("T")
# Asset, name, value, and the monotonic second at which it was measured.
Found = tuple[str, str, float, float]
_AIR = ("read_humidity_percent", "read_co2_ppm")


@dataclass
class Sensor:
    """One asset that is only read. due_s: monotonic time of the next query."""

    asset: Asset
    template: Template
    names: tuple[str, ...]
    reader: DeviceReader | None = None
    due_s: float = 0.0
    answer: "Future[list[Found]] | None" = None


@dataclass
class LiveBoard:
    """The live board as a sensor: meters that the agent does not read itself."""

    powers: LivePowers
    reader: LiveReader
    due_s: float = 0.0
    answer: "Future[list[Found]] | None" = None


class SiteValues:
    """Values of a site by asset and name, each with the monotonic second at which it was read."""

    def __init__(
        self,
        site: Site,
        load: Callable[[str], Template] = load_template,
        *,
        reference: Callable[[], datetime | None] | None = None,
        board: LiveReader | None = None,
    ) -> None:
        """reference: a clock beside the machine's own, or None (`store_clock`). board: what the collector shows."""
        self.history: StateHistory | None = None
        self._site_id = site.site_id
        self._assets = {asset.asset_id: asset for asset in site.assets}
        grid, lines = grid_asset(site), dso_assets(site, load)
        self._grid = "" if grid is None else grid.asset_id
        self._lines = tuple(line.asset_id for line in lines)
        # What meters show around a command; the agent tells it of every set-point and asks it for the fifth grade.
        self.proofs = Proofs(site, load)
        zones = [self._assets[name] for asset in site.assets if (name := _zone_of(asset)) in self._assets]
        sensors = {
            each.asset_id: each
            for each in (grid, *self.proofs.meters.values(), *lines, *zones)
            if each is not None and each.template
        }
        self.sensors: list[Sensor | LiveBoard] = [
            Sensor(each, template := load(each.template), _names(template)) for each in sensors.values()
        ]
        powers = LivePowers(site)
        if board is not None and powers.assets:
            self.sensors.append(LiveBoard(powers, board))
        self.values: dict[tuple[str, str], tuple[float, float]] = {}
        self._tracks: dict[str, SocTrack] = {}
        # Sources whose silence sets a ceiling, and the capacity limits of all in force: import, export.
        self._sources = [source.source_id for source in site.signal_sources if source.has_failsafe]
        self._has_signals, self._signals_due_s = bool(site.signal_sources), 0.0
        self.signal_kw: tuple[float | None, float | None] = None, None
        self._last_ceilings: tuple[object, ...] = ()
        self._reference = reference
        self._reference_due_s = 0.0
        self._offset_s: float | None = None

    def observe(self, context: AgentContext, devices: Sequence[Device]) -> bool:
        """Query every sensor that is due, and take the devices' last answers.

        Waits for nothing where there are threads, else for one silent sensor at most. True where a ceiling of
        the network operator changed: every set-point must be asked about again now. Raises Unreachable (store).
        """
        now_s = context.monotonic()
        if self._has_signals and now_s >= self._signals_due_s:
            self._signals_due_s = now_s + METER_S
            self._read_signals(context)
        for sensor in sorted(self.sensors, key=lambda each: each.due_s):
            # Without threads one silent sensor is enough for a cycle.
            if (sensor.answer or now_s >= sensor.due_s) and not self._ask(context, sensor) and context.lanes is None:
                break
        if self.history is None:
            self.history = StateHistory(context.store, self._site_id)
        self.history.load(context.clock.now_utc(), now_s)
        for device in devices:
            self._follow(device)
            self._watch(context, self.history, device)
        self.history.flush()
        if self._reference is not None and now_s >= self._reference_due_s:
            self._reference_due_s = now_s + REFERENCE_S
            there = self._reference()
            self._offset_s = None if there is None else (context.clock.now_utc() - there).total_seconds()
        # Of the last cycle, not of this one's begin: a line falls silent by time alone.
        previous, self._last_ceilings = self._last_ceilings, self._ceilings(context.monotonic())
        return self._last_ceilings != previous

    def wrote(self, context: AgentContext, device: Device, slot: Slot) -> None:
        """Count a write that is about to go out."""
        if self.history is not None:
            key, is_counted = (device.device_id, slot.capability), slot.limits.is_budgeted
            self.history.wrote(key, context.clock.now_utc(), context.monotonic(), is_counted=is_counted)

    def close(self) -> None:
        """Drop every reader."""
        for sensor in self.sensors:
            if isinstance(sensor, Sensor) and sensor.reader is not None:
                sensor.reader.close()
                sensor.reader = None

    def dso_limit(self, now_s: float) -> tuple[float | None, float | None]:
        """The lowest ceiling of import in force, kW, and the age of the oldest word; a figure below zero lifts it."""
        values = [self._value(name, DSO_READING, now_s) for name in (*self._lines, *self._sources)]
        ages = [age_s for _, age_s in values if age_s is not None]
        limits = [value for value, _ in values if value is not None and value >= 0]
        # A line that never spoke leaves the age unknown, and so its failsafe value in force.
        return min(limits, default=None), max(ages) if ages and len(ages) == len(values) else None

    def _ceilings(self, now_s: float) -> tuple[object, ...]:
        limit_kw, age_s = self.dso_limit(now_s)
        return limit_kw, age_s is not None and 0 <= age_s <= DSO_SILENT_S, self.signal_kw

    def _read_signals(self, context: AgentContext) -> None:
        """Capacity limits in force, and when their sources were heard. Raises Unreachable.

        Where stored signals are not as they were sealed nobody knows the limit: nothing may be drawn or fed in.
        """
        ledger, now_utc, now_s = GridSignals(context.store), context.clock.now_utc(), context.monotonic()
        try:
            known_signals = ledger.open(self._site_id, now_utc)
        except BadInput:
            self.signal_kw = 0.0, 0.0
        else:
            import_kw, export_kw = (ceiling_kw(known_signals, kind, now_utc) for kind in (IMPORT_LIMIT, EXPORT_LIMIT))
            self.signal_kw = import_kw, export_kw
        for name, heard_utc in ledger.heartbeats(self._site_id).items():
            # Below zero lifts nothing: the limits themselves are read above, only the age counts.
            self.values[name, DSO_READING] = -1.0, now_s - (now_utc - heard_utc).total_seconds()

    def live(self, device: Device, slot: Slot, now_s: float) -> dict[str, Any]:
        """Fields of Live about a slot's device from other sources."""
        grid_kw, grid_age_s = self._value(self._grid, "read_power_kw", now_s)
        phase_a, phase_age_s = self._phases(now_s)
        dso_kw, dso_age_s = self.dso_limit(now_s)
        track = self._tracks.get(device.device_id)
        found: dict[str, Any] = {
            "reference_offset_s": self._offset_s,
            "grid_kw": grid_kw,
            "grid_age_s": grid_age_s,
            "phase_a": phase_a,
            "phase_age_s": phase_age_s,
            "dso_limit_kw": dso_kw,
            "dso_age_s": dso_age_s,
            "signal_import_kw": self.signal_kw[0],
            "signal_export_kw": self.signal_kw[1],
            "soc_drift": None if track is None else track.drift,
        }
        if slot.row is not None:
            wrong_s, wrong_kw = self.proofs.wrong_way(device.device_id, slot.row.command.command_id, now_s)
            found |= {"wrong_way_s": wrong_s, "wrong_way_kw": wrong_kw}
        if self.history is not None:
            found |= self.history.live((device.device_id, slot.capability), now_s)
        zone = self._assets.get(_zone_of(device.asset))
        if zone is not None:
            humidity, co2 = (self._value(zone.asset_id, name, now_s) for name in _AIR)
            young = slot.limits.max_degc_age_s
            found["humidity_percent"] = humidity[0] if humidity[1] is not None and humidity[1] <= young else None
            found["co2_ppm"] = co2[0] if co2[1] is not None and co2[1] <= young else None
            names = [name for asset_id, name in self.values if asset_id == zone.asset_id and name.endswith("_degc")]
            # A zone's own sensor, once it is named, speaks for the device, whether it answers or not.
            degc = self._value(zone.asset_id, names[0] if names else "", now_s)
            found["degc"], found["degc_age_s"] = degc
        return found

    def _value(self, asset_id: str, name: str, now_s: float) -> tuple[float | None, float | None]:
        return known(self.values, (asset_id, name), now_s)

    def _phases(self, now_s: float) -> tuple[tuple[float, ...] | None, float | None]:
        """Currents, signed as the power of their phase, else of the connection; a meter counts amperes only upwards."""
        read = [self._value(self._grid, name, now_s) for name in PHASE_READINGS]
        grid_kw = self._value(self._grid, "read_power_kw", now_s)[0]
        powers = [self._value(self._grid, name, now_s)[0] for name in _SIGNS]
        signs = [grid_kw if power is None else power for power in powers]
        if any(a is None for a, _ in read) or any(sign is None for sign in signs):
            return None, None
        found = tuple(math.copysign(a or 0.0, s or 0.0) for (a, _), s in zip(read, signs, strict=True))
        return found, max(age_s or 0.0 for _, age_s in read)

    def _ask(self, context: AgentContext, sensor: Sensor | LiveBoard) -> bool:
        """Begin to read a sensor, or take what came; False where it is silent. Its old values keep their age."""
        if sensor.answer is None:
            act = partial(_look, context, sensor) if isinstance(sensor, Sensor) else partial(_look_up, context, sensor)
            sensor.answer = _done(act) if context.lanes is None else context.lanes.submit_meter(act)
        if not sensor.answer.done():
            return True
        answer, sensor.answer = sensor.answer, None
        try:
            found = answer.result()
        except (DeviceSilent, DeviceRefused):
            sensor.due_s = context.monotonic() + SILENT_S
            return False
        for asset_id, name, value, at_s in found:
            self.values[asset_id, name] = (value, at_s)
            if name == READING:
                self.proofs.add(asset_id, at_s, value)
        sensor.due_s = context.monotonic() + METER_S
        return True

    def _watch(self, context: AgentContext, history: StateHistory, device: Device) -> None:
        """Note whether devices that may not be switched at will are on: by their power, where one has its own."""
        power, now_s = device.values.get("read_power_kw"), context.monotonic()
        for slot in device.timed:
            if power is not None and len(device.timed) == 1 and math.isfinite(power[0]):
                is_on, at_s = abs(power[0]) > ON_SHARE * (slot.limits.span_kw()[1] or 1.0), power[1]
            elif slot.read is not None and slot.read_at_s is not None:
                is_on, at_s = slot.limits.is_on(slot.read.value), slot.read_at_s
            else:
                continue
            if now_s - at_s <= slot.limits.max_read_age_s:
                history.saw((device.device_id, slot.capability), is_on, context.clock.now_utc(), now_s)

    def _follow(self, device: Device) -> None:
        """Follow a storage's state of charge by its energy, where capacity and power are known."""
        capacity = device.storage
        soc, power = device.values.get("read_soc_percent"), device.values.get("read_power_kw")
        if capacity is None or capacity.capacity_kwh is None or soc is None or power is None:
            return
        (percent, at_s), track = soc, self._tracks.get(device.device_id)
        # A number that is none begins nothing; the guard refuses it anyway.
        if not (math.isfinite(percent) and math.isfinite(power[0])) or (track is not None and at_s <= track.at_s):
            return
        self._tracks[device.device_id] = (
            SocTrack(soc=percent / 100, since_s=at_s, at_s=at_s)
            if track is None
            else track.after(
                percent / 100, power[0], at_s, capacity_kwh=capacity.capacity_kwh, allowed=capacity.max_soc_drift
            )
        )


def store_clock(store: Store) -> Callable[[], datetime | None] | None:
    """The clock of the store as a reference; None where it is this machine's own, as SQLite's is."""
    if store.engine.dialect.name != "postgresql":
        return None

    def ask() -> datetime | None:
        (row,) = store.rows(sa.select(sa.func.clock_timestamp().label("now")))
        found = row["now"]
        return found if isinstance(found, datetime) else None

    return ask


def _look(context: AgentContext, sensor: Sensor) -> list[Found]:
    """Every value of a sensor, each with when it was asked for. Raises DeviceSilent, DeviceRefused."""
    if sensor.reader is None:
        epoch = 0 if context.lease is None else context.lease.epoch
        sensor.reader = context.transports.open_reader(sensor.asset, sensor.template, epoch=epoch)
    found = []
    for name in sensor.names:
        at_s = context.monotonic()
        found.append((sensor.asset.asset_id, name, sensor.reader.read(name), at_s))
    return found


def _look_up(context: AgentContext, board: LiveBoard) -> list[Found]:
    """New values of the live board, each with its device's time of measurement. Raises DeviceSilent."""
    try:
        shown = board.reader.values(context.site_id)
    except Unreachable as fault:
        raise DeviceSilent(str(fault)) from fault
    news = board.powers.news(shown, now_utc=context.clock.now_utc(), now_s=context.monotonic())
    return [(each.asset_id, READING, each.kw, each.at_s) for each in news]


def _done(act: Callable[[], T]) -> "Future[T]":
    """A completed future with the function's result or its device error."""
    future: Future[T] = Future()
    try:
        future.set_result(act())
    except (DeviceSilent, DeviceRefused) as fault:
        future.set_exception(fault)
    return future


def _names(template: Template) -> tuple[str, ...]:
    wanted = {"read_power_kw", DSO_READING, *PHASE_READINGS, *_SIGNS, *_AIR}
    return tuple(name for name in template.readable if name in wanted or name.endswith("_degc"))


def _zone_of(asset: Asset) -> str:
    """The asset whose sensor measures this one's temperature and air; empty: its own."""
    named = asset.params.get("zone_sensor")
    return named if isinstance(named, str) else ""
