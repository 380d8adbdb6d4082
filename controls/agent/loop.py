"""One control cycle, as a function of everything injected: clock, monotonic time, store and transports."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from controls.agent.command_steps import advance
from controls.agent.context import AgentContext, Device, Step, View
from controls.agent.rounds import Rounds
from controls.agent.transitions import move
from controls.agent.watchdog import Pulse, reason_to_stop, to_safe_default
from controls.agent.wire import close_connection, observe, open_connection, revert
from controls.ledger.device_faults import open_faults
from controls.ledger.device_holds import is_held, manual_command_id, open_holds
from controls.ledger.device_lease import RENEW_S, acquire_lease, release_lease
from controls.ledger.modes import modes_and_faults
from controls.ledger.rows import read_commands
from controls.ledger.states import IN_HAND
from data_quality.contracts.control.command import CommandState, Mode
from data_quality.contracts.errors import Unreachable

# At a clean end: longer than any gateway waits for an answer.
SETTLE_S = 3.0
# SQLite's words for a disk that is full, and for one that lost what it had confirmed.
FULL, BROKEN = "database or disk is full", "disk I/O error"


class _Standby(Exception):
    """The site is another agent's: this one keeps its hands off, and takes over once the lease has run out."""


class Agent:
    """The agent of one site. Call `cycle()` again and again, `stop()` once at the end."""

    def __init__(self, context: AgentContext, devices: list[Device]) -> None:
        self.context = context
        self.devices = devices
        context.names = tuple(device.device_id for device in devices)
        self.trouble = ""
        self.rounds = Rounds(context)
        # What /healthz and /metrics tell. cycled_s: monotonic end of the last cycle.
        self.cycled_s: float | None = None
        self.is_standby = self.is_store_reached = False
        self.latches = 0
        self._stopping = threading.Lock()
        self._is_stopped = False
        # Both clocks at the last cycle; only their difference tells a stepped wall clock from a slow cycle.
        self._last: tuple[datetime, float] | None = None
        self._first: tuple[datetime, float] | None = None

    def cycle(self) -> None:
        """One pass: emergency stop, watchdog, lease, mode, then one step of every slot.

        A store or device that does not answer is the world's fault: noted in `trouble`, and the safe default follows.
        Everything else is raised, and whoever runs the agent puts the devices back first.
        """
        began_s, self.trouble = self.context.monotonic(), ""
        self.context.clock_step_s = self._clock_step_s()
        self.obey_stop()
        self._cycle()
        if self.context.stop_reason:
            self.trouble = f"emergency stop: {self.context.stop_reason}{'; ' if self.trouble else ''}{self.trouble}"
        self.cycled_s = self.context.monotonic()
        self.context.counts["cycles", ""] += 1
        # Seconds are added up as they are: a Counter takes any number.
        self.context.counts["cycle_seconds", ""] += self.cycled_s - began_s  # type: ignore[assignment]

    def obey_stop(self) -> bool:
        """Where the emergency stop is pulled, put every device back once, whatever ledger and broker do; True then.

        From the cycle, or from a thread that watches a cycle which hangs.
        """
        with self._stopping:
            self.context.stop_reason = self.context.emergency()
            if self.context.stop_reason and not self._is_stopped:
                self.rounds.give_up()
                self.context.must_recover = True
                to_safe_default(
                    self.context, self.devices, f"emergency stop: {self.context.stop_reason}", is_emergency=True
                )
            self._is_stopped = bool(self.context.stop_reason)
            return self._is_stopped

    def go_on(self) -> None:
        """Between two cycles: handle the devices' answers and query the next ones, but begin nothing new."""
        self._guarded(lambda: self.rounds.run(()))

    def _cycle(self) -> None:
        self.is_standby = False
        held = self.context.lease is not None
        pulse = Pulse(
            lease_age_s=self.context.monotonic() - self.context.renewed_s if held else None,
            clock_step_s=self.context.clock_step_s,
        )
        reason = reason_to_stop(pulse)
        if reason is not None:
            self.trouble = reason
            self.safe_default()
            return
        self._guarded(self._work)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except _Standby as fault:
            self.trouble, self.is_standby, self.is_store_reached = str(fault), True, True
            self.safe_default()
        except Unreachable as fault:
            self.trouble, self.is_store_reached = str(fault), False
            if FULL in str(fault) or BROKEN in str(fault):
                # No waiting for the lease to run out: what is sent from here on cannot be written down.
                self.safe_default()
            # The store may have moved on without us: what is in hand is read again, not remembered.
            self.rounds.give_up()
            self.context.must_recover = True
            for device in self.devices:
                for slot in device.slots:
                    slot.drop()

    @property
    def is_waiting(self) -> bool:
        """True while a query to a device is open: then the next cycle should come soon."""
        return self.rounds.is_waiting

    def safe_default(self) -> int:
        """Every device back to its safe default, and the lease dropped; the ledger is updated after the next start."""
        self.rounds.give_up()
        self.context.must_recover = True
        return to_safe_default(self.context, self.devices, self.trouble)

    def stop(self) -> None:
        """End cleanly: revert active set-points, record it in the ledger, release the lease."""
        lease = self.context.lease
        try:
            self._settle()
            self.rounds.run((device, self._leave(device)) for device in self.devices if not self.rounds.is_busy(device))
            self._settle()
        except Unreachable as fault:
            self.trouble = str(fault)
        self.safe_default()
        if lease is not None:
            try:
                release_lease(self.context.store, lease, now_utc=self.context.clock.now_utc())
            except Unreachable as fault:
                self.trouble = str(fault)

    def _leave(self, device: Device) -> Step[None]:
        for slot in device.slots:
            if slot.row is not None and slot.row.state is CommandState.VERIFIED:
                done = yield from revert(self.context, device, slot)
                yield from move(self.context, slot, CommandState.REVERTED, "the agent was stopped", facts=done)
                # Told in the ledger with its revert already: the safe default below need not write it again.
                slot.wire_until_s = 0.0

    def _settle(self) -> None:
        """Let what is under way come to its end, within a device's longest answer."""
        until_s = time.monotonic() + SETTLE_S
        while self.rounds.is_waiting and time.monotonic() < until_s:
            self.rounds.rest(0.1)
            self.rounds.run(())

    def _clock_step_s(self) -> float:
        now = (self.context.clock.now_utc(), self.context.monotonic())
        last, self._last = self._last, now
        self._first = first = self._first or now
        self.context.clock_offset_s = (now[0] - first[0]).total_seconds() - (now[1] - first[1])
        return 0.0 if last is None else (now[0] - last[0]).total_seconds() - (now[1] - last[1])

    def _keep_lease(self) -> None:
        """Take the site or keep it. Raises _Standby where another agent has it, Unreachable."""
        context = self.context
        now_s = context.monotonic()
        if context.lease is not None and now_s - context.renewed_s < RENEW_S:
            return
        lease = acquire_lease(context.store, context.site_id, context.holder, now_utc=context.clock.now_utc())
        if lease is None:
            raise _Standby("another agent holds the lease of this site")
        # Connections carry the epoch in their name; one of an old epoch would command beside its successor.
        if context.lease is not None and lease.epoch != context.lease.epoch:
            for device in self.devices:
                close_connection(device)
        context.lease, context.renewed_s, context.epoch = lease, now_s, lease.epoch

    def _work(self) -> None:
        # The lease comes before any reading of the ledger: what another agent may change is not worth knowing.
        self._keep_lease()
        context = self.context
        scopes = [(device.device_id, slot.capability) for device in self.devices for slot in device.slots]
        modes, doubts = modes_and_faults(context.store, context.site_id, scopes, now_utc=context.clock.now_utc())
        # What was taken in hand is known here, unless somebody else may have moved it.
        states = (CommandState.RELEASED, *IN_HAND) if self.context.must_recover else (CommandState.RELEASED,)
        view = View(
            modes=modes, faults=open_faults(context.store, context.site_id), is_stopped=bool(context.stop_reason)
        )
        self.latches = len(view.faults)
        for row in read_commands(context.store, context.site_id, states=states):
            view.rows.setdefault((row.command.device_id, row.command.capability), []).append(row)
        self.context.must_recover = False
        holds = open_holds(context.store, context.site_id, context.clock.now_utc())
        for device in self.devices:
            for slot in device.slots:
                slot.is_held = is_held(holds, device.device_id, slot.capability)
                slot.by_hand = manual_command_id(holds, device.device_id, slot.capability)
        if doubts:
            self.trouble = f"the mode is not believed: {doubts[0]}; 'meterloom doctor' names every such row"
        if context.site is not None and context.site.observe(context, self.devices):
            for slot in (slot for device in self.devices for slot in device.slots):
                slot.refresh_s = context.monotonic()
        self.rounds.run(self._begun(view))
        self.is_store_reached = True

    def _begun(self, view: View) -> Iterator[tuple[Device, Step[None]]]:
        for device in self.devices:
            # Asked before every device: slow ones together may take longer than the lease has left.
            self._keep_lease()
            if not self.rounds.is_busy(device):
                yield device, self._step(view, device)

    def _step(self, view: View, device: Device) -> Step[None]:
        is_lowered = view.highest(device) < Mode.PARTIAL
        if not is_lowered or device.writer is None:
            # Until one read cycle has succeeded the mode counts as ADVISORY at most.
            open_connection(self.context, device, may_write=device.is_ready and not is_lowered)
        yield from observe(self.context, device)
        for slot in device.slots:
            yield from advance(self.context, view, device, slot)
        if is_lowered:
            # After the slots had their step: the writer is what brings a lowered device home.
            yield from self._withdraw(device)

    def _withdraw(self, device: Device) -> Step[None]:
        """Below PARTIAL no object that can write is kept, once no set-point of ours is active."""
        if device.writer is None:
            return
        now_s = self.context.monotonic()
        for slot in device.slots:
            # What no timer ends is tried again and again, until it is read back.
            is_left = device.is_left(slot) and now_s >= slot.revert_again_s
            if slot.row is None and (now_s < slot.wire_until_s or is_left):
                yield from revert(self.context, device, slot)
        may_write = any(slot.row is not None or device.is_left(slot) for slot in device.slots)
        open_connection(self.context, device, may_write=may_write)
