"""What the guards are told about a slot's command at the moment of issue: measured values with their ages, and what the
ledger says of mode, latches and plan in the same transaction.
"""

from datetime import datetime

from assets.stores.access import Connection, select_rows
from assets.stores.schema.tables_control import plans
from controls.agent.parts import Bench, Device, Slot
from controls.ledger.device_faults import is_latched, select_faults
from controls.ledger.modes import select_mode
from controls.safety.verdict import Live
from data_quality.contracts.control.command import Command
from data_quality.contracts.time import parse_instant


def live_of(
    connection: Connection, bench: Bench, device: Device, slot: Slot, command: Command, now_utc: datetime
) -> Live:
    """What the guards are given about the slot's command, mode and latches read in this transaction."""
    now_s = bench.monotonic()
    # The plan's age comes from its row here, not from the command: a re-sent command does not make a plan young.
    made = select_rows(connection, plans.select().where(plans.c.plan_id == command.plan_id))
    return Live(
        mode=select_mode(bench.store, connection, bench.site_id, device.device_id, slot.capability, now_utc=now_utc),
        is_latched=is_latched(select_faults(bench.store, connection, bench.site_id), device.device_id),
        lease_epoch=0 if bench.lease is None else bench.lease.epoch,
        monotonic_s=now_s,
        deadline_monotonic_s=slot.deadline_s,
        clock_step_s=bench.clock_step_s,
        read_age_s=None if device.read_at_s is None else now_s - device.read_at_s,
        plan_age_s=(now_utc - parse_instant(made[0]["plan"]["created_at_utc"])).total_seconds() if made else None,
        soc=device.soc,
        soc_age_s=None if device.soc_at_s is None else now_s - device.soc_at_s,
        other_active=tuple(
            other.capability for other in device.slots if other is not slot and now_s < other.wire_until_s
        ),
    )
