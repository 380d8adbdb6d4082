"""The state of the running agent: its context (everything injected), its devices, and the slot of each set-point."""

import math
import threading
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol, TypeVar

from assets.stores.transactions import Connection, Store
from assets.stores.trust import Trust
from controls.gateways.capabilities import DeviceReader, DeviceWriter, ReadBack
from controls.ledger.device_faults import Fault
from controls.ledger.device_lease import Lease
from controls.ledger.rows import LedgerRow, Moves
from controls.safety.limits import DeviceLimits, connection_of, limits_of
from controls.safety.meter_proof import MeterResponse, Proofs
from controls.templates.load_templates import ReadBackRule, Template, load_template
from data_quality.contracts.control.command import Command, Mode
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.time import Clock

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True)
class OnLedger:
    """Do this in the round's transaction; the answer comes after its commit. A fault ends the whole round."""

    act: Callable[[Connection], Any]


@dataclass(frozen=True)
class DeviceCall:
    """Do this at the device, in a thread: it may take seconds, and touches nothing that belongs to the agent's."""

    act: Callable[[], Any]


Step = Generator[OnLedger | DeviceCall, Any, T]


class Transports(Protocol):
    """Transports to devices. A reader has no way to write."""

    def open_reader(self, asset: Asset, template: Template, *, epoch: int) -> DeviceReader:
        """A device that can be read."""

    def open_device(self, asset: Asset, template: Template, *, epoch: int) -> DeviceWriter:
        """A device that can be read and written."""


class Surroundings(Protocol):
    """Measurements other than of the devices themselves (`site_values.py`)."""

    def observe(self, context: "AgentContext", devices: Sequence["Device"]) -> bool:
        """Look once; True where every set-point must be checked again now. Raises Unreachable."""

    def live(self, device: "Device", slot: "Slot", now_s: float) -> dict[str, Any]:
        """Fields of Live from sources other than the device."""

    def wrote(self, context: "AgentContext", device: "Device", slot: "Slot") -> None:
        """Count a write that is about to go out."""


def _no_hook(_point: str) -> None:
    """Does nothing."""


@dataclass
class AgentContext:
    """Everything the agent is given, and its lease. `hook` is called at each point where a crash must be survivable.

    emergency: why nothing may be commanded at all, asked each cycle; stop_reason: what it said last. epoch: of the last
    lease, for an emergency without one. counts: for /metrics, by kind and name.
    must_recover: what is in hand must be read from the ledger, since somebody else may have moved it.
    lanes: threads for the wire; without them a cycle does everything itself, in order. answers, moves: of the round's
    transaction, what was asked in it and what its end is to write; moves None: each is written at once.
    """

    store: Store
    site_id: str
    holder: str
    clock: Clock
    monotonic: Callable[[], float]
    transports: Transports
    hook: Callable[[str], None] = _no_hook
    lease: Lease | None = None
    renewed_s: float = 0.0
    clock_step_s: float = 0.0
    # Wall against monotonic clock since the process began: below zero the clock was set back, and stays so.
    clock_offset_s: float = 0.0
    # Measurements other than of the devices; without them a site with meters has unknown values.
    site: Surroundings | None = None
    # The site's meters around its commands; without it no command is proven by a meter.
    proofs: Proofs | None = None
    # Of every device, for their turns after an outage.
    names: tuple[str, ...] = ()
    emergency: Callable[[], str] = str
    stop_reason: str = ""
    epoch: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    trust: Trust | None = None
    must_recover: bool = True
    lanes: "DeviceThreads | None" = None
    answers: dict[Hashable, Any] = field(default_factory=dict)
    moves: Moves | None = None

    def once(self, name: Hashable, ask: Callable[[], T]) -> T:
        """Answer of the ledger in this round's transaction: asked by the first, the same for all."""
        if name not in self.answers:
            self.answers[name] = ask()
        answer: T = self.answers[name]
        return answer


