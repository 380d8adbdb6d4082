"""Inputs of the guards for a slot's command at the moment of issue: measured values with their ages, and what the
ledger says of mode, latches and plan in the same transaction.
"""

import math
from datetime import datetime
from typing import Any

from assets.stores.schema.tables_control import plans
from assets.stores.transactions import Connection, select_rows
from controls.agent.context import AgentContext, Device, Slot, known
from controls.ledger.approvals import Kind, read_approvals
from controls.ledger.device_faults import is_latched, select_faults
from controls.ledger.device_holds import Hold, select_holds
from controls.ledger.modes import read_modes
from controls.safety.verdict import Live
from data_quality.contracts.control.command import Command, Mode
from data_quality.contracts.time import parse_instant


def live_of(
    connection: Connection, context: AgentContext, device: Device, slot: Slot, command: Command, now_utc: datetime
) -> Live:
    """Input of the guards on the slot's command, mode and latches, read in this transaction."""
    now_s = context.monotonic()
    # The plan's age comes from its row here, not from the command: a re-sent command does not make a plan young.
    faults = context.once("faults", lambda: select_faults(context.store, connection, context.site_id))
    modes = context.once(
        "modes", lambda: read_modes(context.store, context.site_id, now_utc=now_utc, connection=connection)
    )
    holds = context.once("holds", lambda: select_holds(context.store, connection, context.site_id, now_utc))
    own = next((hold for hold in holds if hold.sends == command.command_id), None) if command.is_by_hand else None
    if command.is_by_hand:
        made = None if own is None else (parse_instant(own.since_utc), own.digest)
    else:
        made = context.once(("plan", command.plan_id), lambda: _made(connection, command.plan_id))
    soc, soc_age_s = known(device.values, "read_soc_percent", now_s)
    return Live(
        mode=min(modes.of(device.device_id, slot.capability), _ceiling(connection, context, device)),
        is_latched=is_latched(faults, device.device_id),
        hold=_hold(holds, own, command),
        lease_epoch=0 if context.lease is None else context.lease.epoch,
        monotonic_s=now_s,
        deadline_monotonic_s=slot.deadline_s,
        clock_step_s=context.clock_step_s,
        read_age_s=None if device.read_at_s is None else now_s - device.read_at_s,
        plan_age_s=None if made is None else (now_utc - made[0]).total_seconds(),
        plan_hash=None if made is None else made[1],
        # Devices say percent, guards compare shares of capacity.
        soc=None if soc is None else soc / 100.0,
        soc_age_s=soc_age_s,
        other_active=tuple(other.capability for other in device.slots if other is not slot and _is_away(other, now_s)),
        value_before=None if slot.read is None or not math.isfinite(slot.read.value) else slot.read.value,
        **_measured(context, device, slot, now_s),
    )


def _ceiling(connection: Connection, context: AgentContext, device: Device) -> Mode:
    """FULL; PARTIAL for a device that ends no set-point by itself, unless the owner signed that risk."""
    if device.template.has_device_ttl:
        return Mode.FULL
    risks = context.once(
        "risks", lambda: read_approvals(context.store, context.site_id, Kind.RESIDUAL_RISK, connection=connection)
    )
    return Mode.PARTIAL if risks.missing([device.device_id]) else Mode.FULL


def _made(connection: Connection, plan_id: str) -> tuple[datetime, str] | None:
    """When the plan was made, and its hash; None for one that is not stored."""
    rows = select_rows(connection, plans.select().where(plans.c.plan_id == plan_id))
    return (parse_instant(rows[0]["plan"]["created_at_utc"]), rows[0]["plan_hash"]) if rows else None


def _measured(context: AgentContext, device: Device, slot: Slot, now_s: float) -> dict[str, Any]:
    """The device's own values, and those of the site where anybody reads them."""
    limits = slot.limits
    own_kw, own_age_s = known(device.values, "read_power_kw", now_s)
    degc, degc_age_s = known(device.values, device.degc_name, now_s)
    found: dict[str, Any] = {
        # Too old: the worst is assumed of it.
        "own_kw": own_kw if own_age_s is not None and own_age_s <= limits.max_meter_age_s else None,
        "degc": degc,
        "degc_age_s": degc_age_s,
    }
    found |= {} if context.site is None else context.site.live(device, slot, now_s)
    if found.get("reference_offset_s") is None:
        # Without another clock to ask, the one that this process began with: set back, it would prolong every window.
        found["reference_offset_s"] = min(context.clock_offset_s, 0.0)
    return found


def _hold(holds: list[Hold], own: Hold | None, command: Command) -> str:
    """The first hold against the command in words, empty where there is none. own: the one that it is sent under."""
    if command.is_by_hand and (own is None or own.until_utc is None or own.until_utc < command.valid_until_utc):
        return "the plan, to which the set-point by hand was given back"
    places = (command.device_id, command.capability)
    found = next((hold for hold in holds if hold is not own and hold.covers(*places)), None)
    return "" if found is None else f"{found.reason}; until {found.until_utc or 'a person gives it back'}"


def _is_away(slot: Slot, now_s: float) -> bool:
    """True where a set-point of ours other than the safe default may be active."""
    value = slot.row.command.value if slot.row is not None else None if slot.read is None else slot.read.value
    return now_s < slot.wire_until_s and value != slot.limits.safe_default
