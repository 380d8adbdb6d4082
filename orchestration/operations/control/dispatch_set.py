"""`meterloom dispatch set`: a set-point by hand, sent as a plan's command is and over with its time."""

from datetime import timedelta
from math import ceil
from typing import Annotated, Any

from assets.stores.transactions import site_transaction
from controls.agent.planned import planned_check
from controls.ledger.by_hand import set_by_hand
from controls.ledger.device_holds import open_holds
from controls.ledger.modes import current_mode
from data_quality.contracts.control.command import CommandState, Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from orchestration.operations.answer import CHECK_FAILED, Answer
from orchestration.operations.control.dispatch import CapabilityOption, SiteOption, actor_of, end_of, person_of
from orchestration.operations.operation import ACTS, Call, Option, operation
from orchestration.operations.signing import Actor
from orchestration.views.device_list import power_of
from orchestration.views.ledger_view import commands_of_store
from orchestration.views.site_control import expect_scope, expect_value, most_by_hand, site_control, value_range
from reports.texts.locales import unit_text


@operation(
    "dispatch set", takes=ACTS, example='--site home --device ev_charger --for 2h --as carla --reason "leaving early"'
)
def set_device(
    call: Call,
    site: SiteOption,
    device: Annotated[str, Option("Which device.")],
    reason: Annotated[str, Option("Why.")],
    capability: CapabilityOption = "",
    value: Annotated[float | None, Option("To what, in its unit; without it the most that the mode allows.")] = None,
    until: Annotated[str, Option("How long: 45m, 2h, or until a time; 8 h at most.", "--for")] = "2h",
    kwh: Annotated[float | None, Option("Instead: as long as this energy takes at that power.")] = None,
) -> Answer:
    """Set a device by hand, within every limit; it ends by itself, or by 'dispatch override --give-back'."""
    known, store = call.project.site(site), call.project.store
    expect_scope(known, device, capability)
    capability = capability or _power_of(known, device)
    now_utc, place = call.clock.now_utc(), (known.site_id, device, capability)
    mode = current_mode(store, known.site_id, device, capability, now_utc=now_utc)
    value = most_by_hand(known, device, capability, mode) if value is None else value
    expect_value(known, device, capability, value)
    unit = value_range(known, device, capability)[2]
    # In a browser the sign-in says who it is: what may be sent was signed with the mode.
    who = Actor(call, person_of(call), None) if call.is_signed_in else actor_of(call)
    end_utc = now_utc + time_for(kwh, value, unit) if kwh is not None else end_of(call, until, "--for")
    if end_utc is None:
        raise BadInput("--for: expected 45m, 2h or a time, got nothing", reason="bad_time")
    if mode >= Mode.PARTIAL:
        _expect_agent(call, known)
    with store.together(), site_transaction(store, known.site_id) as connection:
        row, why = set_by_hand(
            store, connection, place, value, unit, until_utc=end_utc, person=who.person, reason=reason, at_utc=now_utc,
            check=planned_check(known),
        )  # fmt: skip
        who.sign("dispatch set", known.site_id, device=device, capability=capability, value=value, reason=reason)
    commands = [each for each in commands_of_store(store, known.site_id) if each["id"] == row.command.command_id]
    data: dict[str, Any] = {"mode": mode.name, "commands": commands, "holds": open_holds(store, known.site_id, now_utc)}
    setting = f"{device} at {value:g} {unit_text(unit)} until {end_utc:%Y-%m-%d %H:%M}Z"
    if row.state is CommandState.RELEASED:
        return Answer(data, text=f"{setting}: released to the agent")
    if row.state is CommandState.ADVISED:
        step = f"meterloom dispatch mode PARTIAL --site {known.site_id}{call.option} --as PERSON --reason TEXT"
        return Answer(data, text=f"{setting}: not sent in mode {mode.name}. Commands are sent from PARTIAL on: {step}")
    return Answer(data, text=f"{setting}: refused: {why}", exit_code=CHECK_FAILED)


def _power_of(site: Site, device_id: str) -> str:
    power = power_of(site, device_id)
    if power is None:
        raise BadInput(f"{device_id} has no power to set: name its --capability", reason="unknown_capability")
    return power.capability


def time_for(kwh: float, value: float, unit: str) -> timedelta:
    """Duration of an energy at a power, in whole minutes. Raises BadInput."""
    if unit != "kw" or not kwh > 0 or not value > 0:
        raise BadInput("an energy needs a power above zero to charge with, and to be above zero", reason="out_of_range")
    return timedelta(minutes=ceil(min(kwh / value * 60, 10**6)))


def _expect_agent(call: Call, site: Site) -> None:
    """Raises BadInput where nobody would send it: one that begins later by itself is what nobody set."""
    lease = site_control(call.project.store, site, now_utc=call.clock.now_utc())["lease"]
    if lease is None or lease["is_over"]:
        raise BadInput(
            f"no control agent runs at {site.site_id}: nothing is sent", reason="no_agent",
            mend=f"start it: meterloom up{call.option}",
        )  # fmt: skip