@dataclass
class Slot:
    """One settable capability of one device, and the command in hand for it. Times of name *_s are monotonic."""

    capability: str
    limits: DeviceLimits
    rule: ReadBackRule
    row: LedgerRow | None = None
    deadline_s: float = 0.0
    picked_s: float = 0.0
    read_by_s: float = 0.0
    refresh_s: float = 0.0
    wire_until_s: float = 0.0
    attempts: int = 0
    read: ReadBack | None = None
    read_at_s: float | None = None
    judged_s: float | None = None
    meter: MeterResponse | None = None
    # A new agent does not know what its predecessor left behind, so every slot begins by going home.
    must_revert: bool = True
    # Why the agent itself brought it to its safe default, before the ledger could record it.
    sent_home: str = ""
    revert_again_s: float = 0.0
    is_adopted: bool = False
    # What stands on the way to the command's value, where the device has a ramp (I02), and since when.
    step: float | None = None
    stepped_s: float = 0.0
    # A hold is open (I08): not even the safe default is written.
    is_held: bool = False
    # A person's command, under whose hold no other is sent here; empty for none.
    by_hand: str = ""
    anchored: tuple[str, float] = ("", 0.0)

    def take(self, row: LedgerRow, *, now_utc: datetime, now_s: float, is_adopted: bool = False) -> None:
        """Take a command in hand; its deadline is fixed here and never moved. is_adopted: a crash left it in hand."""
        self.row = row
        name, until_s = row.command.command_id, now_s + (row.command.valid_until_utc - now_utc).total_seconds()
        # Not even where it was dropped and is taken again: the wall clock may have been set back meanwhile.
        self.deadline_s = min(until_s, self.anchored[1]) if self.anchored[0] == name else until_s
        self.anchored = (name, self.deadline_s)
        self.picked_s = now_s
        self.read_by_s = now_s + self.rule.within_s
        self.refresh_s = now_s
        # From the ledger: a restart does not give a device three more attempts.
        attempts = row.facts.get("attempts")
        self.attempts = int(attempts) if isinstance(attempts, int) else 0
        self.judged_s, self.meter, self.step = None, None, None
        self.must_revert = False
        self.is_adopted = is_adopted

    @property
    def in_hand(self) -> LedgerRow:
        """The command in hand, for steps that have one."""
        assert self.row is not None, "a step without a command in hand"  # noqa: S101 - narrows for the type checker
        return self.row

    def ttl_left_s(self, now_s: float) -> float:
        """Its time to live in whole seconds, cut to what is left of the window: the device's own timer ends it even
        where this process is gone.
        """
        return float(math.floor(min(self.in_hand.command.ttl_s, self.deadline_s - now_s)))

    def waits(self, command: Command) -> bool:
        """True for a command that may not be sent yet, since a person set another one."""
        return bool(self.by_hand) and command.command_id != self.by_hand

    def drop(self) -> None:
        """Forget the command, but not what may still be on the wire."""
        self.row = None

    def is_over(self, command: Command, *, now_utc: datetime, now_s: float) -> bool:
        """True from the end of the window on, by either clock."""
        return now_utc >= command.valid_until_utc or now_s >= self.deadline_s


