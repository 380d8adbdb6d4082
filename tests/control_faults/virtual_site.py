"""A site in simulated time whose store, devices, clock and agents fail at will; everything goes into a history.

The store is a copy of one that the real migrations made, on SQLite, and all that is left out is waiting for the disk:
what an unchanged store answered once is not asked again, so that a schedule takes milliseconds.
"""

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.visitors import iterate

from assets.stores.schema.tables_control import command_events
from assets.stores.schema.tables_reports import signatures
from assets.stores.schema.tables_seals import row_seals
from assets.stores.transactions import Store, connect_store, open_store
from assets.stores.trust import Select, Trust
from controls.agent.context import AgentContext, devices_of
from controls.agent.loop import Agent
from controls.agent.planned import planned_check
from controls.agent.site_values import SiteValues
from controls.gateways.capabilities import Ack, DeviceReader, DeviceRefused, DeviceSilent, DeviceWriter, ReadBack
from controls.gateways.check_command import checked
from controls.gateways.lease import Outcome, leases_of
from controls.ledger.chain import verify_chain
from controls.ledger.device_faults import acknowledge_fault, open_faults
from controls.ledger.modes import set_mode
from controls.ledger.outbox import PlannedCheck, release
from controls.ledger.rows import read_commands
from controls.templates.load_templates import Template, load_template
from data_quality.contracts.control.command import Command, Mode
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.site_file.site import Asset
from tests.control_faults.checker import Bounds, LedgerEnd
from tests.control_faults.history import History
from tests.controls.agent.plant import HOME, Crash
from tests.controls.ledger.rows_of import CARLA, NOW, add_plan, command

# By hand, from the templates' comments and the site's figures: 5 kW and 8 kW, and in PARTIAL 30 % of them.
BOUNDS = {
    "battery": Bounds(safe=0.0, low=-1.5, high=1.5, soc_min=10.0, soc_max=95.0),
    "pv": Bounds(safe=8.0, low=5.6, high=8.0),
}
CAPABILITIES = {"battery": "set_charge_power_kw", "pv": "set_power_limit_kw"}
# Frozen models, read once: their files take longer than a schedule.
template_of = cache(load_template)


@cache
def _home_check() -> PlannedCheck:
    return planned_check(HOME)


@dataclass
class TrueTime:
    """One time that no nemesis moves; the wall clock of the agents' machine may be off by offset_s."""

    true_s: float = 0.0
    offset_s: float = 0.0

    @property
    def true_utc(self) -> datetime:
        return NOW + timedelta(seconds=self.true_s)

    def now_utc(self) -> datetime:
        return NOW + timedelta(seconds=self.true_s + self.offset_s)

    def monotonic(self) -> float:
        return 1000.0 + self.true_s

    def seconds_of(self, at_utc: datetime) -> float:
        """A planned instant on the true clock."""
        return (at_utc - NOW).total_seconds()


