"""One control cycle, as a function of everything injected: clock, monotonic time, store and transports."""

from datetime import datetime

from controls.agent.command_steps import advance
from controls.agent.moves import move
from controls.agent.parts import Bench, Device, View
from controls.agent.watchdog import Pulse, reason_to_stop, to_safe_default
from controls.agent.wire import close_hand, observe, open_hand, revert
from controls.ledger.device_faults import open_faults
from controls.ledger.device_lease import LEASE_S, RENEW_S, acquire_lease, release_lease
from controls.ledger.modes import modes_and_doubts
from controls.ledger.rows import read_commands
from controls.ledger.states import IN_HAND
from data_quality.contracts.control.command import CommandState, Mode
from data_quality.contracts.errors import Unreachable


class Agent:
    """The agent of one site. Call `cycle()` again and again, `stop()` once at the end."""

    def __init__(self, bench: Bench, devices: list[Device]) -> None:
        self.bench = bench
        self.devices = devices
        self.trouble = ""
        # Both clocks at the last cycle; only their difference tells a stepped wall clock from a slow cycle.
        self._last: tuple[datetime, float] | None = None
        self._first: tuple[datetime, float] | None = None

    def cycle(self) -> None:
        """One pass: watchdog, lease, mode, then one step of every slot.

        A store or device that does not answer is the world's fault: noted in `trouble`, and the safe default follows.
        Everything else is raised, and whoever runs the agent puts the devices back first.
        """
        self.trouble = ""
        self.bench.clock_step_s = self._clock_step_s()
        held = self.bench.lease is not None
        pulse = Pulse(
            lease_age_s=self.bench.monotonic() - self.bench.renewed_s if held else None,
            clock_step_s=self.bench.clock_step_s,
        )
        reason = reason_to_stop(pulse)
        if reason is not None:
            self.trouble = reason
            self.safe_default()
            return
        try:
            # The lease comes before any reading of the ledger: what another agent may change is not worth knowing.
            if self._keep_lease():
                self._work()
        except Unreachable as fault:
            self.trouble = str(fault)
            for device in self.devices:
                for slot in device.slots:
                    # The store may have moved on without us: what is in hand is read again, not remembered.
                    slot.drop()

    def safe_default(self) -> int:
        """Every device back to its safe default, and the lease forgotten; the ledger is told after the next start."""
        count = to_safe_default(self.bench, self.devices, lease_s=LEASE_S)
        self.bench.lease = None
        return count

    def stop(self) -> None:
        """End cleanly: revert what stands, say so in the ledger, give the lease back."""
        lease = self.bench.lease
        try:
            for device in self.devices:
                for slot in device.slots:
                    if slot.row is not None and slot.row.state is CommandState.VERIFIED:
                        move(
                            self.bench,
                            slot,
                            CommandState.REVERTED,
                            "the agent was stopped",
                            facts=revert(self.bench, device, slot),
                        )
                        # Told in the ledger with its revert already: the safe default below need not write it again.
                        slot.wire_until_s = 0.0
        except Unreachable as fault:
            self.trouble = str(fault)
        self.safe_default()
        if lease is not None:
            try:
                release_lease(self.bench.store, lease, now_utc=self.bench.clock.now_utc())
            except Unreachable as fault:
                self.trouble = str(fault)

    def _clock_step_s(self) -> float:
        now = (self.bench.clock.now_utc(), self.bench.monotonic())
        last, self._last = self._last, now
        self._first = first = self._first or now
        self.bench.clock_offset_s = (now[0] - first[0]).total_seconds() - (now[1] - first[1])
        return 0.0 if last is None else (now[0] - last[0]).total_seconds() - (now[1] - last[1])

    def _keep_lease(self) -> bool:
        """True while this agent has the site. Raises Unreachable."""
        bench = self.bench
        now_s = bench.monotonic()
        if bench.lease is not None and now_s - bench.renewed_s < RENEW_S:
            return True
        lease = acquire_lease(bench.store, bench.site_id, bench.holder, now_utc=bench.clock.now_utc())
        if lease is None:
            self.trouble = "another agent holds the lease of this site"
            self.safe_default()
            return False
        # Connections carry the epoch in their name; one of an old epoch would command beside its successor.
        if bench.lease is not None and lease.epoch != bench.lease.epoch:
            for device in self.devices:
                close_hand(device)
        bench.lease, bench.renewed_s = lease, now_s
        return True

    def _work(self) -> None:
        bench = self.bench
        scopes = [(device.device_id, slot.capability) for device in self.devices for slot in device.slots]
        modes, doubts = modes_and_doubts(bench.store, bench.site_id, scopes, now_utc=bench.clock.now_utc())
        view = View(
            modes=modes,
            faults=open_faults(bench.store, bench.site_id),
            rows=read_commands(bench.store, bench.site_id, states=(CommandState.RELEASED, *IN_HAND)),
        )
        if doubts:
            self.trouble = f"the mode is not believed: {doubts[0]}; 'meterloom doctor' names every such row"
        if bench.site is not None and bench.site.observe(bench, self.devices):
            for slot in (slot for device in self.devices for slot in device.slots):
                slot.refresh_s = bench.monotonic()
        for device in self.devices:
            # Asked before every device: slow ones together may take longer than the lease has left.
            if not self._keep_lease():
                return
            is_lowered = view.highest(device) < Mode.PARTIAL
            if not is_lowered or device.writer is None:
                # Until one read cycle has succeeded the mode counts as ADVISORY at most.
                open_hand(bench, device, may_write=device.is_ready and not is_lowered)
            observe(bench, device)
            for slot in device.slots:
                advance(bench, view, device, slot)
            if is_lowered:
                # After the slots had their step: the writer is what brings a lowered device home.
                self._withdraw(device)

    def _withdraw(self, device: Device) -> None:
        """Below PARTIAL no object that can write is kept, once nothing of ours stands there."""
        if device.writer is None:
            return
        for slot in device.slots:
            if slot.row is None and self.bench.monotonic() < slot.wire_until_s:
                revert(self.bench, device, slot)
        open_hand(self.bench, device, may_write=any(slot.row is not None for slot in device.slots))