@dataclass
class Device:
    """One controllable asset. Exactly one of reader and writer is open once the agent looked at it."""

    asset: Asset
    template: Template
    slots: list[Slot]
    reader: DeviceReader | None = None
    writer: DeviceWriter | None = None
    is_ready: bool = False
    # Measured values by the template's names, each with when it was read.
    values: dict[str, tuple[float, float]] = field(default_factory=dict)
    read_at_s: float | None = None
    # Back after an outage: it takes its turn among the others before it is commanded again.
    turn_at_s: float = 0.0
    silent_until_s: float = 0.0
    is_silent: bool = False
    last_fault: str = ""
    # One hand at a time: a write that waited for its turn asks again whether it may still go.
    turn: threading.Lock = field(default_factory=threading.Lock, repr=False)
    # From 0 in every process: the epoch counts up with each taking of the lease, and devices order by both.
    seq: int = 0

    @property
    def device_id(self) -> str:
        """The asset's name."""
        return self.asset.asset_id

    @cached_property
    def timed(self) -> list[Slot]:
        """Slots with minimum times between switchings."""
        return [slot for slot in self.slots if slot.limits.is_timed]

    @cached_property
    def storage(self) -> DeviceLimits | None:
        """The limits with its capacity; None for a device without storage."""
        return next((slot.limits for slot in self.slots if slot.limits.capacity_kwh), None)

    @cached_property
    def needed_values(self) -> tuple[str, ...]:
        """The measured values that the guards of its slots need."""
        limits = [slot.limits for slot in self.slots]
        needed = {
            "read_soc_percent": True,
            "read_power_kw": any(
                each.has_grid_meter or each.has_phase_meter or each.is_timed or each.capacity_kwh for each in limits
            ),
            self.degc_name: any(each.min_degc is not None or each.max_degc is not None for each in limits),
        }
        return tuple(name for name, is_needed in needed.items() if is_needed and name in self.template.readable)

    @cached_property
    def degc_name(self) -> str:
        """Its own temperature, of the zone or tank; empty where it reports none."""
        return next((name for name in self.template.readable if name.endswith("_degc")), "")

    def is_left(self, slot: Slot) -> bool:
        """True where a set-point of ours may last for ever: no timer ends it, and its revert was not read back."""
        has_timer = self.template.has_device_ttl
        return slot.must_revert and slot.wire_until_s > 0 and not has_timer and not slot.is_held

    @property
    def hand(self) -> DeviceReader | None:
        """Open connection of the device, for reading."""
        return self.writer if self.writer is not None else self.reader

    def next_seq(self) -> int:
        """The next sequence number on the wire, within the lease's epoch."""
        self.seq += 1
        return self.seq


class DeviceThreads:
    """Threads for the wire: devices that gave no answer last time wait for each other, not for the healthy ones."""

    def __init__(self, healthy: Executor, silent: Executor) -> None:
        self._healthy, self._silent = healthy, silent

    def submit(self, device: Device, act: Callable[[], T]) -> "Future[T]":
        """Run it in the device's lane."""
        return (self._silent if device.is_silent else self._healthy).submit(act)

    def submit_meter(self, act: Callable[[], T]) -> "Future[T]":
        """Run what is no device of ours, a meter for instance, where nobody healthy waits for it."""
        return self._silent.submit(act)

    def close(self) -> None:
        """Begin nothing more; what runs is left to its own time limit."""
        for lane in (self._healthy, self._silent):
            lane.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class View:
    """The ledger as read at the start of a cycle."""

    modes: dict[tuple[str, str], Mode]
    faults: list[Fault]
    is_stopped: bool = False
    rows: dict[tuple[str, str], list[LedgerRow]] = field(default_factory=dict)

    def mode_of(self, device: Device, slot: Slot) -> Mode:
        """The effective mode of the slot's capability: while the emergency stop is pulled the lowest there is."""
        return Mode.SIMULATION if self.is_stopped else self.modes[device.device_id, slot.capability]

    def highest(self, device: Device) -> Mode:
        """The highest mode of the device's capabilities, as people set it: from PARTIAL on it needs a writer, an
        emergency among the reasons.
        """
        return max(self.modes[device.device_id, slot.capability] for slot in device.slots)

    def of(self, device: Device, slot: Slot) -> list[LedgerRow]:
        """The slot's commands that wait or are in hand, by window."""
        return self.rows.get((device.device_id, slot.capability), [])


def known(values: Mapping[K, tuple[float, float]], name: K, now_s: float) -> tuple[float | None, float | None]:
    """A value that was read and its age, s; a number that is none is not known."""
    value, at_s = values.get(name, (math.nan, 0.0))
    return (value, now_s - at_s) if math.isfinite(value) else (None, None)


def devices_of(site: Site, load: Callable[[str], Template] = load_template) -> list[Device]:
    """The site's assets whose template takes a set-point. Raises BadInput for an unknown template."""
    devices, connection = [], connection_of(site, load)
    for asset in site.assets:
        if not asset.template:
            continue
        template = load(asset.template)
        slots = [
            Slot(capability=name, limits=limits_of(asset, template, name, connection), rule=template.read_back[name])
            for name in template.settable
        ]
        if slots:
            devices.append(Device(asset=asset, template=template, slots=slots))
    return devices


def limits_by_key(devices: Sequence[Device]) -> dict[tuple[str, str], DeviceLimits]:
    """Limits by device and capability."""
    return {(device.device_id, slot.capability): slot.limits for device in devices for slot in device.slots}