class FragileStore(Store):
    """A store that can go away, become read-only, or lose the answer to a commit."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.engine, store.public_keys)
        if not sa.event.contains(self.engine, "before_cursor_execute", _note_writes):
            sa.event.listen(self.engine, "before_cursor_execute", _note_writes)
        self.fault = ""
        # How often each table was written to; "" counts every transaction that wrote.
        self.writes: Counter[str] = Counter()
        self._answers: dict[Any, tuple[int, list[dict[str, Any]]]] = {}
        self.trust = _UnchangedTrust(self)

    @property
    def version(self) -> int:
        return self.writes[""]

    def written(self, tables: Iterable[str]) -> int:
        """A number that is another one when any of these tables was written to."""
        return sum(self.writes[name] for name in tables)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        if self.fault in ("gone", "readonly"):
            raise Unreachable(f"the store is {self.fault}")
        touched: set[str] = set()
        with super().begin() as connection:
            connection.info["touched"] = touched
            yield connection
            if self.fault == "dies":
                self.fault = ""
                raise Crash("inside the transaction")
        # A transaction that only read, e.g. for the guards, leaves every answer as it was.
        if touched:
            self.writes.update({"", *touched})
        if self.fault == "unanswered":
            self.fault = ""
            raise Unreachable("the answer to the commit was lost")

    def rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        if self.fault == "gone":
            raise Unreachable("the store is gone")
        if self.shared is not None:
            return super().rows(query)
        form = query._generate_cache_key()
        if form is None:
            return super().rows(query)
        tables = _tables_of(form.key, query)
        key, now = (form.key, tuple(repr(each.value) for each in form.bindparams)), self.written(tables)
        known = self._answers.get(key)
        if known is None or known[0] != now:
            known = self._answers[key] = (now, super().rows(query))
        return [dict(row) for row in known[1]]


_READ: dict[Any, frozenset[str]] = {}


def _tables_of(form: Any, query: sa.Select[Any]) -> frozenset[str]:
    """The tables that a query of this form reads, those of its subqueries among them."""
    if form not in _READ:
        _READ[form] = frozenset(each.name for each in iterate(query) if isinstance(each, sa.Table))
    return _READ[form]


def _note_writes(
    connection: sa.Connection, _cursor: Any, statement: str, _values: Any, _context: Any, _many: bool
) -> None:
    """Note the tables that a transaction of a FragileStore writes to. No trigger of ours writes: they only refuse."""
    found = _WRITE.match(statement)
    if found:
        connection.info.get("touched", set()).add(found[1])


_WRITE = re.compile(r"\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+(?:\w+\.)?\"?(\w+)", re.IGNORECASE)


class _UnchangedTrust(Trust):
    """Reads the seals again only where something was written since."""

    def __init__(self, store: FragileStore) -> None:
        super().__init__(store.public_keys)
        self._store = store
        self._done: dict[tuple[str, ...], int] = {}

    def refresh(self, select: Select, tables: Iterable[str]) -> None:
        names = tuple(sorted(tables))
        now = self._store.written((*names, row_seals.name, signatures.name))
        if self._done.get(names) != now:
            super().refresh(select, names)
            self._done[names] = now


@dataclass
class VirtualDevice:
    """A device with the device contract. `fault` is one of FAULTS or empty; `forced` is what a person set by hand."""

    name: str
    template: Template
    time: TrueTime
    history: History
    fault: str = ""
    forced: float | None = None
    soc_percent: float = 50.0
    crash: str = ""
    has_ttl: bool = True
    has_order: bool = True
    sent: list[tuple[Command, float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lease = leases_of(self.template)[CAPABILITIES[self.name]]

    @property
    def value(self) -> float:
        return self.lease.state(self.time.monotonic()).value if self.forced is None else self.forced

    def record(self, kind: str, **facts: Any) -> None:
        self.history.record(self.time.true_s, kind, device=self.name, **facts)

    def take(self, item: Command, ttl_s: float, who: str) -> str:
        """Result of a command that arrives at the device, however old it is."""
        left_s = (item.valid_until_utc - self.time.true_utc).total_seconds()
        if left_s <= 0:
            return "expired"
        # A message may have waited on its way: the window counts, not when it was sent.
        ttl_s = min(ttl_s, left_s)
        value = item.value / 2 if self.fault == "clamps" else item.value
        held_s = ttl_s if self.has_ttl else 1e9
        # A device without a timer of its own has no bound on it either.
        if not self.has_ttl:
            self.lease._max_ttl_s = 1e9
        if not self.has_order:
            self.lease._epoch, self.lease._seq = -1, -1
        outcome = self.lease.offer(
            value=value, ttl_s=held_s, epoch=item.epoch, seq=item.seq, now_s=self.time.monotonic()
        )
        if outcome is Outcome.APPLIED:
            facts = {"value": value, "until_s": self.time.true_s + held_s, "who": who, "epoch": item.epoch}
            self.record("applied", key=item.command_id, note=str(outcome), **facts)
        return str(outcome)

    def replay(self, back: int) -> None:
        """An earlier message arrives once more."""
        if self.sent:
            item, ttl_s, who = self.sent[-1 - back % len(self.sent)]
            self.take(item, ttl_s, who)

    def reboot(self) -> None:
        """Comes back at its safe value; the order of what it took is kept, as the device contract says."""
        self.lease.tick(float("inf"))
        self.record("home", value=self.value, note="reboot")


class VirtualReader:
    """An agent's hand that reads."""

    def __init__(self, device: VirtualDevice, who: str) -> None:
        self._device, self._who = device, who

    def _reached(self) -> VirtualDevice:
        if self._device.fault == "silent":
            raise DeviceSilent("the device gives no answer")
        self._device.record("read", who=self._who)
        return self._device

    def read_back(self, capability: str) -> ReadBack:
        device = self._reached()
        state = device.lease.state(device.time.monotonic())
        facts = {"epoch": state.epoch, "seq": state.seq, "revert_remaining_s": state.remaining_s}
        return ReadBack(value=device.value, raw="", at_utc=device.time.now_utc(), **facts)

    def read(self, name: str) -> float:
        return self._reached().soc_percent if name == "read_soc_percent" else 0.0

    def close(self) -> None:
        """Nothing is open."""


