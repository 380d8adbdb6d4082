"""Verification of commands by a site's meters: before every change of a set-point, and while a command is active."""

from controls.agent.context import AgentContext, Device, Slot, Step
from controls.agent.transitions import move
from controls.safety.meter_proof import READING, MeterResponse
from controls.safety.verdict import Fact
from data_quality.contracts.control.command import Command, CommandState, EvidenceGrade

# Two looks at the device: older, its own power says nothing about before the change.
OWN_AGE_S = 10.0


def expect(context: AgentContext, device: Device, slot: Slot, command: Command) -> None:
    """Tell the device's meter that a set-point goes out now; not for a refresh, which changes nothing."""
    if context.proofs is None:
        return
    now_s = context.monotonic()
    own_kw, at_s = device.values.get(READING, (None, 0.0))
    context.proofs.begin(
        device.asset,
        device.template,
        slot.capability,
        key=command.command_id,
        now_s=now_s,
        before=None if slot.read is None else slot.read.value,
        value=command.value,
        own_kw=own_kw if now_s - at_s <= OWN_AGE_S else None,
    )


def ask_meter(context: AgentContext, device: Device, slot: Slot) -> Step[bool]:
    """The fifth evidence grade, once it is decided. False where the meter contradicts it: the command is checked again.

    Said once: what the meter contradicts stands in the ledger as a drift, and the device's own word decides what next.
    """
    row = slot.row
    if row is None or context.proofs is None or (slot.meter is not None and slot.meter.outcome != "moved"):
        return True
    ask = context.proofs.answer if slot.meter is None else context.proofs.went_back
    response = ask(device.device_id, row.command.command_id, context.monotonic())
    if response is None:
        return True
    slot.meter = response
    if response.outcome == "moved":
        grade = EvidenceGrade.METER_MOVED
        yield from move(
            context, slot, CommandState.VERIFIED, response.reason, facts=meter_facts(response), evidence_grade=grade
        )
        return True
    if response.outcome == "not":
        reason = f"the meter says otherwise: {response.reason}"
        yield from move(context, slot, CommandState.DRIFTED, reason, facts=meter_facts(response))
        return False
    return True


def meter_facts(response: MeterResponse | None) -> dict[str, Fact]:
    """Ledger fields of a meter's response; empty without one."""
    return {} if response is None else {f"meter_{name}": value for name, value in response.model_dump().items()}