class VirtualWriter(VirtualReader):
    """An agent's hand that writes. tries: of a connection that repeats by itself what was not answered."""

    tries = 1

    def write(self, item: Command) -> Ack:
        fault: DeviceRefused | DeviceSilent | None = None
        for _ in range(self.tries):
            try:
                return self._write(item)
            except DeviceSilent as error:
                fault = error
        assert fault is not None
        raise fault

    def _write(self, item: Command) -> Ack:
        device = self._device
        now_utc = device.time.now_utc()
        _, ttl_s = checked(item, device.template, device_id=device.name, now_utc=now_utc)
        if device.crash == "before":
            device.crash = ""
            raise Crash("before the bytes left")
        until_s = device.time.true_s + ttl_s
        device.record("sent", key=item.command_id, value=item.value, until_s=until_s, who=self._who, epoch=item.epoch)
        device.sent.append((item, float(ttl_s), self._who))
        if device.fault == "silent":
            raise DeviceSilent("the device gives no answer")
        if device.fault != "deaf":
            device.take(item, float(ttl_s), self._who)
        if device.crash == "after":
            device.crash = ""
            raise Crash("after the bytes left")
        if device.fault == "loses_ack":
            raise DeviceSilent("the answer was lost")
        if device.fault == "refuses":
            raise DeviceRefused("busy", code=6)
        return Ack(code=16, applied_value=None, at_utc=now_utc)


@dataclass
class Line:
    """The transports of one agent."""

    devices: dict[str, VirtualDevice]
    who: str
    writer: type[VirtualWriter] = VirtualWriter

    def open_reader(self, asset: Asset, template: Template, *, epoch: int) -> DeviceReader:
        return VirtualReader(self.devices[asset.asset_id], self.who)

    def open_device(self, asset: Asset, template: Template, *, epoch: int) -> DeviceWriter:
        return self.writer(self.devices[asset.asset_id], self.who)


class VirtualSite:
    """Store, devices, agents, and the history of what they did. Agents are cycled in order, each `step_s` seconds."""

    def __init__(
        self,
        store: Store,
        *,
        mode: Mode = Mode.PARTIAL,
        writer: type[VirtualWriter] = VirtualWriter,
        has_reference: bool = True,
    ) -> None:
        """has_reference: the store's machine has a clock of its own, as PostgreSQL's has."""
        self.store = FragileStore(store)
        self.time, self.history = TrueTime(), History()
        templates = {asset.asset_id: template_of(asset.template) for asset in HOME.assets if asset.template}
        self.devices = {name: VirtualDevice(name, templates[name], self.time, self.history) for name in CAPABILITIES}
        self.agents: list[Agent] = []
        self.crash_at = ""
        self.on_hook: Callable[[str], None] = lambda _: None
        self.writer, self.has_reference = writer, has_reference
        self._count, self._told, self._version = 0, 0, 0
        self.check = _home_check()
        self.keys: dict[str, str] = {}
        self.hands: dict[str, str] = {}
        self.set_mode(mode)

    def start(self) -> Agent:
        """A fresh process of the agent."""
        self._count += 1
        who = f"agent-{self._count}"
        context = AgentContext(
            store=self.store,
            site_id="home",
            holder=who,
            clock=self.time,
            monotonic=self.time.monotonic,
            transports=Line(self.devices, who, self.writer),
            hook=self._hook,
            site=SiteValues(HOME, template_of, reference=self._reference),
        )
        agent = Agent(context, devices_of(HOME, template_of))
        self.agents.append(agent)
        self.record("started", who=who)
        return agent

    def _reference(self) -> datetime | None:
        return self.time.true_utc if self.has_reference else None

    def kill(self, agent: Agent) -> None:
        """As by SIGKILL: nothing more is said or done by it."""
        self.agents.remove(agent)
        self.record("killed", who=agent.context.holder)

    def record(self, kind: str, **facts: Any) -> None:
        self.history.record(self.time.true_s, kind, **facts)

    def _hook(self, point: str) -> None:
        self.on_hook(point)
        if point == self.crash_at:
            self.crash_at = ""
            raise Crash(point)

    def run(self, seconds: float, step_s: float = 1.0) -> None:
        """Let every agent cycle for a while; one that is killed in it stays dead."""
        for _ in range(max(round(seconds / step_s), 1)):
            for agent in list(self.agents):
                try:
                    agent.cycle()
                except Crash:
                    self.kill(agent)
            self.listen()
            self.time.true_s += step_s

    def listen(self) -> None:
        """Copy new events of the ledger into the history, at the true time."""
        if self.store.version == self._version or self.store.fault == "gone":
            return
        self._version = self.store.version
        new = command_events.select().where(command_events.c.position > self._told)
        for row in self.store.rows(new.order_by(command_events.c.position)):
            self._told = row["position"]
            device, _, value = self.keys.get(row["command_id"], ":").partition(":")
            facts = {"key": row["command_id"], "note": row["to_state"], "device": device}
            self.record("told", value=float(value) if value else None, **facts)

    def set_mode(self, mode: Mode) -> None:
        """As a person does it; a refusal leaves the mode as it was."""
        try:
            set_mode(self.store, "home", mode=mode, person=CARLA, reason="test", clock=self.time)
        except (BadInput, Unreachable, Crash):
            return
        self.record("mode", note=mode.name)

    def plan(self, device: str, value: float, *, window_s: float, is_checked: bool = True, copies: int = 1) -> str:
        """A plan of one command from now on, stored and released; copies: by as many daemons at once."""
        name = f"c{len(self.keys) + 1}"
        start = self.time.true_utc
        until = start + timedelta(seconds=window_s)
        item = command(
            name,
            plan_id=name,
            device_id=device,
            capability=CAPABILITIES[device],
            value=value,
            valid_from_utc=start,
            valid_until_utc=until,
        )
        # Told before it is written: a commit whose answer was lost may stand all the same.
        self.keys[name] = f"{device}:{value}"
        self.record("asked", device=device, key=name, value=value, until_s=self.time.seconds_of(until))
        # A run that fails is repeated: what its first try wrote stands, and is not written twice.
        for _ in range(2):
            try:
                if not read_commands(self.store, "home", command_ids=[name]):
                    add_plan(self.store, item, plan_id=name, version=len(self.keys), at=start)
                for _ in range(copies):
                    # The daemon may run elsewhere: its clock is right.
                    clock = TrueTime(self.time.true_s)
                    release(self.store, "home", name, clock=clock, check=self.check if is_checked else no_check)
            except (Unreachable, Crash):
                continue
            break
        return name

    def acknowledge(self) -> None:
        """A person takes every latch back."""
        try:
            for fault in open_faults(self.store, "home"):
                acknowledge_fault(self.store, "home", fault.device_id, person=CARLA, reason="test", clock=self.time)
        except (BadInput, Unreachable, Crash):
            return

    def end(self) -> LedgerEnd:
        """The ledger as it stands now."""
        rows = [(row.command.idempotency_key, str(row.state)) for row in read_commands(self.store, "home")]
        return LedgerEnd(rows=rows, chain=verify_chain(self.store, "home"))


class StoreMaker:
    """Stores by copy of one empty store, in a folder in memory where the system has one. All are one engine's, one
    after the other: a statement is written once for all of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._empty = folder, folder / "empty.db"
        open_store(f"sqlite:///{self._empty}").close()
        self._engine = connect_store(f"sqlite:///{folder / 'store.db'}").engine
        # Nothing here outlives the process, so nobody waits for a disk.
        sa.event.listen(self._engine, "connect", _unsynced)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """A fresh store; its file is gone afterwards."""
        self._clear()
        shutil.copy(self._empty, self._folder / "store.db")
        try:
            yield Store(self._engine)
        finally:
            self._clear()

    def _clear(self) -> None:
        self._engine.dispose()
        for left in self._folder.glob("store.db*"):
            left.unlink()


def no_check(_command: Command, _mode: Mode) -> None:
    """A dispatch run that asks no guard: the agent's own must do."""


def _unsynced(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF")
